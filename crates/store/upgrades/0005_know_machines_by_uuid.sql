-- The UUID by which a machine is told from every other: an address may come to lead elsewhere.
ALTER TABLE hosts ADD COLUMN machine {UUID};
