// What was sent before is named, and taken from where it lies; nobody is believed.

import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { contentOf, writeTree } from '../../test/world/disk-trees.ts'

import { batchBytes, create, head } from '../../test/world/steps.ts'
import { digestOf } from '../chunk/digest.ts'
import type { RelPath } from '../core/path.ts'
import { Failure } from '../std/failure.ts'
import { Apply } from './apply.ts'
import { Landing } from './landing.ts'
import {
  emptyRecord,
  flagFailed,
  flagFirst,
  flagLast,
  flagSame,
  putRecordHead,
  recordHeadBytes,
  takeRecord,
} from './pack.ts'
import { RecipesAtHand } from './recipes-at-hand.ts'
import type { Arrived } from './sames.ts'
import { Probe, SentContents, sentMemory } from './sent-contents.ts'
import { Supply } from './supply.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-sames-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
let made = 0

const small = contentOf('small', 70_000)
const large = contentOf('large', 1_500_000)

function folder(): string {
  return join(home, `${++made}`)
}

/** The packs of these files, as one supply of a run makes them. */
function packsOf(path: string, names: readonly string[], sent?: SentContents, between = (): void => {}): Uint8Array[] {
  const root = real.openRoot(path)
  const portions = { list: [], atHand: new RecipesAtHand(), scope: '', sent }
  const supply = new Supply(real, root, [{ path: '' as RelPath, names: [...names] }], undefined, portions)
  const packs: Uint8Array[] = []
  for (let done = false; !done; between()) {
    const slab = new Uint8Array(512 * 1024)
    const filled = supply.fill(slab)
    packs.push(slab.subarray(0, filled.length))
    done = filled.done
  }
  supply.close()
  real.close(root)
  return packs
}

/** The flags of each record, and how many bytes of content came. */
function toldBy(packs: readonly Uint8Array[]): { flags: number[]; bytes: number } {
  const record = emptyRecord()
  const flags: number[] = []
  let bytes = 0
  for (const pack of packs) {
    const view = new DataView(pack.buffer, pack.byteOffset, pack.byteLength)
    for (let at = 0; at < pack.length; ) {
      at = takeRecord(view, at, pack.length, record)
      flags[record.number] = (flags[record.number] ?? 0) | record.flags
      bytes += record.contentEnd - record.contentStart
    }
  }
  return { flags, bytes }
}

const whole = flagFirst | flagLast

describe('a source', () => {
  const sent = new SentContents(sentMemory())

  it('names what it has sent, small and large, and sends what only begins like it', () => {
    const path = folder()
    const alike = Buffer.concat([large.subarray(0, 100_000), contentOf('other', large.length - 100_000)])
    writeTree(path, { a: small, b: small, c: large, d: alike, e: large, f: 'little', g: 'little' })
    const told = toldBy(packsOf(path, ['a', 'b', 'c', 'd', 'e', 'f', 'g'], sent))
    assert.deepEqual(told.flags, [whole, flagSame, whole, whole, flagSame, whole, whole])
    assert.equal(told.bytes, small.length + 2 * large.length + 12)
    // In another batch too; and not where all that is wanted has to come.
    assert.deepEqual(toldBy(packsOf(path, ['e', 'a'], sent)).flags, [flagSame, flagSame])
    assert.deepEqual(toldBy(packsOf(path, ['e', 'a'])).flags, [whole, whole])
  })

  it('sends what changes while it is looked at', () => {
    const path = folder()
    const long = contentOf('long', 20_000_000)
    writeTree(path, { a: long, b: long })
    let fills = 0
    // The first one fills 39 buffers; of the second a part is read then, and nothing of it has left.
    const packs = packsOf(path, ['a', 'b'], sent, () => {
      if (++fills === 39) appendFileSync(join(path, 'b'), 'more')
    })
    const { flags } = toldBy(packs)
    assert.equal(flags[0], whole)
    assert.notEqual((flags[1] ?? 0) & flagFailed, 0, `${flags[1]}`)
  })
})

it('a file that is shorter by now is looked through no further, and has no digest', () => {
  const path = folder()
  writeTree(path, { a: small })
  const root = real.openRoot(path)
  const handle = real.openFile(root, Buffer.from('a'))
  for (const [sizeBytes, digest] of [
    [small.length, digestOf(small)],
    [small.length + 1, undefined],
  ] as const) {
    const probe = new Probe(real, handle, sizeBytes)
    assert.equal(probe.readOn(new Uint8Array(9000)), true)
    assert.deepEqual(probe.digest && Buffer.from(probe.digest), digest && Buffer.from(digest))
  }
  for (const one of [handle, root]) real.close(one)
})

