// Everything that reads bytes or text from outside, as targets of the fuzzer: how each is fed, and what must hold of what
// it lets through. A target may throw a Failure of our closed codes; anything else that it throws is a finding. What has
// one form only must come out of its writer as it went into its reader. For tests only.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expand } from '../../src/chunk/squeeze.ts'
import { AttributeWriter } from '../../src/core/attributes.ts'
import { decodeExtended, encodeExtended } from '../../src/core/extended.ts'
import { parseCompress } from '../../src/core/flow.ts'
import { byteText, compileGlob, matchGlob, startGlob } from '../../src/core/glob.ts'
import { parseGuardLimit } from '../../src/core/guard.ts'
import { explainIgnore, ignoreScope } from '../../src/core/ignore.ts'
import { encodeLinked, type LinkedFile, ToldLinks } from '../../src/core/link-table.ts'
import { entryNameBytes, putEntry, readListing, startListing } from '../../src/core/listing.ts'
import { isEntryName, isReservedName, parseRelPath, type RelPath } from '../../src/core/path.ts'
import { decodeBatch, encodeBatch, packSection } from '../../src/core/plan.ts'
import { parseBytes, parseSeconds } from '../../src/core/quantity.ts'
import { parseKeep } from '../../src/core/retention.ts'
import { decodeShelf, encodeShelf } from '../../src/core/shelf.ts'
import { typeSymlink } from '../../src/core/stat.ts'
import { decodeTop, encodeTop } from '../../src/core/top.ts'
import { joinStored } from '../../src/core/tree.ts'
import { encodeFrame, kindEntries, kindSeal, payloadMaxBytes } from '../../src/disk/frames.ts'
import { readManifest } from '../../src/disk/manifest.ts'
import { readMarker } from '../../src/disk/marker.ts'
import { emptyRecord, slabBytes, takeRecord } from '../../src/disk/pack.ts'
import { decodePortions, EntryReader, encodePortions } from '../../src/disk/portions.ts'
import { recoverJournal } from '../../src/disk/recovery.ts'
import { systemSys } from '../../src/disk/system.ts'
import { readRun, readStoreSettings, runsIn, type Store } from '../../src/disk/versions.ts'
import { decodeWants, encodeWants } from '../../src/disk/wants.ts'
import { parseEnd } from '../../src/jobs/ends.ts'
import { loadShares } from '../../src/jobs/shares.ts'
import { countsIn, problemsIn, stringsIn } from '../../src/state/row.ts'
import { unpackRunId } from '../../src/state/runs.ts'
import { ByteWriter, concatBytes, decodeName, equalBytes, fromUtf8, utf8 } from '../../src/std/bytes.ts'
import { systemClock } from '../../src/std/clock.ts'
import { searchLog } from '../../src/std/log-reader.ts'
import { decodePlaces, reachingOf } from '../../src/wire/addresses.ts'
import { readHello } from '../../src/wire/hello.ts'
import { type CallName, calls } from '../../src/wire/messages.ts'
import { decodeNamed } from '../../src/wire/named.ts'
import { parsePairingCode } from '../../src/wire/pairing-code.ts'
import { parsePeerId } from '../../src/wire/peer-id.ts'
import { openPeers } from '../../src/wire/peers.ts'
import { decodeMessage, encodeMessage, type Schema } from '../../src/wire/schema.ts'
import { decodeFailure } from '../../src/wire/told-failure.ts'
import { type Chance, chanceOf } from '../world/disk-trees.ts'
import { hostilePaths } from '../world/hostile.ts'
import { wireTargets } from './lines.ts'
import type { Corpus } from './record.ts'
import { anyValue, shapeOf } from './values.ts'

export type Target = {
  readonly name: string
  readonly corpus: readonly Uint8Array[]
  /** A round of it takes so many times as long as others: it gets that many fewer. */
  readonly weight?: number
  /** What is bent is text, by characters. */
  readonly isText?: boolean
  /** An input that is right by its making, where that is possible. */
  make?(chance: Chance): Uint8Array
  /** Throws a Failure for what it refuses. */
  run(bytes: Uint8Array): void | Promise<void>
}

type Text = Omit<Target, 'corpus' | 'run'> & { readonly texts: readonly string[]; read(text: string): void }

