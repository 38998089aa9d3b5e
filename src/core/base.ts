// What both sides of a two-way job last agreed on, one directory at a time: the third listing that two-way.ts decides by.
// It says of a name what was really equal on both sides, and never what should have become equal: a base that knows too
// little makes a conflict or a second look, one that knows too much would delete. Stored without anything that is local to
// a machine; what was damaged in the database is no base.
//
// Stored: version u8, then entries as in a listing, in the order of their names, each file followed by {u8 1, digest 32} or
// {u8 0}, each directory by {u8 1, fingerprint 32} where the right had another one than the left, else by {u8 0}. A directory
// of which it is not known what the sides had below has a summary of zeros.

import { ByteReader, ByteWriter, compareBytes, equalBytes } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { sameAttributes } from './attributes.ts'
import { isDamaged } from './digests.ts'
import { compareTimes, type Entry, isCopied, type Summary } from './entry.ts'
import { compareNames, entryNameBytes, fingerprintBytes, putEntry, takeEntry } from './listing.ts'
import type { Rules, TimeRange } from './reconcile.ts'
import { isOutside } from './selection.ts'

/**
 * An entry of the base. A file's `digest` is that of its content where it was known. A directory's `summary` is what the
 * left had below when all there was settled, undefined where it was not; the right's fingerprint was the same, or is
 * `rightFingerprint`: what is never copied and what only one machine counts may differ for good.
 */
export type BaseEntry = Entry & {
  readonly digest?: Uint8Array | undefined
  readonly rightFingerprint?: Uint8Array | undefined
}

/** What a side and the base are told apart by. */
export type BaseRules = Pick<Rules, 'timeGrainNs' | 'times' | 'windowNs' | 'sizeOnly' | 'checksum' | 'sizes'>

// ---- a side and the base -------------------------------------------------------------------------------------------

/** The fingerprint that a side had below a directory of the base when all there was settled; undefined where it was not. */
export function baseFingerprint(base: BaseEntry | undefined, side: 'left' | 'right'): Uint8Array | undefined {
  const fingerprint = base?.summary?.fingerprint
  return side === 'left' || fingerprint === undefined ? fingerprint : (base?.rightFingerprint ?? fingerprint)
}

/**
 * What became of the content of a name on a side since the base: the same, changed, or only its digest can tell. Of a
 * directory: whether all below is known to be the same.
 */
export function changeSince(
  base: BaseEntry | undefined,
  side: 'left' | 'right',
  entry: Entry,
  rules: BaseRules,
): 'same' | 'doubt' | 'changed' {
  if (base?.kind !== entry.kind) return 'changed'
  if (entry.kind === 'directory') return hasFingerprint(entry, baseFingerprint(base, side)) ? 'same' : 'changed'
  if (entry.kind === 'symlink') return isSameLink(entry, base) ? 'same' : 'changed'
  if (entry.sizeBytes !== base.sizeBytes) return 'changed'
  if (entry.sizeBytes === 0) return 'same'
  const isDoubtful =
    rules.checksum || entry.edits > 0 || isAtBound(base, entry, rules.times) || orderOfTimes(base, entry, rules) !== 0
  return isDoubtful ? 'doubt' : 'same'
}

function hasFingerprint(entry: Entry, fingerprint: Uint8Array | undefined): boolean {
  return fingerprint !== undefined && entry.summary !== undefined && equalBytes(entry.summary.fingerprint, fingerprint)
}

export function isSameLink(a: Entry, b: Entry): boolean {
  return a.link !== undefined && b.link !== undefined && equalBytes(a.link, b.link)
}

/** -1, 0 or 1: which is older, as far as the rules look at times. */
export function orderOfTimes(a: Entry, b: Entry, rules: BaseRules): number {
  if (rules.sizeOnly === true || isAtBound(a, b, rules.times)) return 0
  return compareTimes(a, b, Math.max(rules.timeGrainNs, (rules.windowNs ?? 0) + 1))
}

/** Whether they have the same nearest time that both sides can hold, and one of them has another: nothing brings it nearer. */
function isAtBound(a: Entry, b: Entry, times: TimeRange | undefined): boolean {
  if (times === undefined) return false
  const near = nearestTime(a.mtimeSeconds, times)
  return near === nearestTime(b.mtimeSeconds, times) && (near !== a.mtimeSeconds || near !== b.mtimeSeconds)
}

