-- An incident as a case: opened at its first update, cleared when it is resolved or closed, open again when reopened.
--
-- '?' is missing. Updates of one incident that bear the same minute get a microsecond each, in their order. A change of
-- priority or category revises the opening; a reopening voids the clearing, a second clearing revises that again.
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
    SELECT *, incident_state IN ('Resolved', 'Closed') AS cleared, nullif(category, '?') AS kind,
        CASE priority WHEN '1 - Critical' THEN 'critical' WHEN '2 - High' THEN 'major' WHEN '3 - Moderate' THEN 'minor'
            WHEN '4 - Low' THEN 'warning' WHEN '?' THEN NULL ELSE priority END AS severity
    FROM history
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
