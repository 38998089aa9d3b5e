// A driver of chance: sessions of a paired machine with a real daemon, whose calls come in any order, several at once, with
// anything in them; mostly something that means something, since nonsense is refused at the door. The same seed makes the
// same calls. For tests only.

import type { RelPath } from '../../src/core/path.ts'
import { encodeWants } from '../../src/disk/wants.ts'
import { payloadHeadBytes } from '../../src/jobs/endpoint.ts'
import { packRunId } from '../../src/state/runs.ts'
import { concatBytes, utf8 } from '../../src/std/bytes.ts'
import { Failure } from '../../src/std/failure.ts'
import { type CallName, calls } from '../../src/wire/messages.ts'
import { encodeMessage, type Schema } from '../../src/wire/schema.ts'
import type { Session } from '../../src/wire/session.ts'
import type { WireStream } from '../../src/wire/stream.ts'
import type { Chance } from '../world/disk-trees.ts'
import { hostilePaths } from '../world/hostile.ts'
import { batchBytes, change, create, head, pack } from '../world/steps.ts'
import { mutate, pick } from './mutate.ts'
import { anyValue, shapeOf, wildBytes } from './values.ts'

/** What becomes of a session. */
export type Told = {
  /** Calls that were answered, in order. */
  readonly answered: readonly CallName[]
  /** Codes of those that were refused, counted. */
  readonly refused: ReadonlyMap<string, number>
}

const names = Object.keys(calls) as CallName[]
const shapes = new Map(
  names.map((name) => [name, shapeOf((calls[name] as unknown as [Schema<unknown>])[0].text)] as const),
)
/** What a driver would do next with a source and with a target, by the last call that led further. */
const next: Readonly<Record<'source' | 'target', Partial<Record<CallName, readonly CallName[]>>>> = {
  source: {
    open: ['scan'],
    scan: ['view'],
    view: ['listings', 'listingPart', 'digests', 'supply', 'supply', 'close'],
    close: ['open'],
  },
  target: {
    open: ['scan'],
    scan: ['view'],
    view: ['begin', 'begin', 'begin', 'listings', 'listingPart', 'digests', 'verify'],
    begin: ['stage', 'stage', 'moves', 'finish'],
    stage: ['stage', 'stage', 'answer', 'written', 'written', 'written', 'finish'],
    finish: ['verify', 'close', 'distrust', 'listings'],
    close: ['open', 'versions', 'undelete', 'undeleteMore', 'undeleteStop', 'undo'],
  },
}
const patienceMs = 5000
const paths = ['', 'a', 'd', 'd/b', 'd/e', 'd/e/c', 'l', 'new', 'new/x', 'gone', 'l/x']
const files = ['a', 'b', 'c', 'x', 'l', 'd', 'new', 'ä']

/** The name of a run, from chance alone. */
function runBytes(chance: Chance): Uint8Array {
  const name = Array.from({ length: 8 }, () => pick(chance, [...'abcdefghij23456789'])).join('')
  return packRunId(`20260101T0000000${10 + chance(90)}Z-${name}`)
}

function anyBatch(chance: Chance): Uint8Array {
  const steps = () =>
    Array.from({ length: chance(4) }, () => {
      const name = pick(chance, files)
      const kind = pick(chance, ['file', 'file', 'directory', 'symlink'] as const)
      const summary = { fingerprint: new Uint8Array(32), files: 1, directories: 0, sizeBytes: 1 }
      const entry = {
        kind,
        ...(kind === 'directory' ? { summary } : {}),
        ...(kind === 'symlink' ? { link: utf8('../..') } : {}),
      }
      if (chance(2) === 0)
        return create(name, 'x'.repeat(chance(3)), entry, chance(4) === 0 ? pick(chance, paths.slice(1)) : undefined)
      return change(pick(chance, ['replace', 'retype', 'attributes', 'delete'] as const), name, entry)
    })
  const sections = Array.from({ length: chance(4) }, () => {
    const path = pick(chance, paths)
    return [head(path, path === '' ? 'present' : pick(chance, ['present', 'new', 'retype'] as const)), steps()] as const
  })
  return batchBytes(sections)
}

