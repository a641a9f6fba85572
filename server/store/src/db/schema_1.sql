CREATE TABLE products(
    pid INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    names TEXT NOT NULL,
    category TEXT,
    amount INTEGER,
    currency TEXT,
    brand TEXT,
    url TEXT,
    attributes TEXT NOT NULL,
    availability TEXT,
    quantity INTEGER,
    variants TEXT,
    version INTEGER NOT NULL,
    content BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((amount IS NULL) = (currency IS NULL))
) STRICT;
CREATE INDEX products_variants ON products(variants) WHERE variants IS NOT NULL;

CREATE TABLE images(
    iid INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    width INTEGER,
    height INTEGER
) STRICT;

CREATE TABLE product_images(
    pid INTEGER NOT NULL REFERENCES products ON DELETE CASCADE,
    position INTEGER NOT NULL,
    iid INTEGER NOT NULL REFERENCES images,
    source TEXT NOT NULL,
    PRIMARY KEY (pid, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX product_images_image ON product_images(iid);

CREATE TABLE generations(
    gid INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL,
    dim INTEGER NOT NULL CHECK (dim > 0),
    element TEXT NOT NULL CHECK (element IN ('f32', 'int8')),
    state TEXT NOT NULL CHECK (state IN ('building', 'live', 'kept', 'retired')),
    created_at INTEGER NOT NULL,
    switched_at INTEGER
) STRICT;
CREATE UNIQUE INDEX generations_state ON generations(state) WHERE state <> 'retired';

CREATE TABLE segments(
    sid INTEGER PRIMARY KEY AUTOINCREMENT,
    gid INTEGER NOT NULL REFERENCES generations,
    file TEXT NOT NULL UNIQUE,
    slots INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX segments_generation ON segments(gid);

CREATE TABLE embeddings(
    iid INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
    gid INTEGER NOT NULL REFERENCES generations,
    sid INTEGER NOT NULL REFERENCES segments ON DELETE CASCADE,
    slot INTEGER NOT NULL,
    PRIMARY KEY (iid, gid)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX embeddings_place ON embeddings(sid, slot);

CREATE TABLE embedding_faults(
    iid INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
    gid INTEGER NOT NULL REFERENCES generations,
    reason TEXT NOT NULL,
    PRIMARY KEY (iid, gid)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox(
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    operation TEXT NOT NULL CHECK (operation IN ('upsert', 'delete', 'embed'))
) STRICT;

CREATE TABLE tasks(
    task INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')),
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER,
    detail TEXT NOT NULL DEFAULT 'null',
    error TEXT,
    created_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

CREATE TABLE imports(
    import INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL UNIQUE,
    staged INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 0,
    applied INTEGER NOT NULL DEFAULT 0,
    progress TEXT NOT NULL
) STRICT;

CREATE TABLE staged(
    import INTEGER NOT NULL REFERENCES imports ON DELETE CASCADE,
    record INTEGER NOT NULL,
    id TEXT NOT NULL,
    line INTEGER NOT NULL,
    draft TEXT NOT NULL,
    PRIMARY KEY (import, record)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX staged_id ON staged(import, id);

CREATE TABLE samples(
    position INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    id TEXT
) STRICT;

CREATE TABLE photo_stamps(
    source TEXT PRIMARY KEY,
    stamp TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    width INTEGER,
    height INTEGER
) STRICT, WITHOUT ROWID;
