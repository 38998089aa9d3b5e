// Two network namespaces with a line between them that loses, delays, damages and cuts as a test wants (line-carrier.ts): a
// laptop in one, a NAS in the other, both real processes of the real program. The rest of the machine sees nothing of it,
// and all of it ends with `close`. For tests only.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertSameTree } from './disk-trees.ts'
import type { Order, Treatment } from './line-carrier.ts'
import { type Machine, World } from './machines.ts'

const launcher = join(import.meta.dirname, '..', '..', 'nightferry')
/** Addresses that are nobody's (RFC 5737). */
const addresses = { laptop: '192.0.2.1', nas: '192.0.2.2' } as const

function canMakeSpaces(): boolean {
  if (process.getuid?.() !== 0 || !existsSync('/dev/net/tun')) return false
  const name = `nf-test-${process.pid}`
  const made = spawnSync('ip', ['netns', 'add', name]).status === 0
  const entered = made && spawnSync('nsenter', [`--net=/run/netns/${name}`, 'true']).status === 0
  if (made) spawnSync('ip', ['netns', 'del', name])
  return entered
}

/** Why there can be none, for the `skip` of a test; else false. */
export const noNetworkSpace: string | false = canMakeSpaces()
  ? false
  : 'network namespaces need root, iproute2, nsenter and /dev/net/tun'

let made = 0

export class NetworkSpace {
  readonly world: World
  readonly laptop: Machine
  readonly nas: Machine
  /** What the NAS shares as `data`. */
  readonly shared: string
  readonly #home: string
  readonly #spaces: readonly string[]
  readonly #carrier: ChildProcess

  private constructor(home: string, spaces: readonly string[], carrier: ChildProcess) {
    this.#home = home
    this.#spaces = spaces
    this.#carrier = carrier
    this.world = new World({ launcher: join(home, 'nightferry') })
    this.laptop = this.world.machine('laptop')
    this.nas = this.world.machine('nas')
    this.shared = this.world.folder('shared')
  }

  /** Two paired machines; the NAS serves an empty folder. */
  static async open(): Promise<NetworkSpace> {
    // What the first start makes belongs to all.
    spawnSync(launcher, ['--version'])
    const home = mkdtempSync(join(tmpdir(), 'nightferry-network-'))
    const name = `nf${process.pid}x${made++}`
    const spaces = [`${name}-laptop`, `${name}-nas`] as const
    const script = [
      '#!/bin/sh',
      `case "$2" in *state-nas) space=${spaces[1]} ;; *) space=${spaces[0]} ;; esac`,
      `exec nsenter --net=/run/netns/$space -- ${launcher} "$@"`,
    ]
    writeFileSync(join(home, 'nightferry'), `${script.join('\n')}\n`)
    chmodSync(join(home, 'nightferry'), 0o755)
    const devices = [`${name}l`, `${name}n`] as const
    const words = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'line-carrier.ts'), ...devices]
    const carrier = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    const space = new NetworkSpace(home, spaces, carrier)
    try {
      await once(carrier.stdout as NonNullable<typeof carrier.stdout>, 'data')
      for (const side of [0, 1] as const) {
        const [device, inside] = [devices[side], spaces[side]]
        const [own, other] = side === 0 ? [addresses.laptop, addresses.nas] : [addresses.nas, addresses.laptop]
        ip('netns', 'add', inside)
        ip('link', 'set', device, 'netns', inside)
        ip('-n', inside, 'addr', 'add', own, 'peer', other, 'dev', device)
        for (const one of ['lo', device]) ip('-n', inside, 'link', 'set', one, 'up')
      }
      await Promise.all([space.nas.serve(addresses.nas), space.nas.must('share', 'add', 'data', space.shared)])
      await space.nas.pairWith(space.laptop, addresses.nas)
      return space
    } catch (error) {
      await space.close()
      throw error
    }
  }

  async #order(order: Order): Promise<void> {
    const { stdin, stdout } = this.#carrier
    assert.ok(stdin && stdout, 'the carrier has pipes')
    const done = once(stdout, 'data')
    stdin.write(`${JSON.stringify(order)}\n`)
    await done
  }

  /** From now on packets of both directions are treated so. */
  async line(treatment: Partial<Treatment>): Promise<void> {
    await this.fromLaptop(treatment)
    await this.fromNas(treatment)
  }

  async fromLaptop(treatment: Partial<Treatment>): Promise<void> {
    await this.#order({ way: 0, treatment })
  }

  async fromNas(treatment: Partial<Treatment>): Promise<void> {
    await this.#order({ way: 1, treatment })
  }

  /** A packet of content from the laptop arrives as another one that TCP believes. */
  async forge(): Promise<void> {
    await this.#order({ way: 0, forge: true })
  }

  /** The next packet from the laptop becomes a reset, which the NAS believes; and the next one from it. */
  async reset(): Promise<void> {
    await this.#order({ way: 0, reset: true })
    await this.#order({ way: 1, reset: true })
  }

  /** One run to the NAS that ends so, after which it holds what the source does. */
  async mirrored(source: string, outcome = 'done'): Promise<void> {
    const run = await this.laptop.sync(source, 'nas:data')
    assert.deepEqual([run.outcome, run.code], [outcome, 0], run.stdout)
    assertSameTree(this.shared, source)
  }

  async close(): Promise<void> {
    await this.world.close()
    const ended = this.#carrier.exitCode === null ? once(this.#carrier, 'exit') : undefined
    this.#carrier.stdin?.end()
    await ended
    for (const space of this.#spaces) spawnSync('ip', ['netns', 'del', space])
    rmSync(this.#home, { recursive: true, force: true })
  }
}

function ip(...words: readonly string[]): void {
  const { status, stderr } = spawnSync('ip', words, { encoding: 'utf8' })
  assert.equal(status, 0, `ip ${words.join(' ')}: ${stderr}`)
}
