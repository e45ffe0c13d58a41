-- What a migration may cost and how it is done (JSON), what happened when (JSON); and by what a VM's policy is chosen.
ALTER TABLE migrations ADD COLUMN intent {TEXT};
ALTER TABLE migrations ADD COLUMN mechanism {TEXT};
ALTER TABLE migrations ADD COLUMN phases {TEXT};
ALTER TABLE vms ADD COLUMN labels {TEXT};
ALTER TABLE vms ADD COLUMN migration_policy {TEXT};
