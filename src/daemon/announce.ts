// Notices when this machine can be called elsewhere than before (its own interfaces, every 30 s and at each session; at
// the start of the daemon what it told last), and then tells every peer: those on the line at once, the others by calling
// them, a few at a time and ever more seldom, until each was told once or two weeks have passed. So a machine that was
// given a new address is found again without a person. What has been told stands in a file that may be lost.

import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import type { Clock } from '../std/clock.ts'
import { asFailure } from '../std/failure.ts'
import { readOwnFile, writeOwnFile } from '../std/files.ts'
import type { Log } from '../std/log.ts'
import { type Interfaces, type Listening, ownHosts } from '../wire/addresses.ts'
import { type PeerId, parsePeerId } from '../wire/peer-id.ts'
import type { Machine } from '../wire/peers.ts'
import type { Session } from '../wire/session.ts'
import { tellAddresses } from './addresses.ts'

const lookMs = 30_000
const minuteMs = 60_000
/** Between the rounds of calls; the last one is repeated. */
const pausesMs = [0, minuteMs, 5 * minuteMs, 30 * minuteMs, 60 * minuteMs]
const maxRounds = 14 * 24
const callsAtATime = 4
/** A peer that was told is told the same again after this time only: an unchanged run shall stay below a kilobyte. */
const tellAgainMs = 60 * minuteMs

export type AnnounceOptions = {
  readonly stateDirectory: string
  readonly listening: Listening
  readonly clock: Clock
  readonly log: Log
  /** The sessions on the line. */
  readonly sessions: Iterable<Session>
  machines(): readonly Machine[]
  /** Opens a session in which our addresses are told. */
  connect(machine: string, signal: AbortSignal): Promise<Session>
  /** The system's, but for tests. */
  interfaces?(): Interfaces
}

export class Announcer {
  readonly #options: AnnounceOptions
  readonly #stop = new AbortController()
  readonly #file: string
  /** Who does not know yet where we are. */
  readonly #untold = new Set<PeerId>()
  /** By peer: when this process last told it where we are now. */
  readonly #toldMs = new Map<PeerId, number>()
  #hosts: string
  #round = new AbortController()
  #rounds: Promise<void> = Promise.resolve()
  #timer: { cancel(): void } | undefined

  constructor(options: AnnounceOptions) {
    this.#options = options
    this.#file = join(options.stateDirectory, 'announced.json')
    const before = readTold(this.#file)
    this.#hosts = before.hosts
    for (const peerId of before.untold) this.#untold.add(peerId)
  }

  /** Looks now, and from now on. */
  start(): void {
    if (!this.look() && this.#untold.size > 0) this.#begin()
    const again = (): void => {
      this.#timer = this.#options.clock.timer(lookMs, () => {
        this.look()
        again()
      })
    }
    again()
  }

  /** Whether our addresses are others than those we told; then everybody is being told. */
  look(): boolean {
    const { listening, log, sessions, machines } = this.#options
    const interfaces = this.#interfaces()
    const hosts = `${ownHosts(listening.address, interfaces).join(' ')} port ${listening.port}`
    if (hosts === this.#hosts) return false
    const isFirst = this.#hosts === ''
    this.#hosts = hosts
    if (!isFirst) log.note('own-address-changed', { now: hosts })
    this.#untold.clear()
    this.#toldMs.clear()
    for (const { peerId, addresses } of machines()) if (addresses.length > 0) this.#untold.add(peerId)
    for (const session of sessions) this.tell(session, interfaces)
    this.#begin()
    return true
  }

  /** Tells a peer that is on the line, if it is time. */
  tell(session: Session, interfaces: Interfaces = this.#interfaces()): void {
    const { peerId } = session.link
    if (peerId === undefined || !this.isDue(peerId)) return
    tellAddresses(session, this.#options.listening, interfaces)
    this.noteTold(peerId)
  }

  /** Whether a peer is to be told where we are. Who tells it says so: a call may come to nothing. */
  isDue(peerId: PeerId): boolean {
    const beforeMs = this.#toldMs.get(peerId)
    return beforeMs === undefined || this.#options.clock.monotonicMs() - beforeMs >= tellAgainMs
  }

  /** A peer was told. */
  noteTold(peerId: PeerId): void {
    this.#toldMs.set(peerId, this.#options.clock.monotonicMs())
    if (this.#untold.delete(peerId)) this.#save()
  }

  #interfaces(): Interfaces {
    return this.#options.interfaces?.() ?? networkInterfaces()
  }

  #begin(): void {
    this.#save()
    this.#round.abort()
    this.#round = new AbortController()
    const signal = AbortSignal.any([this.#round.signal, this.#stop.signal])
    this.#rounds = Promise.all([this.#rounds, this.#callAll(signal)]).then(() => {})
  }

  async #callAll(signal: AbortSignal): Promise<void> {
    for (let round = 0; round < maxRounds && this.#untold.size > 0; round++) {
      await this.#options.clock.sleep(pausesMs[Math.min(round, pausesMs.length - 1)] ?? 0, signal)
      const waiting = this.#options.machines().filter(({ peerId }) => this.#untold.has(peerId))
      const line = async (): Promise<void> => {
        for (let one = waiting.shift(); one !== undefined && !signal.aborted; one = waiting.shift())
          await this.#call(one, signal)
      }
      if (waiting.length === 0) return
      await Promise.all(Array.from({ length: callsAtATime }, line))
      if (signal.aborted) return
      this.#save()
    }
  }

  async #call({ name, peerId }: Machine, signal: AbortSignal): Promise<void> {
    const { connect, log } = this.#options
    try {
      const session = await connect(name, signal)
      session.close()
      log.note('address-told', { machine: name })
      this.#untold.delete(peerId)
      this.#toldMs.set(peerId, this.#options.clock.monotonicMs())
    } catch (error) {
      if (signal.aborted) return
      const { code, retry } = asFailure(error, 'unreachable')
      log.note('address-not-told', { machine: name, code })
      if (retry !== 'when-peer-returns') this.#untold.delete(peerId)
    }
  }

  #save(): void {
    const told = { version: 1, hosts: this.#hosts, untold: [...this.#untold] }
    try {
      writeOwnFile(this.#file, utf8(`${JSON.stringify(told)}\n`), { mode: 0o600 })
    } catch (error) {
      // Costs no more than telling once more after the next start.
      this.#options.log.note('address-not-kept', { message: asFailure(error, 'disk-error').message })
    }
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    this.#stop.abort()
    await this.#rounds
  }
}

/** What the file says; nothing where it is missing or not right, for it is only a memory. */
function readTold(path: string): { readonly hosts: string; readonly untold: readonly PeerId[] } {
  try {
    const text = fromUtf8(readOwnFile(path, { maxBytes: 1024 * 1024 }) ?? utf8('{}')) ?? ''
    const { version, hosts, untold } = JSON.parse(text) as { version?: unknown; hosts?: unknown; untold?: unknown }
    if (version !== 1 || typeof hosts !== 'string' || !Array.isArray(untold)) return { hosts: '', untold: [] }
    const ids = untold.map((one) => (typeof one === 'string' ? parsePeerId(one) : undefined))
    return { hosts, untold: ids.filter((one) => one !== undefined) }
  } catch {
    return { hosts: '', untold: [] }
  }
}
