// What a driver asks of an end behind the wire before it has been answered anything: the scan along with the opening, and
// the view as soon as the rules are known, guessed as if the other machine could hold what this one can. So a push in which
// nothing changed is one round trip: the target is opened, scanned, found to be what the last run left there, and closed.
// A guess that was wrong costs a second look at a tree that was scanned already, and nothing else.

import { type View, viewText } from '../core/view.ts'
import type { ScanRules } from '../disk/scan.ts'
import { systemSys } from '../disk/system.ts'
import type { State } from '../state/open.ts'
import { loadPair } from '../state/pairs.ts'
import { equalBytes } from '../std/bytes.ts'
import type { Probable } from './foretold.ts'
import type { Job } from './job.ts'
import type { LocalSource } from './local-source.ts'
import { viewIdOf } from './rules-id.ts'
import { scanRules, settledTarget, viewOf } from './settled.ts'

/** A view that may turn out to be the right one; for a source without the ignore files that only it has found. */
export type Guess = {
  readonly view: Omit<View, 'texts'> & { readonly texts?: View['texts'] }
  /** The target may close itself where its fingerprint is this one: there is nothing else to be done. */
  readonly expected?: Uint8Array | undefined
  /** What will be asked under that view, as far as it can be known. */
  readonly probable?: Probable | undefined
}

export type Ahead = {
  /** Missing where what is looked at is known only when both ends are open. */
  readonly early?: { readonly rules: ScanRules; readonly guess: Promise<Guess | undefined> }
  /** What will be asked under the view in the end, where that was not guessed; once it is set here. */
  readonly probable: () => Promise<Probable>
}

/** What a target will be asked: of its source here, which was scanned. */
export function probableOfTarget(state: State, job: Job, left: LocalSource): () => Promise<Probable> {
  return async () => {
    if (loadPair(state, job.id) === undefined) return everything
    const [{ retimed }, paths] = await Promise.all([left.scan(scanRules(job).left), left.changedPaths(changedMax)])
    return { paths, along: 'changed', files: job.checksum ? [] : retimed }
  }
}

/** What a target can be asked while its source is still being scanned here; the scan begins with this. */
export function aheadOfTarget(state: State, job: Job, left: LocalSource, mayClose: boolean): Ahead {
  const { left: rules, right } = scanRules(job)
  const { rootId, traits } = left.facts
  const probable = probableOfTarget(state, job, left)
  const look = async (): Promise<Guess> => {
    const scan = await left.scan(rules)
    const view = viewOf(job, traits, traits, scan.texts)
    const pair = loadPair(state, job.id)
    if (pair === undefined) return { view, probable: await probable() }
    const viewId = viewIdOf(view)
    const summary = await left.view(view, viewId)
    if (summary === undefined) return { view }
    const settled = settledTarget(job, pair, rootId, { scan, view, viewId, left: summary })
    if (settled !== undefined) return mayClose ? { view, expected: settled } : { view }
    return { view, probable: await probable() }
  }
  const guess = look()
  // Told by the cycle, which asks for the same scan.
  return { early: { rules: right, guess: guess.catch(() => undefined) }, probable }
}

/** More directories than this are asked for as they are found: what changed so widely may have changed in any way. */
const changedMax = 400

/** Of two that never met everything may differ. */
const everything: Probable = { paths: [], along: 'all', files: [] }
/** What it was that changed is for the end itself to say. */
const whatChanged: Probable = { paths: [], along: 'changed', files: [] }

/** What a source can be asked: what it finds of rules, it knows itself. */
export function aheadOfSource(state: State, job: Job): Ahead {
  const probable = loadPair(state, job.id) === undefined ? everything : whatChanged
  const later = async (): Promise<Probable> => probable
  // What is looked at besides is known when both ends are open.
  if (job.attributes !== 0) return { probable: later }
  const { timeGrainNs } = systemSys()
  const traits = { timeGrainNs, modeMask: 0o777 }
  const { texts: _, ...view } = viewOf(job, traits, traits, [])
  return { early: { rules: scanRules(job).left, guess: Promise.resolve({ view, probable }) }, probable: later }
}

/** Whether a guess was right, once the view is known. `texts` are those that a source found. */
export function isRight(guess: Guess, view: View, texts: View['texts']): boolean {
  return viewText({ ...guess.view, texts: guess.view.texts ?? texts }) === viewText(view)
}

/** Whether two ends would agree on just this view, one of them having these traits. */
export function isWithin({ modeMask, timeGrainNs }: View, traits: { modeMask: number; timeGrainNs: number }): boolean {
  return (modeMask & traits.modeMask) === modeMask && timeGrainNs >= traits.timeGrainNs
}

/** Whether a target that was looked at is what the driver expects. */
export function isExpected(fingerprint: Uint8Array, expected: Uint8Array | undefined): boolean {
  return expected !== undefined && equalBytes(fingerprint, expected)
}
