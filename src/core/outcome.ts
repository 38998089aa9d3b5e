// What came of a run, in one word and in one line. The row of a run says how it ended, or that it has not: then it is
// running, or its process died, which only who knows the process can tell.

/** A run as far as the explaining commands look at it. */
export type RunFacts = {
  readonly runId: string
  readonly source: string
  readonly target: string
  readonly mode: string
  readonly driver: string | undefined
  readonly epoch: number
  readonly startedMs: number
  readonly endedMs: number | undefined
  readonly outcome: string | undefined
  /** `narrowed`: the options that left things out, or took them for equal, by less than a whole mirror would; `asked`: others. */
  readonly options:
    | { readonly dryRun: boolean; readonly narrowed?: readonly string[]; readonly asked?: readonly string[] }
    | undefined
  readonly problems: readonly { readonly path: string; readonly code: string; readonly detail: string }[]
  readonly problemCount: number
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | undefined
  readonly halt: { readonly reason: string; readonly deletes: number; readonly replaces: number } | undefined
}

export type RunOutcome =
  | 'unchanged'
  | 'done'
  | 'partial'
  | 'halted'
  | 'failed'
  | 'planned'
  | 'looked'
  | 'left'
  | 'running'
  | 'cut-off'
  /** Not ended, and nobody can tell whether its process lives. */
  | 'open'

const known: readonly string[] = ['unchanged', 'done', 'partial', 'halted', 'failed', 'planned', 'looked', 'left']

/**
 * Whether a run that has no end yet may be under way: its process lives and, where a daemon served it, the daemon still
 * has its session. A run that is over there has an end that was not written down: undefined, since nobody can tell it.
 */
export function isUnderWay(
  { runId, driver }: RunFacts,
  isAlive: boolean | undefined,
  sessions: readonly { readonly runId?: string }[] | undefined,
): boolean | undefined {
  if (isAlive !== true || driver === undefined || sessions === undefined) return isAlive
  return sessions.some((session) => session.runId === runId) ? true : undefined
}

/** `isAlive`: of the run's process; undefined where that can't be known. */
export function outcomeOf(run: RunFacts, isAlive: boolean | undefined): RunOutcome {
  if (run.outcome === 'interrupted') return 'cut-off'
  if (run.outcome !== undefined && known.includes(run.outcome)) return run.outcome as RunOutcome
  if (isAlive === undefined) return 'open'
  return isAlive ? 'running' : 'cut-off'
}

/** Whether both ends were brought together, problems aside, when this run ended. */
export function endedWell(outcome: RunOutcome): boolean {
  return outcome === 'unchanged' || outcome === 'done' || outcome === 'partial'
}

const texts: Readonly<Record<RunOutcome, string>> = {
  unchanged: 'nothing had changed',
  done: 'done',
  partial: 'done as far as possible',
  halted: 'held by a guard: nothing was changed',
  failed: 'failed',
  planned: 'a dry run: nothing was changed',
  looked: 'nothing was to be changed here',
  left: 'left before its end, or a dry run: nothing was changed here',
  running: 'running',
  'cut-off': 'cut off before its end',
  open: 'its end is not known',
}

export function outcomeText(outcome: RunOutcome): string {
  return texts[outcome]
}

/** The two ends for a person; the one that a peer keeps to itself has only the peer's name. */
export function endsOf(run: Pick<RunFacts, 'source' | 'target' | 'driver'>): { source: string; target: string } {
  const hidden = run.driver === undefined ? '?' : `(a folder of ${run.driver})`
  return { source: run.source === '' ? hidden : run.source, target: run.target === '' ? hidden : run.target }
}

/** How the ends of a run stand to each other: what one gets the other has, or both get. */
export function arrowOf({ mode }: Pick<RunFacts, 'mode'>): string {
  return mode === 'two-way' ? '<->' : '->'
}

/**
 * The runs that tell how a job stands: one that gave way to another that was at work says nothing of it, where there is
 * any other.
 */
export function tellingRuns<Run extends RunFacts>(runs: readonly Run[]): readonly Run[] {
  const telling = runs.filter(({ failure }) => failure?.code !== 'root-locked')
  return telling.length === 0 ? runs : telling
}
