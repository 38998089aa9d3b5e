// One large file, told by a source and put together by a target, on a real disk: from what is here, from what comes, and
// right in the end whatever the donors do meanwhile. What a source lies about costs a repair, or the whole file again; a
// wrong byte never passes for a right one.

import assert from 'node:assert/strict'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { noise } from '../../test/world/noise.ts'
import { check } from '../../test/world/trees.ts'
import { digestOf } from '../chunk/digest.ts'
import { decodeRecipe, encodeRecipe, type Recipe, recipeOf } from '../chunk/recipe.ts'
import { cuttable } from '../chunk/split.ts'
import type { RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { Assembly, type Material, type Next } from './assembly.ts'
import { Basis, ChunkDonor, type DonorFile } from './donors.ts'
import { PortionReader } from './portion-reader.ts'
import type { Portion } from './portions.ts'
import { StagedFile } from './staged-file.ts'
import type { Sys } from './sys.ts'
import { systemSys } from './system.ts'

const real = systemSys()
const grain = 17
const home = mkdtempSync(join(tmpdir(), 'nf-assembly-'))
after(() => rmSync(home, { recursive: true, force: true }))

let place = ''
let number = 0
beforeEach(() => {
  place = mkdtempSync(join(home, `${number++}-`))
})

/** A target's file as it is now, with the recipe of `content`. */
function donorFile(name: string, content: Uint8Array = readFileSync(join(place, name))): DonorFile {
  const stats = new Uint32Array(statWidth)
  const root = real.openRoot(place)
  real.stat(root, utf8(name), stats, 0)
  real.close(root)
  return { directory: '' as RelPath, name: utf8(name), stats, recipe: encodeRecipe(recipeOfFile(content)) }
}

/** What there is where this file is replaced: its recipe is known, or nobody knows it. */
function replaced(file: DonorFile, isKnown = true, sys: Sys = real): Material {
  const root = real.openRoot(place)
  const known = isKnown ? new Basis(sys, root, [file]).at(grain) : undefined
  return { known, old: { donor: ChunkDonor.of(sys, root, file), isKnown } }
}

const nothing: Material = { known: undefined, old: undefined }

function recipeOfFile(content: Uint8Array): Recipe {
  const memory = cuttable(content.length)
  memory.bytes.set(content)
  return recipeOf(memory, content.length, grain)
}

function staged(sys: Sys = real): StagedFile {
  const root = real.openRoot(place)
  real.close(real.createFile(root, utf8('staged'), 0o600))
  return new StagedFile(sys, real.reopenFile(root, utf8('staged')), 0)
}

/** A file that a break left so. */
function left(content: Uint8Array): StagedFile {
  write('staged', content)
  return new StagedFile(real, real.reopenFile(real.openRoot(place), utf8('staged')), content.length)
}

type Lie = (portion: Pick<Portion, 'level'>, bytes: Uint8Array) => Uint8Array
const honest: Lie = (_, bytes) => bytes

/** Tells the source's file until the assembly says that nothing more is to come. What came, in bytes of content. */
function tell(
  assembly: Assembly,
  lie: Lie = honest,
  digest?: Uint8Array,
): { last: Next; levels: string[]; sent: number } {
  const path = join(place, 'source')
  const sizeBytes = statSync(path).size
  const levels: string[] = []
  let known: Recipe | undefined
  let sent = 0
  let portion: Portion = { want: 0, level: 'outline', grain, ranges: [] }
  for (;;) {
    levels.push(portion.level)
    const handle = openSync(path, 'r')
    const reader = new PortionReader(real, handle, sizeBytes, portion, known)
    while (!reader.done) {
      const slab = new Uint8Array(50_000)
      const filled = reader.fill(slab)
      assert.ok(filled >= 0)
      const bytes = lie(portion, slab.subarray(0, filled))
      if (portion.level === 'content') sent += bytes.length
      assert.equal(assembly.take(bytes, portion.level !== 'content', sizeBytes), 0)
    }
    known = reader.recipe ?? known
    closeSync(handle)
    assembly.end(digest ?? (known as Recipe).digest)
    const next = assembly.next()
    if (next.kind !== 'portion') return { last: next, levels, sent }
    portion = { ...portion, level: next.level, ranges: next.ranges }
  }
}

function write(name: string, content: Uint8Array): void {
  writeFileSync(join(place, name), content)
}

function isRight(): boolean {
  return readFileSync(join(place, 'staged')).equals(readFileSync(join(place, 'source')))
}

const old = noise(1, 4_000_000)
const edited = Buffer.concat([old.subarray(0, 1_000_000), noise(2, 5000), old.subarray(1_002_000)])

/** The old content with these blocks changed. */
function inPlace(blocks: readonly number[]): Buffer {
  const content = Buffer.from(old)
  for (const block of blocks) noise(block, 4096).copy(content, block * 4096)
  return content
}

/** The old content with a few bytes more every 300 kB. */
function scattered(): Buffer {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < old.length; at += 300_000) pieces.push(old.subarray(at, at + 300_000), noise(at, 11))
  return Buffer.concat(pieces)
}

