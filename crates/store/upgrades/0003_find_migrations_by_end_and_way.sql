-- Which moves are under way or ended lately, and how the last ones between two hosts went, without reading all there ever were.
CREATE INDEX migrations_by_end ON migrations (ended_at);
CREATE INDEX migrations_by_way ON migrations (source, target, ended_at);
