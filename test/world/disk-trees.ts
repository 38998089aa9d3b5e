// Trees on disk as tests see them: made from a table or from chance with a seed, edited, and compared without any code of
// the program (names are given as it decodes them). Two trees are equal when names (as bytes), kinds, contents, modes, times to the ns and link texts are.
// The times of directories are a courtesy and not compared; `.nightferry` at the top of a target is not part of it.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  type Dirent,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { utf8 } from '../../src/std/bytes.ts'

/** A tree as sorted lines, one an entry: `path kind mode mtime content`. Names that are no UTF-8 are shown as Latin-1. */
export function readTree(directory: string): string[] {
  const lines: string[] = []
  const visit = (path: Buffer, label: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true, encoding: 'buffer' })) {
      const name = entry.name.toString('latin1')
      if (label === '' && name === '.nightferry') continue
      const at = Buffer.concat([path, Buffer.from('/'), entry.name])
      lines.push(`${label}${name} ${describe(at, entry)}`)
      if (entry.isDirectory()) visit(at, `${label}${name}/`)
    }
  }
  visit(Buffer.from(directory), '')
  return lines.sort()
}

function describe(path: Buffer, entry: Dirent<NonSharedBuffer>): string {
  const { mode, mtimeNs, size } = lstatSync(path, { bigint: true })
  const bits = (Number(mode) & 0o7777).toString(8)
  if (entry.isDirectory()) return `directory ${bits}`
  if (entry.isSymbolicLink()) return `symlink ${mtimeNs} ${readlinkSync(path, { encoding: 'buffer' }).toString('hex')}`
  if (!entry.isFile()) return `special ${bits}`
  return `file ${bits} ${mtimeNs} ${size} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
}

/** Fails with the entries that differ. */
export function assertSameTree(actual: string, expected: string): void {
  const [found, wanted] = [readTree(actual), readTree(expected)]
  const only = (lines: readonly string[], others: readonly string[]): string[] => {
    const known = new Set(others)
    return lines.filter((line) => !known.has(line))
  }
  assert.deepEqual({ onlyThere: only(found, wanted) }, { onlyThere: [] })
  assert.deepEqual({ missing: only(wanted, found) }, { missing: [] })
}

/** Content that no other name has, and that does not compress. */
export function contentOf(name: string, sizeBytes: number): Buffer {
  return createHash('shake256', { outputLength: Math.max(1, sizeBytes) })
    .update(name)
    .digest()
    .subarray(0, sizeBytes)
}

/** A path for node:fs, whose names may be no text (std/bytes.ts `decodeName`). */
export function bytesOf(path: string): Buffer {
  return Buffer.from(utf8(path))
}

/** Writes files below a folder: path to text or bytes; a path that ends in `/` is a directory. */
export function writeTree(directory: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    const at = join(directory, path)
    if (path.endsWith('/')) mkdirSync(bytesOf(at), { recursive: true })
    else {
      mkdirSync(bytesOf(dirname(at)), { recursive: true })
      writeFileSync(bytesOf(at), content)
    }
  }
}

/** A whole number from 0 to below `limit`; the same sequence for the same seed. */
export type Chance = (limit: number) => number

export function chanceOf(seed: number): Chance {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

const names = [
  'a',
  'B',
  'c.txt',
  '.dot',
  'ä ö',
  'new\nline',
  '-n',
  '日本',
  'e\u0301',
  'x:y',
  'trail ',
  '~',
  '#',
  "'",
  '\\',
]
const sizes = [0, 1, 7, 100, 4096, 70_000, 300_000]
const modes = [0o644, 0o600, 0o755, 0o444, 0o640]

/** Fills an empty folder with about this many entries. */
export function growTree(chance: Chance, directory: string, entries: number): void {
  for (let i = 0; i < entries; i++) addEntry(chance, directory, i)
}

/** Makes about this many edits of all kinds anywhere in a tree. */
export function editTree(chance: Chance, directory: string, edits: number): void {
  for (let i = 0; i < edits; i++) editOnce(chance, directory, i)
}

type Place = { readonly path: string; readonly kind: 'directory' | 'file' | 'symlink' }

/** Moves some folders, to new names, into each other and into new ones. */
export function moveFolders(chance: Chance, source: string): void {
  for (let i = 0; i < 4; i++) {
    const all = placesIn(source).flatMap(({ path, kind }) => (kind === 'directory' ? [relative(source, path)] : []))
    const from = all[chance(Math.max(1, all.length))]
    if (from === undefined) return
    const parents = ['', ...all.filter((path) => path !== from && !path.startsWith(`${from}/`))]
    const parent = join(parents[chance(parents.length)] ?? '', chance(2) === 0 ? `new-${i}` : '')
    const to = join(source, parent, `moved-${chance(1e6)}`)
    // A folder of that name may be the very one.
    if (to.startsWith(`${join(source, from)}/`)) continue
    // What was a new folder once may be a file by now.
    if (lstatSync(join(source, parent), { throwIfNoEntry: false })?.isDirectory() === false) continue
    mkdirSync(join(source, parent), { recursive: true })
    renameSync(join(source, from), to)
    utimesSync(to, 1_500_000_000, 1_500_000_000)
  }
}

/** Everything below, parents first; no link is followed. */
export function placesIn(directory: string): Place[] {
  const places: Place[] = []
  const visit = (parent: string): void => {
    const entries = readdirSync(parent, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) {
      if (parent === directory && entry.name === '.nightferry') continue
      const path = join(parent, entry.name)
      places.push({ path, kind: entry.isDirectory() ? 'directory' : entry.isSymbolicLink() ? 'symlink' : 'file' })
      if (entry.isDirectory()) visit(path)
    }
  }
  visit(directory)
  return places
}

function pick<Item>(chance: Chance, items: readonly Item[]): Item {
  return items[chance(items.length)] as Item
}

/** A name in some directory that nothing has. */
function freshPlace(chance: Chance, directory: string, number: number): string {
  const parents = [directory, ...placesIn(directory).flatMap(({ path, kind }) => (kind === 'directory' ? [path] : []))]
  const parent = pick(chance, parents)
  const path = join(parent, pick(chance, names))
  return existsSync(path) || lstatSync(path, { throwIfNoEntry: false })
    ? join(parent, `${number}-${chance(1e6)}`)
    : path
}

function addEntry(chance: Chance, directory: string, number: number): void {
  const path = freshPlace(chance, directory, number)
  const what = chance(10)
  if (what < 3) mkdirSync(path, { mode: 0o755 })
  else if (what === 3) symlinkSync(pick(chance, ['nowhere', '../a', '/etc/hostname', 'b'.repeat(200)]), path)
  else {
    // Few contents for many files: the same content lies in several places.
    writeFileSync(path, contentOf(`content ${chance(40)}`, pick(chance, sizes)))
    if (chance(3) === 0) chmodSync(path, pick(chance, modes))
    if (chance(3) === 0) utimesSync(path, 1_000_000_000 + chance(1e8), 1_500_000_000.5 + chance(1e8))
  }
}

function editOnce(chance: Chance, directory: string, number: number): void {
  const places = placesIn(directory)
  const files = places.filter(({ kind }) => kind === 'file')
  const target = places.length === 0 ? undefined : pick(chance, places)
  const file = files.length === 0 ? undefined : pick(chance, files)
  const what = chance(9)
  if (what <= 1 || target === undefined || file === undefined) addEntry(chance, directory, number)
  else if (what === 2) rmSync(target.path, { recursive: true })
  else if (what === 3) writeFileSync(writable(file.path), contentOf(`edit ${chance(1e6)}`, pick(chance, sizes)))
  else if (what === 4) moveEntry(chance, directory, target, number)
  else if (what === 5) chmodSync(file.path, pick(chance, modes))
  else if (what === 6) utimesSync(file.path, 1, 1_600_000_000.25 + chance(1e8))
  else if (what === 7) editUnseen(chance, file.path)
  else changeKind(chance, target)
}

function writable(path: string): string {
  chmodSync(path, 0o644)
  return path
}

function moveEntry(chance: Chance, directory: string, { path }: Place, number: number): void {
  const to = freshPlace(chance, directory, number)
  if (!to.startsWith(`${path}/`)) renameSync(path, to)
}

/** Other content, same size and time: only the change time tells. */
function editUnseen(chance: Chance, path: string): void {
  const before = lstatSync(path)
  if (before.size === 0) return
  writeFileSync(writable(path), contentOf(`unseen ${chance(1e6)}`, before.size))
  utimesSync(path, before.atimeMs / 1000, before.mtimeMs / 1000)
}

function changeKind(chance: Chance, { path, kind }: Place): void {
  rmSync(path, { recursive: true })
  if (kind === 'file') mkdirSync(path)
  else writeFileSync(path, contentOf(`kind ${chance(1e6)}`, 500))
}

/** A copy of a tree with its times, made by the system. */
export function copyTree(from: string, to: string): void {
  cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
}
