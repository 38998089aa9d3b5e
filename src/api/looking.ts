// Looking back, for programs: what one run did, and why a path is as it is. The same facts that `nightferry log RUN` and
// `nightferry why` tell; moments in texts are in UTC. Reads only.

import { outcomeOf, type RunOutcome } from '../core/outcome.ts'
import { explain } from '../core/why.ts'
import type { Look, Statement } from '../core/why-facts.ts'
import { inquire } from '../jobs/inquiry.ts'
import { changesOf, type LoggedChange } from '../jobs/logged.ts'
import { findRuns, type Run } from '../state/history.ts'
import { isAlive } from '../std/alive.ts'
import { isoTime } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import type { Engine } from './engine.ts'

/** A run, how it stands, and what the log of this machine says that it changed. */
export type RunReport = {
  readonly run: Run
  /** How it ended; `running`, `cut-off` or `open` where it has not. */
  readonly state: RunOutcome
  /** At most 100,000, in the order in which they were done. */
  readonly changes: readonly LoggedChange[]
}

/** What is known of a path by one job that holds it. */
export type PathAnswer = {
  readonly job: string
  /** The job's ends; '' for the one that a peer keeps to itself. */
  readonly source: string
  readonly target: string
  /** The machine that drives the job; undefined where it is this one. */
  readonly driver: string | undefined
  /** On which end the path lies, and where below it. */
  readonly role: 'source' | 'target'
  readonly path: string
  /** What stands there now; undefined where that end is on another machine. */
  readonly state: Look['kind'] | undefined
  /** The decisive thing first; never none. */
  readonly statements: readonly Statement[]
}

/** The one run whose id begins like this. Throws `bad-usage` where there is none, or more than one. */
function oneRun({ workshop }: Engine, text: string): Run {
  const [run, other] = text === '' ? [] : findRuns(workshop.state, text)
  if (run === undefined) throw new Failure('bad-usage', `no run is called ${JSON.stringify(text)}`)
  if (other !== undefined) throw new Failure('bad-usage', `several runs begin with ${JSON.stringify(text)}`)
  return run
}

export function reportOf(engine: Engine, id: string): RunReport {
  const run = oneRun(engine, id)
  engine.workshop.log.flush()
  const state = outcomeOf(run, isAlive(run.process))
  return { run, state, changes: changesOf(engine.places.logs, run) }
}

export function answersOf(engine: Engine, path: string, run: string | undefined): PathAnswer[] {
  if (path === '') throw new Failure('bad-usage', 'the path is empty')
  const onlyRun = run === undefined ? undefined : oneRun(engine, run).runId
  const { workshop, places, reach } = engine
  workshop.log.flush()
  const inquiry = { state: workshop.state, logs: places.logs, isMachine: reach.isMachine }
  const telling = { when: isoTime, whenLogged: (time: string) => time, self: workshop.machine }
  return inquire(inquiry, path, onlyRun).map(({ last, facts }) => ({
    job: last.job,
    source: last.source,
    target: last.target,
    driver: facts.driver,
    role: facts.role,
    path: facts.path,
    state: facts[facts.role]?.kind,
    statements: explain(facts, telling),
  }))
}
