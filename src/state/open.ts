// The state database of this machine: one SQLite file that several processes share by short transactions. It holds what
// was observed and can be found again, so a damaged file is set aside and a fresh one begun, and nobody has to ask a
// person. A file that a newer Nightferry made is refused and not one byte of it is written. WAL with synchronous=FULL:
// what is committed survives a power cut. SQLite's types never leave this folder.

import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { assert } from '../std/assert.ts'
import type { Clock } from '../std/clock.ts'
import { asFailure, Failure } from '../std/failure.ts'
import { appendOwnFile, ensureOwnDirectory, ownFileMode, readOwnFile, writeOwnFile } from '../std/files.ts'
import { numberIn, type Row, textIn } from './row.ts'
import { applicationId, migrations, pageSizeBytes, schemaVersion } from './schema.ts'

const databaseFile = 'state.db'
const lockFile = 'state.lock'
const busyTimeoutMs = 10_000

const sqliteBusy = 5
const sqliteLocked = 6
const sqliteReadOnly = 8
const sqliteIoError = 10
const sqliteCorrupt = 11
const sqliteFull = 13
const sqliteCannotOpen = 14
const sqliteNotDatabase = 26

/**
 * Opens `<directory>/state.db`, making both where they are missing (0700, 0600). The caller disposes it.
 * Throws `format-too-new` without writing, `bad-config` where the directory can't be made, and `disk-error` where the
 * database can't be used or stays busy.
 */
export function openState(options: { directory: string; clock: Clock }): State {
  const { directory, clock } = options
  const path = join(directory, databaseFile)
  const notices: string[] = []
  try {
    ensureOwnDirectory(directory, 0o700)
    const found = look(path)
    if (found !== 'damaged' && found.version === schemaVersion)
      return new State(directory, found.database, clock, notices)
    if (found !== 'damaged') found.database.close()
    const database = alone(directory, () => begin(path, clock, notices))
    return new State(directory, database, clock, notices)
  } catch (error) {
    throw failureOf(error, path)
  }
}

/** An open state database. What the tables hold is read and written by the other files of this folder. */
export class State {
  readonly clock: Clock
  /** What a person may want to know: that a damaged database was set aside, and where it lies. */
  readonly notices: string[]
  /** By tree key: the generation that this State last loaded or saved (trees.ts). */
  readonly generations: Map<string, number> = new Map()
  readonly #directory: string
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #open: 'none' | 'read' | 'write' = 'none'
  #isSpoiled = false

  constructor(directory: string, database: DatabaseSync, clock: Clock, notices: string[]) {
    this.#directory = directory
    this.#database = database
    this.clock = clock
    this.notices = notices
  }