function anyWants(chance: Chance): Uint8Array {
  return encodeWants(
    Array.from({ length: chance(4) }, () => ({
      path: pick(chance, paths) as RelPath,
      names: Array.from({ length: chance(4) }, () => pick(chance, files)),
    })),
  )
}

function anyPack(chance: Chance, staged: number): Uint8Array {
  const head = new Uint8Array(payloadHeadBytes)
  new DataView(head.buffer).setUint32(0, chance(6) === 0 ? chance(4) : Math.max(0, staged - 1), true)
  const pieces = Array.from({ length: 1 + chance(3) }, () => ({
    number: chance(3),
    text: 'x'.repeat(chance(3)),
    flags: pick(chance, [3, 3, 3, 1, 2, 0, 7]),
  }))
  const good = concatBytes([head, pack(...pieces.map((one) => (one.flags === 7 ? { ...one, flags: 3 } : one)))])
  return chance(3) === 0 ? mutate(good, [good], chance) : good
}

export class ChanceDriver {
  readonly #session: Session
  readonly #chance: Chance
  readonly #sub: string
  readonly #answered: CallName[] = []
  readonly #refused = new Map<string, number>()
  readonly #underWay = new Set<Promise<void>>()
  #packs: WireStream | undefined
  #role: 'source' | 'target' = 'target'
  #last: CallName = 'close'
  #staged = 0

  constructor(session: Session, chance: Chance, sub: string) {
    this.#session = session
    this.#chance = chance
    this.#sub = sub
  }

