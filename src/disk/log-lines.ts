// What landed, as the log tells it: a line for each directory and action, with the names it happened to.

import { parentOf, type RelPath } from '../core/path.ts'
import type { StagedBatch, StagedStep, StepNote } from './staged.ts'

export type LogLine = {
  readonly action: string
  readonly directory: string
  readonly names: readonly string[]
  /** They took the place of other content. */
  readonly replaced?: true
  /** Of one name that only moved: where it was. */
  readonly from?: string
  /** Of further names: a name that the file of each had before, all in one directory. */
  readonly of?: readonly string[]
}

/** The lines of a batch that was landed. Steps with a problem are not in them; a file that moved is one line, not two. */
export function logLines(batch: StagedBatch): LogLine[] {
  const lines: LogLine[] = []
  for (const { head, firstStep, endStep } of batch.sections) {
    const directory = head.path
    const grouped = new Map<string, { line: LogLine; names: string[]; of: string[] }>()
    const add = (action: string, replaced: boolean, name: string | undefined, leader?: RelPath): void => {
      const key = `${action} ${replaced} ${leader === undefined ? '' : parentOf(leader)}`
      const known = grouped.get(key)
      const names = known?.names ?? []
      const of = known?.of ?? []
      if (name !== undefined) names.push(name)
      if (leader !== undefined) of.push(leader)
      const line = { action, directory, names, ...(replaced ? { replaced } : {}), ...(leader !== undefined && { of }) }
      if (known === undefined) grouped.set(key, { line, names, of })
    }
    if (head.state === 'new') add('created-directory', false, undefined)
    for (const staged of batch.steps(firstStep, endStep)) {
      const { name, note } = staged
      if (staged.problem !== undefined || (staged.action === 'delete' && note?.movedTo !== undefined)) continue
      const action = actionOf(staged, note)
      if (action === 'renamed') lines.push({ action, directory, names: [name], from: staged.step.from ?? '' })
      else {
        const leader = action === 'hard-linked' ? staged.step.from : undefined
        add(action, staged.action === 'replace' || staged.action === 'retype', name, leader)
      }
    }
    for (const { line } of grouped.values()) lines.push(line)
  }
  return lines
}

function actionOf({ action, kind }: StagedStep, note: StepNote | undefined): string {
  if (action === 'delete') return 'deleted'
  if (action === 'attributes') return 'attributes-set'
  if (kind === 'directory') return 'created-directory'
  if (note?.donor?.links === true) return 'hard-linked'
  if (note?.donor !== undefined) return note.donor.moves ? 'renamed' : 'copied-locally'
  return kind === 'symlink' ? 'linked' : 'file-received'
}
