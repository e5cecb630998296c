/** Kept in `PRAGMA user_version`. */
export const schemaVersion = 2

/** One transaction makes all of it. */
export const schema = `
  CREATE TABLE segments (id INTEGER PRIMARY KEY, end INTEGER NOT NULL) STRICT;
  CREATE TABLE machines (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE folders (
    id INTEGER PRIMARY KEY,
    machine INTEGER NOT NULL REFERENCES machines,
    path BLOB NOT NULL,
    UNIQUE (machine, path)
  ) STRICT;
  CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    root BLOB NOT NULL,
    content_type TEXT NOT NULL,
    tags TEXT NOT NULL,
    dataset_ids TEXT NOT NULL,
    coding TEXT NOT NULL,
    capture TEXT
  ) STRICT;
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    upload_id BLOB NOT NULL,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX messages_upload_id ON messages (upload_id);
  CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL REFERENCES folders,
    name BLOB NOT NULL,
    mtime_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,
    blake3 BLOB NOT NULL,
    ctime_ns INTEGER NOT NULL,
    labels INTEGER NOT NULL REFERENCES labels,
    message INTEGER NOT NULL REFERENCES messages,
    offset INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX files_identity ON files (folder, name, mtime_ns, size, blake3);
  CREATE TABLE state (complete INTEGER NOT NULL) STRICT;
  INSERT INTO state VALUES (0);
  PRAGMA user_version = ${schemaVersion};
`

/** What makes a catalog of an older version one of the next, each in a transaction with its version. */
export const migrations: ReadonlyMap<number, string> = new Map([
  [1, 'CREATE INDEX messages_upload_id ON messages (upload_id); PRAGMA user_version = 2;'],
])
