// Trees with files of several names, changed at random as people and editors do, and what is to be said of two such trees:
// which names are one file, as a text that is equal exactly where that is equal.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Chance } from './disk-trees.ts'

/** Paths of all files, without what is Nightferry's own. */
export function filesIn(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !path.startsWith('.nightferry/'))
    .sort()
}

/** Which of these names are one file: a line for each file that has several of them. */
export function partitionOf(root: string, shown: (path: string) => boolean = () => true): string {
  const files = new Map<string, string[]>()
  for (const path of filesIn(root).filter(shown)) {
    const { dev, ino } = lstatSync(join(root, path), { bigint: true })
    files.getOrInsertComputed(`${dev} ${ino}`, () => []).push(path)
  }
  return [...files.values()]
    .flatMap((paths) => (paths.length > 1 ? [paths.join(' = ')] : []))
    .sort()
    .join('\n')
}

/** Changes a tree in some way that has to do with names that are one file; `now` tells times apart. */
export function relink(chance: Chance, root: string, now: number): void {
  const files = filesIn(root)
  const pick = (): string => join(root, files[chance(files.length)] as string)
  const directories = ['', 'd', 'd/e', 'f', 'g h']
  const fresh = (): string => {
    const path = join(root, directories[chance(directories.length)] as string, `n${chance(40)}`)
    mkdirSync(dirname(path), { recursive: true })
    return path
  }
  const deed = files.length < 4 ? 0 : chance(12)
  const [one, other, place] = deed === 0 ? ['', '', fresh()] : [pick(), pick(), fresh()]
  const isFree = !existsSync(place)
  switch (deed) {
    case 0:
      if (isFree) writeAt(place, `new ${chance(3)} ${'x'.repeat(chance(2) * 200_000)}`, now)
      return
    // A name joins, by itself or in the place of another file.
    case 1:
    case 2:
    case 3:
      if (isFree) linkSync(one, place)
      return
    case 4:
      if (one === other) return
      rmSync(other)
      linkSync(one, other)
      return
    // An editor writes anew and renames: the name leaves.
    case 5:
      writeAt(`${one}~`, `edited ${now}`, now)
      return renameSync(`${one}~`, one)
    // The same content and time, and another file.
    case 6: {
      const { mtimeMs } = statSync(one)
      copyFileSync(one, `${one}~`)
      utimesSync(`${one}~`, mtimeMs / 1000, Math.floor(mtimeMs / 1000))
      utimesSync(one, mtimeMs / 1000, Math.floor(mtimeMs / 1000))
      return renameSync(`${one}~`, one)
    }
    // Content or mode changes through one name.
    case 7:
      return writeAt(one, `through ${now}`, now)
    case 8:
      return chmodSync(one, [0o600, 0o644, 0o640][chance(3)] as number)
    case 9:
      return rmSync(one)
    case 10:
      if (isFree) renameSync(one, place)
      return
    default:
      return moveDirectory(chance, root, directories)
  }
}

function moveDirectory(chance: Chance, root: string, directories: readonly string[]): void {
  const from = join(root, directories[1 + chance(directories.length - 1)] as string)
  const to = join(root, `m${chance(3)}`)
  if (existsSync(from) && !existsSync(to)) renameSync(from, to)
}

function writeAt(path: string, text: string, seconds: number): void {
  writeFileSync(path, text)
  utimesSync(path, seconds, seconds)
}
