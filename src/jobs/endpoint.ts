// The contract of an end: a root on this machine (local.ts) or behind the wire (remote.ts), to read from or to write to.
// Everything that crosses it is plain data or flat bytes, so the two forms behave alike and the cycle never asks which
// it has. Calls of one end are made in the order of this file; supply and receive of several batches run side by side.
// Every call throws Failure: the run ends there, and what landed stays landed. Single paths are problems in the results.

import type { Durability } from '../core/durability.ts'
import type { Summary } from '../core/entry.ts'
import type { GuardLimit } from '../core/guard.ts'
import type { LinkedFile } from '../core/link-table.ts'
import type { LinkPolicy } from '../core/links.ts'
import type { NameRange } from '../core/outline.ts'
import type { OwnerMap, Owners } from '../core/owners.ts'
import type { RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import type { DirectoryMove } from '../core/renames.ts'
import type { Keep } from '../core/retention.ts'
import type { View } from '../core/view.ts'
import type { ScanReport, ScanRules } from '../disk/scan.ts'
import type { DirectoryListing, OutlinedListing } from '../disk/told-listings.ts'
import type { Traits } from '../disk/traits.ts'
import type { VerifyPoint } from '../disk/verify.ts'
import type { WantedDirectory } from '../disk/wants.ts'

export type EndFacts = {
  /** The machine's name, for people. */
  readonly machine: string
  readonly path: string
  /** Stays the same for the same folder on the same disk. '' where a dry run found no marker. */
  readonly rootId: string
  readonly traits: Traits
  readonly empty: boolean
  /** Of a source: the permissions of its top folder, for a target that is made. */
  readonly mode?: number | undefined
  /** Of the lease that the run has on it; 0 for a source, and where nothing can be written. */
  readonly epoch: number
  /** The machine's wall clock when it opened the root. */
  readonly nowMs: number
  /** Paths that a run that died had left in mid-change, and what became of them; with '', what is new of the root itself. */
  readonly recovered: readonly { readonly path: string; readonly outcome: string }[]
  /** Of a target: which symlinks its owner lets in; undefined: every one. */
  readonly links?: LinkPolicy | undefined
  /** Of a target: the last run of this very job was undone since, and nobody has let the next one go on yet. */
  readonly undone?: { readonly run: string; readonly by: string; readonly atMs: number } | undefined
}

/** What the target must never exceed, told before the first change; the target judges it by its own count too. */
export type PlanTotals = {
  readonly deletes: number
  readonly replaces: number
  /** Steps and directories; decides how durability is bought. */
  readonly steps: number
  readonly hasBase: boolean
  readonly leftEntries: number
  readonly limit: GuardLimit
  /** A person has seen this very set and let it go on. */
  readonly released: boolean
  /** Bytes of content that come, as far as that is known before. */
  readonly bringsBytes?: number | undefined
  /** For how long, as far as the target lets the driver say; undefined: as before. */
  readonly keep: Keep | undefined
  /** What is synced, as far as the target lets the driver say. */
  readonly durability: Durability
}

/** What the target made of the announcement. */
export type Begun = {
  readonly durability: Durability
  /** For how long it keeps what this run replaces and deletes. */
  readonly keep: Keep
  /** Earlier runs whose versions it removed just now: old ones, and ones that had to go too soon for want of space. */
  readonly expired: number
  readonly early: number
}

export type Needs = {
  /** Wants, as `encodeWants`; to be supplied in this order. */
  readonly wants: Uint8Array
  readonly wantCount: number
  /** Of the wants, those of which only portions are to come, as `encodePortions`. */
  readonly portions?: Uint8Array
  /** Files whose digests are needed before it is known what is wanted. */
  readonly asks: Uint8Array
  readonly askCount: number
}

/** What was done on the target, in entries. */
export type ApplyCounts = {
  created: number
  replaced: number
  attributes: number
  renamed: number
  deleted: number
  /** Contents that were on the target already and were copied or renamed there. */
  copied: number
}

export type ApplyResult = {
  /** The target's root as read back, under the view. */
  readonly summary: Summary
  readonly counts: ApplyCounts
  readonly problems: readonly Problem[]
  /** Earlier runs whose versions went too soon for want of space, since the run began. */
  readonly early: number
}

/** A portion of a target's content, read again. */
export type Verified = {
  /** Files that hold what was known of them. */
  readonly files: number
  readonly bytes: number
  readonly problems: readonly Problem[]
  /** Files of which no digest was known, as wants, and the digests of what they hold, side by side. */
  readonly asks: Uint8Array
  readonly digests: Uint8Array
  /** Where to go on; undefined when all was read. */
  readonly next: VerifyPoint | undefined
}

export interface End {
  readonly facts: EndFacts
  scan(rules: ScanRules): Promise<ScanReport>
  /** Sets the view; the root's summary, or undefined where a dry run's target does not exist. */
  view(view: View, viewId: string): Promise<Summary | undefined>
  /**
   * Undefined where the directory is not known or could not be read. With `deep` what lies below will be asked for too: an
   * end behind the wire tells it along.
   */
  listings(paths: readonly RelPath[], deep?: boolean): Promise<(DirectoryListing | undefined)[]>
  /** The same, but a long listing is told by its outline. */
  outlines(paths: readonly RelPath[]): Promise<(OutlinedListing | undefined)[]>
  /** What of a directory's listing lies within these ranges, which are in order and apart. */
  listingPart(path: RelPath, ranges: readonly NameRange[]): Promise<Uint8Array>
  /**
   * In the order of the files; undefined where a digest can't be had. With `fresh` every content is read, and one that is
   * damaged has `damagedDigest`.
   */
  digests(files: readonly WantedDirectory[], fresh: boolean): Promise<(Uint8Array | undefined)[]>
  /** The files that have several names, where the view looks at that. */
  linkedFiles(): Promise<readonly LinkedFile[]>
  /** Ends the run at this end; with `save` what was seen is remembered. */
  close(save: boolean): Promise<void>
}

/** A pack on its way: `payload` holds an 8-byte batch number and the pack, and is the sink's until its promise resolves. */
export type PackSink = (payload: Uint8Array) => Promise<void>

/** What a target wants after a round: once more, or further portions. */
export type Again = { readonly again: Uint8Array; readonly count: number; readonly portions?: Uint8Array }

export interface SourceEnd extends End {
  /**
   * Reads what is wanted and hands it to the sink, in order; of some wants only `portions`. Resolves when the last pack
   * was taken.
   */
  supply(batch: number, wants: Uint8Array, sink: PackSink, portions?: Uint8Array): Promise<void>
  /** The accounts that own something in it, by name. */
  owners(): Promise<Owners>
  /** The set of extended attributes and ACLs of each of these files and directories now; empty where it can't be had. */
  attributes(files: readonly WantedDirectory[]): Promise<readonly Uint8Array[]>
}

export interface TargetEnd extends End {
  /** What the accounts of a source are here, as far as there are any of their names. */
  ownersHere(owners: Owners): Promise<OwnerMap>
  /**
   * Announces the plan. Throws `root-held` when the target's own guard refuses it. Batches may be staged before it is
   * answered, and nothing else: they are refused along with it.
   */
  begin(totals: PlanTotals): Promise<Begun>
  /** Renames directories, in this order, making missing parents of new names; those that did not move are problems. */
  moveDirectories(moves: readonly DirectoryMove[]): Promise<readonly Problem[]>
  /** Takes a batch of the plan, with the sets of attributes that it names; batches are numbered from 0 without gaps and land in that order. */
  stage(batch: number, bytes: Uint8Array, extended?: Uint8Array): Promise<Needs>
  answer(batch: number, digests: readonly (Uint8Array | undefined)[]): Promise<Needs>
  /** Takes a pack of a batch's wants. The payload is the caller's again when this resolves. */
  receive(payload: Uint8Array): Promise<void>
  /** All packs of this round were received. Wants to be supplied once more; with `last`, none. */
  written(batch: number, last: boolean): Promise<Again>
  /** Lands all that was written, and looks at it: batches that come now may make further names of what is there. */
  landed(): Promise<void>
  /** What the top folder itself gets, as `encodeTop`, when the run finishes: told along with that. */
  giveTop(top: Uint8Array): void
  /**
   * All batches were told, and what they wanted first was sent: unless one of them wants something again, `finish` comes
   * next. An end behind the wire asks for it at once.
   */
  allSent(): void
  /** Lands what is left, makes it durable, removes what goes, and reads back. */
  finish(): Promise<ApplyResult>
  /** Reads files again, from the first or from where an earlier answer says. What is damaged is distrusted already. */
  verify(from: VerifyPoint): Promise<Verified>
  /** What is known of these files' contents does not count any more: the next run compares and brings them. */
  distrust(files: readonly WantedDirectory[]): Promise<void>
}

/** An end of a two-way job: read from and written to in one run. */
export interface BothEnd extends SourceEnd, TargetEnd {}

/**
 * Bytes that a source leaves free before each payload, in the payload's own memory: whoever frames it may write there.
 */
export const payloadHeadroomBytes = 16
/** Bytes before the pack in a payload: batch number u32, a u32 that tells how the pack was squeezed (zero: not). */
export const payloadHeadBytes = 8

export function batchOf(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0, true)
}