function nearestTime(seconds: number, { min, max }: TimeRange): number {
  return Math.max(min, Math.min(max, seconds))
}

// ---- after a run ---------------------------------------------------------------------------------------------------

/** What is known besides the listings when a base is advanced. */
export type BaseFacts = {
  /**
   * The digests of two files, where they are at hand: it is asked of every pair of files. Of damaged content
   * `damagedDigest`. Both known: they say whether the files are equal. Else size, time and `edits` do, and no digest is
   * learned.
   */
  digestsOf(
    left: Entry,
    right: Entry,
  ): { readonly left: Uint8Array | undefined; readonly right: Uint8Array | undefined }
  /** Whether something at this name was left undecided or undone (a problem): the base then keeps what it has of it. */
  isOpen(name: string): boolean
  /** Whether all below the directory of this name is agreed on: `Advanced.isSettled` of it; true where nobody had to look. */
  isSettledBelow(name: string): boolean
}

export type Advanced = {
  /** The base now, as it is stored; read it with `baseEntries`. */
  readonly bytes: Uint8Array
  /**
   * Whether it says all that both sides have here and below, whatever the rules look at: then the same fingerprints mean
   * that nothing is to be done.
   */
  readonly isSettled: boolean
  /** Whether nothing is left to do here (not below) as long as the rules stay: what they do not look at may differ. */
  readonly isDone: boolean
  /** Whether it says another thing than before. */
  readonly isChanged: boolean
}

/** The base of a directory after a run, from the listings that both sides have now. The directories below come first. */
export function advance(
  left: Iterable<Entry>,
  right: Iterable<Entry>,
  base: Iterable<BaseEntry>,
  facts: BaseFacts,
  rules: BaseRules,
): Advanced {
  const writer = startBase()
  let [isSettled, isDone, isChanged] = [true, true, false]
  for (const names of namesOf(left, right, base)) {
    const agreed = advanceName(names, facts, rules)
    isSettled &&= agreed.isSettled
    isDone &&= agreed.isSettled || isPassedOver(names, agreed, facts, rules)
    isChanged ||= !isSameBase(agreed.entry, names.base)
    if (agreed.entry !== undefined) putBase(writer, agreed.entry)
  }
  return { bytes: writer.take(), isSettled, isDone, isChanged }
}

type Agreed = { readonly entry: BaseEntry | undefined; readonly isSettled: boolean }

function advanceName({ left, right, base }: Names, facts: BaseFacts, rules: BaseRules): Agreed {
  if (left === undefined && right === undefined) return { entry: undefined, isSettled: true }
  const kept = { entry: base, isSettled: false }
  // What is never copied is as settled as it will be.
  if (isSpecialOrNone(left) && isSpecialOrNone(right)) return { ...kept, isSettled: true }
  if (isUnseen(left, rules) || isUnseen(right, rules)) return kept
  if (left === undefined || right === undefined || left.kind !== right.kind || !isCopied(left.kind)) return kept
  if (left.kind === 'directory') return advanceDirectory(left, right, base, facts)
  if (facts.isOpen(left.name)) return kept
  const known = base?.kind === left.kind ? base : undefined
  // What was compared by content is known to the facts; what counts as equal by this job's rules may not be.
  const plain = { ...rules, checksum: false, sizeOnly: false, windowNs: 0 }
  const entry =
    left.kind === 'file' ? agreedFile(left, right, known, facts, plain) : agreedLink(left, right, known, plain)
  return entry === undefined ? kept : { entry, isSettled: true }
}

/** What is not agreed on, and still no run by these rules does anything about it. */
function isPassedOver({ left, right, base }: Names, { entry }: Agreed, facts: BaseFacts, rules: BaseRules): boolean {
  if (isUncopied(left) || isUncopied(right)) return false
  if (isUnseen(left, rules) || isUnseen(right, rules)) return true
  if (left === undefined || right === undefined || facts.isOpen(left.name)) return false
  // What is below tells for itself.
  if (left.kind === 'directory' && right.kind === 'directory') return left.mode === right.mode && entry !== undefined
  const isSame =
    changeSince(base, 'left', left, rules) === 'same' && changeSince(base, 'right', right, rules) === 'same'
  return isSame && left.mode === right.mode
}

