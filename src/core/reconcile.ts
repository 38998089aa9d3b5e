// Decides, for one directory, what the right side needs to become the left (mirror) or to get what is newer (update).
// A pure function over two listings; docs/reconcile.md is its table: each row there has its name at its branch here
// (`row: name`) and at its test, and the test holds the three together. Absence counts only where both listings are
// complete: what could not be read is listed as such, and such an entry is never deleted, replaced or entered.

import { equalBytes } from '../std/bytes.ts'
import { sameAttributes } from './attributes.ts'
import { isDamaged } from './digests.ts'
import { compareTimes, type Entry, isCopied } from './entry.ts'
import { staysWithin } from './links.ts'
import { compareNames } from './listing.ts'
import type { Naming } from './naming.ts'
import type { ProblemCode } from './problem.ts'
import { isOutside, type Selection } from './selection.ts'

/** What a run does with what differs: docs/reconcile.md has the table. */
export type Mode = 'mirror' | 'update'

/** Seconds since 1970, both included. */
export type TimeRange = { readonly min: number; readonly max: number }

export type Rules = Selection & {
  readonly mode: Mode
  /** The coarser grain of both ends: times that differ by less are equal. */
  readonly timeGrainNs: number
  /** The times that the right can hold, in seconds; undefined where that is every time that travels. */
  readonly times?: TimeRange
  /** Compare content wherever sizes are equal, whatever the times say. */
  readonly checksum: boolean
  /** What the right makes of names, where it does not take each as it is; names are paired by it before (naming.ts). */
  readonly naming?: Naming
}

export type Decision =
  /** Absent on the right: bring it. */
  | { readonly kind: 'create'; readonly left: Entry }
  /** Both are directories that differ below. */
  | { readonly kind: 'enter'; readonly left: Entry; readonly right: Entry }
  /** Same kind, other content. */
  | { readonly kind: 'replace'; readonly left: Entry; readonly right: Entry }
  /** Another kind: what is there goes, what comes is new. */
  | { readonly kind: 'retype'; readonly left: Entry; readonly right: Entry }
  /** Same content, other mode or time. */
  | { readonly kind: 'attributes'; readonly left: Entry; readonly right: Entry }
  | { readonly kind: 'delete'; readonly right: Entry }
  /** Only the digests of both can tell; `settleDigests` decides then. */
  | { readonly kind: 'digests'; readonly left: Entry; readonly right: Entry }
  | { readonly kind: 'problem'; readonly name: string; readonly code: ProblemCode }
  /** A special that stands in nobody's way: it is left out, or left alone where only the right has it. */
  | { readonly kind: 'skip'; readonly name: string; readonly side: 'left' | 'right' }

/**
 * The decisions for one directory, in the order of names. A name without one needs nothing. Both sides are gone through
 * once, side by side, and nothing of them is kept: a directory may have a million entries. `depth` is that of the directory
 * below the root; it matters where the rules let in only links that stay within.
 */
export function* reconcile(
  left: Iterable<Entry>,
  right: Iterable<Entry>,
  rules: Rules,
  depth = 0,
): Generator<Decision, void, undefined> {
  const decided: Decision[] = []
  const lefts = left[Symbol.iterator]()
  const rights = right[Symbol.iterator]()
  let a = entryOf(lefts.next())
  let b = entryOf(rights.next())
  while (a !== undefined || b !== undefined) {
    const order: number = a === undefined ? 1 : b === undefined ? -1 : compareNames(a, b)
    decide(order <= 0 ? a : undefined, order >= 0 ? b : undefined, rules, depth, decided)
    if (order <= 0) a = entryOf(lefts.next())
    if (order >= 0) b = entryOf(rights.next())
    yield* decided
    decided.length = 0
  }
}

function entryOf(next: IteratorResult<Entry, unknown>): Entry | undefined {
  return next.done === true ? undefined : next.value
}

