// `nightferry status`: one screen of how this machine and its jobs stand.

import { arrowOf, endsOf, isUnderWay, outcomeOf } from '../core/outcome.ts'
import { type JobStanding, standingOf, statusCode } from '../core/standing.ts'
import { showAge } from '../core/when.ts'
import { askDaemon } from '../daemon/client.ts'
import type { DaemonStatus } from '../daemon/contract.ts'
import { productVersion } from '../daemon/version.ts'
import { loadShares } from '../jobs/shares.ts'
import { latestRuns, type Run, runsSinceGood } from '../state/history.ts'
import type { State } from '../state/open.ts'
import { loadHold } from '../state/pairs.ts'
import { isAlive } from '../std/alive.ts'
import { systemClock } from '../std/clock.ts'
import { escapeControls } from '../std/log.ts'
import { atDesk, type Desk, sentence, showWhen } from './desk.ts'
import type { GlobalOptions } from './machine.ts'
import { safeText, showCount } from './print.ts'

export type StatusOptions = GlobalOptions & { readonly json?: true }

type Job = { readonly last: Run; readonly standing: JobStanding }

export function status(options: StatusOptions): Promise<number> {
  return atDesk(options, async (desk) => {
    const daemon = await askDaemon(desk.places)
    const jobs = jobsOf(desk.state, daemon)
    const code = statusCode(jobs.map(({ standing }) => standing))
    if (options.json) process.stdout.write(`${escapeControls(JSON.stringify(asJson(desk, daemon, jobs)))}\n`)
    else process.stdout.write(`${[...machineLines(desk, daemon), ...jobs.flatMap(jobLines)].join('\n')}\n`)
    if (!options.json && jobs.length === 0) process.stdout.write('no run yet; see nightferry help sync\n')
    return code
  })
}

/** Those that need a person first, then the latest; those that never came to anything last. */
function jobsOf(state: State, daemon: DaemonStatus | undefined): Job[] {
  const jobs = latestRuns(state).flatMap(({ job, driver }): Job[] => {
    const runs = runsSinceGood(state, job, driver).map((run) => {
      return { ...run, state: outcomeOf(run, isUnderWay(run, isAlive(run.process), daemon?.sessions)) }
    })
    const [last] = runs
    if (last === undefined) return []
    const hold = driver === undefined ? loadHold(state, job) : undefined
    return [{ last, standing: standingOf({ runs, hold }) }]
  })
  const rank = ({ standing }: Job): number => (standing.needsPerson ? 0 : standing.state === 'never' ? 2 : 1)
  return jobs.sort((a, b) => rank(a) - rank(b))
}

function machineLines({ machine, places }: Desk, daemon: DaemonStatus | undefined): string[] {
  const shares = loadShares(places.config)
  const lines = [`${machine}  Nightferry ${productVersion}`]
  if (daemon === undefined) {
    const hint =
      shares.length === 0
        ? ''
        : `, and ${showCount(shares.length, 'share')} can't be reached without it: nightferry serve`
    lines.push(`daemon    not running${hint}`)
    return lines
  }
  lines.push(`daemon    serves on port ${daemon.port} since ${showWhen(daemon.startedMs)}, process ${daemon.process}`)
  lines.push(`shares    ${daemon.shares.map(({ name }) => name).join(', ') || 'none'}`)
  for (const session of daemon.sessions) {
    const what = session.path === undefined ? 'no folder yet' : `${session.role} ${session.path}`
    lines.push(`session   ${session.machine} since ${showWhen(session.openedMs)}: ${safeText(what)}`)
  }
  return lines
}

const marks: Readonly<Record<JobStanding['state'], string>> = {
  'in-sync': 'ok',
  running: 'runs',
  problems: 'PROBLEMS',
  failed: 'FAILED',
  'cut-off': 'CUT OFF',
  held: 'HELD',
  served: 'served',
  never: 'NEVER',
}

function jobLines({ last, standing }: Job): string[] {
  const { source, target } = endsOf(last)
  const by = last.driver === undefined ? '' : `, driven by ${last.driver}`
  const { good, text, next, state } = standing
  const lines = [
    '',
    `${marks[state].padEnd(9)} ${safeText(source)} ${arrowOf(last)} ${safeText(target)}${by}`,
    `          ${safeText(text)}; last run ${showWhen(last.startedMs)}, ${last.runId}`,
  ]
  if (last.driver === undefined && good !== undefined && good.runId !== last.runId) {
    const ago = showAge(good.endedMs ?? good.startedMs, systemClock.nowMs())
    lines.push(`          last brought together: ${ago}`)
  }
  if (next !== '') lines.push(`          What to do: ${sentence(safeText(next))}`)
  return lines
}

function asJson({ machine }: Desk, daemon: DaemonStatus | undefined, jobs: readonly Job[]): object {
  return {
    schema: 1,
    machine,
    productVersion,
    daemon: daemon ?? null,
    jobs: jobs.map(({ last, standing }) => ({
      job: last.job,
      ...endsOf(last),
      driver: last.driver ?? null,
      state: standing.state,
      text: standing.text,
      next: standing.next,
      needsPerson: standing.needsPerson,
      lastRun: { runId: last.runId, startedMs: last.startedMs, endedMs: last.endedMs ?? null },
      lastGood: standing.good && { runId: standing.good.runId, endedMs: standing.good.endedMs ?? null },
      problems: standing.good?.problemCount ?? 0,
    })),
  }
}
