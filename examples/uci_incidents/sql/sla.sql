-- The promise: missed as soon as an update says so, met when the incident is closed without that.
--
-- made_sla is true on nearly every first row and turns false late, so a row that says true promises nothing yet: the
-- verdict is known when it turns false or at closing. Should a verdict change (an incident closed in time is reopened
-- and then misses), that is a revision; where it is open again, the earlier verdict is void.
WITH judged AS (
    SELECT *, CASE WHEN made_sla = 'false' THEN 'missed' WHEN incident_state = 'Closed' THEN 'met' ELSE 'open' END AS verdict
    FROM input
), compared AS (
    SELECT *, lag(verdict, 1, 'open') OVER (PARTITION BY number ORDER BY step) AS verdict_before FROM judged
)
SELECT number || '/made_sla' AS id, 'incident' AS key_type, number AS key, stamp AS "at", known_at,
    verdict = 'open' AS void, 'made_sla' AS metric, verdict = 'missed' AS breached
FROM compared WHERE verdict <> verdict_before
