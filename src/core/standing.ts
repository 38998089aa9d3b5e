// How a job stands, from its last runs: is it in sync, since when, and what a person does next. The worst thing decides.
// A job that never brought its ends together (a mistyped folder, say) is told last and needs nobody.
// Pure. What depends on the time is handed in; a job that has not run for long is told with its age, not judged.

import { type HaltReason, haltText } from './guard.ts'
import { endedWell, outcomeText, type RunFacts, type RunOutcome, tellingRuns } from './outcome.ts'
import { adviceOn, haltRemedy, remedyOf } from './remedy.ts'

export type StandingFacts = {
  /** Of one job, dry runs left out, the latest first; at least one. */
  readonly runs: readonly (RunFacts & { readonly state: RunOutcome })[]
  readonly hold: { readonly reason: string } | undefined
}

export type JobStanding = {
  readonly state: 'in-sync' | 'running' | 'problems' | 'failed' | 'cut-off' | 'held' | 'served' | 'never'
  /** The last run that brought both ends together; undefined where there was none. */
  readonly good: RunFacts | undefined
  readonly text: string
  /** What a person does next; '' where nothing is to be done. */
  readonly next: string
  readonly needsPerson: boolean
}

const undoneRemedy = 'mend the source, then run it again; it halts where it would delete or replace'

export function standingOf({ runs: all, hold }: StandingFacts): JobStanding {
  const runs = tellingRuns(all)
  const [last] = runs
  const good = runs.find(({ state }) => endedWell(state))
  const answer = (state: JobStanding['state'], text: string, next: string): JobStanding => {
    return { state, good, text, next, needsPerson: !['in-sync', 'running', 'served', 'never'].includes(state) }
  }
  if (last === undefined) return answer('served', 'no run yet', '')
  if (last.driver !== undefined) return answer('served', outcomeText(last.state), '')
  if (last.state === 'running') return answer('running', 'running', '')
  if (hold !== undefined) return answer('held', `held by a guard: ${haltText(hold.reason as HaltReason)}`, haltRemedy)
  if (last.state === 'failed') {
    const { told, remedy } = last.failure === undefined ? { told: '', remedy: 'run it again' } : adviceOn(last.failure)
    // That a person stopped it is no failure; but the target may be behind.
    if (last.failure?.code === 'cancelled') return answer('cut-off', 'the last run was cancelled', remedy)
    const text = told === '' ? 'the last run failed' : `the last run failed: ${told}`
    return answer(good === undefined ? 'never' : 'failed', text, remedy)
  }
  if (last.state === 'cut-off' || last.state === 'open') {
    return answer('cut-off', `the last run was ${outcomeText('cut-off')}`, 'run it again: it goes on from what landed')
  }
  if (last.mode === 'undo' && endedWell(last.state)) {
    // Of a run that a peer drove, only the peer knows how it stands now.
    if (last.source === '') return answer('served', 'a run was undone here', '')
    return answer('held', 'its last run was undone', undoneRemedy)
  }
  if (good === undefined) return answer('never', outcomeText(last.state), 'run it again')
  if (good.problemCount > 0) return answer('problems', problemText(good), problemRemedy(good))
  return answer('in-sync', goodText(good), '')
}

/** Only a whole mirror leaves two folders in sync; what an update or a narrowed run left as it was may differ. */
function goodText({ mode, options }: RunFacts): string {
  const narrowed = (options?.narrowed ?? []).join(' ')
  if (narrowed !== '') return `done, with ${narrowed}`
  return mode === 'update' ? 'done, an update' : 'in sync'
}

function problemText({ problemCount }: RunFacts): string {
  return problemCount === 1 ? 'one path had a problem' : `${problemCount} paths had problems`
}

function problemRemedy({ problems, runId }: RunFacts): string {
  const codes = new Set(problems.map(({ code }) => code))
  const [code = ''] = codes
  return codes.size === 1 && remedyOf(code) !== '' ? remedyOf(code) : `see nightferry log ${runId}`
}

/** The exit code of `nightferry status`: 15 where something is held, 3 where something else needs a person. */
export function statusCode(standings: readonly JobStanding[]): number {
  if (standings.some(({ state }) => state === 'held')) return 15
  return standings.some(({ needsPerson }) => needsPerson) ? 3 : 0
}
