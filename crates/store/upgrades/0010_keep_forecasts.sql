-- What a migration was expected to take (JSON), and what of its memory was zero.
ALTER TABLE migrations ADD COLUMN zero_bytes {INT};
ALTER TABLE migrations ADD COLUMN forecast {TEXT};
