// What landed, as the log tells it: a line for each directory and action, with the names it happened to.

import type { Landing, StagedStep } from './landing.ts'

export type LogLine = {
  readonly action: string
  readonly directory: string
  readonly names: readonly string[]
  /** They took the place of other content. */
  readonly replaced?: true
  /** Of one name that only moved: where it was. */
  readonly from?: string
}

/** The lines of a batch that was landed. Steps with a problem are not in them; a file that moved is one line, not two. */
export function logLines(landing: Landing): LogLine[] {
  const lines: LogLine[] = []
  for (const { head, firstStep, endStep } of landing.sections) {
    const directory = head.path
    const grouped = new Map<string, { line: LogLine; names: string[] }>()
    const add = (action: string, replaced: boolean, name: string | undefined): void => {
      const key = `${action} ${replaced}`
      const known = grouped.get(key)
      const names = known?.names ?? []
      if (name !== undefined) names.push(name)
      const line = { action, directory, names, ...(replaced ? { replaced } : {}) }
      if (known === undefined) grouped.set(key, { line, names })
    }
    if (head.state === 'new') add('created-directory', false, undefined)
    for (const staged of landing.steps.slice(firstStep, endStep)) {
      const { step, note, problem } = staged
      if (problem !== undefined || (step.action === 'delete' && note?.movedTo !== undefined)) continue
      const action = actionOf(staged)
      const { name } = step.entry
      if (action === 'renamed') lines.push({ action, directory, names: [name], from: step.from ?? '' })
      else add(action, step.action === 'replace' || step.action === 'retype', name)
    }
    for (const { line } of grouped.values()) lines.push(line)
  }
  return lines
}

function actionOf({ step, note }: StagedStep): string {
  if (step.action === 'delete') return 'deleted'
  if (step.action === 'attributes') return 'attributes-set'
  if (step.entry.kind === 'directory') return 'created-directory'
  if (note?.donor !== undefined) return note.donor.moves ? 'renamed' : 'copied-locally'
  return step.entry.kind === 'symlink' ? 'linked' : 'file-received'
}
