// What a root makes of names: which of them are one name there, which come back in another form, which it takes at all. And
// the pairing of names by it, before two listings are reconciled: names that differ for one side and are one for the other
// are brought together, a second name for the same place is told, and nothing is done at its expense. Pure; a root that
// takes every name as it is has no `Naming`, and costs nothing.

import { compareBytes, utf8 } from '../std/bytes.ts'
import { type Entry, isCopied } from './entry.ts'
import type { ProblemCode } from './problem.ts'
import { fitsStored, isRefusedName, storedName } from './stored-names.ts'

export type Naming = {
  /** Which letters have no case: none, those of ASCII, those with one partner each, or all (`ß` is `ss`). */
  readonly folds: 'no' | 'ascii' | 'simple' | 'full'
  /** Composed and decomposed characters are the same. */
  readonly foldsForm: boolean
  /** Characters that nobody sees do not count. */
  readonly ignores: boolean
  /** How a name comes back: as it was given, in one form, in lower case, or in no form that could be foretold. */
  readonly keeps: 'all' | 'nfc' | 'nfd' | 'lower' | 'nothing'
  /** Which names are refused there and stay away: a mask of `stored-names.ts`. */
  readonly refuses: number
  /** Which names are refused there and stored under others, by a root that does so: a mask of the same. */
  readonly stores: number
}

/** Of a root that takes every name as it is. */
export const exactNaming: Naming = {
  folds: 'no',
  foldsForm: false,
  ignores: false,
  keeps: 'all',
  refuses: 0,
  stores: 0,
}

/** Whether names need any pairing for it. */
export function isExact({ folds, foldsForm, ignores, refuses, stores }: Naming): boolean {
  return folds === 'no' && !foldsForm && !ignores && refuses === 0 && stores === 0
}

/** Two that are not the same are two disks, or one that was mounted in another way. */
export function namingText({ folds, foldsForm, ignores, keeps, refuses, stores }: Naming): string {
  return `${folds} ${foldsForm} ${ignores} ${keeps} ${refuses} ${stores}`
}

/** Whether a name can be had there. One that can't is told: what would be made of it could be another entry's name. */
export function canHold(name: string, { refuses, stores }: Naming): boolean {
  if (refuses === 0 && stores === 0) return true
  return !isRefusedName(storedName(name, stores), refuses) && fitsStored(name, stores)
}

const ignorable = /\p{Default_Ignorable_Code_Point}/gu

/**
 * The same for names that are one there. It may be the same for two names that are not: then one of them is told and does
 * not go over, which loses nothing.
 */
export function foldName(name: string, { folds, foldsForm, ignores }: Naming): string {
  let folded = ignores ? name.replace(ignorable, '') : name
  if (foldsForm) folded = folded.normalize('NFD')
  if (folds === 'ascii') folded = folded.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  else if (folds !== 'no') folded = Array.from(folded, folds === 'full' ? foldFully : foldSimply).join('')
  return foldsForm ? folded.normalize('NFD') : folded
}

/** Upper case has one form where lower case has two (`ς`, `ſ`); only the dotless i has an upper case that is another letter's. */
function foldFully(character: string): string {
  if (character === '\u0131') return character
  return character.toLowerCase().toUpperCase().toLowerCase()
}

function foldSimply(character: string): string {
  if (character === '\u0131' || character === '\u0130') return character
  const upper = one(character.toUpperCase()) ?? character
  return one(upper.toLowerCase()) ?? upper
}