function decide(
  left: Entry | undefined,
  right: Entry | undefined,
  rules: Rules,
  depth: number,
  into: Decision[],
): void {
  if (left === undefined) {
    if (right === undefined) return
    decideOnlyRight(right, rules, into)
    return
  }
  // From here the left exists. What it is may be unknown to us: then nothing on the right is touched.
  // row: left-special
  if (left.kind === 'special' && (right === undefined || right.kind === 'special')) {
    into.push({ kind: 'skip', name: left.name, side: 'left' })
    return
  }
  // row: left-uncopied
  if (!isCopied(left.kind)) {
    into.push({ kind: 'problem', name: left.name, code: uncopiedCode(left) })
    return
  }
  // A size outside the limits hides the name: whatever is there on the right stays.
  // row: left-outside
  if (left.kind === 'file' && isOutside(left.sizeBytes, rules.sizes)) return
  // A link that may not be made is no reason to touch what stands in its place.
  // row: left-link-outside
  if (left.link !== undefined && rules.links === 'portable' && !staysWithin(left.link, depth)) {
    into.push({ kind: 'problem', name: left.name, code: 'link-outside' })
    return
  }
  if (right === undefined) {
    // row: existing-left-only
    // row: left-only
    if (rules.only !== 'existing') into.push({ kind: 'create', left })
    return
  }
  // From here both exist. What the right is may be nothing that we may replace.
  // row: right-uncopied
  if (!isCopied(right.kind)) {
    into.push({ kind: 'problem', name: right.name, code: 'target-occupied' })
    return
  }
  // row: lacking-there
  if (rules.only === 'lacking' && left.kind !== 'directory') return
  if (left.kind !== right.kind) {
    decideKinds(left, right, rules, into)
    return
  }
  if (left.kind === 'directory') decideDirectories(left, right, rules, into)
  else if (left.kind === 'file') decideFiles(left, right, rules, into)
  else decideSymlinks(left, right, rules, into)
}

function decideKinds(left: Entry, right: Entry, rules: Rules, into: Decision[]): void {
  // row: update-kinds-differ
  // row: only-kinds-differ
  if (rules.mode === 'update' || rules.only !== undefined)
    into.push({ kind: 'problem', name: left.name, code: 'type-clash' })
  // row: right-outside
  else if (right.kind === 'file' && isOutside(right.sizeBytes, rules.sizes))
    into.push({ kind: 'problem', name: left.name, code: 'target-occupied' })
  // row: kinds-differ
  else into.push({ kind: 'retype', left, right })
}

/** A mirror has nothing that the left has not; what we never copy is never deleted either. */
function decideOnlyRight(right: Entry, rules: Rules, into: Decision[]): void {
  // row: update-right-only
  if (rules.mode === 'update') return
  // row: right-only-outside
  if (right.kind === 'file' && isOutside(right.sizeBytes, rules.sizes)) return
  // row: right-only
  if (isCopied(right.kind)) into.push({ kind: 'delete', right })
  // row: right-only-special
  else if (right.kind === 'special') into.push({ kind: 'skip', name: right.name, side: 'right' })
  // row: right-only-uncopied
  else into.push({ kind: 'problem', name: right.name, code: 'target-occupied' })
}

function uncopiedCode(entry: Entry): ProblemCode {
  if (entry.kind === 'special') return 'special'
  return entry.kind === 'bad-name' ? 'name-too-long' : 'unreadable'
}

function decideDirectories(left: Entry, right: Entry, rules: Rules, into: Decision[]): void {
  // An update leaves the modes of directories that are there as they are; so does who brings only what is lacking.
  // row: directory-mode
  // row: update-directory-mode
  // row: lacking-directory-mode
  if (rules.mode === 'mirror' && rules.only !== 'lacking' && !isDressedAlike(left, right))
    into.push({ kind: 'attributes', left, right })
  const same =
    left.summary !== undefined &&
    right.summary !== undefined &&
    equalBytes(left.summary.fingerprint, right.summary.fingerprint)
  // row: directory-differs
  // row: directory-checksum
  if (!same || rules.checksum) into.push({ kind: 'enter', left, right })
  // row: directory-same
}

function decideFiles(left: Entry, right: Entry, rules: Rules, into: Decision[]): void {
  const order = timeOrder(left, right, rules)
  if (rules.mode === 'update') {
    decideUpdate(left, right, order, rules, into)
    return
  }
  // row: file-size
  if (left.sizeBytes !== right.sizeBytes) into.push({ kind: 'replace', left, right })
  // row: file-doubt
  else if (needsDigests(left, right, order, rules)) into.push({ kind: 'digests', left, right })
  // row: file-attributes
  else if (order !== 0 || !isDressedAlike(left, right)) into.push(attributes(left, right, order))
  // row: file-same
}

/** Same mode, and same of whatever else the job looks at. */
function isDressedAlike(left: Entry, right: Entry): boolean {
  return left.mode === right.mode && sameAttributes(left.attributes, right.attributes)
}

/** -1, 0 or 1: which is older, as far as the rules look at times. */
function timeOrder(left: Entry, right: Entry, rules: Rules): number {
  if (rules.mode === 'mirror' && (rules.sizeOnly === true || isAtBound(left, right, rules))) return 0
  return compareTimes(left, right, Math.max(rules.timeGrainNs, (rules.windowNs ?? 0) + 1))
}

