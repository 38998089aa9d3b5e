// Small folders for tests of disk: planted from a table, and read back as a table. One entry a path: text is a file's
// content, `{}` a directory, `{ link }` a symlink, `{ text, mode, mtimeMs }` a file told exactly. For tests only.

import {
  chmodSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { decodeName } from '../../src/std/bytes.ts'
import { bytesOf } from './disk-trees.ts'

export type Planted =
  | string
  | { readonly link: string }
  | { readonly text: string; readonly mode?: number; readonly mtimeMs?: number }
  | Readonly<Record<never, never>>

export type Folder = Readonly<Record<string, Planted>>

const plantedMs = 1_600_000_000_000

/** Makes the entries below `path`, parents included. Files without a time get one that is years old. */
export function plant(path: string, folder: Folder): void {
  mkdirSync(path, { recursive: true })
  for (const [name, what] of Object.entries(folder)) {
    const at = join(path, name)
    mkdirSync(bytesOf(dirname(at)), { recursive: true })
    if (typeof what === 'string') plantFile(at, what, 0o644, plantedMs)
    else if ('text' in what) plantFile(at, what.text, what.mode ?? 0o644, what.mtimeMs ?? plantedMs)
    else if ('link' in what) {
      symlinkSync(bytesOf(what.link), bytesOf(at))
      lutimesSync(bytesOf(at), plantedMs / 1000, plantedMs / 1000)
    } else mkdirSync(bytesOf(at), { recursive: true })
  }
}

function plantFile(at: string, text: string, mode: number, mtimeMs: number): void {
  const path = bytesOf(at)
  writeFileSync(path, text)
  chmodSync(path, mode)
  // As text: node:fs takes a negative number for "now".
  lutimesSync(path, String(mtimeMs / 1000), String(mtimeMs / 1000))
}

/** What lies below, `.nightferry` at the top left out: contents, `/` for directories, `-> text` for symlinks. */
export function contents(path: string): Record<string, string> {
  const found: Record<string, string> = {}
  const visit = (directory: string): void => {
    for (const entry of readdirSync(bytesOf(join(path, directory)), { withFileTypes: true, encoding: 'buffer' })) {
      const name = join(directory, decodeName(entry.name))
      if (name === '.nightferry') continue
      const at = bytesOf(join(path, name))
      if (entry.isDirectory()) found[name] = '/'
      else if (entry.isSymbolicLink()) found[name] = `-> ${decodeName(readlinkSync(at, { encoding: 'buffer' }))}`
      else found[name] = entry.isFile() ? readFileSync(at, 'utf8') : 'special'
      if (entry.isDirectory()) visit(name)
    }
  }
  visit('')
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The same with modes and times (to the ms) of files. */
export function facts(path: string): Record<string, string> {
  const found = contents(path)
  for (const [name, text] of Object.entries(found)) {
    const { mode, mtimeMs } = lstatSync(bytesOf(join(path, name)))
    if (!text.startsWith('->')) found[name] = `${text} ${(mode & 0o7777).toString(8)}`
    if (text !== '/') found[name] += ` ${Math.floor(mtimeMs)}`
  }
  return found
}

/** Every content of a file anywhere below, what lies in `.nightferry` included. */
export function allTexts(path: string): Set<string> {
  const texts = new Set<string>()
  for (const entry of readdirSync(bytesOf(path), { withFileTypes: true, encoding: 'buffer' })) {
    const at = join(path, decodeName(entry.name))
    if (entry.isFile()) texts.add(readFileSync(bytesOf(at), 'utf8'))
    else if (entry.isDirectory()) for (const text of allTexts(at)) texts.add(text)
  }
  return texts
}

/** The texts of what a target keeps aside, sorted. */
export function kept(target: string): string[] {
  const path = join(target, '.nightferry', 'kept')
  return existsSync(path) ? [...allTexts(path)].sort() : []
}

/** The names in a target's staging directory. */
export function staging(target: string): string[] {
  return readdirSync(join(target, '.nightferry', 'staging'))
}
