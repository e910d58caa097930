-- What an incident has in numbers: impact, urgency and priority (1 is the gravest), how often it changed hands, when it
-- came in. The first value, and a revision whenever it changes.
--
-- '?' is missing. Updates of one incident that bear the same minute get a microsecond each, in their order.
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
), measured AS (
    UNPIVOT (
        SELECT number, step, began, stamp, known_at,
            try_cast(left(impact, 1) AS DOUBLE) AS impact,
            try_cast(left(urgency, 1) AS DOUBLE) AS urgency,
            try_cast(left(priority, 1) AS DOUBLE) AS priority,
            reassignment_count::DOUBLE AS reassignments,
            reopen_count::DOUBLE AS reopenings,
            hour(began)::DOUBLE AS opening_hour,
            isodow(began)::DOUBLE AS opening_weekday,
            -- How long after the opening it was first written down: constant, known from the first update on.
            date_diff('minute', began, first_value(stamp) OVER (PARTITION BY number ORDER BY step))::DOUBLE
                AS minutes_until_written
        FROM history)
    ON impact, urgency, priority, reassignments, reopenings, opening_hour, opening_weekday, minutes_until_written
    INTO NAME metric VALUE value
), compared AS (
    SELECT *, lag(value) OVER (PARTITION BY number, metric ORDER BY step) AS value_before FROM measured
)
SELECT number || '/' || metric AS id, 'incident' AS key_type, number AS key,
    CASE WHEN step = 1 THEN began ELSE stamp END AS "at", known_at, metric, value
FROM compared WHERE value IS DISTINCT FROM value_before
