// What must hold of a target whatever happened, judged by a slow and obvious walk that shares no code with the program:
// a name holds its old or its new content, complete (I2); what both states have is there (I1, I3); no content that was on
// the target is lost: it lies under a name, in versions or in what was kept aside (I3, I5, I11); databases are whole. For tests only.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** What a tree holds: path to kind and content. Directories and `.nightferry` at the top are left out. */
export type Holding = ReadonlyMap<string, string>

export function holdingOf(directory: string): Holding {
  const holding = new Map<string, string>()
  walk(directory, '', (path, what) => {
    if (what !== 'directory') holding.set(path, what)
  })
  return holding
}

function walk(directory: string, label: string, see: (path: string, what: string) => void): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = label + entry.name
    if (path === '.nightferry') continue
    const at = join(directory, entry.name)
    see(path, entry.isDirectory() ? 'directory' : contentAt(at))
    if (entry.isDirectory()) walk(at, `${path}/`, see)
  }
}

function contentAt(path: string | Buffer): string {
  const facts = lstatSync(path)
  if (facts.isSymbolicLink()) return `link ${readlinkSync(path)}`
  if (!facts.isFile()) return 'special'
  return `file ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
}

/** Every content of a file anywhere on a target, `.nightferry` included. */
export function contentsOn(target: string): Set<string> {
  return contentsBelow(target, new Set())
}

/** The contents of files that a target owes to people: those that have a name, versions, and what was kept aside. */
export function owedOn(target: string): Set<string> {
  const contents = new Set([...holdingOf(target).values()].filter((what) => what.startsWith('file ')))
  const own = join(target, '.nightferry')
  for (const run of existsSync(join(own, 'versions')) ? readdirSync(join(own, 'versions')) : [])
    contentsBelow(join(own, 'versions', run, 'files'), contents)
  return contentsBelow(join(own, 'kept'), contents)
}

/** By bytes: what probes a disk for the names it takes leaves one that is no text where it dies. */
function contentsBelow(directory: string | Buffer, into: Set<string>): Set<string> {
  for (const entry of existsSync(directory)
    ? readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })
    : []) {
    const at = Buffer.concat([Buffer.from(directory), Buffer.from('/'), entry.name])
    if (entry.isDirectory()) contentsBelow(at, into)
    else if (entry.isFile()) into.add(contentAt(at))
  }
  return into
}

/**
 * Holds a target that was cut off between `old` and `next` against both. A name that only one of them has may hold what
 * another name held: its directory moved, and is not through. Fails with `where`.
 */
export function assertOldOrNew(target: string, old: Holding, next: Holding, where: string): void {
  const now = holdingOf(target)
  const whole = new Set([...old.values(), ...next.values()])
  for (const [path, what] of now) {
    const isBoth = old.has(path) && next.has(path)
    const isWhole = isBoth ? what === old.get(path) || what === next.get(path) : whole.has(what)
    assert.ok(isWhole, `${where}: ${path} holds neither its old nor its new content: ${what}`)
  }
  const isTaken = (path: string): boolean => [...now.keys()].some((name) => name.startsWith(`${path}/`))
  for (const path of next.keys()) {
    if (old.has(path) && !isTaken(path)) assert.ok(now.has(path), `${where}: ${path} is missing`)
  }
}

/** No file's content that was there is lost. */
export function assertNothingLost(target: string, old: Holding, where: string): void {
  const here = contentsOn(target)
  for (const [path, what] of old) {
    if (what.startsWith('file ')) assert.ok(here.has(what), `${where}: the content of ${path} is lost`)
  }
}

/** The state database of a machine that rests, where it has one, is whole. Looked at in a copy: the program recovers it. */
export function assertStateWhole(stateDirectory: string, where: string): void {
  const directory = join(stateDirectory, 'state')
  if (!existsSync(join(directory, 'state.db'))) return
  const names = readdirSync(directory)
  assert.ok(!names.some((name) => name.includes('damaged')), `${where}: a state database was set aside`)
  const copy = mkdtempSync(join(tmpdir(), 'nf-state-'))
  try {
    for (const name of names)
      if (/^state\.db(-wal|-journal)?$/.test(name)) copyFileSync(join(directory, name), join(copy, name))
    const database = new DatabaseSync(join(copy, 'state.db'))
    try {
      const rows = database.prepare('PRAGMA integrity_check').all()
      assert.deepEqual(
        rows.map((row) => row['integrity_check']),
        ['ok'],
        `${where}: the state database`,
      )
    } finally {
      database.close()
    }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

/** What a run that was cut off had under way is gone: nothing staged, no journal. */
export function assertTidy(target: string, where: string): void {
  const own = join(target, '.nightferry')
  assert.deepEqual(readdirSync(join(own, 'staging')), [], `${where}: the staging directory`)
  assert.ok(!existsSync(join(own, 'journal')), `${where}: the journal`)
}