describe('a target', () => {
  function opened(names: readonly string[], content: Uint8Array) {
    const [path, staging] = [folder(), folder()]
    mkdirSync(path)
    mkdirSync(staging)
    const handles = { root: real.openRoot(path), staging: real.openRoot(staging) }
    const steps = names.map((name) => create(name, content.toString()))
    const bytes = batchBytes([[head(''), steps]])
    const wanted = new Uint8Array(names.length).fill(1)
    const order = { batch: 0, bytes, wanted, notes: new Map(), modeMask: 0o777, syncEach: false, holdsSizes: false }
    const landing = new Landing(real, handles, order, process.umask())
    landing.begin()
    return { path, staging, handles, landing }
  }

  function named(number: number, digest: Uint8Array, sizeBytes = small.length, length = 0): Uint8Array {
    const pack = new Uint8Array(recordHeadBytes + length)
    const facts = {
      number,
      flags: flagSame,
      code: undefined,
      mode: 0o640,
      sizeBytes,
      mtimeSeconds: 5,
      mtimeNs: 0,
      length,
    }
    putRecordHead(new DataView(pack.buffer), 0, facts)
    pack.set(digest, 32)
    return pack
  }

  const sourceOf = (content: Uint8Array): Uint8Array => {
    const path = folder()
    writeTree(path, { a: content })
    return packsOf(path, ['a'])[0] as Uint8Array
  }

  it('takes a content from one that came before: aside, or at its name', () => {
    const { path, handles, landing } = opened(['a', 'b'], small)
    landing.receive(sourceOf(small))
    const [arrived] = landing.sames.takeArrived() ?? []
    landing.receive(named(1, digestOf(small)))
    assert.deepEqual(
      landing.sames.waiting.map(({ number }) => number),
      [1],
    )
    landing.takeSames([arrived])
    assert.deepEqual([landing.finishWriting(), landing.copied], [[], 1])
    new Apply(real, handles, landing, Date.now).land()
    assert.deepEqual(readFileSync(join(path, 'b')), Buffer.from(small))
    // By now it has its name.
    const later = new Landing(
      real,
      handles,
      {
        batch: 1,
        bytes: batchBytes([[head(''), [create('c', 'x'.repeat(9))]]]),
        wanted: Uint8Array.of(1),
        notes: new Map(),
        modeMask: 0o777,
        syncEach: false,
      },
      0,
    )
    later.begin()
    later.receive(named(0, digestOf(small)))
    later.takeSames([arrived])
    assert.deepEqual([later.finishWriting(), later.copied], [[], 1])
    later.close()
  })

  it('asks for what is not there, is another by now, or of another size; and is not asked to guess', () => {
    const { path, staging, landing } = opened(['a', 'b', 'c'], small)
    landing.receive(sourceOf(small))
    const [arrived] = landing.sames.takeArrived() ?? []
    const other: Arrived = { ...(arrived as Arrived), slot: new Uint8Array([0x71]), name: 'gone' }
    landing.receive(named(1, digestOf(small)))
    landing.receive(named(2, digestOf(small), small.length - 1))
    const place = readdirSync(staging)[0] as string
    landing.takeSames([undefined, arrived])
    assert.deepEqual(landing.finishWriting(), [1, 2])
    for (const found of [other, arrived]) {
      landing.wantAgain([1])
      landing.receive(named(0, digestOf(small)))
      if (found === arrived) writeFileSync(join(staging, place), 'changed')
      landing.takeSames([found])
      assert.deepEqual(readdirSync(staging), [place])
    }
    // It was named often enough.
    assert.deepEqual(landing.finishWriting(), [2])
    assert.deepEqual(readdirSync(path), [])
    landing.close()
  })

  it('refuses what names a file that nobody wants, or tells bytes besides', () => {
    const { landing } = opened(['a'], small)
    const refuses = (pack: Uint8Array, code: string): void =>
      void assert.throws(
        () => landing.receive(pack),
        (error) => error instanceof Failure && error.code === code,
      )
    refuses(named(1, digestOf(small)), 'unsolicited')
    refuses(named(0, digestOf(small), small.length, 1), 'protocol-broken')
    landing.receive(sourceOf(small))
    refuses(named(0, digestOf(small)), 'unsolicited')
    landing.close()
  })
})
