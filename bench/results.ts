// What the benchmark leaves on the disk: a line of JSON for the session and one for every run, written as they come.

import { appendFileSync, mkdirSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Census } from './compare.ts'
import type { Run } from './cycle.ts'
import { run } from './processes.ts'

export type Session = {
  /** When it began; with the process id, the name that its lines share. */
  readonly id: string
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly kernel: string
    readonly memoryBytes: number
  }
  readonly commit: string
  /** Whether the clone held changes that are not in the commit, results apart. */
  readonly dirty: boolean
  readonly versions: Readonly<Record<string, string>>
  readonly skipped: Readonly<Record<string, string>>
}

const bench = dirname(fileURLToPath(import.meta.url))

export async function describeSession(
  versions: Session['versions'],
  skipped: Session['skipped'],
  signal: AbortSignal,
): Promise<Session> {
  const git = (...args: string[]): Promise<string> =>
    run(['git', '-c', 'safe.directory=*', '-C', join(bench, '..'), ...args], signal).then(({ code, stdout }) =>
      code === 0 ? stdout.trim() : '',
    )
  const [cpu] = cpus()
  return {
    id: `${new Date().toISOString()}-${process.pid}`,
    machine: { cpu: cpu?.model ?? '?', cores: cpus().length, kernel: release(), memoryBytes: totalmem() },
    commit: (await git('rev-parse', '--verify', '-q', 'HEAD')) || 'none',
    dirty: (await git('status', '--porcelain', '--', '.', ':!bench/results')) !== '',
    versions,
    skipped,
  }
}

/** Opens the result files of a session; each row's file gets the session's line before its first run. */
export function openResults(session: Session): {
  add(run: Run, work: { readonly name: string; readonly census: Census }, kind: string, network: string): void
  readonly files: ReadonlySet<string>
} {
  const files = new Set<string>()
  return {
    files,
    add(run, { name, census }, kind, network) {
      const file = join(bench, 'results', `${session.id.slice(0, 10)}-${run.row}.jsonl`)
      const lines: object[] = [
        { schema: 2, type: 'run', session: session.id, work: { name, ...census }, kind, network, ...run },
      ]
      if (!files.has(file)) lines.unshift({ schema: 2, type: 'session', ...session })
      mkdirSync(dirname(file), { recursive: true })
      appendFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
      files.add(file)
    },
  }
}