function isSpecialOrNone(entry: Entry | undefined): boolean {
  return entry === undefined || entry.kind === 'special'
}

function isUncopied(entry: Entry | undefined): boolean {
  return entry !== undefined && !isCopied(entry.kind)
}

function isUnseen(entry: Entry | undefined, rules: BaseRules): boolean {
  return entry?.kind === 'file' && isOutside(entry.sizeBytes, rules.sizes)
}

/**
 * The summary is made anew even where the mode could not be agreed on: an old fingerprint would stand for listings that
 * the base below no longer has.
 */
function advanceDirectory(left: Entry, right: Entry, base: BaseEntry | undefined, facts: BaseFacts): Agreed {
  const isAgreed = left.mode === right.mode && !facts.isOpen(left.name)
  const mode = isAgreed ? left.mode : base?.kind === 'directory' ? base.mode : undefined
  if (mode === undefined) return { entry: base?.kind === 'directory' ? base : undefined, isSettled: false }
  const isSettledBelow = facts.isSettledBelow(left.name)
  const summary = isSettledBelow && right.summary !== undefined ? left.summary : undefined
  const isSame = summary === undefined || hasFingerprint(right, summary.fingerprint)
  const rightFingerprint = isSame ? undefined : right.summary?.fingerprint
  const entry = { ...noted(left, left, right, base), mode, summary, rightFingerprint }
  return { entry, isSettled: isAgreed && isSettledBelow }
}

function agreedFile(
  left: Entry,
  right: Entry,
  base: BaseEntry | undefined,
  facts: BaseFacts,
  rules: BaseRules,
): BaseEntry | undefined {
  if (left.sizeBytes !== right.sizeBytes || left.mode !== right.mode) return undefined
  const digests = facts.digestsOf(left, right)
  if (isDamaged(digests.left) || isDamaged(digests.right)) return undefined
  if (digests.left !== undefined && digests.right !== undefined) {
    if (!equalBytes(digests.left, digests.right)) return undefined
    return { ...noted(later(left, right, rules), left, right, base), digest: digests.left.slice() }
  }
  const isAlike = left.edits === 0 && right.edits === 0 && orderOfTimes(left, right, rules) === 0
  if (left.sizeBytes > 0 && !isAlike) return undefined
  const isKnown = base !== undefined && changeSince(base, 'left', left, rules) === 'same'
  return { ...noted(later(left, right, rules), left, right, base), digest: isKnown ? base.digest : undefined }
}

function agreedLink(left: Entry, right: Entry, base: BaseEntry | undefined, rules: BaseRules): BaseEntry | undefined {
  return isSameLink(left, right) ? noted(later(left, right, rules), left, right, base) : undefined
}

/** The one with the later time, however little later: of the same two this is the same one, whichever is left. */
function later(left: Entry, right: Entry, rules: BaseRules): Entry {
  const order = orderOfTimes(left, right, rules) || compareTimes(left, right, 1)
  return order < 0 ? right : left
}

/** What only one side has besides is not agreed on; edits are counted by each machine for itself. */
function noted(from: Entry, left: Entry, right: Entry, base: BaseEntry | undefined): BaseEntry {
  const attributes = sameAttributes(left.attributes, right.attributes) ? from.attributes : base?.attributes
  return { ...from, edits: 0, attributes }
}

function isSameBase(a: BaseEntry | undefined, b: BaseEntry | undefined): boolean {
  if (a === undefined || b === undefined || a === b) return a === b
  return (
    a.kind === b.kind &&
    a.mode === b.mode &&
    a.mtimeSeconds === b.mtimeSeconds &&
    a.mtimeNs === b.mtimeNs &&
    a.sizeBytes === b.sizeBytes &&
    sameBytes(a.link, b.link) &&
    sameBytes(a.digest, b.digest) &&
    sameBytes(a.attributes, b.attributes) &&
    sameBytes(baseFingerprint(a, 'left'), baseFingerprint(b, 'left')) &&
    sameBytes(baseFingerprint(a, 'right'), baseFingerprint(b, 'right'))
  )
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}

// ---- three listings side by side -----------------------------------------------------------------------------------