function textTarget({ texts, read, ...rest }: Text): Target {
  return { ...rest, isText: true, corpus: texts.map(utf8), run: (bytes) => read(fromUtf8(bytes) ?? '') }
}

/** A message is decoded, written again and decoded to the same. */
function messageTarget(name: string, schema: Schema<unknown>, corpus: readonly Uint8Array[]): Target {
  const shape = shapeOf(schema.text)
  const make = (chance: Chance): Uint8Array =>
    encodeMessage(
      schema,
      anyValue(shape, chance, () => undefined),
    )
  return {
    name,
    corpus: corpus.length === 0 ? [make(chanceOf(1)), make(chanceOf(2))] : corpus,
    make,
    run(bytes) {
      const value = decodeMessage(schema, bytes)
      assert.deepEqual(decodeMessage(schema, encodeMessage(schema, value)), value)
    },
  }
}

/** All targets; those that need a folder have theirs below `home`. */
export function openTargets(corpus: Corpus): { targets: readonly Target[]; close(): void } {
  const home = mkdtempSync(join(tmpdir(), 'nf-fuzz-'))
  const of = (name: string): readonly Uint8Array[] => corpus.get(name) ?? assert.fail(`the corpus has no ${name}`)
  const messages = (Object.keys(calls) as CallName[]).flatMap((name) =>
    (['request', 'answer'] as const).map((side, i) => {
      const schema = calls[name][i as 0] as unknown as Schema<unknown>
      return messageTarget(`${side} ${name}`, schema, corpus.get(`${side} ${name}`) ?? [])
    }),
  )
  const targets = [...messages, ...wireTargets(of), ...encodings(of), ...texts(), ...files(home, of)]
  return { targets, close: () => rmSync(home, { recursive: true, force: true }) }
}

const somePortions = encodePortions([
  { want: 0, level: 'outline', grain: 17, ranges: [] },
  {
    want: 3,
    level: 'content',
    grain: 18,
    ranges: [
      { at: 5, length: 70_000 },
      { at: 2 ** 40, length: 1 },
    ],
  },
])

const someSet = encodeExtended([
  { name: utf8('system.posix_acl_access'), value: new Uint8Array(28).fill(1) },
  { name: utf8('user.colour'), value: utf8('blue') },
])
const someLinked: readonly LinkedFile[] = [
  { names: 3, paths: ['a', 'd/b', 'd/\udcff'] as RelPath[] },
  { names: 2, paths: ['e/f/g'] as RelPath[] },
]
const someTop = encodeTop({
  mode: 0o2750,
  attributes: ownerBlock(),
  set: someSet,
  mtimeSeconds: 1_700_000_000,
  mtimeNs: 5,
})

function ownerBlock(): Uint8Array | undefined {
  const writer = new AttributeWriter()
  writer.owner(1000, 70_000)
  writer.extended(new Uint8Array(32).fill(3))
  return writer.take()
}

type Of = (name: string) => readonly Uint8Array[]

