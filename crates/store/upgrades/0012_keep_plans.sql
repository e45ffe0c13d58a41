-- Plans: moves in order, made one after the other. What is in one is JSON; beside it stands what is searched by.
CREATE TABLE plans (
    id {UUID} NOT NULL PRIMARY KEY,
    host {UUID} NOT NULL,
    state {TEXT} NOT NULL,
    created_at {INT} NOT NULL,
    stopping {BOOL} NOT NULL,
    data {TEXT} NOT NULL
) {STRICT};
-- A host is in one plan at a time, whoever asks for it.
CREATE UNIQUE INDEX plans_running ON plans (host) WHERE state = 'running';
CREATE INDEX plans_newest ON plans (created_at, id);
