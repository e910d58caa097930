-- The promise: missed as soon as an update says so, met when the incident is closed without that.
--
-- made_sla is true on nearly every first row and turns false late, so a row that says true promises nothing yet: the
-- verdict is known when it turns false or at closing. Should a verdict change (an incident closed in time is reopened
-- and then misses), that is a revision; where it is open again, the earlier verdict is void.
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
), judged AS (
    SELECT *, CASE WHEN made_sla = 'false' THEN 'missed' WHEN incident_state = 'Closed' THEN 'met' ELSE 'open' END AS verdict
    FROM history
), compared AS (
    SELECT *, lag(verdict, 1, 'open') OVER (PARTITION BY number ORDER BY step) AS verdict_before FROM judged
)
SELECT number || '/made_sla' AS id, 'incident' AS key_type, number AS key, stamp AS "at", known_at,
    verdict = 'open' AS void, 'made_sla' AS metric, verdict = 'missed' AS breached
FROM compared WHERE verdict <> verdict_before