describe('a large file is put together', () => {
  for (const isKnown of [true, false]) {
    it(`from the old one, whose recipe is ${isKnown ? 'known' : 'found by reading'}, and from what changed`, () => {
      write('old', old)
      write('source', edited)
      const assembly = new Assembly(real, grain, staged(), replaced(donorFile('old'), isKnown))
      const { last, levels, sent } = tell(assembly)
      assert.equal(last.kind, 'complete')
      assert.deepEqual(levels, ['outline', 'detail', 'content'])
      assert.ok(sent > 5000 && sent < 80_000, `${sent}`)
      assert.ok(isRight())
      // What it is made of is known then, as if it had been read.
      assert.ok(assembly.isProven())
      assert.deepEqual(encodeRecipe(assembly.recipe as Recipe), encodeRecipe(recipeOfFile(edited)))
    })
  }

  it('without a word more where all of it is here', () => {
    write('old', edited)
    write('source', edited)
    const { last, levels, sent } = tell(new Assembly(real, grain, staged(), replaced(donorFile('old'))))
    assert.deepEqual([last.kind, levels, sent], ['complete', ['outline'], 0])
    assert.ok(isRight())
  })

  it('from nothing that is here, and what comes twice is sent once', () => {
    const part = noise(9, 3_000_000)
    write('source', Buffer.concat([part, noise(10, 300_000), part, part]))
    const { last, sent } = tell(new Assembly(real, grain, staged(), nothing))
    assert.equal(last.kind, 'complete')
    assert.ok(sent < 5_500_000, `${sent}`)
    assert.ok(isRight())
  })

  it('with holes where there are zeros', () => {
    write(
      'source',
      Buffer.concat([noise(9, 300_000), Buffer.alloc(8_000_000), noise(10, 300_000), Buffer.alloc(500_000)]),
    )
    const { last } = tell(new Assembly(real, grain, staged(), nothing))
    assert.equal(last.kind, 'complete')
    assert.ok(isRight())
    assert.ok(statSync(join(place, 'staged')).blocks * 512 < 1_500_000)
  })
})

