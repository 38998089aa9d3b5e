// Decides, for one directory, what both sides of a two-way job need to become the same, from what they have and what they
// last agreed on (the base). A pure function over three listings; the second part of docs/reconcile.md is its table: each row
// there has its name at its branch here (`row: name`) and at its test, and the test holds the three together. Nothing that
// only one side changed is undone, content beats deletion, and where both changed a name both are kept unless a person
// chose otherwise. Absence counts only against a base; what is never copied is never deleted, replaced or entered.

import { equalBytes } from '../std/bytes.ts'
import { type BaseEntry, type BaseRules, changeSince, isSameLink, type Names, namesOf, orderOfTimes } from './base.ts'
import { type Claim, type ConflictPolicy, conflictName, loserOf } from './conflict.ts'
import { isDamaged } from './digests.ts'
import { type Entry, isCopied } from './entry.ts'
import { depthOf, staysWithin } from './links.ts'
import { attributesFrom, mergedMode } from './merge.ts'
import { joinPath, type RelPath } from './path.ts'
import type { ProblemCode } from './problem.ts'
import type { TimeRange } from './reconcile.ts'
import { isOutside, type Selection } from './selection.ts'

export type Side = 'left' | 'right'

/** What a two-way run does with what differs. `only` has no meaning here: both sides are targets. */
export type TwoWayRules = Omit<Selection, 'only'> & {
  /** The coarser grain of both ends: times that differ by less are equal. */
  readonly timeGrainNs: number
  /** The times that both sides can hold, in seconds; undefined where that is every time that travels. */
  readonly times?: TimeRange
  /** Compare content wherever sizes are equal, whatever the times say. */
  readonly checksum: boolean
  readonly machines: { readonly left: string; readonly right: string }
  policyFor(path: RelPath): ConflictPolicy
  /** The digest that stands for a symlink's text: of it, under a domain, so that it is none of a content. */
  linkDigest(text: Uint8Array): Uint8Array
}

export type TwoWay =
  /** Equal on both sides, and the base does not say so yet. */
  | { readonly kind: 'agree'; readonly entry: Entry }
  /**
   * A side becomes `entry`. `there` is what it has now. A directory that is created or retyped comes with all below.
   * `restores`: it was deleted there, and comes back because the other side changed it.
   */
  | {
      readonly kind: 'bring'
      readonly to: Side
      readonly action: 'create' | 'replace' | 'retype' | 'attributes'
      readonly entry: Entry
      readonly there: Entry | undefined
      readonly restores: boolean
    }
  /** Deleted on the other side, unchanged on this one. */
  | { readonly kind: 'delete'; readonly on: Side; readonly there: Entry }
  /** Directories on both sides; something below differs, or the base does not say all that is there. */
  | { readonly kind: 'enter'; readonly left: Entry; readonly right: Entry; readonly base: BaseEntry | undefined }
  /**
   * Deleted on the other side, and not known to be unchanged below on this one (`on`). What is below is decided against
   * nothing; if none of it comes back to the other side, the whole directory goes.
   */
  | { readonly kind: 'enter-deleted'; readonly on: Side; readonly there: Entry; readonly base: BaseEntry }
  /** Only the digests of the files among `left` and `right` can tell; `settleTwoWay` decides then. */
  | { readonly kind: 'digests'; readonly names: Names }
  /**
   * Changed to different values on both sides. With `copyAs` the loser gets this name on its own side, and nothing else
   * happens at the name until then; without, the `bring` that follows replaces it.
   */
  | { readonly kind: 'conflict'; readonly names: Names; readonly loser: Side; readonly copyAs: string | undefined }
  | { readonly kind: 'problem'; readonly name: string; readonly code: ProblemCode }
  /** A special that stands in nobody's way. */
  | { readonly kind: 'skip'; readonly name: string; readonly side: Side }
  /** Gone on both sides: the base may forget it. */
  | { readonly kind: 'forget'; readonly name: string }

