-- An incident as a case: opened at its first update, cleared when it is resolved or closed, open again when reopened.
--
-- A change of priority or category revises the opening; a reopening voids the clearing, a second clearing revises that
-- again.
WITH judged AS (
    SELECT *, incident_state IN ('Resolved', 'Closed') AS cleared, nullif(category, '?') AS kind,
        CASE priority WHEN '1 - Critical' THEN 'critical' WHEN '2 - High' THEN 'major' WHEN '3 - Moderate' THEN 'minor'
            WHEN '4 - Low' THEN 'warning' WHEN '?' THEN NULL ELSE priority END AS severity
    FROM input
), compared AS (
    SELECT *, lag(cleared, 1, false) OVER life AS cleared_before, lag(kind) OVER life AS kind_before,
        lag(severity) OVER life AS severity_before
    FROM judged WINDOW life AS (PARTITION BY number ORDER BY step)
), facts AS (
    SELECT number, number || '/opened' AS id, began AS "at", known_at, false AS void, 'opened' AS state, severity, kind,
        NULL::DOUBLE AS minutes
    FROM compared
    WHERE step = 1 OR kind IS DISTINCT FROM kind_before OR severity IS DISTINCT FROM severity_before
    UNION ALL
    SELECT number, number || '/cleared', stamp, known_at, NOT cleared, 'cleared', severity, kind,
        date_diff('minute', began, stamp)
    FROM compared WHERE cleared <> cleared_before
)
SELECT id, 'incident' AS key_type, number AS key, "at", known_at, void, number AS "case", state, severity,
    kind AS category, minutes
FROM facts
