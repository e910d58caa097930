-- The contact that opens an incident, what was noted about it then and later, and what was done to it.
--
-- resolved_at, closed_at, closed_code and resolved_by stand on every row though known only at the end: they are not read.
WITH described AS (
    SELECT *, CASE contact_type
            WHEN 'Phone' THEN 'call_center' WHEN 'Email' THEN 'email' WHEN 'IVR' THEN 'ivr'
            WHEN 'Self service' THEN 'web' WHEN 'Direct opening' THEN 'retail' ELSE contact_type END AS channel,
        lag(incident_state) OVER life AS state_before,
        lag(reassignment_count::INT) OVER life AS reassigned_before,
        lag(reopen_count::INT) OVER life AS reopened_before
    FROM input WINDOW life AS (PARTITION BY number ORDER BY step)
), noted AS (
    -- One row for each field of each update, with what the field said in the update before.
    SELECT *, lag(value, 1, '?') OVER (PARTITION BY number, field ORDER BY step) AS value_before
    FROM (
        UNPIVOT (
            SELECT number, channel, step, began, stamp, known_at, category, subcategory, u_symptom, cmdb_ci, location,
                assignment_group, assigned_to, opened_by, knowledge, notify, u_priority_confirmation, incident_state
            FROM described)
        ON category, subcategory, u_symptom, cmdb_ci, location, assignment_group, assigned_to, opened_by, knowledge,
            notify, u_priority_confirmation, incident_state
        INTO NAME field VALUE value)
), facts AS (
    -- The opening, once: what its fields said at that time.
    SELECT number, channel, number || '/open' AS id, began AS "at", known_at, false AS void,
        'open' AS action, nullif(category, '?') AS topic, nullif(incident_state, '?') AS outcome
    FROM described WHERE step = 1
    UNION ALL
    -- A field, by its name: the first value, and a revision whenever it changes (void when it is taken away).
    SELECT number, channel, number || '/' || field, CASE WHEN step = 1 THEN began ELSE stamp END, known_at, value = '?',
        field, nullif(value, '?'), NULL
    FROM noted WHERE value <> value_before
    UNION ALL
    -- An update after the first, by what it did.
    SELECT number, channel, number || '/update/' || epoch_us(known_at), stamp, known_at, false,
        CASE WHEN reopen_count::INT > reopened_before THEN 'reopen'
            WHEN reassignment_count::INT > reassigned_before THEN 'reassign'
            WHEN incident_state <> state_before THEN 'move' ELSE 'update' END,
        nullif(category, '?'), nullif(incident_state, '?')
    FROM described WHERE step > 1
)
SELECT id, 'incident' AS key_type, number AS key, "at", known_at, void, 'ask' AS phase, channel, action, topic, outcome
FROM facts