/** Encodings of our own, which have one form each. */
function encodings(of: Of): Target[] {
  return [
    {
      name: 'hello',
      corpus: of('hello'),
      run: (bytes) => void readHello(bytes, 'nas', { wireVersion: 2, minWireVersion: 1, productVersion: '1' }),
    },
    {
      name: 'failure',
      corpus: of('failure'),
      run: (bytes) => assert.doesNotMatch(decodeFailure(bytes).message, /\p{Cc}/u),
    },
    { name: 'named', corpus: of('named'), run: (bytes) => void decodeNamed(bytes) },
    {
      name: 'addresses notice',
      corpus: [Buffer.from('a265686f73747382693139322e302e322e376566653a3a3164706f7274191389', 'hex')],
      run: (bytes) => {
        for (const from of ['192.0.2.9', '127.0.0.1', 'fe80::1', '::ffff:10.0.0.1', '']) decodePlaces(bytes, from)
      },
    },
    {
      name: 'listing',
      corpus: of('listing'),
      run(bytes) {
        const entries = readListing(bytes)
        const writer = new ByteWriter(bytes.length)
        startListing(writer)
        for (const entry of entries) putEntry(writer, entry, entryNameBytes(entry))
        const again = writer.take()
        assert.deepEqual(readListing(again), entries)
        // Attributes may be told in several ways; without one there is one form.
        if (entries.every(({ edits }) => edits === 0) && again.length === bytes.length)
          assert.ok(equalBytes(again, bytes))
        for (const { kind, name } of entries) assert.ok(kind === 'bad-name' || isEntryName(name), name)
      },
    },
    {
      name: 'batch',
      corpus: of('batch'),
      run(bytes) {
        const sections = decodeBatch(bytes)
        const again = encodeBatch(sections.map(({ steps, ...head }) => packSection(head, steps)))
        assert.deepEqual(decodeBatch(again), sections)
        for (const { path, steps } of sections) {
          assert.equal(parseRelPath(path), path)
          for (const { entry } of steps) assert.ok(isEntryName(entry.name))
        }
      },
    },
    {
      name: 'wants',
      corpus: of('wants'),
      run: (bytes) => assert.ok(equalBytes(encodeWants(decodeWants(bytes)), bytes)),
    },
    { name: 'pack', corpus: of('pack'), run: readPack },
    {
      name: 'portions',
      corpus: [somePortions],
      run(bytes) {
        const portions = decodePortions(bytes)
        assert.deepEqual(decodePortions(encodePortions(portions)), portions)
      },
    },
    {
      name: 'entries',
      corpus: [new Uint8Array(34).fill(9)],
      run(bytes) {
        const entries = new EntryReader(bytes, 1_000_000)
        while (entries.next()) assert.ok(entries.length > 0 && entries.length <= 1_000_000)
      },
    },
    {
      name: 'shelf',
      corpus: of('shelf'),
      run(bytes) {
        const shelf = decodeShelf(bytes, 'v')
        for (const { record } of joinStored(shelf)) {
          for (let row = 0; row < record.count; row++) {
            const ends = [record.name(row)?.length, record.digest(row)?.length, record.find(record.nameBytes(row))]
            assert.ok(ends.every((end) => end === undefined || end >= -1))
            if (record.type(row) === typeSymlink) record.link(row)
          }
        }
        if (shelf.length > 0) encodeShelf(shelf)
      },
    },
    {
      name: 'extended attributes',
      corpus: [someSet],
      run: (bytes) => assert.ok(equalBytes(encodeExtended(decodeExtended(bytes)), bytes)),
    },
    {
      name: 'top folder',
      corpus: [someTop],
      run(bytes) {
        const top = decodeTop(bytes)
        assert.deepEqual(decodeTop(encodeTop(top)), top)
      },
    },
    {
      name: 'files of several names',
      corpus: [encodeLinked(someLinked, 0).bytes],
      run(bytes) {
        const [told, again] = [new ToldLinks(1000), new ToldLinks(1000)]
        told.take(bytes)
        again.take(encodeLinked(told.files, 0).bytes)
        assert.deepEqual(again.files, told.files)
      },
    },
    { name: 'run id', corpus: [new Uint8Array(14).fill(97)], run: (bytes) => void unpackRunId(bytes) },
  ]
}

/** A pack as it lies, and as it would be where its first four bytes say how it was squeezed. */
function readPack(bytes: Uint8Array): void {
  const read = (pack: Uint8Array): void => {
    const view = new DataView(pack.buffer, pack.byteOffset, pack.byteLength)
    const record = emptyRecord()
    for (let at = 0; at < pack.length; ) {
      const next = takeRecord(view, at, pack.length, record)
      assert.ok(next > at && next <= pack.length && record.contentEnd <= pack.length, 'a record lies within its pack')
      at = next
    }
  }
  if (bytes.length >= 4 && (bytes[3] as number) === 1) {
    const whole = expand(bytes.subarray(4), new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true), slabBytes)
    assert.ok(whole.length <= slabBytes)
    read(whole)
  } else read(bytes)
}

