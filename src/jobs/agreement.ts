// What both sides of a two-way run agree on once it is done: walks what differs from the base, and advances it name by name
// to what really is equal on both sides, as they are read back. Knows nothing of what was planned: a name that did not come
// to be equal, for whatever reason, keeps its base, and the next run decides it again.

import { type Advanced, advance, type BaseEntry, type BaseRules, baseEntries, changeSince } from '../core/base.ts'
import type { Entry, Summary } from '../core/entry.ts'
import { listingEntries } from '../core/listing.ts'
import { joinPath, parentOf, type RelPath, rootPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import type { BaseChanges } from '../state/bases.ts'
import { equalBytes } from '../std/bytes.ts'
import type { KnownBase } from './divergence.ts'
import type { End } from './endpoint.ts'
import { asFiles, chunks, digestsPerRequest } from './places.ts'

type Ends = { readonly left: End; readonly right: End }

/** What a run knows of names besides what the listings say. */
export type Proofs = {
  /** Files of which both sides know the digest. */
  readonly proven: ReadonlySet<RelPath>
  readonly problems: readonly Problem[]
}

/** A directory of both sides that the base does not say all of. */
type Node = {
  readonly path: RelPath
  readonly above: Node | undefined
  readonly left: Uint8Array
  readonly right: Uint8Array
  readonly base: Uint8Array | undefined
  /** Directories in it of which not all is settled. */
  readonly open: Set<string>
}

/** What the base gets; `isSettled`: it says all that both sides have. */
export type Agreement = { readonly changes: BaseChanges; readonly isSettled: boolean }

export async function findAgreement(
  ends: Ends,
  roots: { readonly left: Summary; readonly right: Summary },
  base: KnownBase,
  proofs: Proofs,
  rules: BaseRules,
): Promise<Agreement> {
  const [put, removed]: [{ path: RelPath; bytes: Uint8Array }[], RelPath[]] = [[], []]
  const isSame = equalBytes(roots.left.fingerprint, roots.right.fingerprint)
  const nodes: Node[] = []
  const learned = directoriesAbove(proofs.proven)
  for (
    let level: readonly Asked[] = [{ path: rootPath, above: undefined, isSame, isKnown: true }];
    level.length > 0;
  ) {
    const found: Node[] = []
    for (const some of chunks(level)) found.push(...(await list(ends, base, some)))
    for (const { path, isKnown } of level) if (!isKnown) removed.push(path)
    nodes.push(...found)
    level = found.flatMap((node) => below(node, rules, learned))
  }
  const digests = await provenDigests(ends, proofs.proven)
  const open = new Set(proofs.problems.map(({ path }) => path))
  let isSettled = true
  // Deepest first: a directory is settled when all in it is.
  for (const node of nodes.reverse()) {
    const { isSettled: settled, isChanged, bytes } = advanceNode(node, digests, open, rules)
    if (isChanged) put.push({ path: node.path, bytes })
    if (!settled && node.above !== undefined) node.above.open.add(nameBelow(node))
    if (node.path === rootPath) isSettled = settled
    removed.push(...lostDirectories(node, bytes))
  }
  return { changes: { put, removed }, isSettled }
}

type Asked = {
  readonly path: RelPath
  readonly above: Node | undefined
  /** Both sides have the same. */
  readonly isSame: boolean
  /** The base knows it as a directory: else what is stored of it is of an earlier one. */
  readonly isKnown: boolean
}

async function list(ends: Ends, base: KnownBase, asked: readonly Asked[]): Promise<Node[]> {
  const paths = asked.map(({ path }) => path)
  const differing = asked.filter(({ isSame }) => !isSame)
  const [lefts, others] = await Promise.all([
    ends.left.listings(paths, true),
    differing.length === 0 ? [] : ends.right.listings(differing.map(({ path }) => path)),
  ])
  const bases = base.load(asked.flatMap(({ path, isKnown }) => (isKnown ? [path] : [])))
  let at = 0
  return asked.flatMap(({ path, above, isSame }, i) => {
    const left = lefts[i]?.bytes
    const right = isSame ? left : others[at++]?.bytes
    if (left === undefined || right === undefined) {
      if (above !== undefined) above.open.add(nameOfPath(path))
      return []
    }
    return [{ path, above, left, right, base: bases.get(path), open: new Set<string>() }]
  })
}

/** The directories in it that have to be gone into. */
function below(node: Node, rules: BaseRules, learned: ReadonlySet<RelPath>): Asked[] {
  const rights = new Map<string, Entry>()
  for (const entry of listingEntries(node.right)) if (entry.kind === 'directory') rights.set(entry.name, entry)
  const known = new Map([...entriesOf(node.base)].map((entry) => [entry.name, entry]))
  const asked: Asked[] = []
  for (const left of listingEntries(node.left)) {
    const right = left.kind === 'directory' ? rights.get(left.name) : undefined
    if (left.summary === undefined || right?.summary === undefined) continue
    const isSame = equalBytes(left.summary.fingerprint, right.summary.fingerprint)
    const before = known.get(left.name)
    const isAgreed = !learned.has(joinPath(node.path, left.name)) && changeSince(before, 'left', left, rules) === 'same'
    if (isAgreed && changeSince(before, 'right', right, rules) === 'same') continue
    const isKnown = before?.kind === 'directory'
    asked.push({ path: joinPath(node.path, left.name), above: node, isSame, isKnown })
  }
  return asked
}

function advanceNode(
  { path, left, right, base, open }: Node,
  digests: ReadonlyMap<RelPath, Digests>,
  problems: ReadonlySet<string>,
  rules: BaseRules,
): Advanced {
  const facts = {
    digestsOf: ({ name }: Entry) => digests.get(joinPath(path, name)) ?? unknown,
    isOpen: (name: string) => problems.has(joinPath(path, name)),
    isSettledBelow: (name: string) => !open.has(name),
  }
  return advance(listingEntries(left), listingEntries(right), entriesOf(base), facts, rules)
}

/** Where the base is to learn a digest, whatever fingerprints say. */
function directoriesAbove(paths: Iterable<RelPath>): Set<RelPath> {
  const above = new Set<RelPath>()
  for (const path of paths)
    for (let at = parentOf(path); at !== rootPath && !above.has(at); at = parentOf(at)) above.add(at)
  return above
}

type Digests = { readonly left: Uint8Array | undefined; readonly right: Uint8Array | undefined }
const unknown: Digests = { left: undefined, right: undefined }

/** What both sides say of what was brought or compared: known to both by now, so nothing is read for it. */
async function provenDigests(ends: Ends, proven: ReadonlySet<RelPath>): Promise<Map<RelPath, Digests>> {
  const paths = [...proven]
  const digests = new Map<RelPath, Digests>()
  for (let from = 0; from < paths.length; from += digestsPerRequest) {
    const some = paths.slice(from, from + digestsPerRequest)
    const files = asFiles(some)
    const [lefts, rights] = await Promise.all([ends.left.digests(files, false), ends.right.digests(files, false)])
    some.forEach((path, i) => digests.set(path, { left: lefts[i], right: rights[i] }))
  }
  return digests
}

/** Directories of the base that are none any more: what was known of what lay in them is forgotten. */
function lostDirectories({ path, base }: Node, now: Uint8Array): RelPath[] {
  if (base === undefined) return []
  const kept = new Set(directoriesOf(now))
  return directoriesOf(base).flatMap((name) => (kept.has(name) ? [] : [joinPath(path, name)]))
}

function directoriesOf(base: Uint8Array): string[] {
  return [...baseEntries(base)].flatMap(({ kind, name }) => (kind === 'directory' ? [name] : []))
}

function entriesOf(base: Uint8Array | undefined): Iterable<BaseEntry> {
  return base === undefined ? [] : baseEntries(base)
}

function nameBelow({ path }: Node): string {
  return nameOfPath(path)
}

function nameOfPath(path: RelPath): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