/** What the three listings have of one name; never nothing at all. */
export type Names = {
  readonly left: Entry | undefined
  readonly right: Entry | undefined
  readonly base: BaseEntry | undefined
}

/** Every name of three listings, in their order; each is gone through once, and nothing is kept. */
export function* namesOf(
  left: Iterable<Entry>,
  right: Iterable<Entry>,
  base: Iterable<BaseEntry>,
): Generator<Names, void, undefined> {
  const [lefts, rights, bases] = [left[Symbol.iterator](), right[Symbol.iterator](), base[Symbol.iterator]()]
  let a = nextOf(lefts.next())
  let b = nextOf(rights.next())
  let c = nextOf(bases.next())
  for (;;) {
    const first = firstOf(firstOf(a, b), c)
    if (first === undefined) return
    const names = { left: sameName(a, first), right: sameName(b, first), base: sameName(c, first) }
    yield names
    if (names.left !== undefined) a = nextOf(lefts.next())
    if (names.right !== undefined) b = nextOf(rights.next())
    if (names.base !== undefined) c = nextOf(bases.next())
  }
}

function nextOf<Value>(next: IteratorResult<Value, unknown>): Value | undefined {
  return next.done === true ? undefined : next.value
}

function firstOf(a: Entry | undefined, b: Entry | undefined): Entry | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return compareNames(a, b) <= 0 ? a : b
}

function sameName<One extends Entry>(one: One | undefined, { name }: Entry): One | undefined {
  return one?.name === name ? one : undefined
}

// ---- as it is stored -----------------------------------------------------------------------------------------------

const version = 1
const unknownSummary: Summary = {
  fingerprint: new Uint8Array(fingerprintBytes),
  files: 0,
  directories: 0,
  sizeBytes: 0,
}

/** The entries must be in the order of their names. */
export function encodeBase(entries: Iterable<BaseEntry>): Uint8Array {
  const writer = startBase()
  for (const entry of entries) putBase(writer, entry)
  return writer.take()
}

function startBase(): ByteWriter {
  const writer = new ByteWriter(1024)
  writer.u8(version)
  return writer
}

function putBase(writer: ByteWriter, entry: BaseEntry): void {
  const { kind, summary = unknownSummary } = entry
  putEntry(writer, kind === 'directory' ? { ...entry, summary } : entry, entryNameBytes(entry))
  if (kind === 'symlink') return
  const more = kind === 'file' ? entry.digest : entry.rightFingerprint
  writer.u8(more === undefined ? 0 : 1)
  if (more !== undefined) writer.bytes(more)
}

/** The entries of what `encodeBase` wrote, one by one. Throws `state-broken` at the first thing that is not as it must be. */
export function* baseEntries(bytes: Uint8Array): Generator<BaseEntry, void, undefined> {
  const reader = new ByteReader(bytes)
  let previous: Uint8Array | undefined
  if (sound(() => reader.u8()) !== version) throw broken()
  while (reader.left > 0) {
    const entry = sound(() => takeBase(reader))
    const name = entryNameBytes(entry)
    if (previous !== undefined && compareBytes(previous, name) >= 0) throw broken()
    previous = name
    yield entry
  }
}

export function decodeBase(bytes: Uint8Array): BaseEntry[] {
  return [...baseEntries(bytes)]
}

function takeBase(reader: ByteReader): BaseEntry {
  const entry = takeEntry(reader)
  if (!isCopied(entry.kind)) throw broken()
  if (entry.kind === 'symlink') return entry
  const flag = reader.u8()
  if (flag > 1) throw broken()
  const more = flag === 0 ? undefined : reader.bytes(fingerprintBytes).slice()
  if (entry.kind === 'file') return more === undefined ? entry : { ...entry, digest: more }
  const isKnown = !hasFingerprint(entry, unknownSummary.fingerprint)
  if (!isKnown && more !== undefined) throw broken()
  return { ...entry, summary: isKnown ? entry.summary : undefined, rightFingerprint: more }
}

/** Bytes of our own database that are none of a base are damage, whatever reader stumbles over them. */
function sound<Value>(read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw broken()
  }
}

function broken(): Failure {
  return new Failure('state-broken', 'what two folders last agreed on is not stored as it must be')
}
