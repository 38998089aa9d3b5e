// Finds what only moved, so that it is renamed on the right instead of sent and deleted. A directory needs the left's own
// word that its inode moved: with an equal fingerprint, and that word for everything below it, it is the same; with other
// entries it is compared with what it was, and only what differs is done after the rename. A file needs equal size and
// time, and then equal digests.

import { equalBytes } from '../std/bytes.ts'
import { type Entry, isCopied, type Summary } from './entry.ts'
import { isWithin, joinPath, nameOf, parentOf, type RelPath, rootPath } from './path.ts'

export type FoundDirectory = { readonly path: RelPath; readonly summary: Summary }
export type DirectoryMove = { readonly from: RelPath; readonly to: RelPath }

/** What the right alone has. `path`: where it lies once the moves before it are done; `origin`: where it lies now. */
export type LostDirectory = FoundDirectory & { readonly origin: RelPath }

/** What the left saw of its own inodes: where its directories lay before. Only says where to look, and what to trust. */
export class Lineage {
  readonly #from = new Map<RelPath, RelPath>()
  readonly #origins = new Set<RelPath>()
  /** How many directories came along, each to its old place below: of every directory that moved. */
  readonly #together = new Map<RelPath, number>()

  constructor(moves: readonly DirectoryMove[]) {
    for (const { from, to } of moves) {
      this.#from.set(to, from)
      this.#origins.add(from)
    }
    for (const [to, from] of this.#from) this.#count(to, from)
  }

  #count(path: RelPath, origin: RelPath): void {
    let to = path
    let from = origin
    for (;;) {
      if (this.#from.get(to) === from) this.#together.set(to, (this.#together.get(to) ?? 0) + 1)
      if (to === rootPath || from === rootPath || nameOf(to) !== nameOf(from)) return
      to = parentOf(to)
      from = parentOf(from)
    }
  }

  /** Where the directory that lies at `to` now lay before; undefined where it was there, or is new. */
  from(to: RelPath): RelPath | undefined {
    return this.#from.get(to)
  }

  /** Whether the directory that lay there lies elsewhere now. */
  hasLeft(from: RelPath): boolean {
    return this.#origins.has(from)
  }

  /** Whether what lies at `to` lay at `from`, and all of so many directories below came along to their old places in it. */
  isWhole(from: RelPath, to: RelPath, directories: number): boolean {
    return this.#from.get(to) === from && this.#together.get(to) === 1 + directories
  }
}

export type DirectoryMatch = {
  readonly lost: LostDirectory
  readonly to: RelPath
  /** Nothing in it can differ: no listing has to be looked at. */
  readonly isSame: boolean
}

/**
 * Pairs directories that the right alone has with ones that the left alone has. Equal names, sizes and times alone do not
 * prove equal content; inodes that moved, with signatures that held (or edits that were counted), do.
 */
export function matchDirectories(
  lost: readonly LostDirectory[],
  fresh: readonly FoundDirectory[],
  lineage: Lineage,
): DirectoryMatch[] {
  const byOrigin = new Map(lost.map((directory) => [directory.origin, directory]))
  const matched: DirectoryMatch[] = []
  for (const { path: to, summary } of fresh) {
    const from = lineage.from(to)
    const candidate = from === undefined ? undefined : byOrigin.get(from)
    if (candidate === undefined || summary.files === 0 || isWithin(to, candidate.path)) continue
    const isEqual = equalBytes(candidate.summary.fingerprint, summary.fingerprint)
    byOrigin.delete(candidate.origin)
    matched.push({ lost: candidate, to, isSame: isEqual && lineage.isWhole(candidate.origin, to, summary.directories) })
  }
  return matched
}

/** Lost directories in which one of the fresh ones lay, to be looked into. Not those that moved themselves. */
export function lostAbove(
  lost: readonly LostDirectory[],
  fresh: readonly FoundDirectory[],
  lineage: Lineage,
): Set<LostDirectory> {
  const byOrigin = new Map(lost.map((directory) => [directory.origin, directory]))
  const above = new Set<LostDirectory>()
  for (const { path } of fresh) {
    for (let at = lineage.from(path) ?? rootPath; at !== rootPath; at = parentOf(at)) {
      const directory = byOrigin.get(parentOf(at))
      if (directory !== undefined && !lineage.hasLeft(directory.origin)) above.add(directory)
    }
  }
  return above
}

/** Whether two listings may be one directory at two times: an inode alone may have been given to another one. */
export function isAlike(left: readonly Entry[], right: readonly Entry[]): boolean {
  const kinds = new Map(left.map(({ name, kind }) => [name, kind]))
  const inBoth = right.filter(({ name, kind }) => isCopied(kind) && kinds.get(name) === kind).length
  return inBoth > 0 && inBoth * 2 >= Math.min(left.length, right.length)
}

/**
 * Sub-directories of a moved directory that look the same on both sides, and of which the left does not say that all
 * came along: equal listings prove nothing there.
 */
export function doubtfulDirectories(
  { from, to }: DirectoryMove,
  left: readonly Entry[],
  right: readonly Entry[],
  lineage: Lineage,
): string[] {
  const there = new Map(right.map((entry) => [entry.name, entry.summary]))
  const doubtful: string[] = []
  for (const { name, summary } of left) {
    const other = there.get(name)
    if (summary === undefined || other === undefined || !equalBytes(summary.fingerprint, other.fingerprint)) continue
    if (!lineage.isWhole(joinPath(from, name), joinPath(to, name), summary.directories)) doubtful.push(name)
  }
  return doubtful
}

export type FoundFile = { readonly path: RelPath; readonly entry: Entry }
export type LostFile = FoundFile & { readonly origin: RelPath }
export type FileMove<Lost extends FoundFile = FoundFile> = { readonly from: Lost; readonly to: FoundFile }

const candidatesPerSizeMax = 16

/**
 * Pairs of files that may be one file moved: equal size and time, never empty, each used once, at most 16 a size. The
 * caller proves each pair by digests.
 */
export function proposeFileMoves<Lost extends FoundFile>(
  lost: readonly Lost[],
  fresh: Iterable<FoundFile>,
): FileMove<Lost>[] {
  const byFacts = new Map<string, Lost[]>()
  const perSize = new Map<number, number>()
  for (const file of lost) {
    const { sizeBytes } = file.entry
    const count = perSize.get(sizeBytes) ?? 0
    if (sizeBytes === 0 || count >= candidatesPerSizeMax) continue
    perSize.set(sizeBytes, count + 1)
    const key = factsKey(file.entry)
    const known = byFacts.get(key)
    if (known === undefined) byFacts.set(key, [file])
    else known.push(file)
  }
  const proposed: FileMove<Lost>[] = []
  for (const file of fresh) {
    const candidates = byFacts.get(factsKey(file.entry))
    if (candidates === undefined || file.entry.sizeBytes === 0) continue
    // Of several, one with the same name is the likeliest.
    const name = file.entry.name
    const likeliest = candidates.findIndex((candidate) => candidate.entry.name === name)
    const [from] = candidates.splice(Math.max(0, likeliest), 1)
    if (from !== undefined) proposed.push({ from, to: file })
  }
  return proposed
}

function factsKey(entry: Entry): string {
  return `${entry.sizeBytes} ${entry.mtimeSeconds} ${entry.mtimeNs}`
}
