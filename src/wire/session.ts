// A session: what two machines say to each other over one link, both sides alike. Begins with a hello from both at once;
// then requests, notices and streams either way until one side says goodbye, breaks a rule, or is not heard of any more.
// Promises: nothing stays pending after the end, whatever the reason; no timer survives it; a peer that breaks a rule
// costs itself the session and this process nothing. What the messages mean is not known here.

import { assert } from '../std/assert.ts'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { Calls, type RequestHandler, type RequestOptions } from './call.ts'
import { FrameReader, frameKind, maxBulkBytes, maxControlBytes, optionalFlag } from './frame.ts'
import { Heartbeat } from './heartbeat.ts'
import { encodeHello, type Hello, maxHelloBytes, ourVersions, readHello } from './hello.ts'
import type { Link } from './link.ts'
import { decodeNamed, encodeName } from './named.ts'
import { Outlet } from './outlet.ts'
import { type PacedLink, pacedLink } from './paced.ts'
import { rejectionFailure } from './rejection.ts'
import type { WireStream } from './stream.ts'
import { minWindowBytes, type StreamHandler, Streams } from './streams.ts'
import { decodeFailure, encodeFailure, maxFailureBytes } from './told-failure.ts'
import type { VersionRange } from './version.ts'

type SessionLimits = {
  /** From the open link to the other side's hello. */
  readonly helloMs: number
  /** Something is sent at least this often. */
  readonly pingMs: number
  /** A peer not heard of for this long is gone. */
  readonly silenceMs: number
  /** A peer that takes nothing of what waits for it for this long is gone. */
  readonly stallMs: number
  readonly requests: number
  readonly streams: number
  readonly streamWindowBytes: number
  readonly sessionWindowBytes: number
  /** Control data that waits for a peer that does not read. */
  readonly waitingBytes: number
}

const mebibyte = 1024 * 1024
/** A session asked for a number above this one ends; below it, what waits already can still have one. */
const lastNumber = 2 ** 32 - 2 ** 24

export const defaultSessionLimits: SessionLimits = {
  helloMs: 10_000,
  pingMs: 15_000,
  silenceMs: 45_000,
  stallMs: 300_000,
  requests: 64,
  streams: 64,
  streamWindowBytes: 8 * mebibyte,
  sessionWindowBytes: 64 * mebibyte,
  waitingBytes: 80 * mebibyte,
}

export type SessionEvent = { readonly kind: 'session-failed'; readonly machine: string; readonly failure: Failure }

export type SessionOptions = {
  readonly side: 'dialer' | 'listener'
  readonly hello: {
    readonly machine: string
    readonly productVersion: string
    readonly features?: readonly string[]
    /** For tests of versions. */
    readonly versions?: VersionRange
  }
  readonly clock: Clock
  readonly limits?: Partial<SessionLimits>
  readonly onRequest: RequestHandler
  readonly onStream: StreamHandler
  /** A notice; names that are not known are to be ignored. */
  onNotice?(name: string, body: Uint8Array): void
  /** The session ended because a rule was broken, here or there. */
  note?(event: SessionEvent): void
}

export interface Session {
  /** What the other side said of itself, and when (this machine's wall clock). */
  readonly peer: Hello & { readonly heardMs: number }
  readonly wireVersion: number
  /** Known to both sides. */
  readonly features: readonly string[]
  readonly link: Link
  /** The answer's body. Rejects with the failure of the handler there, with what ended the session, or `timed-out`. */
  request(name: string, body: Uint8Array, options?: RequestOptions): Promise<Uint8Array>
  /** Tells something that needs no answer and may be unknown there. */
  notify(name: string, body: Uint8Array): void
  /** Throws Failure when the session is over or the other side takes no more streams. */
  openStream(name: string, header: Uint8Array): WireStream
  /** Says goodbye and ends. What is pending, here and there, rejects with `connection-lost`. */
  close(): void
  /** Ends the session for a reason that the other side is told. */
  fail(failure: Failure): void
  /** Time during which the socket had content of ours that it did not take yet, in ms. */
  readonly writingMs: number
  /** From now on no more than so many bytes a second are sent, whatever they are. */
  limit(rateBytes: number): void
  /** Nothing is under way in either direction. */
  readonly isIdle: boolean
  /** Resolves when the session is over: with the failure that ended it, or undefined after a goodbye. Never rejects. */
  readonly closed: Promise<Failure | undefined>
}