  /** Whatever transaction is open is rolled back. */
  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close()
  }

  /** The statement for this text, prepared once. For use within `read` and `write`, by this folder only. */
  prepare(sql: string): StatementSync {
    assert(this.#open !== 'none', 'statements run within a transaction')
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  /** Calls `work`, which sees the database as it is at one moment. Within another transaction it is part of that one. */
  read<Value>(work: () => Value): Value {
    return this.#open === 'none' ? this.#run('read', work) : work()
  }

  /**
   * Calls `work`; all that it writes lands together and durably, or nothing does when it throws. Within another `write` it
   * is part of that one, which then can't be committed after a throw. `work` must be short: other processes wait.
   */
  write<Value>(work: () => Value): Value {
    if (this.#open === 'none') return this.#run('write', work)
    assert(this.#open === 'write', 'a transaction that reads does not write')
    try {
      return work()
    } catch (error) {
      this.#isSpoiled = true
      throw error
    }
  }

  #run<Value>(kind: 'read' | 'write', work: () => Value): Value {
    try {
      this.#database.exec(kind === 'write' ? 'BEGIN IMMEDIATE' : 'BEGIN')
      this.#open = kind
      this.#isSpoiled = false
      // Another process may have been updated, and have brought the tables to its version since we opened them.
      const version = numberIn(this.prepare('PRAGMA user_version').get() ?? {}, 'user_version')
      if (version > schemaVersion) throw tooNew(join(this.#directory, databaseFile), version)
      const value = work()
      assert(!this.#isSpoiled, 'a transaction of which a part failed is not committed')
      this.#database.exec('COMMIT')
      return value
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK')
      if (isDamage(error)) this.#setAside()
      throw failureOf(error, join(this.#directory, databaseFile))
    } finally {
      this.#open = 'none'
    }
  }

  /** Damage that opening could not see. Looks again alone, for another process may have set the file aside already. */
  #setAside(): void {
    const path = join(this.#directory, databaseFile)
    this.#database.close()
    alone(this.#directory, () => {
      if (isSound(path)) return
      this.notices.push(setAside(path, this.clock))
    })
  }
}

type Found = { readonly database: DatabaseSync; readonly version: number }

/** Opens the file, made where it is missing, and says which version it has (0: nothing in it yet). */
function look(path: string): Found | 'damaged' {
  // Only where it is missing: closing a file takes away the locks that other connections of this process hold on it.
  if (ownFileMode(path) === undefined) appendOwnFile(path, '')
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs })
  try {
    database.exec('PRAGMA synchronous = FULL')
    const version = pragma(database, 'user_version')
    const isOurs = pragma(database, 'application_id') === applicationId
    if (isOurs && version > schemaVersion) {
      keepFromWriting(path, database)
      throw tooNew(path, version)
    }
    // Reading the tables' names finds a file that was cut short.
    const tables = numberIn(first(database, 'SELECT count(*) AS tables FROM sqlite_schema'), 'tables')
    if (isOurs ? version > 0 : version === 0 && tables === 0) return { database, version }
    database.close()
    return 'damaged'
  } catch (error) {
    if (database.isOpen) database.close()
    if (isDamage(error)) return 'damaged'
    throw error
  }
}

/** Closes a database so that what stands in its write-ahead log stays there: the last one to close would move it. */
function keepFromWriting(path: string, database: DatabaseSync): void {
  const holder = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs })
  try {
    pragma(holder, 'user_version')
    database.close()
  } finally {
    holder.close()
  }
}

/** A database at our version: fresh, brought up from an older one, or begun anew in the place of a damaged one. */
function begin(path: string, clock: Clock, notices: string[]): DatabaseSync {
  let found = look(path)
  if (found === 'damaged') {
    notices.push(setAside(path, clock))
    found = look(path)
    if (found === 'damaged') throw new Failure('state-broken', `a fresh state database at ${path} is damaged at once`)
  }
  const { database, version } = found
  try {
    if (version < schemaVersion) migrate(database, version)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function migrate(database: DatabaseSync, from: number): void {
  if (from === 0) database.exec(`PRAGMA page_size = ${pageSizeBytes}; PRAGMA journal_mode = WAL`)
  database.exec('BEGIN IMMEDIATE')
  for (const sql of migrations.slice(from)) database.exec(sql)
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT`)
}

/** Runs `work` while no other process begins or sets aside a database here. The lock dies with its process. */
function alone<Value>(directory: string, work: () => Value): Value {
  const path = join(directory, lockFile)
  if (ownFileMode(path) === undefined) appendOwnFile(path, '')
  const lock = new DatabaseSync(path, { timeout: busyTimeoutMs })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return work()
  } finally {
    lock.close()
  }
}

/** Looks at every page, which `look` does not. */
function isSound(path: string): boolean {
  const found = look(path)
  if (found === 'damaged') return false
  try {
    return textIn(first(found.database, 'PRAGMA quick_check(1)'), 'quick_check') === 'ok'
  } catch (error) {
    if (isDamage(error)) return false
    throw error
  } finally {
    found.database.close()
  }
}

/** Keeps the damaged files under other names, and leaves empty ones. The database is last: until then it is damaged. */
function setAside(path: string, clock: Clock): string {
  let kept = `${path}.damaged-${clock.nowMs()}`
  while (ownFileMode(kept) !== undefined) kept += '+'
  for (const suffix of ['-wal', '-shm', '']) {
    const bytes = readOwnFile(path + suffix, { maxBytes: Number.MAX_SAFE_INTEGER })
    if (bytes === undefined) continue
    writeOwnFile(kept + suffix, bytes, { mode: 0o600 })
    writeOwnFile(path + suffix, new Uint8Array(0), { mode: 0o600 })
  }
  return `The state database was damaged. It was set aside as ${kept} and a fresh one begun; the next runs look at everything again.`
}

function first(database: DatabaseSync, sql: string): Row {
  return database.prepare(sql).get() ?? {}
}

function pragma(database: DatabaseSync, name: string): number {
  return numberIn(first(database, `PRAGMA ${name}`), name)
}

function tooNew(path: string, version: number): Failure {
  return new Failure('format-too-new', `${path} was written by a newer Nightferry (format ${version})`, {
    hint: 'Update Nightferry on this machine. Nothing was changed.',
  })
}

/** SQLite's primary result code, or undefined where something else was thrown. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function isDamage(error: unknown): boolean {
  const code = resultCode(error)
  return code === sqliteCorrupt || code === sqliteNotDatabase
}

/** What of SQLite and the disk can happen to a sound program as a failure; a wrong statement stays the bug that it is. */
function failureOf(error: unknown, path: string): unknown {
  switch (resultCode(error)) {
    case sqliteCorrupt:
    case sqliteNotDatabase:
      return new Failure('state-broken', `the state database ${path} was damaged`, {
        hint: 'Run the command again: a fresh database is begun. It holds nothing that cannot be found again.',
        cause: error,
      })
    case sqliteBusy:
    case sqliteLocked:
      return new Failure('disk-error', `the state database ${path} stayed busy for ${busyTimeoutMs / 1000} s`, {
        cause: error,
      })
    case sqliteFull:
      return new Failure('disk-error', `the disk that holds ${path} is full`, {
        hint: 'Free some space there, then run again.',
        cause: error,
      })
    case sqliteReadOnly:
    case sqliteIoError:
    case sqliteCannotOpen:
      // A full disk is told as any of these too, where it is memory shared by processes that finds no room.
      return new Failure('disk-error', `the state database ${path} cannot be used (${messageOf(error)})`, {
        hint: 'may this user write there? Else its disk is full, read-only or failing, or too many files are open (ulimit -n)',
        cause: error,
      })
    default: {
      const isSystems = error instanceof Error && 'syscall' in error
      return isSystems ? asFailure(error, 'disk-error') : error
    }
  }
}
