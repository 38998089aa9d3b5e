// Records what two machines say to each other and keep on disk, in real runs over a link in memory: the corpus from which
// the fuzzer bends its inputs (test/fixtures/fuzz-corpus.json). Names of runs, times and ids are those of the day it was
// recorded, so it is kept, and replays are exact. Anew: `npm run test:fuzz -- --record`. For tests only.

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { RelPath } from '../../src/core/path.ts'
import { createJournal, encodeDisplacements, writeJournal } from '../../src/disk/journal.ts'
import { systemSys } from '../../src/disk/system.ts'
import { payloadHeadBytes } from '../../src/jobs/endpoint.ts'
import type { RunRequest } from '../../src/jobs/job.ts'
import type { Workshop } from '../../src/jobs/local.ts'
import { runOnce } from '../../src/jobs/run.ts'
import { addShare } from '../../src/jobs/shares.ts'
import { SlabStore } from '../../src/jobs/slabs.ts'
import { openState } from '../../src/state/open.ts'
import { concatBytes } from '../../src/std/bytes.ts'
import { systemClock } from '../../src/std/clock.ts'
import { frameKind } from '../../src/wire/frame.ts'
import { openIdentity } from '../../src/wire/identity.ts'
import { type CallName, calls } from '../../src/wire/messages.ts'
import { openPeers } from '../../src/wire/peers.ts'
import { decodeMessage, type Schema } from '../../src/wire/schema.ts'
import { openSession } from '../../src/wire/session.ts'
import { memoryLinks, payloadsOf, sessionOptions } from '../world/links.ts'
import { requestOf } from '../world/requests.ts'
import { crewHere } from '../world/seat-here.ts'
import { servedTo } from '../world/served.ts'

/** Messages by what they are: `request scan`, `listing`, `journal`. */
export type Corpus = ReadonlyMap<string, readonly Uint8Array[]>

export const corpusFile: string = join(import.meta.dirname, '../fixtures/fuzz-corpus.json')

export function loadCorpus(): Corpus {
  const kept = JSON.parse(readFileSync(corpusFile, 'utf8')) as Record<string, string[]>
  return new Map(
    Object.entries(kept).map(([name, all]) => [name, all.map((one) => Uint8Array.from(Buffer.from(one, 'base64')))]),
  )
}

const bytesMax = 16 * 1024
const examplesMax = 4

class Recorder {
  readonly #found = new Map<string, Map<string, Uint8Array>>()

  add(name: string, bytes: Uint8Array): void {
    const there = this.#found.getOrInsertComputed(name, () => new Map())
    // One of each length tells more than many alike.
    const key = `${Math.ceil(Math.log2(bytes.length + 1))}`
    if (bytes.length <= bytesMax && there.size < examplesMax) there.set(key, there.get(key) ?? bytes.slice())
  }