  /** Makes so many calls, and ends the session in one way or another. */
  async run(steps: number): Promise<Told> {
    const chance = this.#chance
    // Who asks for a few bytes a second is given them so: nobody else waits for that, and this one no longer than this.
    const patience = setTimeout(() => this.#session.link.destroy(), patienceMs)
    if (chance(8) > 0) this.#openPacks()
    for (let step = 0; step < steps && !this.#session.link.isClosed; step++) {
      if (chance(this.#last === 'stage' ? 3 : 100) === 0) this.#sendPack()
      const call = this.#call(this.#next(step))
      this.#underWay.add(call)
      void call.finally(() => this.#underWay.delete(call))
      if (chance(4) > 0 || this.#underWay.size > 6) await Promise.race([call, this.#session.closed])
    }
    const ending = chance(4)
    if (ending === 0) this.#session.link.destroy()
    else {
      if (ending > 1) await Promise.race([Promise.all(this.#underWay), this.#session.closed])
      this.#session.close()
    }
    await this.#session.closed
    await Promise.all(this.#underWay)
    clearTimeout(patience)
    return { answered: this.#answered, refused: this.#refused }
  }

  #next(step: number): CallName {
    const chance = this.#chance
    if (step === 0) return chance(10) === 0 ? pick(chance, names) : 'open'
    if (step === 1) this.#staged = 0
    return chance(6) === 0 ? pick(chance, names) : pick(chance, next[this.#role][this.#last] ?? ['open'])
  }

  #hint = (field: string, chance: Chance): unknown => {
    switch (field) {
      case 'share':
        return chance(20) === 0 ? 'no-such' : 'data'
      case 'sub':
        // Never the share itself: were that a target, no other could lie within it.
        return chance(15) === 0 ? pick(chance, ['no/where', '..', `${this.#sub}/d`, 'x'.repeat(300)]) : this.#sub
      case 'role':
        this.#role = pick(chance, ['target', 'target', 'source'])
        return this.#role
      case 'job':
        return new Uint8Array(16).fill(chance(3))
      case 'run':
        return runBytes(chance)
      case 'create':
      case 'hasBase':
      case 'released':
        return chance(4) > 0
      case 'path':
      case 'paths[]':
      case 'from':
      case 'to':
      case 'directory':
        return chance(24) === 0 ? pick(chance, hostilePaths) : pick(chance, paths)
      case 'batch':
        return chance(6) === 0 ? chance(4) : Math.max(0, this.#staged - 1 - chance(2))
      case 'bytes':
        return this.#bent(anyBatch(chance))
      case 'wants':
      case 'files':
        return this.#bent(anyWants(chance))
      case 'rateBytes':
        return 1 + chance(2 ** 31)
      case 'compress':
        return pick(chance, ['off', 'auto', '3', '19'])
      case 'limitKind':
        return pick(chance, ['default', 'count', 'percent', 'none'])
      case 'leftEntries':
      case 'steps':
        return 20 + chance(20)
      case 'deletes':
      case 'replaces':
        return chance(3) === 0 ? chance(20) : 9
      case 'keep':
        return pick(chance, ['30', 'forever', 'none', '0', 'soon'])
      case 'digests':
        return new Uint8Array(32 * chance(4)).fill(chance(3))
      case 'modeMask':
        return 0o777
      case 'text':
        return pick(chance, ['*.tmp\n', '!a\n/d/\n**/x\n', '[a-\n\\\n', `${'*a'.repeat(40)}\n`])
      default:
        return undefined
    }
  }

  #bent(good: Uint8Array): Uint8Array {
    return this.#chance(8) === 0 ? mutate(good, [good], this.#chance) : good
  }

  /** The body of a request: what its schema lets through, bent, or wild. */
  #body(name: CallName): Uint8Array {
    const chance = this.#chance
    if (chance(25) === 0) return wildBytes(chance)
    const schema = (calls[name] as unknown as [Schema<unknown>])[0]
    const shape = shapes.get(name)
    if (shape === undefined) return wildBytes(chance)
    // The ids of runs are bytes in one call and text in the others.
    const hint = (field: string, by: Chance): unknown =>
      field === 'run' && name !== 'open'
        ? pick(by, ['', '../x', '20260101T000000010Z-aaaaaaaa', 'x'.repeat(64)])
        : field === 'job' && name !== 'open'
          ? 'job'
          : name === 'verify'
            ? undefined
            : field === 'batch' && name === 'stage' && by(10) > 0
              ? this.#staged++
              : this.#hint(field, by)
    try {
      const good = encodeMessage(schema, anyValue(shape, chance, hint))
      return chance(10) === 0 ? mutate(good, [good], chance) : good
    } catch (error) {
      // Beyond a bound of its schema (a hostile path, say): sent it can't be, so something else is.
      if (!(error instanceof Error)) throw error
      return wildBytes(chance)
    }
  }

  async #call(name: CallName): Promise<void> {
    try {
      const body = this.#body(name)
      const stream = this.#session.openStream('call', utf8(name))
      const ended = new Promise<void>((resolve, reject) => {
        stream.onFrame((_, release) => release())
        stream.onEnd(resolve)
        stream.done.catch(reject)
      })
      if (body.length > 0) stream.send(body).catch(() => {})
      stream.end()
      await ended
      this.#answered.push(name)
      if (next.target[name] !== undefined) this.#last = name
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      this.#refused.set(error.code, (this.#refused.get(error.code) ?? 0) + 1)
    }
  }

  /** Content goes over it either way. What a source sends is taken, or left to lie. */
  #openPacks(): void {
    this.#packs = this.#session.openStream('packs', new Uint8Array(0))
    const takes = this.#chance(4) > 0
    this.#packs.onFrame((_, release) => takes && release())
  }

  #sendPack(): void {
    try {
      if (this.#packs === undefined) this.#openPacks()
      const bytes = anyPack(this.#chance, this.#staged)
      if (bytes.length > 0) this.#packs?.send(bytes).catch(() => {})
    } catch (error) {
      if (!(error instanceof Failure)) throw error
    }
  }
}