/**
 * Whether a name is in use in the directory: on either side, or in the base, which would take a copy of that name for what
 * the other side deleted. Asked only where a conflict copy needs a name, and a name that is free is given away by that:
 * asked again, it is taken.
 */
export type IsTaken = (name: string) => boolean

/** The digests of those sides of a name that are files. */
export type SideDigests = { readonly left: Uint8Array | undefined; readonly right: Uint8Array | undefined }

/** What every decision in a directory may look at. */
type Place = {
  readonly path: RelPath
  readonly depth: number
  readonly rules: TwoWayRules
  readonly isTaken: IsTaken
  readonly into: TwoWay[]
}

/**
 * The decisions for one directory (`path`), in the order of names. A name without one needs nothing. The listings are gone
 * through once, side by side, and nothing of them is kept.
 */
export function* reconcileTwoWay(
  left: Iterable<Entry>,
  right: Iterable<Entry>,
  base: Iterable<BaseEntry>,
  path: RelPath,
  rules: TwoWayRules,
  isTaken: IsTaken,
): Generator<TwoWay, void, undefined> {
  const into: TwoWay[] = []
  const place: Place = { path, depth: depthOf(path), rules, isTaken, into }
  for (const names of namesOf(left, right, base)) {
    decide(names, place)
    yield* into
    into.length = 0
  }
}

function decide(names: Names, place: Place): void {
  const { left, right, base } = names
  if (left === undefined && right === undefined) {
    // row: both-gone
    if (base !== undefined) place.into.push({ kind: 'forget', name: base.name })
    return
  }
  if (isLeftAlone(left, right, place)) return
  if (left === undefined) decideOne('right', names, right as Entry, place)
  else if (right === undefined) decideOne('left', names, left, place)
  else if (left.kind !== right.kind) decideKinds(names, left, right, place)
  else if (left.kind === 'directory') decideDirectories(left, right, base, place)
  else if (left.kind === 'symlink') decideSymlinks(names, left, right, place)
  else decideFiles(names, left, right, place)
}

/** What is never copied, is hidden or may not come is touched on neither side, and is no absence. */
function isLeftAlone(left: Entry | undefined, right: Entry | undefined, { depth, rules, into }: Place): boolean {
  // row: special
  if (isSpecialOrNone(left) && isSpecialOrNone(right)) {
    const [side, { name }] = left === undefined ? (['right', right as Entry] as const) : (['left', left] as const)
    into.push({ kind: 'skip', name, side })
    return true
  }
  const uncopied = uncopiedOf(left, right)
  // row: uncopied
  if (uncopied !== undefined) {
    into.push({ kind: 'problem', name: uncopied.name, code: uncopiedCode(uncopied) })
    return true
  }
  // row: outside
  if (isUnseen(left, rules) || isUnseen(right, rules)) return true
  const leading = rules.links === 'portable' ? (leadingOut(left, depth) ?? leadingOut(right, depth)) : undefined
  // row: link-outside
  if (leading !== undefined) into.push({ kind: 'problem', name: leading.name, code: 'link-outside' })
  return leading !== undefined
}

function isSpecialOrNone(entry: Entry | undefined): boolean {
  return entry === undefined || entry.kind === 'special'
}

/** Of two that can't be copied the one that says more. */
function uncopiedOf(left: Entry | undefined, right: Entry | undefined): Entry | undefined {
  const one = left === undefined || isCopied(left.kind) ? undefined : left
  const other = right === undefined || isCopied(right.kind) ? undefined : right
  return one === undefined || (one.kind === 'special' && other !== undefined) ? other : one
}

function uncopiedCode({ kind }: Entry): ProblemCode {
  if (kind === 'special') return 'special'
  return kind === 'bad-name' ? 'name-too-long' : 'unreadable'
}

function isUnseen(entry: Entry | undefined, { sizes }: TwoWayRules): boolean {
  return entry?.kind === 'file' && isOutside(entry.sizeBytes, sizes)
}

function leadingOut(entry: Entry | undefined, depth: number): Entry | undefined {
  return entry?.link !== undefined && !staysWithin(entry.link, depth) ? entry : undefined
}

