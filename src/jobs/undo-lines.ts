// What an undo did as lines of the log, in the words of any run: a line for each directory and action. The lines say by a
// field of their own which run they undo.

import { isTopSection, type PackedSection, type Step, stepsOf } from '../core/plan.ts'
import type { DirectoryMove } from '../core/renames.ts'

export type UndoLine = {
  readonly action: 'created-directory' | 'created' | 'replaced' | 'attributes-set' | 'renamed' | 'deleted'
  readonly directory: string
  readonly names: readonly string[]
  readonly from?: string
}

export function* undoLines(part: {
  readonly moves: readonly DirectoryMove[]
  readonly sections: readonly PackedSection[]
}): Generator<UndoLine> {
  for (const { from, to } of part.moves) {
    const slash = to.lastIndexOf('/')
    yield { action: 'renamed', directory: to.slice(0, Math.max(0, slash)), names: [to.slice(slash + 1)], from }
  }
  for (const section of part.sections) yield* sectionLines(section)
}

function* sectionLines(section: PackedSection): Generator<UndoLine> {
  const directory = section.path
  if (section.state === 'new' && directory !== '') yield { action: 'created-directory', directory, names: [] }
  if (isTopSection(section)) yield { action: 'attributes-set', directory, names: [] }
  const grouped = new Map<UndoLine['action'], string[]>()
  for (const step of stepsOf(section)) {
    const { name } = step.entry
    if (step.from !== undefined) yield { action: 'renamed', directory, names: [name], from: step.from }
    else grouped.getOrInsert(actionOf(step), []).push(name)
  }
  for (const [action, names] of grouped) yield { action, directory, names }
}

function actionOf({ action, entry }: Step): UndoLine['action'] {
  if (action === 'create') return entry.kind === 'directory' ? 'created-directory' : 'created'
  if (action === 'attributes') return 'attributes-set'
  return action === 'delete' ? 'deleted' : 'replaced'
}