const rules = [
  '*.tmp\n!/d/*.tmp\n# no\n\\#yes\n',
  '**/a/**/b\n[!a-c]*\n/x/\n',
  'a\\ \nb \n[[:alpha:]]?\n',
  `${'*a'.repeat(30)}\n`,
]
const askedPaths = ['a', 'd/x.tmp', 'x/a/y/b', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', 'ä/\ud7ff', '#yes', 'a ']

/** Texts that people and peers give. */
function texts(): Target[] {
  const ends = ['./a', 'nas:data/x', '/', 'a:b', 'ssh://u@h:22/p', '~', 'C:\\x']
  return [
    textTarget({
      name: 'ignore text',
      texts: rules,
      read(text) {
        const scope = ignoreScope([{ directory: '', label: 'x', text }])
        for (const path of askedPaths)
          for (const isDirectory of [true, false]) explainIgnore(scope, path, isDirectory, () => [])
      },
    }),
    textTarget({
      name: 'glob',
      texts: rules.flatMap((text) => text.split('\n')),
      read(text) {
        const glob = compileGlob(byteText(text), false)
        if (glob === undefined) return
        for (const path of askedPaths) {
          const meter = { steps: 0 }
          matchGlob(glob, startGlob(glob), byteText(path), meter)
          const bound: number = (glob.tokens.length + 1) * (byteText(path).length + 2)
          assert.ok(meter.steps <= bound, `${meter.steps} steps for ${glob.tokens.length} tokens`)
        }
      },
    }),
    {
      name: 'path',
      isText: true,
      corpus: ['a/b', 'd', 'd/\udcff', ...hostilePaths.filter((path) => path.length < 300)].map(utf8),
      run(bytes) {
        const text = decodeName(bytes)
        isReservedName(text)
        const path = parseRelPath(text)
        if (path === undefined || path === '') return
        const parts = path.split('/')
        assert.ok(utf8(path).length <= 4096 && !path.includes('\0') && equalBytes(utf8(path), bytes))
        assert.ok(parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/^\.nightferry$/i.test(part)))
      },
    },
    textTarget({ name: 'end', texts: ends, read: (text) => void parseEnd(text, (name) => name === 'nas') }),
    textTarget({
      name: 'small texts',
      texts: [
        '30',
        'forever',
        '50%',
        '10MB',
        '1.5 GiB',
        '2h',
        'auto',
        '19',
        '192.0.2.1',
        'fe80::1%eth0',
        '7K2-M9Q-XT5',
      ],
      read(text) {
        for (const parse of [parseKeep, parseGuardLimit, parseBytes, parseCompress, reachingOf, parsePairingCode])
          parse(text)
        parseSeconds(text, 86_400)
      },
    }),
    textTarget({
      name: 'peer id',
      texts: ['AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA', 'A'.repeat(56)],
      read(text) {
        const peerId = parsePeerId(text)
        if (peerId !== undefined) assert.equal(parsePeerId(peerId), peerId)
      },
    }),
    textTarget({
      name: 'rows of the state',
      texts: ['[["a","unreadable",""]]', '["x"]', '{"created":1}', '[]', '[["__proto__","x",1]]'],
      read(text) {
        for (const read of [problemsIn, stringsIn, countsIn]) {
          try {
            read({ it: text }, 'it')
          } catch (error) {
            if ((error as { code?: string }).code !== 'state-broken') throw error
          }
        }
      },
    }),
  ]
}

