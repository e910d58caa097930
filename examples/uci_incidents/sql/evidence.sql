-- Whose an incident is: its caller and location, and the group and agent it is with at the time.
--
-- '?' is missing and says nothing: the last value that was there holds. Updates of one incident that bear the same
-- minute get a microsecond each, in their order. A link that is there from the first update on began with the incident.
WITH updates AS (
    SELECT *, sys_mod_count::INT AS modification,
        strptime(sys_updated_at, '%d/%m/%Y %H:%M') AT TIME ZONE 'UTC' AS stamp,
        strptime(opened_at, '%d/%m/%Y %H:%M') AT TIME ZONE 'UTC' AS opened
    FROM input
), history AS (
    SELECT *,
        row_number() OVER life AS step,
        least(opened, first_value(stamp) OVER life) AS began,
        stamp + to_microseconds(row_number() OVER minute - 1) AS known_at
    FROM updates
    WINDOW life AS (PARTITION BY number ORDER BY stamp, modification, incident_state, assignment_group, assigned_to),
        minute AS (PARTITION BY number, stamp ORDER BY modification, incident_state, assignment_group, assigned_to)
), named AS (
    SELECT *, lag(other) OVER (PARTITION BY number, other_type ORDER BY step) AS other_before
    FROM (
        UNPIVOT (
            SELECT number, step, began, stamp, known_at, nullif(caller_id, '?') AS caller, nullif(location, '?') AS location,
                nullif(assignment_group, '?') AS "group", nullif(assigned_to, '?') AS agent
            FROM history)
        ON caller, location, "group", agent INTO NAME other_type VALUE other)
)
SELECT number || '/' || other_type || '/' || epoch_us(known_at) AS id, 'incident' AS key_type, number AS key, other_type,
    other, CASE WHEN step = 1 THEN began ELSE stamp END AS "at", known_at
FROM named WHERE other IS DISTINCT FROM other_before