/** A name that one side has: new there, or deleted on the other. */
function decideOne(on: Side, names: Names, there: Entry, { rules, into }: Place): void {
  const { base } = names
  // row: new
  if (base === undefined) into.push(creation(on, there, false))
  else if (there.kind === 'directory' && base.kind === 'directory') {
    const isSame = changeSince(base, on, there, rules) === 'same'
    // row: deleted-directory
    if (isSame && !rules.checksum) into.push({ kind: 'delete', on, there })
    // row: deleted-directory-changed
    // row: deleted-directory-checksum
    else into.push({ kind: 'enter-deleted', on, there, base })
  } else {
    const change = changeSince(base, on, there, rules)
    // row: deleted-doubt
    if (change === 'doubt') into.push({ kind: 'digests', names })
    // row: deleted
    else if (change === 'same' && there.mode === base.mode) into.push({ kind: 'delete', on, there })
    // row: deleted-mode
    // row: deleted-changed
    else into.push(creation(on, there, true))
  }
}

function creation(from: Side, entry: Entry, restores: boolean): TwoWay {
  return { kind: 'bring', to: otherSide(from), action: 'create', entry, there: undefined, restores }
}

export function otherSide(side: Side): Side {
  return side === 'left' ? 'right' : 'left'
}

function decideKinds(names: Names, left: Entry, right: Entry, place: Place): void {
  const { rules, into } = place
  // row: kind-one-side
  if (changeSince(names.base, 'left', left, rules) === 'same') into.push(retype('right', left, right))
  else if (changeSince(names.base, 'right', right, rules) === 'same') into.push(retype('left', left, right))
  // row: kind-doubt
  else if (left.kind === 'file' || right.kind === 'file') into.push({ kind: 'digests', names })
  // row: kind-clash
  else clash(names, left, right, noDigests, place)
}

function retype(from: Side, left: Entry, right: Entry): TwoWay {
  const [entry, there] = from === 'left' ? [left, right] : [right, left]
  return { kind: 'bring', to: otherSide(from), action: 'retype', entry, there, restores: false }
}

const noBytes = new Uint8Array(0)
const noDigests: SideDigests = { left: undefined, right: undefined }

function decideDirectories(left: Entry, right: Entry, base: BaseEntry | undefined, { rules, into }: Place): void {
  const known = base?.kind === 'directory' ? base : undefined
  // row: directory-mode
  if (!dressBoth(left, right, known, 0, into)) {
    // row: directory-new
    if (known === undefined || known.mode !== left.mode) into.push({ kind: 'agree', entry: left })
  }
  const isSame =
    changeSince(known, 'left', left, rules) === 'same' && changeSince(known, 'right', right, rules) === 'same'
  // row: directory-differs
  // row: directory-checksum
  if (!isSame || rules.checksum) into.push({ kind: 'enter', left, right, base: known })
  // row: directory-same
}

function decideSymlinks(names: Names, left: Entry, right: Entry, place: Place): void {
  if (isSameLink(left, right)) agree(names, left, right, undefined, place)
  // row: symlink-one-side
  else if (changeSince(names.base, 'right', right, place.rules) === 'same') replace('left', names, left, right, place)
  else if (changeSince(names.base, 'left', left, place.rules) === 'same') replace('right', names, left, right, place)
  // row: symlink-clash
  else clash(names, left, right, noDigests, place)
}

function decideFiles(names: Names, left: Entry, right: Entry, place: Place): void {
  const ofLeft = changeSince(names.base, 'left', left, place.rules)
  const ofRight = changeSince(names.base, 'right', right, place.rules)
  const areEmpty = left.sizeBytes === 0 && right.sizeBytes === 0
  if ((ofLeft === 'same' && ofRight === 'same') || areEmpty) agree(names, left, right, undefined, place)
  // row: file-one-side
  else if (ofLeft === 'changed' && ofRight === 'same') replace('left', names, left, right, place)
  else if (ofLeft === 'same' && ofRight === 'changed') replace('right', names, left, right, place)
  // row: file-doubt
  // row: file-both-changed
  else place.into.push({ kind: 'digests', names })
}

