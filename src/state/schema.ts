// The tables of the state database, as a numbered list of migrations: entry 0 makes version 1 from nothing, entry n
// makes version n + 1 from version n. An entry that was released is never edited; what changes is a new entry at the
// end. All of it is what was observed and can be found again: deleting the file loses time, never a user's data.
//
// trees: one row a tree that is remembered between runs (a root as one job sees it). `view_id` is the view that the
// summaries of its directories belong to. `generation` rises with each save: a holder of the tree in memory that saves
// on top of another generation than it knows finds out (trees.ts).
//
// shelves: the directories of a tree, some tens to a row, because thousands of small rows take twice as long to load.
// A directory stands on the shelf that the hash of its path names (shelf.ts). Inside `body` are paths, records byte for
// byte as core/record.ts makes them (inodes, times and digests are in there, so no column holds a 64-bit value), and
// summaries under the tree's view. `shelf_count` of the tree is a power of two that grows with it.
//
// pairs: one row a job: the fingerprints of both roots at the end of its last run, so that "nothing changed" is two
// comparisons; the paths that had problems and are tried again. A row without fingerprints is a pair that was begun: the
// first apply may have happened, its end was not seen. So Nightferry has written there, and both ends are to be compared.
//
// holds: one row a job that a guard halted: the digest of the guarded set, which a release must cover exactly, when it
// was halted and when a person was told.
//
// runs: one row a run, in the order of their starts, for people who look back. `ended_ms` is NULL while it runs, and
// stays NULL when its process died; the next run of that job then marks it `interrupted`. The newest of each job are kept.
// `driver` is NULL for a run of this machine, else the peer whose run worked on a folder here: then the other end's name is
// ''. `process` says which process runs it (std/alive.ts), `epoch` is that of the lease at the target, 0 where none was
// taken. `options`, `totals`, `failure` and `halt` are JSON (history.ts).
//
// kept_stores, kept_runs, kept_places, kept_moves: an index of old versions by target root (kept.ts), believed while the
// store on the disk says the same of itself as `signature`,
// and of a run while its place there has the same `stamp`. `path` of a place is a directory of which entries are kept, or
// with `whole` = 1 one that went with all below it.
//
// leases: one row a root of this machine: the epoch of the latest run that was let in. Epochs only rise.
//
// recipes: large contents as chunks (chunk/recipe.ts), by the content's digest: a tree's records hold digests under
// signatures, so a recipe follows its file through every rename and is found no more once the file has changed. `used_ms`
// only decides which of them go when there are too many.
//
// bases, base_directories: what the two roots of a two-way job last agreed on (bases.ts), a directory to a row. It holds for
// these two roots only. `body` is as core/base.ts makes it.

/** Stands in the file's header, so that a stranger's database is not taken for ours. */
export const applicationId = 0x4e467374

/** Measured with 5,096 directories: 4 KiB makes saving a third slower, 16 KiB saves little and doubles a small run's log. */
export const pageSizeBytes = 8192

export const migrations: readonly string[] = [
  `
  CREATE TABLE trees (
    id INTEGER PRIMARY KEY,
    tree_key TEXT NOT NULL UNIQUE,
    view_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    shelf_count INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE shelves (
    tree INTEGER NOT NULL REFERENCES trees (id),
    shelf INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tree, shelf)
  ) STRICT;

  CREATE TABLE pairs (
    job TEXT PRIMARY KEY,
    source_id TEXT NOT NULL,
    target_id TEXT NOT NULL,
    view_id TEXT NOT NULL,
    source_fingerprint BLOB,
    target_fingerprint BLOB,
    problems TEXT NOT NULL,
    run_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE holds (
    job TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    reason TEXT NOT NULL,
    deletes INTEGER NOT NULL,
    replaces INTEGER NOT NULL,
    sample TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    told_ms INTEGER
  ) STRICT;

  CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    mode TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    outcome TEXT,
    exit_code INTEGER,
    counts TEXT NOT NULL,
    problems TEXT NOT NULL,
    problem_count INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX runs_of_job ON runs (job, id);

  CREATE TABLE leases (
    root_id TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    job TEXT NOT NULL,
    at_ms INTEGER NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE runs ADD COLUMN driver TEXT;
  ALTER TABLE runs ADD COLUMN process TEXT NOT NULL DEFAULT '';
  ALTER TABLE runs ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE runs ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE runs ADD COLUMN totals TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE runs ADD COLUMN failure TEXT;
  ALTER TABLE runs ADD COLUMN halt TEXT;
  `,
  `
  CREATE TABLE kept_stores (
    root TEXT PRIMARY KEY,
    signature TEXT NOT NULL
  ) STRICT;
  CREATE TABLE kept_runs (
    id INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    run TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    stamp TEXT NOT NULL,
    UNIQUE (root, run)
  ) STRICT;
  CREATE INDEX kept_runs_by_age ON kept_runs (root, at_ms, run, size_bytes);
  CREATE TABLE kept_places (
    root TEXT NOT NULL,
    path TEXT NOT NULL,
    whole INTEGER NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (root, path, whole, run)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX kept_places_of_run ON kept_places (run);
  CREATE TABLE kept_moves (
    root TEXT NOT NULL,
    new_path TEXT NOT NULL,
    old_path TEXT NOT NULL,
    run INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX kept_moves_by_path ON kept_moves (root, new_path);
  CREATE INDEX kept_moves_of_run ON kept_moves (run);
  `,
  `
  CREATE TABLE recipes (
    digest BLOB NOT NULL,
    grain INTEGER NOT NULL,
    body BLOB NOT NULL,
    used_ms INTEGER NOT NULL,
    PRIMARY KEY (digest, grain)
  ) STRICT;
  `,
  `
  CREATE TABLE bases (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL UNIQUE,
    left_id TEXT NOT NULL,
    right_id TEXT NOT NULL
  ) STRICT;
  CREATE TABLE base_directories (
    base INTEGER NOT NULL REFERENCES bases (id),
    path TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (base, path)
  ) STRICT;
  CREATE TABLE conflicts (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    left_end TEXT NOT NULL,
    right_end TEXT NOT NULL,
    path TEXT NOT NULL,
    copy TEXT NOT NULL,
    kept TEXT NOT NULL,
    base_seconds INTEGER,
    run_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    UNIQUE (job, path, copy)
  ) STRICT;
  `,
]

/** The `user_version` that this program reads and writes. */
export const schemaVersion: number = migrations.length
