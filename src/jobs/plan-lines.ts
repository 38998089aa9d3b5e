// A plan as lines of the log, in the words in which a target logs what landed there: one line a directory and action.
// What comes with a new directory is not told name by name: the directory's line stands for it.

import type { Plan } from '../core/plan.ts'
import { type PackedSection, type Step, stepsOf } from '../core/plan.ts'
import { type Problem, undoneBy } from '../core/problem.ts'

export type PlanLine = {
  readonly action: string
  readonly directory: string
  readonly names: readonly string[]
  readonly from?: string
  readonly reason?: string
  /** Of further names: a name that the file of each has, all in one directory. */
  readonly of?: readonly string[]
}

/** What of a plan is told. */
export type PlannedChanges = Pick<Plan, 'made' | 'moves' | 'sections' | 'links' | 'deletions' | 'top'>

/** Lines for all of the plan but what had a problem, or lies below such. */
export function* planLines(plan: PlannedChanges, problems: readonly Problem[]): Generator<PlanLine> {
  const failed = new Set(undoneBy(problems))
  const isFailed = (path: string): boolean => failed.size > 0 && isAtOrBelow(path, failed)
  for (const path of plan.made) if (!isFailed(path)) yield { action: 'created-directory', directory: path, names: [] }
  for (const { from, to } of plan.moves) {
    if (isFailed(from)) continue
    yield {
      action: 'renamed',
      directory: parent(to),
      names: [to.slice(to.lastIndexOf('/') + 1)],
      from,
      reason: 'same-directory',
    }
  }
  const movedFrom = new Set<string>()
  for (const section of plan.sections) yield* sectionLines(section, isFailed, movedFrom)
  for (const section of plan.links ?? []) yield* sectionLines(section, isFailed, movedFrom)
  for (const section of plan.deletions) yield* sectionLines(section, isFailed, movedFrom)
  if (plan.top !== undefined && !failed.has('')) yield { action: 'attributes-set', directory: '', names: [] }
}

function isAtOrBelow(path: string, failed: ReadonlySet<string>): boolean {
  for (let at = path; ; at = parent(at)) {
    if (failed.has(at)) return true
    if (at === '') return false
  }
}

function parent(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function* sectionLines(
  section: PackedSection,
  isFailed: (path: string) => boolean,
  movedFrom: Set<string>,
): Generator<PlanLine> {
  const directory = section.path
  if (section.state !== 'present') {
    if (!isFailed(directory)) yield { action: 'created-directory', directory, names: [] }
    return
  }
  const grouped = new Map<string, { action: string; names: string[]; of: string[] }>()
  for (const step of stepsOf(section)) {
    const { name } = step.entry
    const path = directory === '' ? name : `${directory}/${name}`
    const from = step.links === true ? undefined : step.from
    if (from !== undefined) movedFrom.add(from)
    // A file that moved is one change, not one and a deletion.
    if (isFailed(path) || (step.action === 'delete' && movedFrom.has(path))) continue
    const action = actionOf(step)
    if (from !== undefined) yield { action, directory, names: [name], from, reason: 'same-content' }
    else {
      const leader = step.from ?? ''
      const { names, of } = grouped.getOrInsertComputed(`${action} ${parent(leader)}`, () => ({
        action,
        names: [],
        of: [],
      }))
      names.push(name)
      if (step.from !== undefined) of.push(step.from)
    }
  }
  for (const { action, names, of } of grouped.values()) yield { action, directory, names, ...(of.length > 0 && { of }) }
}

function actionOf(step: Step): string {
  if (step.from !== undefined) return step.links === true ? 'hard-linked' : 'renamed'
  switch (step.action) {
    case 'create':
      return step.entry.kind === 'directory' ? 'created-directory' : 'created'
    case 'attributes':
      return 'attributes-set'
    case 'delete':
      return 'deleted'
    default:
      return 'replaced'
  }
}
