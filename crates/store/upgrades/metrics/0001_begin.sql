-- The first schema of the measurements: a journal of whole samples, closed into blocks of one series and span each.
-- Series are rows, so that a new signal needs no upgrade. Moments here are {INT} seconds since 1970 (UTC).

CREATE TABLE metrics_state (
    name {TEXT} NOT NULL PRIMARY KEY,
    value {INT} NOT NULL
) {STRICT};
-- seq: the highest journal number ever deleted. closed: samples before it are in blocks. horizon: what retention counts from.
INSERT INTO metrics_state (name, value) VALUES ('seq', 0), ('closed', 0), ('horizon', 0);

CREATE TABLE metrics_series (
    id {INT} NOT NULL PRIMARY KEY,
    entity {TEXT} NOT NULL,
    thing {UUID} NOT NULL,
    signal {TEXT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX metrics_series_key ON metrics_series (thing, entity, signal);

CREATE TABLE metrics_journal (
    seq {INT} NOT NULL PRIMARY KEY,
    at {INT} NOT NULL,
    data {BYTES} NOT NULL
) {STRICT};

-- tier is the step in seconds, 0 for samples as taken. This order keeps what is written together close together, and what
-- retention removes at the beginning.
CREATE TABLE metrics_blocks (
    tier {INT} NOT NULL,
    start {INT} NOT NULL,
    series {INT} NOT NULL,
    data {BYTES} NOT NULL,
    PRIMARY KEY (tier, start, series)
) {STRICT};
