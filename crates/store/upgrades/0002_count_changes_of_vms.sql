-- Counts every change of a VM, so that the list of all can be kept in memory and known to be current by reading one row.
INSERT INTO counters (name, value) VALUES ('vms', 0);