  save(): void {
    const all = [...this.#found].sort(([a], [b]) => (a < b ? -1 : 1))
    const kept = all.map(([name, found]) => [
      name,
      [...found.values()].map((one) => Buffer.from(one).toString('base64')),
    ])
    writeFileSync(corpusFile, `${JSON.stringify(Object.fromEntries(kept), undefined, 1)}\n`)
  }
}

function workshopIn(directory: string, machine: string, state: Workshop['state']): Workshop {
  mkdirSync(directory, { recursive: true })
  return {
    crew: crewHere,
    slabs: new SlabStore(crewHere),
    state,
    clock: systemClock,
    log: { note() {}, flush() {} },
    machine,
  }
}

/** Copies of what is written to an end of a line. */
function tapped(duplex: Duplex): Buffer[] {
  const said: Buffer[] = []
  const write = duplex.write.bind(duplex) as (chunk: Buffer, ...rest: never[]) => boolean
  duplex.write = ((chunk: Buffer, ...rest: never[]) => {
    said.push(Buffer.from(chunk))
    return write(chunk, ...rest)
  }) as Duplex['write']
  return said
}

/** Takes a conversation apart: frames, the bodies of calls, and what stands in these. */
function takeApart(recorder: Recorder, driver: Uint8Array, daemon: Uint8Array): void {
  const called = new Map<number, CallName>()
  const bodies = new Map<string, Uint8Array[]>()
  for (const [side, bytes] of [
    ['request', driver],
    ['answer', daemon],
  ] as const) {
    recorder.add(`session ${side}`, bytes.slice(0, bytesMax))
    for (const { stream, kind, payload } of payloadsOf(bytes)) {
      if (kind === frameKind.hello) recorder.add('hello', payload)
      if (kind === frameKind.cancel && payload.length > 0) recorder.add('failure', payload)
      if (kind === frameKind.open) {
        recorder.add('named', payload)
        const name = Buffer.from(payload.subarray(5)).toString()
        if (Object.hasOwn(calls, name)) called.set(stream, name as CallName)
      }
      const name = called.get(stream)
      if (kind !== frameKind.data) continue
      if (name === undefined) recorder.add('pack', payload.subarray(payloadHeadBytes))
      else bodies.getOrInsertComputed(`${side} ${name} ${stream}`, () => []).push(payload)
    }
  }
  for (const [key, parts] of bodies) {
    const [side, name] = key.split(' ') as ['request' | 'answer', CallName]
    const body = concatBytes(parts)
    recorder.add(`${side} ${name}`, body)
    const value = decodeMessage(calls[name][side === 'request' ? 0 : 1] as unknown as Schema<unknown>, body)
    const fields = value as {
      bytes?: Uint8Array
      wants?: Uint8Array
      files?: Uint8Array
      listings?: { bytes: Uint8Array }[]
    }
    if (name === 'stage' && fields.bytes !== undefined) recorder.add('batch', fields.bytes)
    for (const wants of [fields.wants, fields.files]) if (wants !== undefined) recorder.add('wants', wants)
    for (const listing of fields.listings ?? []) recorder.add('listing', listing.bytes)
  }
}

/** Records anew, and writes the file. */
export async function record(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'nf-record-'))
  const recorder = new Recorder()
  try {
    await recordRuns(home, recorder)
    recordFiles(home, recorder)
    recorder.save()
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

async function recordRuns(home: string, recorder: Recorder): Promise<void> {
  const [source, shared, config] = ['source', 'shared', 'config'].map((name) => join(home, name)) as [
    string,
    string,
    string,
  ]
  mkdirSync(shared)
  plant(source, {
    a: 'a',
    'd/b': 'b'.repeat(3000),
    'd/e/c': 'c',
    'ä ö': 'x',
    'x.tmp': 't',
    '.nightferryignore': '*.tmp\n!/d/*.tmp\n',
  })
  symlinkSync('d/b', join(source, 'link'))
  addShare(config, {
    name: 'data',
    path: shared,
    readOnly: false,
    for: ['laptop'],
    maxDelete: { kind: 'percent', percent: 90 },
  })
  using here = openState({ directory: join(home, 'state-here'), clock: systemClock })
  using there = openState({ directory: join(home, 'state-there'), clock: systemClock })
  const nas = workshopIn(home, 'nas', there)
  const workshop = workshopIn(home, 'laptop', here)
  const run = async (change: Partial<RunRequest>): Promise<void> => {
    const links = memoryLinks()
    const [driver, daemon] = [tapped(links.rawA), tapped(links.rawB)]
    const served = servedTo('laptop', nas, config)
    const answering = openSession(links.b, sessionOptions('listener', { onStream: served.onStream }))
    const connect = () => openSession(links.a, sessionOptions('dialer'))
    const request = requestOf(source, 'nas:data', { ...usual, ...change })
    const reach = { isMachine: (name: string) => name === 'nas', connect, connectSsh: connect }
    const going = runOnce(workshop, reach, request, () => {}, new AbortController().signal).catch(() => {})
    const serving = served.attach(await answering)
    await going
    await serving
    takeApart(recorder, concatBytes(driver), concatBytes(daemon))
  }
  await run({})
  plant(source, { a: 'another a', 'd/new': 'n' })
  rmSync(join(source, 'd/b'))
  await run({ verify: true })
  plant(join(home, 'source/moved'), { 'one/b': 'b'.repeat(200_000), two: 't' })
  utimesSync(join(source, 'ä ö'), 1, 1)
  await run({ checksum: true, flow: { rateBytes: undefined, compress: { level: 3 } } as never })
  await run({ limit: { kind: 'count', entries: 0 } })
  await run({ source: 'nas:data', target: join(home, 'back'), verify: true })
  await run({ source: 'nas:nothing', target: join(home, 'none') })
  for (const body of there.read(() => there.prepare('SELECT body FROM shelves').all()))
    recorder.add('shelf', body.body as Uint8Array)
}

const usual = {
  overrides: [{ directory: '', label: '--exclude', text: '/no\n' }],
  ignoreFiles: ['.nightferryignore'],
} as const

function plant(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    const at = join(directory, path)
    mkdirSync(join(at, '..'), { recursive: true })
    writeFileSync(at, text)
  }
}

/** What stands in files of ours afterwards. */
function recordFiles(home: string, recorder: Recorder): void {
  const own = join(home, 'shared/.nightferry')
  recorder.add('marker', readFileSync(join(own, 'root.json')))
  for (const run of readdirSync(join(own, 'versions'))) {
    for (const name of readdirSync(join(own, 'versions', run)))
      if (name !== 'files')
        recorder.add(name === 'run.json' ? 'run facts' : 'manifest', readFileSync(join(own, 'versions', run, name)))
  }
  for (const name of readdirSync(own))
    if (/settings|versions\.json/.test(name)) recorder.add('store settings', readFileSync(join(own, name)))
  recorder.add('shares', readFileSync(join(home, 'config/shares.json')))
  const identity = openIdentity(join(home, 'config'))
  const peers = openPeers(join(home, 'config'), systemClock)
  peers.add({ name: 'nas', peerId: identity.peerId, address: { host: '192.0.2.7', port: 5001 } })
  for (const name of ['machines', 'known-addresses']) {
    const path = join(home, `config/${name}.json`)
    if (existsSync(path)) recorder.add(name, readFileSync(path))
  }
  const sys = systemSys()
  const handle = sys.openRoot(own)
  const row = Array.from({ length: 12 }, (_, i) => i)
  const line = { slot: 'abc123', path: 'd/b' as RelPath, expected: row, staged: row }
  const journal = createJournal(sys, handle)
  const entries = encodeDisplacements([line, { ...line, slot: 'x', staged: undefined }])
  assert.ok(writeJournal(sys, { handle: journal, own: handle, at: 0 }, entries, '20260101T000000010Z-aaaaaaaa') > 0)
  sys.close(journal)
  recorder.add('journal', readFileSync(join(own, 'journal')))
  sys.close(handle)
}