/**
 * Sends our hello and resolves when theirs has come. Owns the link from now on. The handlers may be called before the
 * caller sees the session, for the other side may speak right after its hello. Throws Failure: `version-mismatch`
 * (on both sides, naming both versions), `not-paired` when the listening side will not have us, `timed-out`,
 * `connection-lost` or `protocol-broken`; the link is closed then.
 */
export function openSession(link: Link, options: SessionOptions): Promise<Session> {
  return new Promise((resolve, reject) => {
    const core = new SessionCore(link, options, resolve, reject)
    core.start()
  })
}

class SessionCore {
  readonly #link: PacedLink
  readonly #options: SessionOptions
  readonly #limits: SessionLimits
  readonly #outlet: Outlet
  readonly #reader: FrameReader
  readonly #opened: (session: Session) => void
  readonly #refused: (failure: Failure) => void
  readonly #closed = Promise.withResolvers<Failure | undefined>()
  readonly #heartbeat: Heartbeat
  #helloDeadline: { cancel(): void } | undefined
  /** Both from the hello on. */
  #calls: Calls | undefined
  #streams: Streams | undefined
  #nextId: number
  #lastPeerId = 0
  #isOver = false

  constructor(
    link: Link,
    options: SessionOptions,
    opened: (session: Session) => void,
    refused: (failure: Failure) => void,
  ) {
    this.#link = pacedLink(link, options.clock)
    this.#options = options
    this.#limits = { ...defaultSessionLimits, ...options.limits }
    assert(this.#limits.streamWindowBytes >= minWindowBytes, 'the window of a stream holds its largest frame')
    assert(this.#limits.sessionWindowBytes >= this.#limits.streamWindowBytes, 'a session holds a stream')
    assert(this.#limits.sessionWindowBytes < 2 ** 32, 'credit fits its frame')
    this.#opened = opened
    this.#refused = refused
    this.#nextId = options.side === 'dialer' ? 1 : 2
    this.#outlet = new Outlet(this.#link, options.clock, this.#limits.waitingBytes, (failure) => this.#overrun(failure))
    this.#reader = new FrameReader({
      cap: (stream, kind, flags) => this.#cap(stream, kind, flags),
      allocate: (stream, length) => this.#streams?.allocate(stream, length),
      frame: (stream, kind, flags, payload) => this.#take(stream, kind, flags, payload),
    })
    this.#heartbeat = new Heartbeat({
      clock: options.clock,
      link: this.#link,
      outlet: this.#outlet,
      reader: this.#reader,
      ...this.#limits,
      lost: (failure) => this.#cut(failure),
    })
  }

  start(): void {
    const { clock, hello } = this.#options
    const { helloMs, streams, requests, streamWindowBytes, sessionWindowBytes } = this.#limits
    this.#link.onClose((failure) => this.#cut(failure ?? this.#gone()))
    if (this.#isOver) return
    this.#helloDeadline = clock.timer(helloMs, () => {
      this.fail(new Failure('timed-out', `${this.#link.machine} said no hello within ${helloMs} ms`))
    })
    const { machine, productVersion, features = [], versions = ourVersions } = hello
    const limits = { streams, requests, streamWindowBytes, sessionWindowBytes }
    const said = { machine, productVersion, features, wallMs: Math.max(0, Math.floor(clock.nowMs())), ...limits }
    this.#outlet.control(frameKind.hello, 0, 0, encodeHello(said, versions))
    this.#heartbeat.start()
    this.#link.onData((chunk) => this.#receive(chunk))
  }

  #gone(): Failure {
    const { machine } = this.#link
    return new Failure('connection-lost', `${machine} closed the connection`)
  }

  #receive(chunk: Uint8Array): void {
    this.#heartbeat.heard()
    try {
      this.#reader.push(chunk)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      this.fail(error)
    }
  }

  /** How large a frame may be, before a byte is kept for it; refuses what has no place now. */
  #cap(stream: number, kind: number, flags: number): number {
    if (this.#streams === undefined) {
      if (stream === 0 && kind === frameKind.hello) return maxHelloBytes
      if (stream === 0 && kind === frameKind.rejected && this.#options.side === 'dialer') return 1
      throw new Failure('protocol-broken', 'something came before the hello')
    }
    switch (kind) {
      case frameKind.data:
        return maxBulkBytes
      case frameKind.request:
      case frameKind.open:
        this.#checkNew(stream)
        return maxControlBytes
      case frameKind.answer:
        return maxControlBytes
      case frameKind.refusal:
      case frameKind.cancel:
        return maxFailureBytes
      case frameKind.notice:
      case frameKind.goodbye:
      case frameKind.ping:
        if (stream !== 0) throw new Failure('protocol-broken', 'a frame of the session came on a stream')
        return kind === frameKind.notice ? maxControlBytes : kind === frameKind.ping ? 0 : maxFailureBytes
      case frameKind.end:
      case frameKind.abandon:
        return 0
      case frameKind.credit:
        return 4
      default:
        if ((flags & optionalFlag) !== 0) return maxControlBytes
        throw new Failure('protocol-broken', 'a frame of a kind came that this version does not know')
    }
  }

  /** Numbers of the other side are odd or even, as its side has it, and only grow: none is used twice. */
  #checkNew(id: number): void {
    if (id % 2 === this.#nextId % 2 || id <= this.#lastPeerId) {
      throw new Failure('protocol-broken', 'a request or stream came under a number that is not free')
    }
    this.#lastPeerId = id
  }

  #wasUsed(id: number): boolean {
    return id !== 0 && (id % 2 === this.#nextId % 2 ? id < this.#nextId : id <= this.#lastPeerId)
  }

  #takeId(): number {
    const id = this.#nextId
    assert(id < 2 ** 32, 'a session ends before its numbers do')
    this.#nextId += 2
    return id
  }

  /** Before each request and stream: a session that nears the end of its numbers (after billions) ends itself. */
  #checkNumbers(): void {
    if (this.#nextId < lastNumber) return
    const { machine } = this.#link
    this.#leave(new Failure('connection-lost', `the session with ${machine} has used up its numbers; call it again`))
  }

  #take(stream: number, kind: number, flags: number, payload: Uint8Array): void {
    const calls = this.#calls
    const streams = this.#streams
    if (calls === undefined || streams === undefined) this.#takeFirst(kind, payload)
    else if (kind === frameKind.data) streams.takeData(stream, payload)
    else if (kind === frameKind.credit) streams.takeCredit(stream, exactly(4, payload))
    else if (kind === frameKind.request) calls.takeRequest(stream, payload)
    else if (kind === frameKind.answer || kind === frameKind.refusal) calls.takeAnswer(stream, kind, payload)
    else if (kind === frameKind.abandon) calls.takeAbandon(stream)
    else if (kind === frameKind.open) streams.takeOpen(stream, payload)
    else if (kind === frameKind.end) streams.takeEnd(stream)
    else if (kind === frameKind.cancel) streams.takeCancel(stream, payload)
    else if (kind === frameKind.notice) this.#takeNotice(payload)
    else if (kind === frameKind.goodbye) this.#takeGoodbye(payload)
    else assert(kind === frameKind.ping || (flags & optionalFlag) !== 0, 'a frame that was let in is known or optional')
  }

  #takeFirst(kind: number, payload: Uint8Array): void {
    const { clock, hello, onRequest, onStream } = this.#options
    const { machine } = this.#link
    if (kind === frameKind.rejected) throw rejectionFailure(payload, machine)
    const ours = { ...(hello.versions ?? ourVersions), productVersion: hello.productVersion }
    const { hello: peer, version } = readHello(payload, machine, ours)
    checkLimits(peer, machine)
    this.#helloDeadline?.cancel()
    const outlet = this.#outlet
    const nextId = (): number => this.#takeId()
    this.#calls = new Calls({
      outlet,
      clock,
      machine,
      onRequest,
      nextId,
      ownLimit: this.#limits.requests,
      peerLimit: peer.requests,
    })
    this.#streams = new Streams({
      outlet,
      machine,
      onStream,
      nextId,
      divert: (id) => this.#reader.divert(id),
      wasUsed: (id) => this.#wasUsed(id),
      ownLimit: this.#limits.streams,
      peerLimit: peer.streams,
      ownWindowBytes: this.#limits.streamWindowBytes,
      ownSessionWindowBytes: this.#limits.sessionWindowBytes,
      frameBytes: () => this.#link.frameBytes,
      peerWindowBytes: peer.streamWindowBytes,
      peerSessionWindowBytes: peer.sessionWindowBytes,
    })
    this.#opened(this.#face(this.#calls, this.#streams, { ...peer, heardMs: clock.nowMs() }, version))
  }

  #face(calls: Calls, streams: Streams, peer: Session['peer'], wireVersion: number): Session {
    const known = new Set(this.#options.hello.features ?? [])
    const outlet = this.#outlet
    return {
      peer,
      wireVersion,
      features: peer.features.filter((feature) => known.has(feature)),
      link: this.#link,
      request: (name, body, options) => {
        this.#checkNumbers()
        return calls.request(name, body, options)
      },
      notify: (name, body) => this.#outlet.control(frameKind.notice, 0, optionalFlag, encodeName(name), body),
      openStream: (name, header) => {
        this.#checkNumbers()
        return streams.open(name, header)
      },
      close: () => this.#leave(undefined),
      fail: (failure) => this.fail(failure),
      get writingMs() {
        return outlet.writingMs
      },
      limit: (rateBytes) => this.#link.limit(rateBytes),
      get isIdle() {
        return calls.isIdle && streams.isIdle
      },
      closed: this.#closed.promise,
    }
  }

  #takeNotice(payload: Uint8Array): void {
    const { name, body } = decodeNamed(payload)
    this.#options.onNotice?.(name, body)
  }

  #takeGoodbye(payload: Uint8Array): void {
    const failure = payload.length === 0 ? undefined : decodeFailure(payload)
    this.#link.end()
    this.#end(failure ?? this.#gone(), failure)
  }

  /** A rule was broken, or somebody wants the session to end with a reason: the other side is told, and it ends. */
  fail(failure: Failure): void {
    if (this.#isOver) return
    this.#options.note?.({ kind: 'session-failed', machine: this.#link.machine, failure })
    this.#leave(failure)
  }

  #leave(failure: Failure | undefined): void {
    if (this.#isOver) return
    // Before the hello the other side understands nothing but a hello.
    if (this.#calls !== undefined) {
      this.#outlet.control(frameKind.goodbye, 0, 0, ...(failure === undefined ? [] : [encodeFailure(failure)]))
    }
    this.#end(failure ?? new Failure('connection-lost', 'the session was closed'), failure)
    this.#link.end()
  }

  #overrun(failure: Failure): void {
    if (!this.#isOver) this.#options.note?.({ kind: 'session-failed', machine: this.#link.machine, failure })
    this.#cut(failure)
  }

  /** The other side is beyond telling. */
  #cut(failure: Failure): void {
    this.#end(failure, failure)
    this.#link.destroy(failure)
  }

  /** Everything that is pending gets `failure`; `told` is what `closed` says. */
  #end(failure: Failure, told: Failure | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#helloDeadline?.cancel()
    this.#heartbeat.stop()
    this.#reader.stop()
    this.#outlet.close()
    this.#calls?.close(failure)
    this.#streams?.close(failure)
    this.#refused(failure)
    this.#closed.resolve(told)
  }
}

/** A side that takes nothing could only be waited for in vain. */
function checkLimits({ requests, streams, streamWindowBytes, sessionWindowBytes }: Hello, machine: string): void {
  if (requests > 0 && streams > 0 && streamWindowBytes >= minWindowBytes && sessionWindowBytes >= streamWindowBytes) {
    return
  }
  throw new Failure('protocol-broken', `${machine} takes less than a session needs`)
}

function exactly(lengthBytes: number, payload: Uint8Array): Uint8Array {
  if (payload.length !== lengthBytes) throw new Failure('protocol-broken', 'a frame has the wrong length')
  return payload
}
