-- The log as all five SELECTs read it: every update with its place in the incident's life.
--
-- Stamps are to the minute, in UTC; '?' is missing. Updates of one incident that bear the same minute get a microsecond
-- each, in their order, so that none hides another and the first can be told from those after it.
WITH updates AS (
    SELECT *, sys_mod_count::INT AS modification,
        strptime(sys_updated_at, '%d/%m/%Y %H:%M') AT TIME ZONE 'UTC' AS stamp,
        strptime(opened_at, '%d/%m/%Y %H:%M') AT TIME ZONE 'UTC' AS opened
    FROM raw
), history AS (
    SELECT *,
        row_number() OVER life AS step,
        least(opened, first_value(stamp) OVER life) AS began,
        stamp + to_microseconds(row_number() OVER minute - 1) AS known_at
    FROM updates
    WINDOW life AS (PARTITION BY number ORDER BY stamp, modification, incident_state, assignment_group, assigned_to),
        minute AS (PARTITION BY number, stamp ORDER BY modification, incident_state, assignment_group, assigned_to)
)
SELECT * FROM history
