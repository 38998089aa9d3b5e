// Opening the database: permissions, versions, damage, and many processes at once.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { Bug } from '../std/assert.ts'
import { systemClock } from '../std/clock.ts'
import { Failure, type FailureCode } from '../std/failure.ts'
import { openState, type State } from './open.ts'
import { loadHold, loadPair, savePair } from './pairs.ts'
import { currentEpoch, takeLease } from './runs.ts'
import { applicationId, migrations, schemaVersion } from './schema.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-state-'))
after(() => rmSync(home, { recursive: true, force: true }))

let made = 0
function freshDirectory(): string {
  made += 1
  return join(home, `state-${made}`)
}

function open(directory: string): State {
  return openState({ directory, clock: systemClock })
}

function failsWith(code: FailureCode, call: () => unknown): void {
  assert.throws(call, (error) => error instanceof Failure && error.code === code)
}

function pairOf(job: string, problemCount = 0): Parameters<typeof savePair>[1] {
  const problems = Array.from({ length: problemCount }, (_, index) => ({
    path: `some/rather/long/path/to/file-${index}`,
    code: 'unreadable' as const,
    detail: 'EACCES',
  }))
  const fingerprints = { sourceFingerprint: undefined, targetFingerprint: undefined }
  return { job, sourceId: 's', targetId: 't', viewId: 'v', ...fingerprints, problems, runId: 'r', atMs: 1 }
}

/** The names of what was set aside in a directory, and all else that stands there for longer than a transaction. */
function asideIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.includes('damaged'))
}

test('a fresh database is private, durable, and keeps what was written', () => {
  const directory = join(freshDirectory(), 'below', 'another')
  {
    using state = open(directory)
    assert.equal(statSync(directory).mode & 0o777, 0o700)
    for (const name of ['state.db', 'state.db-wal', 'state.db-shm']) {
      assert.equal(statSync(join(directory, name)).mode & 0o077, 0, name)
    }
    savePair(state, pairOf('j'))
    const settings = state.read(() =>
      ['journal_mode', 'synchronous', 'foreign_keys', 'user_version', 'application_id', 'busy_timeout'].map((name) =>
        Object.values(state.prepare(`PRAGMA ${name}`).get() ?? {}).at(0),
      ),
    )
    assert.deepEqual(settings, ['wal', 2, 1, schemaVersion, applicationId, 10_000])
    assert.deepEqual(state.notices, [])
  }
  using again = open(directory)
  assert.deepEqual(loadPair(again, 'j'), pairOf('j'))
  assert.deepEqual(again.notices, [])
})

test('a migration that was released stays as it is', () => {
  // Add the digest of a new entry. A digest that has to change means that databases out there would differ from ours.
  const digests = migrations.map((sql) => createHash('sha256').update(sql).digest('hex').slice(0, 16))
  assert.deepEqual(digests, [
    'cdcb36608a4ea3fe',
    '50b6e37584ec726b',
    '43d171e3a503fc6a',
    '07fc2182ad6fe4e3',
    '5952ffbb27ccb4dc',
  ])
})

test('a database of a newer version is refused, and not a byte of it or of its log is written', () => {
  for (const isLogLeft of [true, false]) {
    const directory = freshDirectory()
    open(directory)[Symbol.dispose]()
    const path = join(directory, 'state.db')
    const newer = new DatabaseSync(path)
    newer.exec(`PRAGMA user_version = ${schemaVersion + 1}; CREATE TABLE later (x)`)
    const copy = freshDirectory()
    mkdirSync(copy, { mode: 0o700 })
    // As a crash leaves it: what was committed stands in the log only.
    if (!isLogLeft) newer.close()
    const names = ['state.db', 'state.db-wal'].filter((name) => existsSync(join(directory, name)))
    for (const name of names) copyFileSync(join(directory, name), join(copy, name))
    assert.equal(names.length, isLogLeft ? 2 : 1)
    if (isLogLeft) newer.close()
    const before = names.map((name) => readFileSync(join(copy, name)))
    for (const _ of [1, 2]) failsWith('format-too-new', () => open(copy))
    assert.deepEqual(
      names.map((name) => readFileSync(join(copy, name))),
      before,
    )
    assert.deepEqual(asideIn(copy), [])
    // It really is what a newer program left, and can go on from there.
    const reopened = new DatabaseSync(join(copy, 'state.db'))
    assert.equal(reopened.prepare('SELECT count(*) AS n FROM later').get()?.n, 0)
    reopened.close()
  }
})

