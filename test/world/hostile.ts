// A paired machine that does as it likes: its own key, real TLS, and the calls of a driver made by hand, with whatever a
// test puts into them. For tests only.

import type { Entry } from '../../src/core/entry.ts'
import { putEntry, startListing } from '../../src/core/listing.ts'
import { openPlaces } from '../../src/daemon/config.ts'
import { openReach } from '../../src/daemon/reach.ts'
import { decodeWants, encodeWants } from '../../src/disk/wants.ts'
import { answerCall, type CallHandlers } from '../../src/jobs/bulk.ts'
import { type PlanTotals, payloadHeadBytes } from '../../src/jobs/endpoint.ts'
import { openRemoteTarget } from '../../src/jobs/remote.ts'
import { newRunId, packRunId } from '../../src/state/runs.ts'
import { ByteWriter, concatBytes, utf8 } from '../../src/std/bytes.ts'
import { systemClock } from '../../src/std/clock.ts'
import { Failure } from '../../src/std/failure.ts'
import { openIdentity } from '../../src/wire/identity.ts'
import type { Link } from '../../src/wire/link.ts'
import { listen } from '../../src/wire/listen.ts'
import type { OpenRequest } from '../../src/wire/messages.ts'
import { openSession, type Session } from '../../src/wire/session.ts'
import type { WireStream } from '../../src/wire/stream.ts'
import type { StreamHandler } from '../../src/wire/streams.ts'
import type { Machine, Pair } from './machines.ts'
import { batchBytes, fileEntry, type Piece, pack, type Sections } from './steps.ts'

/** Names that no path may hold. */
export const hostileNames: readonly string[] = [
  '..',
  '.',
  '\0',
  'a\0b',
  '..\0',
  '.nightferry',
  '.NIGHTFERRY',
  '.nightferry.',
  '.nightferry ',
  '.nightferry:stream',
  '.night\u200dferry',
  '\uff0enightferry',
  'NIGHTF~1',
  'x'.repeat(256),
  'ü'.repeat(128),
]

/** Paths that are none below a root: climbing, absolute, empty parts, our own directory, too long. Some 80. */
export const hostilePaths: readonly string[] = [
  ...hostileNames.flatMap((name) => [name, `a/${name}`, `${name}/b`, `a/${name}/b`]),
  ...['/', '/etc', '/etc/passwd', '//', '//etc', 'a//b', 'a/', './a', 'a/./b', '../../../../etc', 'a/../../b'],
  ...['/'.repeat(4096), 'a/'.repeat(2500), 'a/'.repeat(1001), `${'d'.repeat(250)}/`.repeat(17), '\0/a'],
]

/** A session of `machine` with `peer`, under its own key. */
export async function sessionOf(machine: Machine, peer: string): Promise<Session> {
  const log = { note: () => {}, flush: () => {} }
  const places = openPlaces(machine.state, {})
  const reach = openReach({ places, machine: machine.name, log, listening: () => Promise.resolve(undefined) })
  return await reach.connect(peer, new AbortController().signal)
}

export type Intruder = {
  readonly session: Session
  readonly target: Awaited<ReturnType<typeof openRemoteTarget>>
  /** Stages a batch, sends these pieces as its packs, and ends its writing. What is wanted again. */
  put(sections: Sections, pieces?: readonly Piece[]): Promise<number>
  send(batch: number, ...pieces: readonly Piece[]): Promise<void>
}

function payloadOf(batch: number, pieces: readonly Piece[]): Uint8Array {
  const head = new Uint8Array(payloadHeadBytes)
  new DataView(head.buffer).setUint32(0, batch, true)
  return concatBytes([head, pack(...pieces)])
}

const harmless: PlanTotals = {
  deletes: 0,
  replaces: 0,
  steps: 1000,
  hasBase: true,
  leftEntries: 1000,
  limit: { kind: 'default' },
  released: false,
  keep: undefined,
  durability: 'group',
}