export function wordOf(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(4, true)
}

/**
 * What happens during a run, for whoever shows or logs it: `run-start` and each `phase` once; a `change` for each entry of
 * the plan, where they are listed; a `conflict` for each name that both sides changed; `halt` when a guard said stop; `progress` now and then; a `notice` for a person. Problems
 * stand in the result.
 */
export type RunEvent =
  | {
      readonly type: 'run-start'
      readonly runId: string
      readonly source: string
      readonly target: string
      readonly mode: string
    }
  | { readonly type: 'phase'; readonly phase: 'scan' | 'compare' | 'transfer' | 'apply' | 'verify' }
  | {
      readonly type: 'change'
      readonly action: string
      readonly path: string
      readonly from?: string
      readonly sizeBytes?: number
      /** Of a two-way run: the side on which it happens. */
      readonly to?: 'left' | 'right'
    }
  /** Both sides changed it. `kept`: whose value has the name from now on. */
  | {
      readonly type: 'conflict'
      readonly path: string
      readonly kept: 'left' | 'right'
      /** What the other one is called then; without, it is replaced. */
      readonly copy?: string
      /** The time of what both last agreed on, in seconds; without, that is nothing. */
      readonly baseSeconds?: number
    }
  | {
      readonly type: 'halt'
      readonly reason: string
      readonly deletes: number
      readonly replaces: number
      readonly sample: readonly string[]
      readonly digest: string
    }
  | {
      readonly type: 'progress'
      readonly files: number
      readonly filesTotal: number
      readonly contentBytes: number
      readonly contentTotal: number
      /** What carried the content so far: less than it where packs are squeezed. */
      readonly sentBytes: number
      readonly path: string
    }
  | { readonly type: 'notice'; readonly text: string }

export type RunListener = (event: RunEvent) => void
