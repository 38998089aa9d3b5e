// A campaign of two-way runs: two trees that grow and change by chance on both sides, between runs and while they run, and
// runs that die, are cut off and stall. After every step a slow and obvious look at both sides, against what they were
// before and what they last agreed on, says whether anything was lost, undone or made up. Made again by its number.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import type { FinishedRun } from '../../src/jobs/run.ts'
import { type Chance, contentOf, editTree, growTree, moveFolders, placesIn } from '../world/disk-trees.ts'
import { assertTidy, contentsOn, owedOn } from '../world/oracle.ts'
import { lossOf, type Simulated, Simulation, type Trouble, type Way } from '../world/simulation.ts'
import { chanceFor, replay } from './options.ts'

/** No time that is set on purpose is as late. */
const justNowMs = 1_750_000_000_000

/** What a name holds, apart from its mode and time; `directory`, `file HASH`, `link TEXT`. */
type Held = { readonly what: string; readonly mode: number; readonly time: string; readonly inode: string }
type Held3 = { readonly l: Held | undefined; readonly r: Held | undefined; readonly b: Held | undefined }
type Snap = ReadonlyMap<string, Held>

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1)

function snapOf(root: string): Snap {
  const snap = new Map<string, Held>()
  const visit = (directory: string): void => {
    for (const entry of readdirSync(join(root, directory), { withFileTypes: true }).sort(byName)) {
      const path = join(directory, entry.name)
      if (path === '.nightferry') continue
      snap.set(path, heldAt(join(root, path)))
      if (entry.isDirectory()) visit(path)
    }
  }
  visit('')
  return snap
}

function heldAt(path: string): Held {
  const { mode, mtimeNs, ino, size } = lstatSync(path, { bigint: true })
  const facts = { mode: Number(mode) & 0o777, time: `${mtimeNs}`, inode: `${ino} ${size}` }
  const kind = Number(mode) & 0o170000
  if (kind === 0o040000) return { what: 'directory', ...facts }
  if (kind === 0o120000) return { what: `link ${readlinkSync(path)}`, ...facts }
  return { what: `file ${createHash('sha256').update(readFileSync(path)).digest('hex')}`, ...facts }
}

/** What must be equal on both sides after a run that says so. */
function linesOf(snap: Snap): string[] {
  return [...snap].map(([path, { what, mode, time }]) => {
    if (what === 'directory') return `${path} ${what} ${mode.toString(8)}`
    return what.startsWith('link') ? `${path} ${what}` : `${path} ${what} ${mode.toString(8)} ${time}`
  })
}

/** What lies at the same first name in each of these. */
function around(path: string, snaps: Readonly<Record<string, Snap | undefined>>): string {
  const top = path.split('/')[0] as string
  return Object.entries(snaps)
    .map(([name, snap = new Map()]) => {
      const lines = [...snap].filter(([one]) => one === top || one.startsWith(`${top}/`))
      return `\n${name}:${lines.map(([one, { what, mode }]) => ` ${one}=${what.slice(0, 12)},${mode.toString(8)}`).join('')}`
    })
    .join('')
}

const sameWhat = (a: Held | undefined, b: Held | undefined): boolean => a?.what === b?.what

export class TwoWayCampaign {
  readonly #chance: Chance
  readonly #simulation: Simulation
  readonly #where: string
  readonly story: string[] = []
  /** What both sides last agreed on, where the last run came to its end; undefined while that is not known. */
  #agreed: Snap | undefined = new Map()
  /** Contents that were on either side, and which nobody but a run could have taken away. */
  readonly #owed = new Set<string>()
  readonly #known = new Set<string>()
  #hasEnded = true
  #seconds = 1_700_000_000