/** A job's id, as it travels. */
const hostileJob: string = '00'.repeat(16)

/** What an intruder opens an end with. */
export function opening(fields: { share: string; sub: string; role: string; create: boolean }): OpenRequest {
  return { ...fields, job: new Uint8Array(16), run: packRunId(newRunId(systemClock)) }
}

/** Opens a folder of the NAS's share as a target and announces a plan; where it asks for attributes, the rules hide `/hidden`. */
export async function intrude(
  { laptop }: Pair,
  sub: string,
  totals: Partial<PlanTotals> = {},
  asks = 0,
): Promise<Intruder> {
  const attributes = asks === 0 ? {} : { attributes: asks }
  const session = await sessionOf(laptop, 'nas')
  const target = await openRemoteTarget(session, 'nas', {
    share: 'data',
    sub,
    job: hostileJob,
    runId: newRunId(systemClock),
    create: true,
    ...(asks > 0 && { asks }),
  })
  const overrides = [{ directory: '', label: 'rules', text: '/hidden\n' }]
  const rules = asks === 0 ? [] : overrides
  await target.scan({ overrides: rules, ignoreFiles: [], ...attributes })
  await target.view({ modeMask: 0o777, timeGrainNs: 1, overrides: rules, texts: [], ...attributes })
  await target.begin({ ...harmless, ...totals }).catch(async (error: unknown) => {
    await target.close(false)
    throw error
  })
  let batch = 0
  const send = async (number: number, ...pieces: readonly Piece[]): Promise<void> => {
    await target.receive(payloadOf(number, pieces))
  }
  return {
    session,
    target,
    send,
    async put(sections, pieces = []) {
      const number = batch++
      await target.stage(number, batchBytes(sections))
      if (pieces.length > 0) await send(number, ...pieces)
      return (await target.written(number, true)).count
    },
  }
}

export type EvilSource = {
  /** Changes what it answers: an honest source of one file `good` otherwise. */
  answer(handlers: Partial<CallHandlers>): void
  /** The answers of an honest source. */
  readonly honest: CallHandlers
  /** All content that was sent to it, one pack after the other. */
  received(): string
  /** Sends a pack for a batch, wanted or not. */
  send(batch: number, ...pieces: readonly Piece[]): Promise<void>
  /** Cuts the links that are open. */
  hangUp(): void
  close(): void
}

/** Entries as a listing, whatever they are called and in whatever order. */
export function listingOf(...entries: readonly Entry[]): Uint8Array {
  const writer = new ByteWriter(1024)
  startListing(writer)
  for (const entry of entries) putEntry(writer, entry, utf8(entry.name))
  return writer.take()
}

/** Takes the place of the NAS, whose daemon must be down: its key, its port, and the answers of a source made by hand. */
export async function evilSource({ nas, laptop }: Pair): Promise<EvilSource> {
  let handlers: CallHandlers
  let packs: WireStream | undefined
  const identity = openIdentity(openPlaces(nas.state, {}).config)
  const send: EvilSource['send'] = async (batch, ...pieces) => {
    await packs?.send(payloadOf(batch, pieces))
  }
  const honest = honestHandlers(send)
  const links = new Set<Link>()
  let received = ''
  const listener = await listen({
    host: '127.0.0.1',
    port: nas.port,
    identity,
    clock: systemClock,
    authorise: () => laptop.name,
    note: () => {},
    onLink: (link) => {
      links.add(link)
      const onStream: StreamHandler = (name, header, stream) => {
        if (name !== 'packs') return answerCall(name, header, stream, handlers)
        packs = stream
        stream.onFrame((payload, release) => {
          received += Buffer.from(payload).toString('latin1')
          release()
        })
        stream.done.catch(() => {})
        return true
      }
      openSession(link, {
        side: 'listener',
        hello: { machine: nas.name, productVersion: '0' },
        clock: systemClock,
        onRequest: () => undefined,
        onStream,
      }).catch(() => {})
    },
  })
  handlers = honest
  return {
    answer: (change) => {
      handlers = { ...honest, ...change }
    },
    send,
    honest,
    received: () => received,
    hangUp() {
      for (const link of links) link.destroy()
      links.clear()
    },
    close() {
      for (const link of links) link.destroy()
      listener.close()
    },
  }
}

