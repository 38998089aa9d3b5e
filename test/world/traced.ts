// A launcher of the program that hands the next command to the tracer, where a test asked for that, and otherwise starts
// it as it is. Machines of a world that was opened with it are traced without knowing. For tests only.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TraceFault, TracePlan, TraceReport } from './tracer.ts'

const clone = join(import.meta.dirname, '..', '..')
const quoted = (path: string): string => `'${path}'`
/** As scripts/node.sh starts it. */
const node = `${quoted(process.execPath)} --disable-warning=ExperimentalWarning --max-semi-space-size=4`

/** Why nothing can be traced here, for the `skip` of a test; else false. */
export const noTracing: string | false = whyNotTraced()

function whyNotTraced(): string | false {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the tracer knows Linux on x64 only'
  const home = mkdtempSync(join(tmpdir(), 'nf-traced-'))
  try {
    const plan: TracePlan = { watch: [home], report: join(home, 'report') }
    writeFileSync(join(home, 'plan'), JSON.stringify(plan))
    const tracer = join(clone, 'test/world/tracer.ts')
    const ended = spawnSync(process.execPath, [tracer, join(home, 'plan'), 'mkdir', join(home, 'made')], {
      stdio: 'ignore',
      timeout: 20_000,
    })
    const report = existsSync(plan.report) ? (JSON.parse(readFileSync(plan.report, 'utf8')) as TraceReport) : undefined
    const sees = ended.status === 0 && report?.calls.join() === `mkdir ${join(home, 'made')}`
    return sees ? false : 'this system lets no process be traced (ptrace)'
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** What a traced command came to, once it ended. */
export class Trace {
  readonly #report: string

  constructor(report: string) {
    this.#report = report
  }

  report(): TraceReport {
    return JSON.parse(readFileSync(this.#report, 'utf8')) as TraceReport
  }

  /** Tells the command itself to end, if it has not; what runs in front of it takes no signals. */
  async end(): Promise<void> {
    const path = `${this.#report}.pid`
    for (let tries = 0; !existsSync(path) && tries < 6000; tries++) await sleep(10)
    try {
      process.kill(Number(readFileSync(path, 'utf8')), 'SIGTERM')
    } catch (error) {
      if ((error as { code?: string }).code !== 'ESRCH') throw error
    }
  }
}

export class TracingLauncher {
  /** For `new World({ launcher })`. */
  readonly path: string
  readonly #home: string
  #count = 0

  constructor() {
    // What the first start makes belongs to all.
    spawnSync(join(clone, 'nightferry'), ['--version'])
    this.#home = mkdtempSync(join(tmpdir(), 'nf-tracing-'))
    this.path = join(this.#home, 'nightferry')
    const start = `${node} ${quoted(join(clone, 'dist/main.cjs'))}`
    const [next, taken] = [join(this.#home, 'next'), join(this.#home, 'taken')]
    const tracer = quoted(join(clone, 'test/world/tracer.ts'))
    writeFileSync(
      this.path,
      `#!/bin/sh
export NODE_COMPILE_CACHE=${quoted(join(clone, 'node_modules/.cache/compile'))}
mv ${next} ${taken}.$$ 2>/dev/null || exec ${start} "$@"
exec ${node} ${tracer} ${taken}.$$ ${start} "$@"
`,
    )
    chmodSync(this.path, 0o755)
  }

  /** The next command that is started is traced. Only calls below these folders count. */
  next(watch: readonly string[], fault?: TraceFault): Trace {
    const report = join(this.#home, `report-${++this.#count}`)
    assert.ok(!existsSync(join(this.#home, 'next')), 'one command at a time')
    const plan: TracePlan = { watch, report, fault }
    writeFileSync(join(this.#home, 'next'), JSON.stringify(plan))
    return new Trace(report)
  }

  close(): void {
    rmSync(this.#home, { recursive: true, force: true })
  }
}
