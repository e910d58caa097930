-- Whose an incident is: its caller and location, and the group and agent it is with at the time.
--
-- '?' says nothing: the last value that was there holds. A link that is there from the first update on began with the
-- incident.
WITH named AS (
    SELECT *, lag(other) OVER (PARTITION BY number, other_type ORDER BY step) AS other_before
    FROM (
        UNPIVOT (
            SELECT number, step, began, stamp, known_at, nullif(caller_id, '?') AS caller, nullif(location, '?') AS location,
                nullif(assignment_group, '?') AS "group", nullif(assigned_to, '?') AS agent
            FROM input)
        ON caller, location, "group", agent INTO NAME other_type VALUE other)
)
SELECT number || '/' || other_type || '/' || epoch_us(known_at) AS id, 'incident' AS key_type, number AS key, other_type,
    other, CASE WHEN step = 1 THEN began ELSE stamp END AS "at", known_at
FROM named WHERE other IS DISTINCT FROM other_before
