-- Counts the changes of migrations, as of the rest that is kept in memory.
INSERT INTO counters (name, value) VALUES ('migrations', 0);
