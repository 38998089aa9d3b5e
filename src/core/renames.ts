// Finds what only moved, so that it is renamed on the right instead of sent and deleted. A directory needs an equal
// fingerprint and the left's own word that the inode moved; a file needs equal size and time, and then equal digests.

import { equalBytes } from '../std/bytes.ts'
import type { Entry, Summary } from './entry.ts'
import type { RelPath } from './path.ts'

export type FoundDirectory = { readonly path: RelPath; readonly summary: Summary }
export type DirectoryMove = { readonly from: RelPath; readonly to: RelPath }

/**
 * Pairs directories that the right alone has with ones that the left alone has. `moves` is what the left saw of its own
 * inodes: equal names, sizes and times alone do not prove equal content, moved inodes with equal signatures do.
 */
export function matchDirectories(
  lost: readonly FoundDirectory[],
  fresh: readonly FoundDirectory[],
  moves: readonly DirectoryMove[],
): DirectoryMove[] {
  const movedTo = new Map(moves.map((move) => [move.to, move.from]))
  const lostByPath = new Map(lost.map((directory) => [directory.path, directory]))
  const matched: DirectoryMove[] = []
  for (const directory of fresh) {
    const from = movedTo.get(directory.path)
    const candidate = from === undefined ? undefined : lostByPath.get(from)
    if (candidate === undefined || directory.summary.files === 0) continue
    if (!equalBytes(candidate.summary.fingerprint, directory.summary.fingerprint)) continue
    lostByPath.delete(candidate.path)
    matched.push({ from: candidate.path, to: directory.path })
  }
  return matched
}

export type FoundFile = { readonly path: RelPath; readonly entry: Entry }
export type FileMove = { readonly from: FoundFile; readonly to: FoundFile }

const candidatesPerSizeMax = 16

/**
 * Pairs of files that may be one file moved: equal size and time, never empty, each used once, at most 16 a size. The
 * caller proves each pair by digests.
 */
export function proposeFileMoves(lost: readonly FoundFile[], fresh: Iterable<FoundFile>): FileMove[] {
  const byFacts = new Map<string, FoundFile[]>()
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
  const proposed: FileMove[] = []
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