describe('what is here is found', () => {
  const rows: readonly [what: string, source: Uint8Array, levels: readonly string[], sentMax: number][] = [
    ['after a byte in front', Buffer.concat([utf8('x'), old]), ['outline', 'detail', 'content'], 20_000],
    ['after an end was put to it', Buffer.concat([old, noise(3, 300_000)]), ['outline', 'detail', 'content'], 320_000],
    ['where it was cut off', old.subarray(0, 3_000_000), [], 65_536],
    [
      'in its place, but for blocks of 4 KiB',
      inPlace([5, 77, 400, 401, 900]),
      ['outline', 'blocks', 'content'],
      20_480,
    ],
    [
      'where two halves changed places',
      Buffer.concat([old.subarray(2_000_000), old.subarray(0, 2_000_000)]),
      [],
      40_000,
    ],
    ['where a piece is there twice', Buffer.concat([old, old.subarray(500_000, 2_500_000)]), [], 150_000],
    ['between insertions', scattered(), [], 200_000],
    ['where it is zeros now', Buffer.alloc(old.length), [], 300_000],
  ]
  for (const [what, source, levels, sentMax] of rows) {
    for (const isKnown of [true, false]) {
      it(`${what}, the recipe ${isKnown ? 'known' : 'unknown'}`, () => {
        write('old', old)
        write('source', source)
        const told = tell(new Assembly(real, grain, staged(), replaced(donorFile('old'), isKnown)))
        assert.equal(told.last.kind, 'complete')
        if (levels.length > 0) assert.deepEqual(told.levels, levels)
        assert.ok(told.sent <= sentMax, `${told.sent} came`)
        assert.ok(isRight())
      })
    }
  }

  it('whatever was done to the old version and whatever a break left', () => {
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      removed: fc.oneof(fc.nat(5000), fc.nat(600_000)),
      added: fc.oneof(fc.nat(5000), fc.nat(600_000)),
    })
    const facts = fc.record({
      seed: fc.nat(1000),
      edits: fc.array(edit, { maxLength: 4 }),
      isSameSize: fc.boolean(),
      isKnown: fc.boolean(),
      isLeft: fc.constantFrom(0, 0.4, 1.2),
    })
    check(
      fc.property(facts, ({ seed, edits, isSameSize, isKnown, isLeft }) => {
        place = mkdtempSync(join(home, `${number++}-`))
        const before = noise(seed, 2_000_000)
        let after: Buffer = Buffer.from(before)
        for (const [i, { at, removed, added }] of edits.entries()) {
          const start = Math.floor(at * after.length)
          const end = start + (isSameSize ? Math.min(added, after.length - start) : removed)
          const fresh = noise(seed + i + 1, isSameSize ? end - start : added)
          after = Buffer.concat([after.subarray(0, start), fresh, after.subarray(end)])
        }
        write('old', before)
        write('source', after)
        const rest = Buffer.concat([after, before]).subarray(0, Math.floor(after.length * isLeft))
        const file = isLeft === 0 ? staged() : left(rest)
        const { last, sent } = tell(new Assembly(real, grain, file, replaced(donorFile('old'), isKnown)))
        assert.equal(last.kind, 'complete')
        assert.ok(sent <= edits.reduce((sum, { added }) => sum + added, 0) + 150_000 * edits.length, `${sent} came`)
        assert.ok(isRight())
        rmSync(place, { recursive: true })
      }),
      25,
    )
  })

  it('in the file itself, from before a break: only what lacks comes', () => {
    const source = noise(5, 3_000_000)
    write('source', source)
    for (const there of [1, 1_000_000, 2_999_999, 3_000_000, 3_500_000]) {
      const before = Buffer.concat([source, noise(6, 600_000)]).subarray(0, there)
      const { last, sent } = tell(new Assembly(real, grain, left(before), nothing))
      assert.equal(last.kind, 'complete')
      assert.ok(sent <= Math.max(0, source.length - there) + 65_536, `${sent} came, ${there} were there`)
      assert.ok(isRight())
    }
  })
})

describe('a donor that is not what it was', () => {
  it('gives nothing where its signature moved', () => {
    write('old', old)
    write('source', edited)
    const before = donorFile('old')
    const { atime, mtime } = statSync(join(place, 'old'))
    write('old', noise(3, old.length))
    utimesSync(join(place, 'old'), atime, mtime)
    const { last, levels, sent } = tell(new Assembly(real, grain, staged(), replaced(before)))
    assert.equal(last.kind, 'complete')
    assert.deepEqual(levels, ['outline', 'detail', 'content'], 'nothing had to be mended')
    assert.equal(sent, edited.length)
    assert.ok(isRight())
  })

  it('is found out where it changes while it is copied, and what it spoiled is asked for', () => {
    write('old', old)
    write('source', edited)
    const sys = new FaultySys(real).on('read', {
      nth: 2,
      before() {
        const handle = openSync(join(place, 'old'), 'r+')
        writeSync(handle, Buffer.alloc(30_000, 7), 0, 30_000, 2_500_000)
        closeSync(handle)
      },
    })
    const { last, levels, sent } = tell(new Assembly(sys, grain, staged(sys), replaced(donorFile('old'), true, sys)))
    assert.equal(last.kind, 'complete')
    assert.deepEqual(levels, ['outline', 'detail', 'content', 'content'])
    assert.ok(sent < 600_000, `${sent}`)
    assert.ok(isRight())
  })

  it("is found out where its recipe was another file's", () => {
    write('old', noise(4, old.length))
    write('source', edited)
    const { last } = tell(new Assembly(real, grain, staged(), replaced(donorFile('old', old))))
    assert.equal(last.kind, 'complete')
    assert.ok(isRight())
  })
})

