// A campaign: a tree that grows and changes by chance on both sides, between runs and while they run; runs, undoes and
// prunings; machines that lose their power, lines that are cut and stall, clocks that jump. After every step, whatever became of
// it, a slow and obvious walk holds the target against the invariants of ARCHITECTURE.md. Made again by its number.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { FinishedRun } from '../../src/jobs/run.ts'
import type { UndoResult } from '../../src/jobs/undo.ts'
import { type Chance, contentOf, editTree, growTree, moveFolders, placesIn, readTree } from '../world/disk-trees.ts'
import { assertTidy, contentsOn, holdingOf, owedOn } from '../world/oracle.ts'
import { lossOf, type Simulated, Simulation, type Trouble, type Way } from '../world/simulation.ts'
import { chanceFor, replay } from './options.ts'

const dayMs = 86_400_000
/** What the rules hide: it is never copied, and never lost. */
const hidden = '*.hidden'
const overrides = [{ directory: '', label: '--exclude', text: `${hidden}\n` }] as const
/** The large file of a campaign is told in portions, and goes on after a break. */
const largeBytes = 1_060_000

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

export class Campaign {
  readonly #chance: Chance
  readonly #simulation: Simulation
  readonly #where: string
  /** Versions never go; else they may after two days, and clocks jump by months. */
  readonly #keepsAll: boolean
  readonly #hasLarge: boolean
  /** Contents of files that were on the target before some run, and that nobody but a run could have taken away. */
  readonly #owed = new Set<string>()
  /** Contents of files that were on either side at any time. */
  readonly #known = new Set<string>()
  /** What happened, in words, and the calls of each run. */
  readonly story: string[] = []
  #edits = 0
  #hasEnded = true
  /** The last run that changed the target and came to its end, and what was there before it; till somebody meddles. */
  #undoable: { readonly run: string; readonly before: readonly string[] } | undefined

