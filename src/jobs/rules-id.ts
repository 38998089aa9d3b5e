// The rules of a run as one text, kept with what the run left behind, and what two such texts prove. Rules that hide names
// or say which content counts (mode, selection, ignore files, the target's names) make another base. What is carried besides
// (owner, attributes, further names) says what of an entry is compared: nothing more is seen by it, and nothing less.

import { textId } from '../chunk/identifier.ts'
import { type Naming, namingText } from '../core/naming.ts'
import { selectionText } from '../core/selection.ts'
import { bareView, type View, viewText } from '../core/view.ts'
import type { Job } from './job.ts'

/** What looking at both ends settles of the rules. */
export type SettledRules = {
  readonly view: View
  readonly viewId: string
  /** What the target makes of names, where it does not take each as it is. */
  readonly naming?: Naming | undefined
}

const carriesMark = ' carries '
const namesMark = ' names '

export function viewIdOf(view: View): string {
  return textId('view 1', viewText(view))
}

/**
 * Names all that decides what a run does: what other rules left alone was never agreed on, and a target that makes something
 * else of names may show what it has under others. Without anything carried it is what it was before anything could be.
 */
export function rulesId(job: Pick<Job, 'mode' | 'selection'>, { view, viewId, naming }: SettledRules): string {
  const bare = bareView(view)
  const [bareId, carried] = bare === view ? [viewId, ''] : [viewIdOf(bare), `${carriesMark}${viewId}`]
  const named = naming === undefined ? '' : `${namesMark}${namingText(naming)}`
  return `${job.mode}${selectionText(job.selection)} ${bareId}${carried}${named}`
}

/** Whether names and contents that were agreed on under `before` are so under `now`, whatever each of them carries besides. */
export function provesBase(before: string, now: string): boolean {
  return withoutCarried(before) === withoutCarried(now)
}

/** Whether fingerprints of `before` say something under `now`, whatever the target makes of names: where nothing differs, nothing goes. */
export function isSameView(before: string, now: string): boolean {
  return withoutNames(before) === withoutNames(now)
}

function withoutNames(id: string): string {
  return id.split(namesMark, 1)[0] as string
}

function withoutCarried(id: string): string {
  const start = id.indexOf(carriesMark)
  if (start < 0) return id
  const end = id.indexOf(' ', start + carriesMark.length)
  return id.slice(0, start) + (end < 0 ? '' : id.slice(end))
}
