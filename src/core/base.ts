// What both sides of a two-way job last agreed on, one directory at a time: the third listing that two-way.ts decides by.

import type { Entry, Summary } from './entry.ts'
import type { TimeRange } from './reconcile.ts'

/**
 * An entry of the base. A file's `digest` is that of its content where it was known; a directory's `summary` is what both
 * sides had below when it was noted, and undefined where they did not have the same, or something below was not settled.
 */
export type BaseEntry = Entry & { readonly digest?: Uint8Array | undefined }

export type BaseRules = { readonly timeGrainNs: number; readonly times?: TimeRange; readonly windowNs?: number | undefined }

/** What is known besides the listings when a base is advanced. */
export type BaseFacts = {
  /**
   * The digests of two files, where they are known (damaged ones as `damagedDigest`). Both known: they say whether the
   * files are equal. Else size, time and `edits` do, and no digest is noted.
   */
  digestsOf(left: Entry, right: Entry): { readonly left: Uint8Array | undefined; readonly right: Uint8Array | undefined }
  /** Whether something at this name was left undecided or undone (a problem): then the base keeps what it has of it. */
  isOpen(name: string): boolean
  /** Whether all below the directory of this name is agreed on: what `Advanced.isSettled` says of its listing; true where nobody had to look. */
  isSettledBelow(name: string): boolean
}

export type Advanced = {
  readonly entries: BaseEntry[]
  /** Whether the base now says all that both sides have here and below. */
  readonly isSettled: boolean
  /** Whether `entries` are not what the base was. */
  readonly isChanged: boolean
}

/** The base of a directory after a run, from the listings that both sides have now. */
export function advance(
  left: Iterable<Entry>,
  right: Iterable<Entry>,
  base: Iterable<BaseEntry>,
  facts: BaseFacts,
  rules: BaseRules,
): Advanced {
  throw new Error(String([left, right, base, facts, rules]))
}

/** The fingerprint that both sides had below a directory of the base; undefined where that is not known. */
export function baseFingerprint(entry: BaseEntry | undefined): Uint8Array | undefined {
  return entry?.summary?.fingerprint
}

/** The summary that both directories have, or undefined. */
export function commonSummary(left: Entry, right: Entry): Summary | undefined {
  throw new Error(String([left, right]))
}

/** As it is stored: the entries in the order of their names. */
export function encodeBase(entries: Iterable<BaseEntry>): Uint8Array {
  throw new Error(String(entries))
}

/** What `encodeBase` wrote. Throws `state-broken` for anything else. */
export function decodeBase(bytes: Uint8Array): BaseEntry[] {
  throw new Error(String(bytes))
}
