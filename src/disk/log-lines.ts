// What landed, as the log tells it: a line for each directory and action, with the names it happened to.

import type { Landing, StagedStep } from './landing.ts'

export type LogLine = { readonly action: string; readonly directory: string; readonly names: readonly string[] }

/** The lines of a batch that was landed. Steps with a problem are not in them. */
export function logLines(landing: Landing): LogLine[] {
  const lines: LogLine[] = []
  for (const { head, firstStep, endStep } of landing.sections) {
    const byAction = new Map<string, string[]>()
    if (head.state === 'new') byAction.set('created-directory', [])
    for (const staged of landing.steps.slice(firstStep, endStep)) {
      if (staged.problem !== undefined) continue
      const action = actionOf(staged)
      const names = byAction.get(action)
      if (names === undefined) byAction.set(action, [staged.step.entry.name])
      else names.push(staged.step.entry.name)
    }
    for (const [action, names] of byAction) lines.push({ action, directory: head.path, names })
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
