// `nightferry demo`: two machines on one computer, each with its own state and daemon, from pairing to proof, by the very
// commands that a person would type. Everything lies below one temporary folder, which is removed at the end.

import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openSource } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import { utf8 } from '../std/bytes.ts'
import { systemClock } from '../std/clock.ts'
import { isBundled } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import { ensureOwnDirectory, moveOwnFile, removeOwnTree, writeOwnFile } from '../std/files.ts'
import { randomName } from '../std/random.ts'
import { safeText, showBytes, showCount, showDuration } from './print.ts'

type Finished = { readonly exitCode: number; readonly output: string; readonly elapsedMs: number }
type RunEndLine = {
  readonly outcome: string
  readonly counts: Readonly<Record<string, number>>
  readonly files: number
  readonly sizeBytes: number
  readonly contentBytes: number
  readonly wireBytesOut: number
  readonly wireBytesIn: number
}

/** Shows the main job on a real folder: this program's own where none is named. Exit code 0 only if both ends are equal. */
export async function demo(folder: string | undefined): Promise<number> {
  const clone = fileURLToPath(new URL(isBundled ? '..' : '../..', import.meta.url))
  const source = resolve(folder ?? clone)
  // Before anything is shown: a mistyped folder is no failure of a run.
  openSource(systemSys(), source).close()
  // The clone's own compile cache changes while the demo runs.
  const rules = folder === undefined ? ['--exclude', '/node_modules/.cache/'] : []
  const place = join(tmpdir(), `nightferry-demo-${randomName(8)}`)
  const stage = new Stage(place, rules)
  process.once('SIGINT', () => stage.interrupt())
  try {
    return await play(stage, source)
  } finally {
    await stage.close()
  }
}

async function play(stage: Stage, source: string): Promise<number> {
  stage.say(`A laptop and a NAS on this computer, each with its own state below ${stage.place}.`)
  const port = await stage.serve()
  await stage.pair(port)
  const first = await stage.sync(source, 'first mirror')
  if (first.outcome !== 'done' && first.outcome !== 'partial') return 1
  const again = await stage.sync(source, 'nothing changed')
  stage.say(`  That took one look at both sides and ${showBytes(again.wireBytesOut + again.wireBytesIn)} on the wire.`)
  const copy = stage.workingCopy()
  stage.say('\nNow a folder that changes: three files are edited, one is renamed, one goes, one comes.')
  await stage.sync(copy, 'before the changes', 'changes')
  changeFiles(copy)
  await stage.sync(copy, 'after the changes', 'changes')
  const equal = await stage.isEqual(copy, 'changes')
  const proof = await stage.isEqual(source, 'mirror')
  stage.say(`\n${equal && proof ? equalText : unequalText}\n`)
  stage.say(commandsText)
  return equal && proof ? 0 : 1
}

const equalText =
  'Both folders are equal on both machines: every file was read on both sides and compared by its BLAKE3 digest.'
const unequalText = 'Not equal: did something change the folder meanwhile? If not, this is a bug.'

const commandsText = `The same with a NAS of yours:
  on the NAS      nightferry share add backup /volume/backup
                  nightferry serve &
                  nightferry pair                     (prints a code)
  on the laptop   nightferry pair CODE@nas.local
                  nightferry sync ~/Documents nas:backup --dry-run
                  nightferry sync ~/Documents nas:backup`

/** Files of the demo's own working copy; made by us, so plain writes do. */
function changeFiles(folder: string): void {
  const write = (name: string, text: string): void => writeOwnFile(join(folder, name), utf8(text), { mode: 0o644 })
  for (const name of ['letter.txt', 'notes/monday.txt', 'notes/tuesday.txt']) write(name, `${name}, edited\n`)
  moveOwnFile(join(folder, 'photo.raw'), join(folder, 'notes', 'photo of monday.raw'))
  removeOwnTree(join(folder, 'draft.txt'))
  write('new.txt', 'new\n')
}

/** The temporary folder, the two machines in it, and what is said on the way. */
class Stage {
  readonly place: string
  /** This program, as it was started. */
  readonly #program: string = process.argv[1] ?? ''
  readonly #children = new Set<ChildProcess>()
  readonly #rules: readonly string[]