/** The content of one side for both. What a file has besides travels with its content; only modes are merged. */
function replace(from: Side, names: Names, left: Entry, right: Entry, { into }: Place): void {
  const [winner, there] = from === 'left' ? [left, right] : [right, left]
  const entry = { ...winner, mode: mergedMode(left, right, names.base) }
  into.push({ kind: 'bring', to: otherSide(from), action: 'replace', entry, there, restores: false })
  if (entry.mode !== winner.mode)
    into.push({ kind: 'bring', to: from, action: 'attributes', entry, there: winner, restores: false })
}

/** Same content on both sides: the later time and the merged mode for both, or only the base has to learn of it. */
function agree(names: Names, left: Entry, right: Entry, digest: Uint8Array | undefined, place: Place): void {
  const { rules, into } = place
  const known = names.base?.kind === left.kind ? names.base : undefined
  const order = orderOfTimes(left, right, rules)
  // row: equal-attributes
  if (dressBoth(left, right, known, order, into)) return
  // row: equal-new
  if (known === undefined || !saysSame(known, left, right, digest, rules)) into.push({ kind: 'agree', entry: left })
  // row: equal
}

function saysSame(
  base: BaseEntry,
  left: Entry,
  right: Entry,
  digest: Uint8Array | undefined,
  rules: BaseRules,
): boolean {
  if (base.mode !== left.mode || base.sizeBytes !== left.sizeBytes) return false
  if (base.kind === 'symlink' && !isSameLink(base, left)) return false
  if (orderOfTimes(base, left, rules) !== 0 || orderOfTimes(base, right, rules) !== 0) return false
  return digest === undefined || (base.digest !== undefined && equalBytes(base.digest, digest))
}

/**
 * Gives both sides the same mode, the later of two times where `order` says that one is later, and the same of whatever
 * else the job looks at. Whether one of them needed it.
 */
function dressBoth(left: Entry, right: Entry, base: BaseEntry | undefined, order: number, into: TwoWay[]): boolean {
  const mode = mergedMode(left, right, base)
  const dresser = attributesFrom(left, right, base)
  const before = into.length
  for (const to of ['left', 'right'] as const) {
    const [there, other] = to === 'left' ? [left, right] : [right, left]
    const isOlder = to === 'left' ? order < 0 : order > 0
    const isDressed = dresser !== otherSide(to)
    if (!isOlder && isDressed && there.mode === mode) continue
    const { mtimeSeconds, mtimeNs } = isOlder ? other : there
    const { attributes } = isDressed ? there : other
    const entry = { ...there, mode, mtimeSeconds, mtimeNs, attributes }
    into.push({ kind: 'bring', to, action: 'attributes', entry, there, restores: false })
  }
  return into.length > before
}

/** Two values for one name, and both are somebody's work. */
function clash(names: Names, left: Entry, right: Entry, digests: SideDigests, place: Place): void {
  const { path, rules, isTaken, into } = place
  const [one, other] = [claimOf(left, digests.left, rules), claimOf(right, digests.right, rules)]
  const hasDirectory = left.kind === 'directory' || right.kind === 'directory'
  const policy = hasDirectory ? 'keep-both' : rules.policyFor(joinPath(path, left.name))
  const loser = loserOf(one, other, policy, Math.max(rules.timeGrainNs, (rules.windowNs ?? 0) + 1))
  if (policy !== 'keep-both') {
    // row: clash-chosen
    into.push({ kind: 'conflict', names, loser, copyAs: undefined })
    if (left.kind === right.kind) replace(otherSide(loser), names, left, right, place)
    else into.push(retype(otherSide(loser), left, right))
    return
  }
  const { digest = noBytes } = loser === 'left' ? one : other
  const copyAs = conflictName(left.name, rules.machines[loser], digest, isTaken)
  // row: clash-unnamed
  if (copyAs === undefined) into.push({ kind: 'problem', name: left.name, code: 'target-occupied' })
  // row: clash-directory
  // row: clash-kept
  else into.push({ kind: 'conflict', names, loser, copyAs })
}

