// A peer's run at a folder of this machine, as this machine's history tells it. The peer decides what its run does; what
// is noted here is only what happened here. Where nothing was changed, the peer does not say whether its run found nothing
// to do or was held: that is `looked`; and `left` where it kept nothing of what it saw. Never ends or changes a run that is not this peer's.

import { endServedRun, type Outcome, type RunEnd, startRun } from '../state/runs.ts'
import { processMark } from '../std/alive.ts'
import { Failure } from '../std/failure.ts'
import type { ApplyResult, EndFacts } from './endpoint.ts'
import type { Workshop } from './local.ts'

/**
 * Ends of runs that could not be written down, because the disk of the state database was full, say. They are tried again
 * with each later one and whenever `settle` is called; until then status knows from the daemon that such a run is over.
 */
export class LateEnds {
  readonly #waiting: (() => void)[] = []

  /** Writes now, or later what can't be written now; then throws why. */
  write(end: () => void): void {
    this.#waiting.push(end)
    this.settle()
  }

  /** Writes what waits, the oldest first. Throws at the first that still can't be written. */
  settle(): void {
    for (let [end] = this.#waiting; end !== undefined; [end] = this.#waiting) {
      end()
      this.#waiting.shift()
    }
  }
}

export class Visit {
  readonly role: 'source' | 'target'
  readonly path: string
  readonly runId: string
  readonly #workshop: Workshop
  readonly #driver: string
  #isMoving = false
  #isSaved = false
  #result: ApplyResult | undefined

  constructor(
    workshop: Workshop,
    driver: string,
    request: { role: string; job: string; runId: string },
    facts: EndFacts,
  ) {
    this.role = request.role === 'source' ? 'source' : 'target'
    this.path = facts.path
    this.runId = request.runId
    this.#workshop = workshop
    this.#driver = driver
    const ends = this.role === 'source' ? { source: facts.path, target: '' } : { source: '', target: facts.path }
    const { job, runId } = request
    const { epoch } = facts
    startRun(workshop.state, { runId, job, ...ends, mode: '', driver, process: processMark(), epoch })
  }

  /** From here on something is sent or changed. */
  moved(): void {
    this.#isMoving = true
  }

  finished(result: ApplyResult): void {
    this.#result = result
  }

  /** The peer closed its end in good order. */
  saved(): void {
    this.#isSaved = true
  }

  /** The session is over: what writes down how the run ended here, now or later. */
  end(failure: Failure | undefined): () => void {
    const endedMs = this.#workshop.clock.nowMs()
    const { problems = [], counts, summary } = this.#result ?? {}
    const broken =
      failure ?? new Failure('connection-lost', `the run of ${this.#driver} ended before it had finished here`)
    const outcome = this.#outcome()
    const end: RunEnd = {
      endedMs,
      outcome,
      exitCode: outcome === 'failed' ? broken.exitCode : problems.length > 0 ? 3 : 0,
      counts: { ...counts },
      problems,
      totals: summary === undefined ? {} : { files: summary.files, sizeBytes: summary.sizeBytes },
      failure: outcome === 'failed' ? { code: broken.code, message: broken.message, hint: broken.hint } : undefined,
    }
    return () => endServedRun(this.#workshop.state, { runId: this.runId, driver: this.#driver }, end)
  }

  #outcome(): Outcome {
    if (!this.#isMoving) return this.#isSaved ? 'looked' : 'left'
    if (!this.#isSaved) return 'failed'
    return (this.#result?.problems.length ?? 0) > 0 ? 'partial' : 'done'
  }
}
