-- What an incident has in numbers: impact, urgency and priority (1 is the gravest), how often it changed hands, when it
-- came in. The first value, and a revision whenever it changes.
WITH measured AS (
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
        FROM input)
    ON impact, urgency, priority, reassignments, reopenings, opening_hour, opening_weekday, minutes_until_written
    INTO NAME metric VALUE value
), compared AS (
    SELECT *, lag(value) OVER (PARTITION BY number, metric ORDER BY step) AS value_before FROM measured
)
SELECT number || '/' || metric AS id, 'incident' AS key_type, number AS key,
    CASE WHEN step = 1 THEN began ELSE stamp END AS "at", known_at, metric, value
FROM compared WHERE value IS DISTINCT FROM value_before