function claimOf(entry: Entry, digest: Uint8Array | undefined, rules: TwoWayRules): Claim {
  return { entry, digest: entry.link === undefined ? digest : rules.linkDigest(entry.link) }
}

// ---- when digests are there ----------------------------------------------------------------------------------------

/**
 * Decides a name whose digests were asked for: of each side that is a file. One is undefined where it could not be taken
 * (the file kept changing, or is gone): such a name is left alone until the next run. `path` is that of the directory.
 */
export function settleTwoWay(
  names: Names,
  digests: SideDigests,
  path: RelPath,
  rules: TwoWayRules,
  isTaken: IsTaken,
): TwoWay[] {
  const into: TwoWay[] = []
  settle(names, digests, { path, depth: depthOf(path), rules, isTaken, into })
  return into
}

function settle(names: Names, digests: SideDigests, place: Place): void {
  const { left, right, base } = names
  const { into } = place
  const { name } = (left ?? right) as Entry
  // row: digest-unknown
  if (isMissing(left, digests.left) || isMissing(right, digests.right)) {
    into.push({ kind: 'problem', name, code: 'changing' })
    return
  }
  if (isDamaged(digests.left) || isDamaged(digests.right)) {
    settleDamage(names, digests, place)
    return
  }
  const [isLeftSame, isRightSame] = [
    isContentOf(base, 'left', left, digests.left, place.rules),
    isContentOf(base, 'right', right, digests.right, place.rules),
  ]
  if (left === undefined) settleOne('right', right as Entry, isRightSame, base, into)
  else if (right === undefined) settleOne('left', left, isLeftSame, base, into)
  else if (left.kind !== right.kind) {
    // row: digest-kind-one-side
    if (isLeftSame) into.push(retype('right', left, right))
    else if (isRightSame) into.push(retype('left', left, right))
    // row: digest-kind-clash
    else clash(names, left, right, digests, place)
  } else if (sameDigest(digests.left, digests.right)) agree(names, left, right, digests.left, place)
  // row: digest-one-side
  else if (isLeftSame !== isRightSame) replace(isLeftSame ? 'right' : 'left', names, left, right, place)
  // row: digest-clash
  else clash(names, left, right, digests, place)
}

function isMissing(entry: Entry | undefined, digest: Uint8Array | undefined): boolean {
  return entry?.kind === 'file' && digest === undefined
}

function sameDigest(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && equalBytes(a, b)
}

/** Whether a file has the content that both sides agreed on. Where its digest was not known, size and time must do. */
function isContentOf(
  base: BaseEntry | undefined,
  side: Side,
  entry: Entry | undefined,
  digest: Uint8Array | undefined,
  rules: BaseRules,
): boolean {
  if (entry?.kind !== 'file' || base?.kind !== 'file') return false
  return base.digest === undefined ? changeSince(base, side, entry, rules) === 'same' : sameDigest(base.digest, digest)
}

/** A file that the other side deleted, and that may only have been touched here. */
function settleOne(on: Side, there: Entry, isSame: boolean, base: BaseEntry | undefined, into: TwoWay[]): void {
  // row: digest-deleted
  if (isSame && there.mode === base?.mode) into.push({ kind: 'delete', on, there })
  // row: digest-restored
  else into.push(creation(on, there, true))
}

/** Damage is nobody's edit, and is never brought to the other side; what both agreed on may be there to mend it. */
function settleDamage(names: Names, digests: SideDigests, place: Place): void {
  const { left, right, base } = names
  const sound = isDamaged(digests.left) ? 'right' : 'left'
  const isMended = left?.kind === 'file' && right?.kind === 'file' && sameDigest(base?.digest, digests[sound])
  // row: digest-mended
  if (isMended) replace(sound, names, left, right, place)
  // row: digest-damaged
  else place.into.push({ kind: 'problem', name: ((left ?? right) as Entry).name, code: 'damaged-on-disk' })
}
