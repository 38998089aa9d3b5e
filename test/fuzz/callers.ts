// Who calls a daemon besides honest drivers and fuzzed ones: small honest runs, hellos and nothing more, sessions that are
// cut in the middle, bytes that are no TLS, greetings cut off, calls that say nothing. For tests only.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Chance } from '../world/disk-trees.ts'
import { intrude, sessionOf } from '../world/hostile.ts'
import type { Pair } from '../world/machines.ts'
import { batchBytes, create, head } from '../world/steps.ts'
import { pick } from './mutate.ts'

/** As in `src/wire/listen.ts`: so many strangers wait at a time, and no longer than ten seconds. */
const silentMax = 40

/** The first bytes of a TLS greeting that goes on for 512. */
const greeting = Buffer.from('1603010200010001fc0303', 'hex')

export class Callers {
  readonly #pair: Pair
  readonly #silent: Socket[] = []

  constructor(pair: Pair) {
    this.#pair = pair
  }

  /** One call of a kind that chance picks; what kind that was. */
  async call(chance: Chance): Promise<'run' | 'hello' | 'cut' | 'aborted' | 'garbage' | 'silent'> {
    const kind = pick(chance, ['run', 'run', 'hello', 'cut', 'aborted', 'garbage', 'silent'] as const)
    switch (kind) {
      case 'run':
        await this.#run(chance)
        break
      case 'hello': {
        const session = await sessionOf(this.#pair.laptop, 'nas')
        session.close()
        await session.closed
        break
      }
      case 'cut': {
        const session = await sessionOf(this.#pair.laptop, 'nas')
        session.link.destroy()
        await session.closed
        break
      }
      case 'silent':
        this.#silent.push(await this.#dial())
        if (this.#silent.length > silentMax) this.#silent.shift()?.destroy()
        break
      default: {
        const socket = await this.#dial()
        const noise = Buffer.from(Array.from({ length: 1 + chance(600) }, () => chance(256)))
        socket.write(kind === 'garbage' ? noise : Buffer.concat([greeting, noise.subarray(0, chance(200))]))
        if (kind === 'garbage') await Promise.race([once(socket, 'close'), once(socket, 'data')])
        socket.destroy()
      }
    }
    return kind
  }

  /** A run that brings one file, to a place of its own. */
  async #run(chance: Chance): Promise<void> {
    const { session, target, send } = await intrude(this.#pair, `small-${chance(4)}`, { released: true })
    const text = `text ${chance(1000)}`
    const name = `f${chance(20)}`
    const { askCount } = await target.stage(0, batchBytes([[head(''), [create(name, text)]]]))
    // What the target may have already is asked for first: this source does not know.
    if (askCount > 0) await target.answer(0, [undefined])
    await send(0, { number: 0, text })
    await target.written(0, true)
    await target.finish()
    await target.close(true)
    session.close()
    await session.closed
  }

  async #dial(): Promise<Socket> {
    const socket = connect(this.#pair.nas.port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }

  close(): void {
    for (const socket of this.#silent) socket.destroy()
  }
}