/** Whether the right has the nearest time that it can hold to one that it can't: nothing brings it nearer. */
function isAtBound(left: Entry, right: Entry, { times }: Rules): boolean {
  if (times === undefined) return false
  const bound = left.mtimeSeconds < times.min ? times.min : left.mtimeSeconds > times.max ? times.max : undefined
  return bound === right.mtimeSeconds
}

/**
 * Times that count as equal are left as they are: content that nobody compared would pass for compared from then on,
 * once the times agree.
 */
function attributes(left: Entry, right: Entry, order: number): Decision {
  const { mtimeSeconds, mtimeNs } = right
  const isTimeKept = order === 0 && (left.mtimeSeconds !== mtimeSeconds || left.mtimeNs !== mtimeNs)
  return { kind: 'attributes', left: isTimeKept ? { ...left, mtimeSeconds, mtimeNs } : left, right }
}

/**
 * Equal size: the times answer, unless they differ, an edit under equal times was proven, or a person wants to know. Times
 * that the right can't hold all look alike there, and answer nothing.
 */
function needsDigests(left: Entry, right: Entry, order: number, rules: Rules): boolean {
  if (left.sizeBytes === 0) return false
  return order !== 0 || left.edits > 0 || right.edits > 0 || rules.checksum || isAtBound(left, right, rules)
}

function decideUpdate(left: Entry, right: Entry, order: number, rules: Rules, into: Decision[]): void {
  // Older on the left: the right keeps what it has.
  // row: update-older
  if (order < 0) return
  if (order > 0) {
    // row: update-newer-size
    if (left.sizeBytes !== right.sizeBytes) into.push({ kind: 'replace', left, right })
    // row: update-newer-empty
    else if (left.sizeBytes === 0) into.push({ kind: 'attributes', left, right })
    // row: update-size-only
    else if (rules.sizeOnly === true) return
    // row: update-newer-doubt
    else into.push({ kind: 'digests', left, right })
    return
  }
  // Equal times: nothing says which is newer.
  // row: update-same-time-size
  if (left.sizeBytes !== right.sizeBytes) into.push({ kind: 'problem', name: left.name, code: 'same-time' })
  // row: update-same-time-doubt
  else if (needsDigests(left, right, order, rules)) into.push({ kind: 'digests', left, right })
  // row: update-same
}

function decideSymlinks(left: Entry, right: Entry, rules: Rules, into: Decision[]): void {
  const order = timeOrder(left, right, rules)
  const same = left.link !== undefined && right.link !== undefined && equalBytes(left.link, right.link)
  if (rules.mode === 'mirror') {
    // row: symlink-text
    if (!same) into.push({ kind: 'replace', left, right })
    // row: symlink-time
    else if (order !== 0 || !isDressedAlike(left, right)) into.push({ kind: 'attributes', left, right })
    // row: symlink-same
    return
  }
  // row: update-symlink-same
  // row: update-symlink-older
  if (same || order < 0) return
  // row: update-symlink-newer
  if (order > 0) into.push({ kind: 'replace', left, right })
  // row: update-symlink-same-time
  else into.push({ kind: 'problem', name: left.name, code: 'same-time' })
}

/**
 * Decides a pair of files of equal size whose digests were asked for. A digest is undefined where it could not be taken
 * (the file kept changing, or is gone): such a path is left alone until the next run.
 */
export function settleDigests(
  left: Entry,
  right: Entry,
  digests: { left: Uint8Array | undefined; right: Uint8Array | undefined },
  rules: Rules,
): Decision | undefined {
  // row: digest-unknown
  if (digests.left === undefined || digests.right === undefined) {
    return { kind: 'problem', name: left.name, code: 'changing' }
  }
  // Damage is told and never brought to the other side; a damaged right is mended from the left.
  // row: digest-damaged
  if (isDamaged(digests.left)) return { kind: 'problem', name: left.name, code: 'damaged-on-disk' }
  const order = timeOrder(left, right, rules)
  if (equalBytes(digests.left, digests.right)) {
    const modes = rules.mode === 'mirror' && !isDressedAlike(left, right)
    // row: digest-equal-attributes
    // row: digest-equal
    return order !== 0 || modes ? attributes(left, right, order) : undefined
  }
  // What is damaged there is nobody's edit: there is nothing to choose from.
  // row: digest-damaged-there
  if (isDamaged(digests.right)) return { kind: 'replace', left, right }
  // row: update-digest-same-time
  if (rules.mode === 'update' && order === 0) return { kind: 'problem', name: left.name, code: 'same-time' }
  // row: digest-differs
  return { kind: 'replace', left, right }
}