/** What is one character. */
function one(text: string): string | undefined {
  return text.length === ((text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1) ? text : undefined
}

/** How a name comes back from there. */
function keptName(name: string, { keeps }: Naming): string {
  if (keeps === 'lower') return Array.from(name, (character) => one(character.toLowerCase()) ?? character).join('')
  return keeps === 'nfd' ? name.normalize('NFD') : keeps === 'nfc' ? name.normalize('NFC') : name
}

/**
 * Which of several names of the left has the place of one of the right. The one that is called so, where names come back as
 * they were given; where not, what it is called says nothing, and the first one has it, as it had when it came.
 */
function ownerOf(lefts: readonly Entry[], right: Entry | undefined, { keeps }: Naming): Entry | undefined {
  const called = keeps === 'all' ? lefts.find(({ name }) => name === right?.name) : undefined
  return called ?? lefts.find(({ kind }) => isCopied(kind)) ?? lefts[0]
}

/** Two listings of one directory with names in which both agree, in the order of name bytes. */
export type Paired = {
  readonly left: readonly Entry[]
  readonly right: readonly Entry[]
  /** The right's entries that get the left's spelling before anything else is done; `right` has it already. */
  readonly respelled: readonly { readonly from: string; readonly to: string }[]
  /** Entries whose names in `left` and `right` are the right's; `source` is what the left calls them. */
  readonly aliases: readonly { readonly name: string; readonly source: string }[]
  /** Names of the left that the right can't have; they are not in `left`. */
  readonly problems: readonly { readonly name: string; readonly code: ProblemCode }[]
}

/**
 * Brings together what is one name on the right. Of several names on the left the one that the right has keeps its place,
 * else the first one gets it; the others are told. With `respells` the right shall have the left's spelling where it can.
 */
export function pairNames(lefts: Iterable<Entry>, rights: Iterable<Entry>, naming: Naming, respells: boolean): Paired {
  const problems: { name: string; code: ProblemCode }[] = []
  const groups = new Map<string, { lefts: Entry[]; rights: Entry[] }>()
  const groupOf = (name: string): { lefts: Entry[]; rights: Entry[] } =>
    groups.getOrInsertComputed(foldName(name, naming), () => ({ lefts: [], rights: [] }))
  const there = new Set<string>()
  for (const entry of rights) {
    there.add(entry.name)
    groupOf(entry.name).rights.push(entry)
  }
  for (const entry of lefts) {
    // What the right has it can hold, whatever was found out about it: it must not look as if the left lacked it.
    const isRefused = !canHold(entry.name, naming) && !there.has(entry.name)
    if (isRefused && isCopied(entry.kind)) problems.push({ name: entry.name, code: 'bad-name' })
    else groupOf(entry.name).lefts.push(entry)
  }
  const paired = {
    left: [] as Entry[],
    right: [] as Entry[],
    respelled: [] as { from: string; to: string }[],
    aliases: [] as { name: string; source: string }[],
    problems,
  }
  for (const group of groups.values()) pairGroup(group, naming, respells, paired)
  paired.left.sort(byName)
  paired.right.sort(byName)
  return paired
}

function byName(a: Entry, b: Entry): number {
  return compareBytes(utf8(a.name), utf8(b.name))
}

function pairGroup(
  group: { readonly lefts: readonly Entry[]; readonly rights: readonly Entry[] },
  naming: Naming,
  respells: boolean,
  into: { left: Entry[]; right: Entry[]; respelled: object[]; aliases: object[]; problems: object[] },
): void {
  const { lefts, rights } = group
  const [right, other] = rights
  if (other !== undefined || (right === undefined && lefts.length === 1)) {
    // Where the right has both, they are two names for it after all.
    into.left.push(...lefts)
    into.right.push(...rights)
    return
  }
  const owner = ownerOf(lefts, right, naming)
  for (const left of lefts) {
    if (left === owner) continue
    // What is never copied takes no name, and is told as what it is.
    if (isCopied(left.kind)) into.problems.push({ name: left.name, code: 'name-clash' })
    else into.left.push(left)
  }
  if (owner === undefined || right === undefined) {
    if (owner !== undefined) into.left.push(owner)
    if (right !== undefined) into.right.push(right)
    return
  }
  const isStoredSo = keptName(owner.name, naming) === right.name
  const isOnly = lefts.length === 1 || naming.keeps === 'all'
  // What is spelled as nobody stored it, or as more than one is, may be another file that had the name: only its content
  // tells, whatever its time.
  const doubtful = isStoredSo && isOnly ? right : { ...right, edits: Math.max(1, right.edits) }
  if (owner.name === right.name) {
    into.left.push(owner)
    into.right.push(isOnly ? right : doubtful)
    return
  }
  const keepsCase = naming.keeps !== 'nothing' && naming.keeps !== 'lower'
  const canRespell = respells && keepsCase && isCopied(owner.kind) && isCopied(right.kind)
  if (canRespell && !isStoredSo) {
    into.respelled.push({ from: right.name, to: owner.name })
    into.left.push(owner)
    into.right.push({ ...doubtful, name: owner.name })
  } else {
    into.aliases.push({ name: right.name, source: owner.name })
    into.left.push({ ...owner, name: right.name })
    into.right.push(doubtful)
  }
}