test('a program that runs while a newer one migrates the database writes no more', () => {
  const directory = freshDirectory()
  using state = open(directory)
  savePair(state, pairOf('before'))
  const newer = new DatabaseSync(join(directory, 'state.db'))
  newer.exec(`PRAGMA user_version = ${schemaVersion + 1}`)
  failsWith('format-too-new', () => savePair(state, pairOf('after')))
  failsWith('format-too-new', () => loadPair(state, 'before'))
  assert.deepEqual(newer.prepare('SELECT job FROM pairs').all(), [
    Object.assign(Object.create(null), { job: 'before' }),
  ])
  newer.close()
})

test('a damaged or strange file is set aside whole, and a fresh one begun', () => {
  const damages: Readonly<Record<string, (bytes: Buffer, path: string) => Buffer>> = {
    'no database': () => Buffer.from('not a database, but long enough to look like one. '.repeat(100)),
    'a few bytes': () => Buffer.from('short'),
    'a header alone': (bytes) => bytes.subarray(0, 100),
    'cut short': (bytes) => bytes.subarray(0, bytes.length / 2),
    'zeros in the place of the header': (bytes) => Buffer.concat([Buffer.alloc(100), bytes.subarray(100)]),
    'a damaged table of tables': (bytes) =>
      Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(bytes.length - 100, 7)]),
    "a stranger's database": (_, path) => {
      const stranger = new DatabaseSync(`${path}.stranger`)
      stranger.exec('CREATE TABLE trees (id)')
      stranger.close()
      return readFileSync(`${path}.stranger`)
    },
    "a stranger's database with versions": (_, path) => {
      const stranger = new DatabaseSync(`${path}.stranger`)
      stranger.exec('CREATE TABLE trees (id); PRAGMA user_version = 99')
      stranger.close()
      return readFileSync(`${path}.stranger`)
    },
  }
  for (const [what, damage] of Object.entries(damages)) {
    const directory = freshDirectory()
    {
      using state = open(directory)
      savePair(state, pairOf('j', 1000))
    }
    const path = join(directory, 'state.db')
    const bytes = damage(readFileSync(path), path)
    writeFileSync(path, bytes)
    using state = open(directory)
    assert.equal(state.notices.length, 1, what)
    const [aside] = asideIn(directory)
    assert.ok(aside !== undefined && state.notices[0]?.includes(aside), what)
    assert.deepEqual(readFileSync(join(directory, aside)), bytes, what)
    assert.equal(loadPair(state, 'j'), undefined, what)
    savePair(state, pairOf('k'))
    using again = open(directory)
    assert.deepEqual(again.notices, [], what)
    assert.deepEqual(loadPair(again, 'k'), pairOf('k'), what)
    assert.equal(statSync(path).mode & 0o777, 0o600, what)
  }
})

test('the log of a damaged database goes aside with it, and is not taken for that of the fresh one', () => {
  const directory = freshDirectory()
  const path = join(directory, 'state.db')
  {
    using state = open(directory)
    takeLease(state, 'root', 'j')
  }
  // Its log holds the row's page and not the first one, which SQLite would believe; it stays because it is open.
  using holder = open(directory)
  takeLease(holder, 'root', 'k')
  const log = readFileSync(`${path}-wal`)
  assert.ok(log.length > 8192)
  writeFileSync(path, 'x'.repeat(50_000))
  using state = open(directory)
  assert.equal(state.notices.length, 1)
  const aside = asideIn(directory).find((name) => name.endsWith('-wal'))
  assert.deepEqual(readFileSync(join(directory, aside ?? '')), log)
  assert.equal(currentEpoch(state, 'root'), 0)
  savePair(state, pairOf('k'))
  using again = open(directory)
  assert.deepEqual(loadPair(again, 'k'), pairOf('k'))
})

