-- Counts the changes of what pages stand on, so that it can be kept in memory and known to be current by one small read.
INSERT INTO counters (name, value) VALUES ('users', 0), ('policies', 0), ('hosts', 0), ('storages', 0), ('networks', 0),
    ('images', 0), ('addresses', 0), ('requests', 0);
