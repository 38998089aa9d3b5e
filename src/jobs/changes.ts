// A plan as lines for a person: what a dry run lists and what a real run says it does, from the same sections.

import type { Plan } from '../core/plan.ts'
import { isTopSection, type PackedSection, type Step, stepsOf } from '../core/plan.ts'
import type { RunEvent } from './endpoint.ts'

type Change = RunEvent & { type: 'change' }

/** The top folder itself got another mode, owner or attributes. */
const topChange: Change = { type: 'change', action: 'attributes', path: '.' }

/** Every change of a plan, in the order in which it is done. */
export function* planChanges(plan: Plan): Generator<Change> {
  for (const path of plan.made) yield { type: 'change', action: 'create-directory', path }
  for (const { from, to } of plan.moves) yield { type: 'change', action: 'rename', path: to, from }
  const movedFrom = new Set<string>()
  for (const section of plan.sections) yield* sectionChanges(section, movedFrom)
  for (const section of plan.links ?? []) yield* sectionChanges(section, movedFrom)
  for (const section of plan.deletions) yield* sectionChanges(section, movedFrom)
  if (plan.top !== undefined) yield topChange
}

/** Every change of one section. `movedFrom` collects the old names of files that moved. */
export function* sectionChanges(section: PackedSection, movedFrom: Set<string>): Generator<Change> {
  if (section.state === 'new' && section.path !== '')
    yield { type: 'change', action: 'create-directory', path: section.path }
  if (isTopSection(section)) yield topChange
  for (const step of stepsOf(section)) {
    const path = section.path === '' ? step.entry.name : `${section.path}/${step.entry.name}`
    if (step.from !== undefined && step.links !== true) movedFrom.add(step.from)
    // A file that moved is one change, not one and a deletion.
    if (step.action === 'delete' && movedFrom.has(path)) continue
    const change: Change = { type: 'change', action: actionName(step), path }
    yield step.from !== undefined ? { ...change, from: step.from } : withSize(change, step)
  }
}

function withSize(change: Change, step: Step): Change {
  return step.entry.kind === 'file' ? { ...change, sizeBytes: step.entry.sizeBytes } : change
}

function actionName(step: Step): string {
  if (step.action === 'attributes') return 'attributes'
  if (step.from !== undefined) return step.links === true ? 'link' : 'rename'
  return `${step.action === 'retype' ? 'replace' : step.action}-${step.entry.kind}`
}