  /** The campaign of this number and the seed of options.ts, in a new folder. */
  constructor(number: number, directory: string) {
    this.#chance = chanceFor(`campaign ${number}`)
    const way = (['local', 'push', 'pull'] as const satisfies Way[])[this.#chance(3)] as Way
    this.#keepsAll = this.#chance(3) > 0
    this.#hasLarge = this.#chance(8) === 0
    this.#simulation = new Simulation(directory, way)
    this.#where = `${replay('campaign-once', number)}\n${way}`
  }

  close(): void {
    this.#simulation.close()
  }

  async play(): Promise<void> {
    const chance = this.#chance
    growTree(chance, this.#simulation.source, 3 + chance(20))
    if (this.#hasLarge) this.#editLarge()
    // Into a target that is empty yet, or what an attempt left of it.
    for (let runs = chance(3); runs > 0; runs--) await this.#run(this.#trouble())
    await this.#converges()
    for (let round = 2 + chance(4); round > 0; round--) {
      this.#edit()
      for (let runs = 1 + chance(2); runs > 0; runs--) await this.#run(this.#trouble())
      if (chance(2) === 0) await this.#converges()
      if (chance(3) === 0) await this.#undo()
    }
    await this.#converges()
  }

  #edit(): void {
    const { source, target } = this.#simulation
    this.#editSource(1 + this.#chance(6), !this.#hasEnded)
    if (this.#chance(4) === 0) moveFolders(this.#chance, source)
    if (this.#hasLarge && this.#chance(2) === 0) this.#editLarge()
    if (this.#chance(3) === 0) this.#meddle(target)
    for (const root of [source, target]) for (const what of holdingOf(root).values()) this.#known.add(what)
  }

  /** A large file that is mostly what it was: pieces go, come and change. */
  #editLarge(): void {
    const path = join(this.#simulation.source, 'large')
    const facts = lstatSync(path, { throwIfNoEntry: false })
    if (facts !== undefined && !facts.isFile()) return
    const old = facts === undefined ? Buffer.alloc(0) : readFileSync(path)
    const at = this.#chance(old.length + 1)
    const gone = this.#chance(50_000)
    const added = contentOf(`large ${++this.#edits}`, old.length < largeBytes ? largeBytes : this.#chance(50_000))
    rmSync(path, { force: true })
    writeFileSync(path, Buffer.concat([old.subarray(0, at), added, old.subarray(at + gone)]))
  }

  /**
   * Other content under the size and time that it had is found by the signature that the last run kept. Where that run came
   * to no end, or is under way, nobody can know, nor where the mode changed too (docs/threats.md, Windows): such an edit shows
   * in the time then.
   */
  #editSource(edits: number, isSeen: boolean): void {
    const { source } = this.#simulation
    type Look = { readonly facts: string; readonly mode: number; readonly content: string; readonly path: string }
    const look = (): Map<string, Look> =>
      new Map(
        placesIn(source).flatMap(({ path, kind }) => {
          if (kind !== 'file') return []
          const { ino, size, mtimeMs, mode } = lstatSync(path)
          return [[`${ino}`, { facts: `${size} ${mtimeMs}`, mode, content: hashOf(path), path }]]
        }),
      )
    const before = look()
    editTree(this.#chance, source, edits)
    for (const [inode, { facts, mode, content, path }] of look()) {
      const old = before.get(inode)
      const isHidden = old !== undefined && old.facts === facts && old.content !== content
      if (isHidden && (isSeen || old.mode !== mode)) utimesSync(path, 1, 1_650_000_000 + this.#chance(1e6))
    }
  }

  /** What a person does on the target. What it destroys is nobody's to keep. */
  #meddle(target: string): void {
    const before = contentsOn(target)
    const named = new Set(holdingOf(target).values())
    const chance = this.#chance
    const places = placesIn(target)
    const place = places[chance(Math.max(1, places.length))]
    const text = contentOf(`by hand ${++this.#edits}`, 1 + chance(3000))
    const what = chance(6)
    const folder = place === undefined ? target : place.kind === 'directory' ? place.path : dirname(place.path)
    if (place === undefined || what === 0) writeFileSync(join(folder, `by hand ${this.#edits}`), text)
    else if (what === 1) writeFileSync(join(folder, `${this.#edits}.hidden`), text)
    else if (what === 2) rmSync(place.path, { recursive: true })
    else if (what === 3 && place.kind === 'file') writeFileSync(place.path, text)
    else if (what === 4 && !existsSync(`${place.path} moved`)) renameSync(place.path, `${place.path} moved`)
    else mkdirSync(join(folder, `made ${this.#edits}`), { recursive: true })
    this.#undoable = undefined
    this.story.push(`by hand: ${what} at ${place?.path.slice(target.length + 1)}`)
    const now = contentsOn(target)
    const left = owedOn(target)
    // What lies in staging only, as a second name of a file that was destroyed, is nobody's.
    for (const content of before)
      if (!now.has(content) || (named.has(content) && !left.has(content))) this.#owed.delete(content)
    for (const content of this.#owedNow()) this.#owed.add(content)
    for (const content of holdingOf(target).values()) this.#known.add(content)
  }

  #trouble(): Trouble {
    const chance = this.#chance
    const trouble: { -readonly [Key in keyof Trouble]: Trouble[Key] } = {}
    const { target } = this.#simulation
    // How far a run of a few files goes, and how far one with a large file: bytes on the line, calls on the disk.
    const far = this.#hasLarge && chance(2) === 0 ? 1_500_000 : 20_000
    const what = chance(10)
    if (what <= 2) trouble.dieAt = 1 + chance(chance(3) === 0 ? 30 : 150)
    if (what <= 2) trouble.loss = lossOf(chance)
    if (what === 3) trouble.cutAt = chance(far)
    if (what === 4) trouble.cutFrame = 1 + chance(80)
    if (what === 5) trouble.stallAt = chance(far)
    if (what === 5 && chance(2) === 0) trouble.stallTo = chance(2) === 0 ? 'near' : 'far'
    if (what === 6 || what === 0) {
      const isTarget = chance(2) === 0
      const act = (): void => (isTarget ? this.#meddle(target) : this.#editSource(1, true))
      trouble.meanwhile = { at: 1 + chance(100), act }
    }
    if (chance(2) === 0) trouble.pieces = chance
    if (chance(5) === 0) trouble.jumpMs = [-3650 * dayMs, 30 * dayMs, -3_600_000, 3_600_000][chance(4)] as number
    if (trouble.jumpMs !== undefined && chance(2) === 0) trouble.jumpAt = 1 + chance(100)
    if (chance(8) === 0) trouble.skewMs = (chance(2) === 0 ? -1 : 1) * chance(400 * dayMs)
    return trouble
  }

  async #run(trouble: Trouble, change = {}): Promise<Simulated<FinishedRun>> {
    const { source, target } = this.#simulation
    const [theirs, before] = [readTree(source), readTree(target)]
    this.#owe()
    const owed = new Set(this.#owed)
    const keep = this.#keepsAll ? { kind: 'forever' } : { kind: 'days', days: 2 }
    const run = await this.#simulation.run(trouble, { keep, overrides, ...change } as never)
    const { end, failure } = run
    // What a run that died had taken away comes back when the target is opened, before the next one.
    const wasWhole = this.#hasEnded
    this.#hasEnded = end !== undefined && !run.died
    this.#undoable = undefined
    // What a person wrote while the power went was not synced, and may lie in a folder that is not there any more.
    if (run.died && trouble.loss !== 'most')
      for (const content of this.#owed) if (!owed.has(content)) this.#owed.delete(content)
    if (wasWhole && this.#hasEnded && end?.outcome === 'done' && trouble.meanwhile === undefined && run.calls > 0)
      this.#undoable = { run: end.runId, before }
    this.#tell(trouble, run, failure?.code ?? end?.outcome)
    for (const root of [source, target]) {
      if (trouble.meanwhile !== undefined) for (const what of holdingOf(root).values()) this.#judgeName(root, what)
    }
    this.#judge(trouble.meanwhile === undefined ? theirs : undefined)
    if (end?.outcome === 'halted' && trouble.meanwhile === undefined)
      assert.deepEqual(readTree(target), before, this.#say('a halted run changed the target'))
    const isSaid = (end?.outcome === 'done' || end?.outcome === 'unchanged') && trouble.meanwhile === undefined
    if (isSaid) this.#judgeSync()
    return run
  }

  #tell(trouble: Trouble, run: Simulated<unknown>, became: string | undefined): void {
    const { calls, trail, died } = run
    const told = { ...trouble, pieces: trouble.pieces === undefined ? undefined : 'by chance' }
    this.story.push(`${JSON.stringify(told)}: ${died ? 'died' : became} after ${calls} calls: ${trail.join(' ')}`)
  }

  /** What is on the target before a step is owed to people after it. Where versions age, those of before may go. */
  #owe(): void {
    const { source, target } = this.#simulation
    for (const root of [source, target]) for (const what of holdingOf(root).values()) this.#known.add(what)
    if (!this.#keepsAll) this.#owed.clear()
    for (const content of this.#owedNow()) this.#owed.add(content)
  }

  #owedNow(): Iterable<string> {
    const { target } = this.#simulation
    if (this.#keepsAll) return owedOn(target)
    return [...holdingOf(target).values()].filter((what) => what.startsWith('file '))
  }

  /** Undoes the last run, which something may cut off, and then to its end. */
  async #undo(): Promise<void> {
    const undoable = this.#undoable
    if (undoable === undefined) return
    this.#undoable = undefined
    const { target } = this.#simulation
    for (const trouble of [this.#chance(2) === 0 ? this.#trouble() : {}, {}]) {
      const { meanwhile: _, ...rest }: Trouble = trouble
      const before = readTree(target)
      this.#owe()
      const undone: Simulated<UndoResult> = await this.#simulation.undo(undoable.run, rest)
      const { end, failure, died } = undone
      this.#hasEnded = end !== undefined && !died
      this.#tell(rest, undone, `undo ${failure?.code ?? end?.outcome}`)
      this.#judge(undefined)
      if (end?.outcome === 'refused')
        assert.deepEqual(readTree(target), before, this.#say('a refused undo changed something'))
      if (died || end === undefined) continue
      assert.match(end.outcome, /^(done|nothing)$/, this.#say(`an undo: ${JSON.stringify(end.conflicts)}`))
      assert.deepEqual(readTree(target), undoable.before, this.#say('an undone run left something'))
    }
  }

  /** Edited while the run went on: what is there now was written by somebody. */
  #judgeName(root: string, what: string): void {
    if (root === this.#simulation.source) this.#known.add(what)
  }

  #judge(source: readonly string[] | undefined): void {
    const simulation = this.#simulation
    if (source !== undefined) assert.deepEqual(readTree(simulation.source), source, this.#say('the source was changed'))
    for (const what of holdingOf(simulation.source).values()) this.#known.add(what)
    for (const [path, what] of holdingOf(simulation.target))
      assert.ok(this.#known.has(what), this.#say(`${path} holds what nobody wrote`))
    const here = contentsOn(simulation.target)
    for (const content of this.#owed) assert.ok(here.has(content), this.#say(`a content is lost: ${content}`))
  }

  /** What a run says is so: nothing but hidden names tells the two apart. */
  #judgeSync(): void {
    const { source, target } = this.#simulation
    const isHidden = (line: string): boolean => /\.hidden (file|directory) /.test(line)
    const shown = (root: string): string[] => readTree(root).filter((line) => !isHidden(line))
    const [here, there] = [shown(source), shown(target)]
    // A directory that holds what is hidden stays.
    const kept = readTree(target).flatMap((line) => /^(.*)\/[^/]*\.hidden /s.exec(line)?.[1] ?? [])
    const isKept = (line: string): boolean =>
      kept.some((path) => `${path}/`.startsWith(`${line.split(' directory ')[0]}/`))
    assert.deepEqual(
      {
        more: there.filter((line) => !here.includes(line) && !isKept(line)),
        less: here.filter((line) => !there.includes(line)),
      },
      { more: [], less: [] },
      this.#say('it said in sync'),
    )
  }

  #say(what: string): string {
    return `${what} (${this.#where})\n${this.story.join('\n')}`
  }

  /** Plain runs, released where a guard holds them, come to an end at which there is nothing more to do. */
  async #converges(): Promise<void> {
    for (let runs = 0; runs < 6; runs++) {
      const { end, failure } = await this.#run({}, { release: runs % 2 === 1 })
      assert.ok(end !== undefined, this.#say(`a plain run failed: ${failure?.code} ${failure?.message}`))
      const onlyKept = end.problems.every(({ code }) => code === 'not-empty')
      assert.ok(
        end.outcome === 'halted' || onlyKept || runs === 0,
        this.#say(`problems: ${JSON.stringify(end.problems)}`),
      )
      if (end.outcome === 'unchanged' || (end.outcome === 'partial' && onlyKept && runs > 2)) {
        assertTidy(this.#simulation.target, this.#say('converged'))
        return
      }
    }
    assert.fail(this.#say('no end of runs'))
  }
}
