// What is gathered about one path before it is said why it is as it is, and what is said. Plain data.

import type { IgnoreRule } from './ignore.ts'
import type { RunFacts, RunOutcome } from './outcome.ts'
import type { Deed } from './trail.ts'

/** What stands at the path on one end, now. */
export type Look = {
  readonly kind: 'file' | 'directory' | 'symlink' | 'special' | 'missing' | 'unreadable' | 'no-root'
  /** Against what the last run that remembered this end saw of it. */
  readonly since: 'same' | 'changed' | 'unseen' | 'unknown'
}

export type Ignored =
  | { readonly verdict: 'ignored' | 'kept'; readonly rule: IgnoreRule | undefined; readonly partly: boolean }
  /** The rules can't be known here, or an ignore file can't be read. */
  | { readonly verdict: 'unknown'; readonly because: string }

export type JobRun = RunFacts & {
  readonly state: RunOutcome
  readonly counts?: Readonly<Record<string, number>>
}

export type WhyFacts = {
  /** Below the job's roots. */
  readonly path: string
  /** Which end was asked about. */
  readonly role: 'source' | 'target'
  readonly driver: string | undefined
  /** Undefined where an end is on another machine. */
  readonly source: Look | undefined
  readonly target: Look | undefined
  readonly ignored: Ignored
  readonly hold: { readonly reason: string; readonly atMs: number; readonly sample: readonly string[] } | undefined
  /** All of the job that are kept, dry runs left out, the latest first; at least one. */
  readonly runs: readonly JobRun[]
  /** The latest first. */
  readonly deeds: readonly Deed[]
  /** How far back the log was read; undefined where there is none. */
  readonly logReached: string | undefined
}

/** One thing to say of a path: in words, of which kind, by which run, and what to do where something is to be done. */
export type Statement = {
  readonly kind:
    | 'own'
    | 'ignored'
    | 'kept-by-rule'
    | 'rules-unknown'
    | 'never-copied'
    | 'held'
    | 'failed'
    | 'running'
    | 'problem'
    | 'problems-below'
    | 'deed'
    | 'top-folder'
    | 'equal'
    | 'changed-since'
    | 'new-since'
    | 'undone'
    | 'missing'
    | 'no-root'
    | 'nothing-known'
  readonly text: string
  readonly remedy?: string
  readonly runId?: string
}

export type Telling = {
  /** A moment for a person, with how long ago it was. */
  readonly when: (atMs: number) => string
  readonly whenLogged: (time: string) => string
  /** What this machine is called. */
  readonly self: string
}