  constructor(number: number, directory: string) {
    this.#chance = chanceFor(`bothways ${number}`)
    const way = (['local', 'push', 'pull'] as const satisfies Way[])[this.#chance(3)] as Way
    this.#simulation = new Simulation(directory, way)
    this.#where = `${replay('bothways', number)}\n${way}`
  }

  close(): void {
    this.#simulation.close()
  }

  async play(): Promise<void> {
    const chance = this.#chance
    const { source, target } = this.#simulation
    growTree(chance, source, chance(20))
    if (chance(3) > 0) growTree(chance, target, chance(20))
    for (const side of this.#sides()) this.#settleTimes(side)
    if (chance(2) === 0) await this.#run(this.#trouble())
    await this.#converges()
    const hasTrouble = chance(2) === 0
    for (let round = 2 + chance(5); round > 0; round--) {
      this.#edit()
      for (let runs = hasTrouble ? chance(3) : 0; runs > 0; runs--) await this.#run(this.#trouble())
      await this.#converges()
    }
  }

  #sides(): readonly [string, string] {
    return [this.#simulation.source, this.#simulation.target]
  }

  #edit(): void {
    const chance = this.#chance
    for (const side of this.#sides()) {
      const edits = chance(6)
      this.#editSide(side, edits)
      if (chance(4) === 0) moveFolders(chance, side)
    }
    for (let both = chance(5); both > 0; both--) this.#editBoth()
    for (const side of this.#sides()) this.#settleTimes(side)
    const here = new Set(this.#sides().flatMap((side) => [...owedOn(side)]))
    for (const what of this.#owed) if (!here.has(what)) this.#owed.delete(what)
    for (const side of this.#sides()) for (const { what } of snapOf(side).values()) this.#known.add(what)
  }

  /**
   * Other content under the size and time that it had is found by the signature that the last run kept; where that came to no
   * end, or the mode changed too, nobody can know: such an edit shows in the time then.
   */
  #editSide(side: string, edits: number, isSeen = !this.#hasEnded): void {
    const look = (): Map<string, Held & { readonly path: string }> =>
      new Map([...snapOf(side)].map(([path, held]) => [`${held.inode} ${held.time}`, { ...held, path }]))
    const before = look()
    editTree(this.#chance, side, edits)
    for (const [key, { what, mode, path }] of look()) {
      const old = before.get(key)
      const isHidden = old !== undefined && old.what !== what && what.startsWith('file')
      if (isHidden && (isSeen || old.mode !== mode)) utimesSync(join(side, path), 1, 1_650_000_000 + this.#chance(1e6))
    }
    this.#settleTimes(side)
  }

  /** What was written just now is given a time that is the same when it is made again; some share it with another. */
  #settleTimes(side: string): void {
    this.#seconds++
    for (const { path } of placesIn(side).reverse()) {
      if (lstatSync(path).mtimeMs < justNowMs) continue
      if (this.#chance(3) > 0) this.#seconds++
      lutimesSync(path, this.#seconds, this.#seconds)
    }
  }

  /** Both sides do something at one name. */
  #editBoth(): void {
    const chance = this.#chance
    const [left, right] = this.#sides()
    const side = chance(2) === 0 ? left : right
    const all = placesIn(side)
    const place = all[chance(Math.max(1, all.length))]
    if (place === undefined) return
    let path = relative(side, place.path)
    if (chance(4) === 0) path = join(path.includes('/') ? dirname(path) : '', `both ${chance(4)}`)
    // A name like the one that a conflict would give.
    if (chance(12) === 0) path = path.replace(/(\.txt)?$/, `.conflict-laptop-${chance(4)}0000000$1`)
    const one = this.#act(left, path)
    const other = chance(4) === 0 ? this.#act(right, path, one) : this.#act(right, path)
    this.story.push(`both at ${path}: ${one}, ${other}`)
  }

  #act(side: string, path: string, what: number = this.#chance(8)): number {
    const at = join(side, path)
    let up = side
    for (const name of dirname(path).split('/')) {
      up = join(up, name)
      if (lstatSync(up, { throwIfNoEntry: false })?.isDirectory() === false) rmSync(up)
    }
    mkdirSync(dirname(at), { recursive: true })
    const facts = lstatSync(at, { throwIfNoEntry: false })
    const isDirectory = facts?.isDirectory() === true
    const clear = (): void => rmSync(at, { recursive: true, force: true })
    const text = contentOf(`act ${this.#chance(6)}`, [0, 5, 5, 90, 5000][this.#chance(5)] as number)
    if (what === 0) clear()
    else if (what === 1) {
      clear()
      symlinkSync(`somewhere ${this.#chance(3)}`, at)
    } else if (what === 2 && !isDirectory) {
      clear()
      mkdirSync(at)
      if (this.#chance(2) === 0) writeFileSync(join(at, `in ${this.#chance(3)}`), text)
    } else if (what === 3 && facts !== undefined && !facts.isSymbolicLink())
      chmodSync(
        at,
        isDirectory
          ? ([0o700, 0o755, 0o750][this.#chance(3)] as number)
          : ([0o600, 0o644, 0o755, 0o444][this.#chance(4)] as number),
      )
    else if (what === 4 && facts?.isFile() === true) utimesSync(at, 1, 1_690_000_000 + this.#chance(3))
    else if (isDirectory) writeFileSync(join(at, `in ${this.#chance(3)}`), text)
    else {
      clear()
      writeFileSync(at, text)
    }
    return what
  }

  #trouble(): Trouble {
    const chance = this.#chance
    const trouble: { -readonly [Key in keyof Trouble]: Trouble[Key] } = {}
    const far = 20_000
    const what = chance(8)
    if (what <= 2) trouble.dieAt = 1 + chance(chance(3) === 0 ? 30 : 150)
    if (what <= 2) trouble.loss = chance(2) === 0 ? 'most' : lossOf(chance)
    if (what === 3) trouble.cutAt = chance(far)
    if (what === 4) trouble.cutFrame = 1 + chance(80)
    if (what === 5) trouble.forgets = true
    if (what === 6 || what === 0) {
      const side = this.#sides()[chance(2)] as string
      trouble.meanwhile = { at: 1 + chance(100), act: () => this.#meddle(side) }
    }
    if (chance(2) === 0) trouble.pieces = chance
    return trouble
  }

  /** A person goes on working while a run is under way. What it destroys itself is nobody's to keep. */
  #meddle(side: string): void {
    const named = new Set([...snapOf(side).values()].map(({ what }) => what))
    this.#editSide(side, 1 + this.#chance(3), true)
    const now = new Set(this.#sides().flatMap((one) => [...owedOn(one)]))
    for (const what of named) if (!now.has(what)) this.#owed.delete(what)
    for (const { what } of snapOf(side).values()) {
      this.#known.add(what)
      if (what.startsWith('file')) this.#owed.add(what)
    }
  }

  async #run(trouble: Trouble, change = {}): Promise<Simulated<FinishedRun>> {
    const [left, right] = this.#sides()
    const before = [snapOf(left), snapOf(right)] as const
    for (const snap of before)
      for (const { what } of snap.values()) {
        this.#known.add(what)
        if (what.startsWith('file')) this.#owed.add(what)
      }
    const owed = new Set(this.#owed)
    const run = await this.#simulation.run(trouble, {
      mode: 'two-way',
      keep: { kind: 'forever' },
      ...change,
    } as never)
    const { end, failure, died } = run
    this.#hasEnded = end !== undefined && !died && trouble.forgets !== true
    if (died && trouble.loss !== 'most')
      for (const content of this.#owed) if (!owed.has(content)) this.#owed.delete(content)
    const { pieces: _, ...told } = trouble
    this.story.push(
      `${JSON.stringify(told)}: ${died ? 'died' : (failure?.code ?? end?.outcome)} after ${run.calls} calls`,
    )
    const isQuiet = trouble.meanwhile === undefined
    const now = [snapOf(left), snapOf(right)] as const
    for (const snap of now)
      for (const [path, { what }] of snap)
        assert.ok(this.#known.has(what) || !isQuiet, this.#say(`${path} holds what nobody wrote: ${what}`))
    if (!isQuiet) for (const snap of now) for (const { what } of snap.values()) this.#known.add(what)
    const here = new Set([...contentsOn(left), ...contentsOn(right)])
    for (const content of this.#owed) assert.ok(here.has(content), this.#say(`a content is lost: ${content}`))
    const isDone = end?.outcome === 'done' || end?.outcome === 'unchanged'
    if (end?.outcome === 'halted' || end?.outcome === 'planned') {
      if (isQuiet)
        assert.deepEqual(now.map(linesOf), before.map(linesOf), this.#say(`${end.outcome}, and something changed`))
      return run
    }
    if (isDone && isQuiet) {
      const [ours, theirs] = [new Set(linesOf(now[0])), new Set(linesOf(now[1]))]
      const apart = { left: [...ours.difference(theirs)], right: [...theirs.difference(ours)] }
      assert.deepEqual(
        apart,
        { left: [], right: [] },
        this.#say(`it said that both are equal: ${JSON.stringify(apart)}`),
      )
      this.#judge(this.#agreed, before, now[0])
      this.#agreed = this.#hasEnded ? now[0] : undefined
    } else this.#agreed = undefined
    return run
  }

  /** Name by name, against what both sides had before the run and what they last agreed on. */
  #judge(base: Snap | undefined, [left, right]: readonly [Snap, Snap], now: Snap): void {
    for (const path of new Set([...(base ?? left).keys(), ...left.keys(), ...right.keys()])) {
      const [l, r, b] = [left.get(path), right.get(path), base?.get(path)]
      const is = now.get(path)
      const say = (text: string): string => this.#say(`${path} ${text}: ${around(path, { left, right, base, now })}`)
      if (sameWhat(l, r)) {
        // Directories are there for what is in them.
        const isEqual = sameWhat(is, l) || (l === undefined && is?.what === 'directory')
        assert.ok(isEqual, say('was equal on both sides, and became another'))
        if (l !== undefined && l.mode === r?.mode) assert.equal(is?.mode, l.mode, say('has another mode'))
      } else if (base === undefined) continue
      // A directory that keeps its name against a file comes whole.
      else if (this.#isContested(path, left, right) && sameWhat(is, l ?? r)) continue
      else if (sameWhat(l, b)) this.#judgeOne(path, { l: r, r: l, b }, left, base, now, say)
      else if (sameWhat(r, b)) this.#judgeOne(path, { l, r, b }, right, base, now, say)
      else this.#judgeBoth(path, l, r, now, say)
    }
    // Nothing comes from nowhere but copies of conflicts and the directories above what came back.
    for (const [path, { what }] of now) {
      // What a run that died had displaced comes back when its folder is opened.
      if (left.has(path) || right.has(path) || what === 'directory' || base === undefined) continue
      assert.match(basename(path), /\.conflict-/, this.#say(`${path} came from nowhere`))
    }
  }

  /** Whether one side has something else than a directory above. */
  #isContested(path: string, left: Snap, right: Snap): boolean {
    for (let up = dirname(path); up !== '.'; up = dirname(up))
      if ([left, right].some((snap) => (snap.get(up)?.what ?? 'directory') !== 'directory')) return true
    return false
  }

  /** `l` changed it, `r` has it as it was agreed on. */
  #judgeOne(path: string, { l, r, b }: Held3, other: Snap, base: Snap, now: Snap, say: (text: string) => string): void {
    const is = now.get(path)
    if (r?.what !== 'directory') {
      if (sameWhat(is, l)) return
      // A mode that was changed saves a file.
      if (l === undefined && sameWhat(is, r) && r?.mode !== b?.mode) return
      // A directory where something in it came back.
      if (l === undefined && is?.what === 'directory') return
      assert.fail(say('was changed on one side only, and that did not arrive'))
    }
    // A directory that went, or became a file: what the other side did in it stays.
    const below = (snap: Snap): [string, Held][] => [...snap].filter(([one]) => one.startsWith(`${path}/`))
    /** Other than it was agreed on; a time alone is no change that anybody would miss. */
    const isChanged = ([one, held]: readonly [string, Held], looksAtTimes: boolean): boolean => {
      const old = base.get(one)
      if (!sameWhat(old, held)) return true
      if (held.what === 'directory') return false
      return old?.mode !== held.mode || (looksAtTimes && old.time !== held.time)
    }
    const cameBack = below(other).some((one) => isChanged(one, false))
    const isTouched = below(other).some((one) => isChanged(one, true)) || below(base).some(([one]) => !other.has(one))
    if (l === undefined) {
      if (cameBack) return assert.equal(is?.what, 'directory', say('something in it changed, and it went'))
      // What went in it on the other side is no reason to keep it.
      assert.equal(is, undefined, say('was deleted on one side only, and came back'))
      return
    }
    if (!isTouched) assert.equal(is?.what, l.what, say('became another kind on one side only, and did not arrive'))
    else if (!sameWhat(is, l)) this.#mustLie(path, l, now, say)
  }

  #judgeBoth(path: string, l: Held | undefined, r: Held | undefined, now: Snap, say: (text: string) => string): void {
    const is = now.get(path)
    assert.ok(is !== undefined, say('was changed on both sides, and is gone'))
    if (l?.what === 'directory' || r?.what === 'directory')
      assert.equal(is.what, 'directory', say('is no directory now'))
    else assert.ok(sameWhat(is, l) || sameWhat(is, r), say('is neither side’s'))
    for (const one of [l, r]) if (one !== undefined && !sameWhat(one, is)) this.#mustLie(path, one, now, say)
  }

  /** A value lies under the name of a conflict copy, beside its old name. */
  #mustLie(path: string, { what }: Held, now: Snap, say: (text: string) => string): void {
    if (what === 'directory') return
    const found = [...now].some(
      ([one, held]) => dirname(one) === dirname(path) && one.includes('.conflict-') && held.what === what,
    )
    assert.ok(found, say(`${what} is under no name`))
  }

  #say(what: string): string {
    return `${what} (${this.#where})\n${this.story.join('\n')}`
  }

  /** Plain runs, released where a guard holds them, come to an end at which there is nothing more to do. */
  async #converges(): Promise<void> {
    let isReleased = false
    for (let runs = 0; runs < 6; runs++) {
      const was = this.#hasEnded
      const run = await this.#run({}, { release: isReleased })
      const { end, failure } = run
      assert.ok(end !== undefined, this.#say(`a plain run failed: ${failure?.code} ${failure?.message}`))
      assert.deepEqual(runs > 1 ? end.problems : [], [], this.#say('problems'))
      isReleased = end.outcome === 'halted'
      if (runs > 0 && was && this.#agreed !== undefined && !isReleased && end.outcome !== 'unchanged' && runs > 2)
        assert.fail(this.#say('there is always something to do'))
      if (end.outcome !== 'unchanged') continue
      for (const side of this.#sides())
        if (existsSync(join(side, '.nightferry'))) assertTidy(side, this.#say('converged'))
      return
    }
    assert.fail(this.#say('no end of runs'))
  }
}
