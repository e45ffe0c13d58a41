-- Which jobs need a person, and how many jobs and moves there are, without reading each of them.
CREATE INDEX jobs_for_a_person ON jobs (created_at, id) WHERE state = 'needs a person';
CREATE INDEX jobs_counted ON jobs (owner, vm, state);
CREATE INDEX migrations_counted ON migrations (vm, outcome);
