// What a run is asked for, what it is given to work with, and how it ends: the words between the cycle and all around it.

import type { ConflictRule } from '../core/conflict-rules.ts'
import type { Durability } from '../core/durability.ts'
import type { Summary } from '../core/entry.ts'
import type { Flow } from '../core/flow.ts'
import type { GuardLimit } from '../core/guard.ts'
import type { IgnoreText } from '../core/ignore.ts'
import type { PackedSection, Plan } from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import type { Mode } from '../core/reconcile.ts'
import type { Keep } from '../core/retention.ts'
import type { Selection } from '../core/selection.ts'
import type { BaseChanges, BaseOf } from '../state/bases.ts'
import type { State } from '../state/open.ts'
import type { Hold, Pair } from '../state/pairs.ts'
import type { Clock } from '../std/clock.ts'
import type { ApplyCounts, RunListener } from './endpoint.ts'

/** What a person or a program asks for. */
export type RunRequest = {
  readonly source: string
  readonly target: string
  readonly mode: JobMode
  /** Of a two-way run: what becomes of conflicts, the last rule that fits a path; both are kept where none does. */
  readonly conflicts?: readonly ConflictRule[]
  readonly checksum: boolean
  /** Everything, as the mode alone says, where there is none. */
  readonly selection?: Selection
  readonly dryRun: boolean
  readonly overrides: readonly IgnoreText[]
  readonly ignoreFiles: readonly string[]
  readonly limit: GuardLimit
  readonly release: boolean
  readonly listsChanges: boolean
  /** How fast content goes over, and whether it is squeezed; freely where there is none. */
  readonly flow?: Flow
  /** The target's content is read again afterwards. */
  readonly verify?: boolean
  /** The target was replaced on purpose: what the last run knew of it does not count. */
  readonly newTarget: boolean
  /** How long the target keeps what the run replaces and deletes; undefined: as before. */
  readonly keep: Keep | undefined
  /** What is synced, as far as the target lets a run say; all of it where it is missing. */
  readonly durability?: Durability
  /** Where it keeps it; only for a target here. */
  readonly versions: string | undefined
  /** What is carried besides content, modes and times, as a mask of core's attributes; nothing where it is missing. */
  readonly attributes?: number
  /** Owners are carried by number, also between machines. */
  readonly numericIds?: boolean
  /** How Nightferry is started on a machine that is reached by ssh; undefined: `nightferry`. */
  readonly remoteCommand?: string | undefined
}

/** `two-way`: changes go both ways, and what was changed on both sides is a conflict. */
export type JobMode = Mode | 'two-way'

/** The same, once both ends are known. */
export type Job = OneWayJob | TwoWayJob

/** One that makes its right what its left is, or as far as an update does. */
export type OneWayJob = JobBase & { readonly mode: Mode }

export type TwoWayJob = JobBase & {
  readonly mode: 'two-way'
  /** Its left is the second of its ends in the order of their texts, in which its pair names them. */
  readonly isSwapped: boolean
  readonly conflicts: readonly ConflictRule[]
}

export function isTwoWay(job: Job): job is TwoWayJob {
  return job.mode === 'two-way'
}

type JobBase = {
  /** Names the pair of ends in the state database. */
  readonly id: string
  readonly checksum: boolean
  readonly selection: Selection
  readonly dryRun: boolean
  readonly overrides: readonly IgnoreText[]
  readonly ignoreFiles: readonly string[]
  readonly limit: GuardLimit
  readonly release: boolean
  /** For how long versions are asked to be kept; undefined: as before. */
  readonly keep: Keep | undefined
  /** What is asked to be synced. */
  readonly durability: Durability
  /** What is carried besides content, modes and times: a mask of core's attributes. */
  readonly attributes: number
  /** Owners are carried by name, between machines that may know other accounts. */
  readonly ownersByName: boolean
}

/** What a verification came to. */
export type VerifyTotals = {
  /** Files that were read and are what they should be. */
  files: number
  bytes: number
  /** Files that were read, and of which neither end could say what they should be; from now on it is known. */
  unproven: number
}

/** `unchanged`: nothing to do. `partial`: some paths had problems. `halted`: a guard said stop, nothing was changed. `planned`: a dry run. */
export type Outcome = 'unchanged' | 'done' | 'partial' | 'halted' | 'planned'

/** How a run ended that did not fail. */
export type RunEnd = {
  readonly outcome: Outcome
  readonly counts: ApplyCounts
  readonly problems: readonly Problem[]
  /** The left's tree under the view. */
  readonly summary: Summary
  /** Files whose content was asked of the source, repetitions counted. */
  readonly supplied: number
  /** Bytes of content that the source handed over. */
  readonly contentBytes: number
  /** What carried it: less where packs were squeezed. */
  readonly sentBytes: number
  readonly scanMs: number
  /** What a verification of the target came to, where one was asked for. */
  readonly verified?: VerifyTotals
  readonly found: Found
}

/** What the state database shall know from now on, in the transaction that ends the run. */
export type Found = {
  readonly pair?: Pair
  /** Of a two-way run: what both sides agree on from now on. */
  readonly base?: { readonly of: BaseOf; readonly changes: BaseChanges }
  /** Holds the job back until a person answers. */
  readonly hold?: Hold
  /** Nothing holds the job back any more. */
  readonly clearsHold: boolean
}

export type RunContext = {
  readonly state: State
  readonly clock: Clock
  readonly runId: string
  readonly listen: RunListener
  /** Called with a plan that was let through, before anything of it is done; of a two-way run with one side's. */
  readonly planned: (plan: Plan, released: boolean, side?: 'left' | 'right') => void
  /** Called with each part of a run into an empty target, where there is no plan as a whole. */
  readonly found: (section: PackedSection) => void
  /** Whether the listener wants each change told: reading a large plan again takes time. */
  readonly listsChanges: boolean
  readonly signal: AbortSignal
}