describe('a source that lies', () => {
  function lied(lie: Lie, digest?: Uint8Array): ReturnType<typeof tell> & { assembly: Assembly } {
    write('old', old)
    write('source', edited)
    const assembly = new Assembly(real, grain, staged(), replaced(donorFile('old')))
    return { ...tell(assembly, lie, digest), assembly }
  }

  function flipped(bytes: Uint8Array, at: number): Uint8Array {
    const copy = bytes.slice()
    copy[at] = (copy[at] as number) ^ 1
    return copy
  }

  it('about a chunk once is asked for it again', () => {
    let lies = 1
    const { last, levels } = lied(({ level }, bytes) =>
      level === 'content' && lies-- > 0 ? flipped(bytes, 100) : bytes,
    )
    assert.deepEqual([last.kind, levels.length], ['complete', 4])
    assert.ok(isRight())
  })

  it('about a chunk always has to send all of it', () => {
    const { last, levels } = lied(({ level }, bytes) => (level === 'content' ? flipped(bytes, 100) : bytes))
    assert.deepEqual([last.kind, levels.length], ['whole', 5])
  })

  it('about the digest has to send all of it', () => {
    assert.equal(lied(honest, digestOf(utf8('another'))).last.kind, 'whole')
  })

  it('about the ids of what it sends is not believed later', () => {
    const { last, assembly } = lied(({ level }, bytes) =>
      level === 'outline' ? flipped(bytes, bytes.length - 1) : bytes,
    )
    assert.equal(last.kind, 'complete')
    assert.ok(isRight())
    assert.ok(!assembly.isProven(), 'its recipe is not kept')
    assert.equal(decodeRecipe(encodeRecipe(assembly.recipe as Recipe)) === undefined, false)
  })

  it('with more or less than there is, or what was not asked for, has to send all of it', () => {
    const twice: Lie = ({ level }, bytes) => (level === 'outline' ? Buffer.concat([bytes, bytes]) : bytes)
    assert.equal(lied(twice).last.kind, 'whole')
    const short: Lie = ({ level }, bytes) => (level === 'outline' ? bytes.subarray(0, 0) : bytes)
    assert.equal(lied2(short).last.kind, 'whole')
    const more: Lie = ({ level }, bytes) => (level === 'content' ? Buffer.concat([bytes, bytes]) : bytes)
    assert.equal(lied2(more).last.kind, 'whole')
    const less: Lie = ({ level }, bytes) => (level === 'content' ? bytes.subarray(1) : bytes)
    assert.equal(lied2(less).last.kind, 'whole')
    assert.ok(statSync(join(place, 'staged')).size <= edited.length)
  })

  /** The same at a place of its own. */
  function lied2(lie: Lie): ReturnType<typeof lied> {
    place = mkdtempSync(join(home, `${number++}-`))
    return lied(lie)
  }

  it('in no known words ends the session', () => {
    write('source', edited)
    const assembly = new Assembly(real, grain, staged(), nothing)
    assert.throws(() => assembly.take(new Uint8Array(7).fill(0xff), true, edited.length), Failure)
  })

  it('of content where ids were asked for, or of another size, has to send all of it', () => {
    for (const spoil of [
      (assembly: Assembly) => assembly.take(noise(1, 100), false, 1000),
      (assembly: Assembly) => {
        assembly.take(new Uint8Array(0), true, 1000)
        assembly.take(new Uint8Array(0), true, 1001)
      },
    ]) {
      place = mkdtempSync(join(home, `${number++}-`))
      const assembly = new Assembly(real, grain, staged(), nothing)
      spoil(assembly)
      assembly.end(new Uint8Array(32))
      assert.equal(assembly.next().kind, 'whole')
    }
  })
})
