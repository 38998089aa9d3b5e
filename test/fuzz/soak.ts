// Hostile sessions with a real daemon and calls of other kinds, one after the other, and what must hold all the while: the daemon lives, its memory
// and its handles stay level, nothing outside of the share is touched, nothing in it changes before a plan was let in, and
// an honest run works in between and afterwards. A seed makes one session. For tests only.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Failure } from '../../src/std/failure.ts'
import { frameHeader, frameKind } from '../../src/wire/frame.ts'
import type { CallName } from '../../src/wire/messages.ts'
import { encodeName } from '../../src/wire/named.ts'
import { type Chance, chanceOf, readTree, writeTree } from '../world/disk-trees.ts'
import { sessionOf } from '../world/hostile.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'
import { Callers } from './callers.ts'
import { ChanceDriver } from './driver.ts'
import { mutate, pick } from './mutate.ts'

export type Soaked = {
  sessions: number
  /** Calls that were answered, by name. */
  readonly answered: Map<CallName, number>
  /** Other calls, by kind. */
  readonly callers: Map<string, number>
  /** After every fiftieth session: resident KiB, open handles and threads of the daemon. */
  readonly levels: { readonly residentKib: number; readonly handles: number; readonly threads: number }[]
}

/** A daemon under fire. */
export class Soak {
  readonly told: Soaked = { sessions: 0, answered: new Map(), callers: new Map(), levels: [] }
  readonly #pair: Pair
  readonly #callers: Callers
  #end: string | undefined
  #outside = ''

  private constructor(pair: Pair) {
    this.#pair = pair
    this.#callers = new Callers(pair)
    void pair.daemon.ended.then(({ code, stderr }) => {
      this.#end = `the daemon ended with ${code}:\n${stderr}`
    })
  }