/** Files that others may have written to, or that a cut-off write left. Nothing they say may reach beyond their root. */
function files(home: string, of: Of): Target[] {
  const sys = systemSys()
  const place = (name: string): string => {
    const path = join(home, name)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return path
  }
  const reading = (
    name: string,
    corpus: readonly Uint8Array[],
    file: string,
    read: (directory: string) => void,
  ): Target => {
    const directory = place(name)
    return {
      name,
      corpus,
      weight: 4,
      isText: true,
      run(bytes) {
        const at = join(directory, file)
        mkdirSync(dirname(at), { recursive: true })
        writeFileSync(at, bytes, { mode: 0o600 })
        read(directory)
      },
    }
  }
  const withHandle = (directory: string, read: (handle: number) => void): void => {
    const handle = sys.openRoot(directory)
    try {
      read(handle)
    } finally {
      sys.close(handle)
    }
  }
  const logLine = utf8(
    '{"time":"2026-01-01T00:00:00.000Z","action":"created","directory":"d","names":"a/b","count":2}\n',
  )
  return [
    reading('marker', of('marker'), 'root.json', (directory) => void readMarker(directory, '/there')),
    reading('store settings', of('store settings'), 'versions.json', (directory) => void readStoreSettings(directory)),
    reading('shares', of('shares'), 'shares.json', (directory) => void loadShares(directory)),
    reading('machines', of('machines'), 'machines.json', (directory) => void openPeers(directory, systemClock).list()),
    reading('known addresses', [utf8(book(of('machines')))], 'addresses.json', (directory) => {
      writeFileSync(join(directory, 'machines.json'), of('machines')[0] as Uint8Array, { mode: 0o600 })
      openPeers(directory, systemClock).list()
    }),
    reading('manifest', of('manifest'), 'part-000000', (directory) =>
      withHandle(directory, (handle) => void readManifest(sys, handle)),
    ),
    reading('run facts', of('run facts'), '20260101T000000010Z-aaaaaaaa/run.json', (directory) =>
      withHandle(directory, (handle) => readRuns({ handle, path: directory })),
    ),
    reading('log', [logLine], '2026-01-01-sync.jsonl', (directory) => {
      const found = searchLog(directory, { mayMatch: () => true, maxBytes: 2 ** 20 })
      for (const entry of found.entries) assert.equal(typeof entry.action, 'string')
    }),
    journalTarget(place('journal'), of('journal'), false),
    journalTarget(place('journal entries'), frameBodies(of('journal')), true),
  ]
}

function readRuns(store: Store): void {
  for (const { run } of runsIn(systemSys(), store)) readRun(systemSys(), store, run)
}

/** Where a machine was seen, as the file of addresses says it. */
function book([machines = new Uint8Array(0)]: readonly Uint8Array[]): string {
  const [, peerId = ''] = /"peerId":"([^"]+)"/.exec(fromUtf8(machines) ?? '') ?? []
  const address = { host: '192.0.2.7', port: 5001, firstSeenMs: 1, usedMs: 2, toldMs: 3 }
  return JSON.stringify({ version: 2, machines: [{ peerId, addresses: [address] }] })
}

/** What the frames of a journal hold. */
function frameBodies(journals: readonly Uint8Array[]): Uint8Array[] {
  const [frame = new Uint8Array(0)] = journals
  const head = encodeFrame(kindEntries, new Uint8Array(0), 0).length
  const { length } = encodeFrame(kindSeal, new Uint8Array(0), 0)
  return [frame.slice(head, frame.length - length)]
}

/**
 * Settling a journal moves files: within its root, and none of another's. As its file lies, most damage ends at a checksum;
 * as `framed`, what is bent are the entries, and the frames around them are right.
 */
function journalTarget(home: string, corpus: readonly Uint8Array[], framed: boolean): Target {
  const sys = systemSys()
  const [root, own] = [join(home, 'root'), join(home, 'root/.nightferry')]
  writeFileSync(join(home, 'canary'), 'canary')
  return {
    name: framed ? 'journal entries' : 'journal',
    corpus,
    weight: 20,
    run(bytes) {
      rmSync(root, { recursive: true, force: true })
      for (const path of ['d', '.nightferry/staging']) mkdirSync(join(root, path), { recursive: true })
      for (const slot of ['abc123', 'x']) writeFileSync(join(own, 'staging', slot), slot)
      writeFileSync(join(root, 'd/mine'), 'mine')
      const entries = framed ? encodeFrame(kindEntries, bytes.subarray(0, payloadMaxBytes), 0) : bytes
      const seal = framed ? encodeFrame(kindSeal, new Uint8Array(0), entries.length) : new Uint8Array(0)
      writeFileSync(join(own, 'journal'), concatBytes([entries, seal]))
      const handles = { root: sys.openRoot(root), own: sys.openRoot(own), staging: sys.openRoot(join(own, 'staging')) }
      try {
        recoverJournal(sys, handles, () => -1)
      } finally {
        for (const handle of Object.values(handles)) sys.close(handle)
      }
      assert.equal(readFileSync(join(home, 'canary'), 'utf8'), 'canary')
      assert.equal(readFileSync(join(root, 'd/mine'), 'utf8'), 'mine')
    },
  }
}