test('damage that shows only later ends the call, and the next opening begins afresh; once for all holders', () => {
  const directory = freshDirectory()
  {
    using state = open(directory)
    savePair(state, pairOf('j', 10_000))
  }
  const path = join(directory, 'state.db')
  const bytes = readFileSync(path)
  // Everything behind the tables' first pages: the long row's further pages.
  bytes.fill(0xff, 20 * 8192)
  writeFileSync(path, bytes)
  using first = open(directory)
  using second = open(directory)
  assert.deepEqual(first.notices, [])
  assert.equal(loadHold(first, 'none'), undefined)
  failsWith('state-broken', () => loadPair(first, 'j'))
  assert.equal(first.notices.length, 1)
  using fresh = open(directory)
  assert.deepEqual(fresh.notices, [])
  savePair(fresh, pairOf('k'))
  failsWith('state-broken', () => loadPair(second, 'j'))
  assert.deepEqual(second.notices, [])
  assert.equal(asideIn(directory).filter((name) => !/-(wal|shm)$/.test(name)).length, 1)
  using last = open(directory)
  assert.deepEqual(loadPair(last, 'k'), pairOf('k'))
})

test('an empty file is a fresh database, and a deleted one does no harm', () => {
  const directory = freshDirectory()
  mkdirSync(directory, { mode: 0o700 })
  writeFileSync(join(directory, 'state.db'), '')
  let epoch = 0
  {
    using state = open(directory)
    assert.deepEqual(state.notices, [])
    savePair(state, pairOf('j'))
    epoch = takeLease(state, 'root', 'j')
    rmSync(directory, { recursive: true })
    // Who has it open goes on with what nobody else sees.
    assert.deepEqual(loadPair(state, 'j'), pairOf('j'))
  }
  using state = open(directory)
  assert.deepEqual(state.notices, [])
  assert.equal(loadPair(state, 'j'), undefined)
  assert.equal(currentEpoch(state, 'root'), 0)
  assert.ok(takeLease(state, 'root', 'j') >= epoch)
})

test('a place that cannot be used is a failure that names it', () => {
  const file = join(home, 'file')
  writeFileSync(file, '')
  failsWith('bad-config', () => open(file))
  const directory = freshDirectory()
  mkdirSync(join(directory, 'state.db'), { recursive: true })
  failsWith('disk-error', () => open(directory))
  assert.deepEqual(asideIn(directory), [])
})

test('a write lands whole or not at all', () => {
  using state = open(freshDirectory())
  const stop = new Error('stop')
  assert.throws(
    () =>
      state.write(() => {
        savePair(state, pairOf('a'))
        savePair(state, pairOf('b'))
        throw stop
      }),
    stop,
  )
  assert.equal(loadPair(state, 'a'), undefined)
  state.write(() => {
    savePair(state, pairOf('a'))
    assert.deepEqual(loadPair(state, 'a'), pairOf('a'))
  })
  assert.deepEqual(loadPair(state, 'a'), pairOf('a'))
})

test('a part that failed keeps the whole from being committed, also when its error was swallowed', () => {
  using state = open(freshDirectory())
  assert.throws(
    () =>
      state.write(() => {
        savePair(state, pairOf('a'))
        try {
          state.write(() => {
            savePair(state, pairOf('b'))
            throw new Error('stop')
          })
        } catch {}
      }),
    Bug,
  )
  assert.equal(loadPair(state, 'a'), undefined)
  savePair(state, pairOf('c'))
  assert.deepEqual(loadPair(state, 'c'), pairOf('c'))
  assert.throws(() => state.read(() => savePair(state, pairOf('d'))), Bug)
  assert.throws(() => state.prepare('SELECT 1'), Bug)
})

test('a read sees one moment, whatever others commit meanwhile', () => {
  const directory = freshDirectory()
  using reader = open(directory)
  using writer = open(directory)
  reader.read(() => {
    assert.equal(loadPair(reader, 'a'), undefined)
    savePair(writer, pairOf('a'))
    assert.equal(loadPair(reader, 'a'), undefined)
  })
  assert.deepEqual(loadPair(reader, 'a'), pairOf('a'))
})