  static async begin(): Promise<Soak> {
    const soak = new Soak(await pairedMachines())
    writeTree(soak.#pair.world.folder('outside'), { x: 'canary', 'sub/y': 'canary' })
    soak.#outside = soak.#elsewhere()
    return soak
  }

  async close(): Promise<void> {
    this.#callers.close()
    await this.#pair.world.close()
  }

  #elsewhere(): string {
    return readTree(join(this.#pair.world.directory, 'outside')).join('\n')
  }

  /** One call of any kind. Rejects, naming the seed, when something that must hold does not. */
  async session(seed: number): Promise<void> {
    const chance = chanceOf(seed)
    this.told.sessions++
    if (chance(2) === 0) await this.#hostile(seed, chance)
    else {
      const kind = await this.#callers.call(chance)
      this.told.callers.set(kind, (this.told.callers.get(kind) ?? 0) + 1)
    }
    if (this.#end !== undefined) throw new Error(`seed ${seed}: ${this.#end}`)
    if (this.told.sessions % 50 === 0) this.told.levels.push(this.#level())
  }

  async #hostile(seed: number, chance: Chance): Promise<void> {
    const sub = `place-${chance(6)}`
    const place = this.#pair.world.folder(`shared/${sub}`)
    if (chance(3) === 0) rmSync(place, { recursive: true, force: true })
    writeTree(this.#pair.world.folder(`shared/${sub}`), { a: 'a', 'd/b': 'b', 'd/e/c': 'c' })
    const seen = contentsOf(place)
    const session = await sessionOf(this.#pair.laptop, 'nas')
    let mayChange = true
    if (chance(4) === 0) await throwFrames(session, chance)
    else {
      const { answered } = await new ChanceDriver(session, chance, sub).run(25)
      for (const name of answered) this.told.answered.set(name, (this.told.answered.get(name) ?? 0) + 1)
      // The answer to a plan that was let in may have been lost with the session.
      mayChange = answered.some((name) => name === 'view' || name === 'undelete' || name === 'undo')
    }
    assert.equal(this.#elsewhere(), this.#outside, `seed ${seed}: something outside of the share changed`)
    if (!mayChange) assert.equal(contentsOf(place), seen, `seed ${seed}: changed without a plan`)
  }

  /** An honest run into a place that hostile sessions were at, and one out of it. */
  async honestRun(): Promise<void> {
    const { world } = this.#pair
    const source = world.folder('good')
    writeTree(source, { good: `good ${this.told.sessions}`, 'd/b': 'mine' })
    // A hostile session may have made targets of folders in there; then this would be refused, as it should be.
    const place = world.folder('shared/place-0')
    for (const { name, parentPath } of readdirSync(place, { recursive: true, withFileTypes: true }))
      if (name === '.nightferry' && parentPath !== place)
        rmSync(join(parentPath, name), { recursive: true, force: true })
    const run = await this.#patiently(source, 'nas:data/place-0', '--release', '--new-target')
    assert.match(run, /^(done|unchanged)$/)
    const back = join(world.directory, 'back')
    assert.match(await this.#patiently('nas:data/place-0', back, '--release'), /^(done|unchanged)$/)
    assert.equal(readFileSync(join(back, 'good'), 'utf8'), `good ${this.told.sessions}`)
  }

  /** A lock goes a moment after its session. */
  async #patiently(...args: readonly string[]): Promise<string> {
    for (let tries = 0; ; tries++) {
      const { outcome, failure, stdout, stderr } = await this.#pair.laptop.sync(...args)
      // A first run into what hostile ones left is held, and released then.
      if (outcome === 'halted' && tries === 0) continue
      if (failure?.code !== 'root-locked' || tries > 40)
        return /^(done|unchanged)$/.test(outcome) ? outcome : stdout + stderr
      await sleep(100)
    }
  }

  /** Whether memory, handles and threads stayed where they were once the first two hundred sessions had warmed the daemon up. */
  isLevel(): boolean {
    const [first, ...later] = this.told.levels.slice(3)
    const last = later.at(-1)
    if (first === undefined || last === undefined) return true
    return (
      last.residentKib < first.residentKib * 1.25 + 32 * 1024 &&
      last.handles <= first.handles + 8 &&
      last.threads <= first.threads
    )
  }

  #level(): Soaked['levels'][number] {
    const process = `/proc/${this.#pair.daemon.pid}`
    const status = readFileSync(`${process}/status`, 'utf8')
    const numberOf = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1])
    const handles = readdirSync(`${process}/fd`).length
    return { residentKib: numberOf('VmRSS'), handles, threads: numberOf('Threads') }
  }
}

/** All of a place but our own folders, which opening a target makes at once: as one digest. */
function contentsOf(place: string): string {
  const lines = readTree(place).filter((line) => !/^([^ ]*\/)?\.nightferry/.test(line))
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

type Session = Awaited<ReturnType<typeof sessionOf>>

/** Frames that no session of ours would send: any number, kind, length and payload, on the very link of a session. */
async function throwFrames(session: Session, chance: Chance): Promise<void> {
  const kinds = Object.values(frameKind)
  const good = Buffer.concat([encodeName('call'), Buffer.from('versions')])
  for (let count = 5 + chance(60); count > 0 && !session.link.isClosed; count--) {
    const stream = chance(3) === 0 ? pick(chance, [0, 1, 2, 2 ** 32 - 1, chance(2 ** 32)]) : 1 + 2 * chance(20)
    const payload = chance(3) === 0 ? mutate(good, [good], chance) : good.subarray(0, chance(good.length + 1))
    const header = Buffer.from(
      frameHeader(stream, chance(8) === 0 ? chance(256) : pick(chance, kinds), chance(3), payload.length),
    )
    if (chance(20) === 0) header.writeUInt32LE(pick(chance, [0, 2 ** 20 + 1, 2 ** 22, 2 ** 31, 2 ** 32 - 1]), 8)
    if (chance(40) === 0) header[6] = 1
    session.link.write([header, payload.length === 0 ? header.subarray(12) : payload])
    if (chance(6) === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  if (chance(2) === 0) session.link.destroy()
  else session.close()
  await session.closed.then((_: Failure | undefined) => {})
}
