-- Whether an image's bytes were compared with a checksum that came from elsewhere, rather than only computed.
ALTER TABLE images ADD COLUMN verified {BOOL} NOT NULL DEFAULT FALSE;
UPDATE images SET verified = TRUE WHERE state = 'ready' AND checksums_url IS NOT NULL;
