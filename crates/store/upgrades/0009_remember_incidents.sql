-- What alerts found, who was told, and how storages fill.
CREATE TABLE incidents (
    id {UUID} NOT NULL PRIMARY KEY,
    rule {TEXT} NOT NULL,
    about {TEXT} NOT NULL,
    subject {UUID} NOT NULL,
    part {TEXT} NOT NULL,
    name {TEXT} NOT NULL,
    owner {UUID},
    text {TEXT} NOT NULL,
    opened_at {INT} NOT NULL,
    resolved_at {INT},
    ending {TEXT},
    silenced_until {INT},
    told {BOOL} NOT NULL
) {STRICT};
-- Of one rule about one thing at most one is open, whoever opens it.
CREATE UNIQUE INDEX incidents_open ON incidents (rule, about, subject, part) WHERE resolved_at IS NULL;
CREATE INDEX incidents_newest ON incidents (opened_at, id);
CREATE INDEX incidents_of ON incidents (subject, opened_at);
CREATE TABLE notices (
    id {UUID} NOT NULL PRIMARY KEY,
    incident {UUID} NOT NULL,
    news {TEXT} NOT NULL,
    target {TEXT} NOT NULL,
    delivery {TEXT} NOT NULL,
    made_at {INT} NOT NULL,
    ended_at {INT},
    trouble {TEXT},
    holder {TEXT} NOT NULL,
    held_until {INT} NOT NULL
) {STRICT};
CREATE UNIQUE INDEX notices_once ON notices (incident, news, target);
CREATE INDEX notices_waiting ON notices (target, made_at) WHERE delivery = 'waiting';
CREATE TABLE pool_uses (
    storage {UUID} NOT NULL,
    part {TEXT} NOT NULL,
    at {INT} NOT NULL,
    used {INT} NOT NULL,
    PRIMARY KEY (storage, part, at)
) {STRICT};
INSERT INTO counters (name, value) VALUES ('incidents', 0);