  constructor(place: string, rules: readonly string[]) {
    this.place = place
    this.#rules = rules
    ensureOwnDirectory(join(place, 'nas-disk', 'mirror'), 0o700)
    ensureOwnDirectory(join(place, 'nas-disk', 'changes'), 0o700)
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  #start(machine: string, args: readonly string[]): ChildProcess {
    const child = spawn(
      process.execPath,
      [...process.execArgv, this.#program, '--state', join(this.place, machine), ...args],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    this.#children.add(child)
    child.once('close', () => this.#children.delete(child))
    return child
  }

  #run(machine: string, args: readonly string[]): Promise<Finished> {
    const startMs = systemClock.monotonicMs()
    const child = this.#start(machine, args)
    let output = ''
    child.stdout?.on('data', (part: Buffer) => {
      output += part.toString()
    })
    child.stderr?.pipe(process.stderr, { end: false })
    return new Promise((done, reject) => {
      child.once('error', reject)
      child.once('close', (code) =>
        done({ exitCode: code ?? 1, output, elapsedMs: systemClock.monotonicMs() - startMs }),
      )
    })
  }

  /** Resolves with the first match in what a child prints. */
  #wait(child: ChildProcess, pattern: RegExp): Promise<string> {
    return new Promise((found, reject) => {
      let output = ''
      child.stdout?.on('data', (part: Buffer) => {
        output += part.toString()
        const match = pattern.exec(output)?.[1]
        if (match !== undefined) found(match)
      })
      child.stderr?.pipe(process.stderr, { end: false })
      child.once('close', () => reject(new Failure('peer-failed', 'a machine of the demo ended early')))
    })
  }

  async serve(): Promise<number> {
    for (const share of ['mirror', 'changes'])
      await this.#must('nas', ['share', 'add', share, join(this.place, 'nas-disk', share)])
    const port = Number(
      await this.#wait(
        this.#start('nas', ['serve', '--listen', '127.0.0.1:0', '--name', 'nas']),
        /listening on \S*:(\d+)/,
      ),
    )
    this.say(`nas$    nightferry serve                       (port ${port})`)
    return port
  }

  async pair(port: number): Promise<void> {
    const code = await this.#wait(this.#start('nas', ['pair']), /code: (\S+)/)
    this.say(`nas$    nightferry pair                        code ${code}`)
    await this.#must('laptop', ['pair', `${code}@127.0.0.1:${port}`, '--name', 'laptop'])
    this.say(`laptop$ nightferry pair ${code}@nas        paired, by key, for good`)
  }

  async #must(machine: string, args: readonly string[]): Promise<Finished> {
    const finished = await this.#run(machine, args)
    if (finished.exitCode !== 0)
      throw new Failure('peer-failed', `nightferry ${args[0]} failed in the demo: ${finished.output}`)
    return finished
  }

  async sync(source: string, what: string, share = 'mirror'): Promise<RunEndLine> {
    const { output, elapsedMs } = await this.#run('laptop', [
      'sync',
      source,
      `nas:${share}`,
      ...this.#rules,
      '--json',
      '--quiet',
    ])
    const line = output.split('\n').find((text) => text.includes('"run-end"'))
    if (line === undefined) throw failureIn(output)
    const end = JSON.parse(line) as RunEndLine
    const { created = 0, replaced = 0, renamed = 0, deleted = 0 } = end.counts
    const counts = `${created} created, ${replaced} replaced, ${renamed} renamed, ${deleted} deleted`
    this.say(`laptop$ nightferry sync ${basename(source)} nas:${share}`.padEnd(56) + what)
    this.say(
      `        ${showCount(end.files, 'file')}, ${showBytes(end.sizeBytes)}; ${counts}; ${showBytes(end.contentBytes)} of content sent; ${showDuration(elapsedMs)}`,
    )
    return end
  }

  workingCopy(): string {
    const folder = join(this.place, 'laptop-folder')
    ensureOwnDirectory(join(folder, 'notes'), 0o755)
    const write = (name: string, text: string): void => writeOwnFile(join(folder, name), utf8(text), { mode: 0o644 })
    for (const name of ['letter.txt', 'draft.txt', 'notes/monday.txt', 'notes/tuesday.txt']) write(name, `${name}\n`)
    write('photo.raw', randomName(1_000_000))
    return folder
  }

  /** A run that reads every file on both sides, changes nothing, and would say so if anything differed. */
  async isEqual(source: string, share: string): Promise<boolean> {
    const { output, exitCode } = await this.#run('laptop', [
      'sync',
      source,
      `nas:${share}`,
      ...this.#rules,
      '--checksum',
      '--dry-run',
      '--json',
    ])
    return (exitCode === 0 || exitCode === 3) && !output.includes('"type":"change"')
  }

  interrupt(): void {
    for (const child of this.#children) child.kill('SIGINT')
  }

  async close(): Promise<void> {
    const ended = [...this.#children].map((child) => new Promise((done) => child.once('close', done)))
    for (const child of this.#children) child.kill('SIGTERM')
    await Promise.all(ended)
    removeOwnTree(this.place)
  }
}

/** What a run that broke told of it, in JSON. */
function failureIn(output: string): Failure {
  const told = /"type":"failure".*?"message":("(?:[^"\\]|\\.)*")/.exec(output)?.[1]
  return new Failure('peer-failed', `the run failed: ${told === undefined ? safeText(output) : JSON.parse(told)}`)
}
