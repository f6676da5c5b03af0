-- The dataset of the benchmarks: every value follows from the row's number, so every run moves the same bytes.
-- Run it as  psql -v bench_rows=10000 -f testdata/sql/bench_seed.sql
DROP TABLE IF EXISTS bench_events;

CREATE TABLE bench_events (
    id         serial PRIMARY KEY,
    event_type text      NOT NULL,
    user_id    integer   NOT NULL,
    amount     integer   NOT NULL,
    is_active  boolean   NOT NULL,
    payload    text      NOT NULL,
    created_at timestamp NOT NULL
);

INSERT INTO bench_events (event_type, user_id, amount, is_active, payload, created_at)
SELECT (ARRAY['click', 'purchase', 'view', 'signup', 'logout'])[i % 5 + 1],
       i % 1000 + 1,
       (i::bigint * 7919 % 100000)::integer,
       i % 3 <> 0,
       'payload-' || i || '-' || repeat('x', 50),
       timestamp '2026-01-01 00:00:00' + (i::bigint * 7777777777 % 86400000000) * interval '1 microsecond'
FROM generate_series(1, :bench_rows) AS i;

-- Freezing now keeps hint bits out of the first measured read; the planner knows the table.
VACUUM (FREEZE, ANALYZE) bench_events;