export const goodText = 'good content'

function honestHandlers(send: EvilSource['send']): CallHandlers {
  const refuse = (): never => {
    throw new Failure('protocol-broken', 'not asked of a source')
  }
  const time = { mtimeSeconds: 1_600_000_000n, mtimeNs: 0 }
  const counts = { files: 1, directories: 0, sizeBytes: goodText.length }
  let runs = 0
  const traits = { timeGrainNs: 1, modeMask: 0o777 }
  return {
    open: async () => ({
      ...traits,
      path: 'data',
      rootId: 'evil',
      empty: false,
      nowMs: systemClock.nowMs(),
      recovered: [],
    }),
    scan: async () => ({ entries: 1, problems: [], texts: [], moves: [] }),
    view: async () => ({ summary: { ...counts, fingerprint: new Uint8Array(32).fill(++runs) } }),
    listings: async ({ paths }) => ({
      listings: paths.map((path) => ({
        ...time,
        known: true,
        bytes: path === '' ? listingOf(fileEntry('good', goodText.length)) : listingOf(),
      })),
    }),
    listingPart: refuse,
    owners: async () => ({ users: [], groups: [] }),
    ownersHere: refuse,
    digests: async ({ files }) => {
      const count = decodeWants(files).reduce((sum, { names }) => sum + names.length, 0)
      return { digests: new Uint8Array(32 * count) }
    },
    supply: async ({ batch, wants }) => {
      const count = decodeWants(wants).reduce((sum, { names }) => sum + names.length, 0)
      const pieces = Array.from({ length: count }, (_, number) => ({ number, text: goodText }))
      await send(batch, ...pieces)
      return { packs: 1 }
    },
    close: async () => ({}),
    attributes: refuse,
    linked: refuse,
    begin: refuse,
    moves: refuse,
    stage: refuse,
    answer: refuse,
    written: refuse,
    landed: refuse,
    finish: refuse,
    verify: refuse,
    distrust: refuse,
    versions: refuse,
    undelete: refuse,
    undeleteMore: refuse,
    undeleteStop: refuse,
    undo: refuse,
    undoLook: refuse,
    undoList: refuse,
    undoBegin: refuse,
    undoCarry: refuse,
  }
}

const none = encodeWants([])
const summary = { fingerprint: new Uint8Array(32).fill(9), files: 0, directories: 0, sizeBytes: 0 }
const counts = { created: 0, replaced: 0, attributes: 0, renamed: 0, deleted: 0, copied: 0 }
const time = { mtimeSeconds: 1_600_000_000n, mtimeNs: 0 }

/** An empty target that takes all it is offered, and says that it is done. */
export const politeTarget: Partial<CallHandlers> = {
  listings: async ({ paths }) => ({
    listings: paths.map((path) => ({ ...time, known: path === '', bytes: listingOf() })),
  }),
  view: async () => ({ summary }),
  scan: async () => ({ entries: 0, problems: [], texts: [], moves: [] }),
  begin: async () => ({ epoch: 1, keep: 'none', expired: 0, early: 0 }),
  moves: async () => ({ problems: [] }),
  stage: async () => ({ wants: none, wantCount: 0, asks: none, askCount: 0 }),
  answer: async () => ({ wants: none, wantCount: 0, asks: none, askCount: 0 }),
  written: async () => ({ again: none, count: 0 }),
  finish: async () => ({ applied: { summary, ...counts, early: 0, problems: [] } }),
  verify: async () => ({ files: 0, bytes: 0, problems: [], asks: none, digests: new Uint8Array(0) }),
  distrust: async () => ({}),
}
