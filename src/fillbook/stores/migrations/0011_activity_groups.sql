-- The rows of one corporate action, without reading all rows; the value is that of `group_of`.

ALTER TABLE activities ADD COLUMN by_group TEXT;
UPDATE activities SET by_group = replace(
    coalesce(
        json_extract(body, '$.group_id'),
        json_extract(body, '$.kind') || ':'
            || CASE WHEN json_extract(body, '$.dated') THEN json_extract(body, '$.at') ELSE substr(json_extract(body, '$.at'), 1, 19) END || ':'
            || CASE WHEN json_extract(body, '$.kind') IN ('split', 'spin_off', 'dividend') THEN json_extract(body, '$.symbol') ELSE '' END
    ), '/', ':')
WHERE json_extract(body, '$.symbol') IS NOT NULL
    AND (json_extract(body, '$.kind') IN ('split', 'symbol_change', 'merger', 'spin_off')
        OR (json_extract(body, '$.kind') IN ('assignment', 'other') AND json_extract(body, '$.group_id') IS NOT NULL)
        OR (json_extract(body, '$.kind') = 'dividend' AND (json_extract(body, '$.group_id') IS NOT NULL OR coalesce(CAST(json_extract(body, '$.qty') AS REAL), 0) <> 0)));
CREATE INDEX activities_by_group ON activities (by_group, key) WHERE by_group IS NOT NULL;
