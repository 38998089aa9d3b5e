// The same answers for a two-way job, which has no source and no target: what was done to a path was done on its side, and
// the other side is where the reason lies. Pure.

import { endedWell } from './outcome.ts'
import type { JobRun, Look, Statement, WhyFacts } from './why-facts.ts'

/** Which side of a two-way job a path was asked about on; undefined for other jobs. */
export function sideAsked({ runs, role }: Pick<WhyFacts, 'runs' | 'role'>): 'left' | 'right' | undefined {
  if (runs.find(({ mode }) => mode !== 'undo')?.mode !== 'two-way') return undefined
  return role === 'source' ? 'left' : 'right'
}

/** What is told of a target, told of a side. */
export function sidedText(text: string, side: 'left' | 'right'): string {
  const other = side === 'left' ? 'right' : 'left'
  return text.replaceAll('the target', `the ${side}`).replaceAll('the source', `the ${other}`)
}

/** What stands at the path on its side now, against what the last run saw. */
export function sidedState(
  facts: WhyFacts,
  side: 'left' | 'right',
  when: (atMs: number) => string,
  hasProblem: (run: JobRun) => boolean,
): Statement[] {
  const seen = facts.runs.find((run) => run.mode !== 'undo' && endedWell(run.state))
  const [look, other] = side === 'left' ? [facts.source, facts.target] : [facts.target, facts.source]
  if (facts.ignored.verdict === 'ignored' || look === undefined) return []
  if (look.kind === 'no-root' || look.kind === 'special' || look.kind === 'unreadable') return []
  if (seen === undefined)
    return [{ kind: 'nothing-known', text: 'No run of this job that came to an end is known here.' }]
  const at = `run ${seen.runId}, ${when(seen.endedMs ?? seen.startedMs)},`
  return [{ ...stateOf(look, other, side, at, hasProblem(seen)), runId: seen.runId }].filter(({ text }) => text !== '')
}

function stateOf(
  { kind, since }: Look,
  other: Look | undefined,
  side: string,
  at: string,
  isOpen: boolean,
): { readonly kind: Statement['kind']; readonly text: string } {
  if (kind === 'missing') {
    if (since === 'changed') {
      const text = `It went from the ${side} after ${at} looked; the next run takes it away on the other side too, unless it was changed there.`
      return { kind: 'missing', text }
    }
    const isThere = other !== undefined && ['file', 'directory', 'symlink'].includes(other.kind)
    const text = isThere ? `It is not on the ${side} yet: the next run brings it.` : `It is not on the ${side} now.`
    return { kind: 'missing', text }
  }
  if (since === 'unseen')
    return { kind: 'new-since', text: `It came to the ${side} after ${at} looked; the next run looks at it.` }
  if (since === 'changed')
    return {
      kind: 'changed-since',
      text: `It was changed on the ${side} after ${at} looked; the next run looks at it.`,
    }
  if (since !== 'same' || isOpen) return { kind: 'equal', text: '' }
  const text = `Both sides had it equal at the end of ${at} and it has not changed on the ${side} since.`
  return { kind: 'equal', text }
}
