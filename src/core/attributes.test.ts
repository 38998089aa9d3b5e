// Blocks of attributes and sets of extended ones, as values: what two of them say of each other, what a run decides by them, and
// bytes from elsewhere, of which none is believed: each bound, each order, each cut.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ByteWriter, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import {
  AttributeWriter,
  attributesMaxBytes,
  entryMask,
  extendedOf,
  fieldCount,
  isAttributeKind,
  isField,
  kindsIn,
  lookMask,
  maskOf,
  modeMaskOf,
  ownerOf,
  sameAttributes,
  takeBlock,
  toldMask,
  wantsAcls,
  wantsHardLinks,
  wantsMax,
  wantsOwner,
  wantsSetId,
  wantsSystemXattrs,
  wantsTop,
  wantsXattrs,
} from './attributes.ts'
import type { Entry, Kind } from './entry.ts'
import {
  decodeExtended,
  type Extended,
  encodeExtended,
  extendedCountMax,
  extendedMaxBytes,
  isCarried,
  joinSets,
  splitSets,
} from './extended.ts'
import { type Mode, type Rules, reconcile } from './reconcile.ts'
import { decodeTop, encodeTop, isEqualTop, isSameTop, type Top, topText } from './top.ts'

type Digest = Uint8Array | 'unknown' | undefined
const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

function block(owner: readonly [number, number] | undefined, digest?: Digest): Uint8Array | undefined {
  const writer = new AttributeWriter()
  if (owner !== undefined) writer.owner(...owner)
  if (digest !== undefined) writer.extended(digest === 'unknown' ? undefined : digest)
  return writer.take()
}

const broken = (error: unknown): boolean => error instanceof Failure && error.code === 'protocol-broken'

/** Fields as someone else might write them. */
function fields(...list: readonly (readonly [tag: number, value: Uint8Array])[]): Uint8Array {
  const writer = new ByteWriter(64)
  for (const [tag, value] of list) {
    writer.varint(tag)
    writer.block(value)
  }
  return writer.take()
}

function varints(...numbers: readonly number[]): Uint8Array {
  const writer = new ByteWriter(32)
  for (const number of numbers) writer.varint(number)
  return writer.take()
}

describe('masks', () => {
  it('name their kinds and back', () => {
    for (let mask = 0; mask <= wantsMax; mask++) assert.equal(maskOf(kindsIn(mask)), mask)
    assert.ok(kindsIn(wantsMax).every(isAttributeKind))
    for (const text of ['', 'owners', 'Owner', '__proto__']) assert.ok(!isAttributeKind(text))
  })

  it('say what a view tells, what stands in a block, and which mode bits count', () => {
    assert.equal(toldMask(wantsMax), wantsMax & ~wantsSetId)
    assert.equal(entryMask(wantsMax), wantsOwner | wantsXattrs | wantsSystemXattrs | wantsAcls)
    assert.equal(entryMask(wantsSetId | wantsTop | wantsHardLinks), 0)
    assert.equal(lookMask(wantsMax), entryMask(wantsMax) | wantsHardLinks)
    assert.equal(modeMaskOf(0o7777, wantsSetId), 0o7777)
    assert.equal(modeMaskOf(0o7777, wantsMax & ~wantsSetId), 0o777)
    assert.equal(modeMaskOf(0, wantsSetId), 0)
  })
})

describe('two blocks', () => {
  const rows: readonly (readonly [
    what: string,
    a: Uint8Array | undefined,
    b: Uint8Array | undefined,
    same: boolean,
  ])[] = [
    ['none and none', undefined, undefined, true],
    ['the same owner', block([1, 2]), block([1, 2]), true],
    ['another user', block([1, 2]), block([3, 2]), false],
    ['another group', block([1, 2]), block([1, 3]), false],
    ['an owner and none', block([1, 2]), undefined, false],
    ['the same set', block([1, 2], one), block([1, 2], one), true],
    ['another set', block([1, 2], one), block([1, 2], other), false],
    ['a set and none', block(undefined, one), undefined, false],
    ['a set and one that nobody could read', block([1, 2], one), block([1, 2], 'unknown'), true],
    ['no set and one that nobody could read', block([1, 2]), block([1, 2], 'unknown'), true],
    ['two that nobody could read', block([1, 2], 'unknown'), block([1, 2], 'unknown'), true],
    ['another owner, and a set that nobody could read', block([1, 2], 'unknown'), block([1, 3], one), false],
  ]
  for (const [what, a, b, same] of rows) {
    it(`${what}: ${same ? 'no difference' : 'a difference'}, whichever way round`, () => {
      assert.equal(sameAttributes(a, b), same)
      assert.equal(sameAttributes(b, a), same)
    })
  }

  it('are what was written', () => {
    const written = block([0, 2 ** 32 - 2], one) as Uint8Array
    assert.deepEqual(ownerOf(written), { uid: 0, gid: 2 ** 32 - 2 })
    assert.deepEqual(extendedOf(written), one)
    assert.equal(fieldCount(written), 2)
    assert.equal(extendedOf(block(undefined, 'unknown')), 'unknown')
    assert.equal(extendedOf(block([1, 1])), 'none')
    assert.equal(block(undefined), undefined)
  })
})

describe('a block from elsewhere', () => {
  const rows: readonly (readonly [what: string, bytes: Uint8Array])[] = [
    ['an unknown field', fields([9, varints(1)])],
    ['an edit counter, which is no attribute', fields([3, varints(1)])],
    ['fields out of order', fields([7, one], [5, varints(1, 2)])],
    ['a field twice', fields([5, varints(1, 2)], [5, varints(1, 2)])],
    ['half an owner', fields([5, varints(1)])],
    ['more than an owner', fields([5, varints(1, 2, 3)])],
    ['the user that means "nobody is named"', fields([5, varints(2 ** 32 - 1, 0)])],
    ['the group that means "nobody is named"', fields([5, varints(0, 2 ** 32 - 1)])],
    ['a user beyond 32 bits', fields([5, varints(2 ** 40, 0)])],
    ['a digest that is short', fields([7, one.subarray(1)])],
    ['a digest that is long', fields([7, new Uint8Array(33)])],
    ['a value beyond the bound', fields([7, new Uint8Array(attributesMaxBytes + 1)])],
    ['a tag beyond the bound', fields([(1 << 16) + 1, varints(1)])],
  ]
  for (const [what, bytes] of rows) it(`with ${what} is refused`, () => assert.throws(() => takeBlock(bytes), broken))

  it('that is cut anywhere is refused, or is a shorter one', () => {
    const whole = block([300, 400], one) as Uint8Array
    for (let length = 0; length < whole.length; length++) {
      try {
        assert.ok(fieldCount(takeBlock(whole.subarray(0, length))) < 2)
      } catch (error) {
        assert.ok(broken(error), `${length}: ${error}`)
      }
    }
    assert.deepEqual(takeBlock(whole), whole)
    assert.notEqual(takeBlock(whole).buffer, whole.buffer)
  })

  it('has no field of a tag that is none of its own', () => {
    for (const tag of [0, 1, 2, 3, 4, 6, 8, 9, 11]) assert.equal(isField(tag, varints(1, 2)), false)
  })
})

describe('a set of extended attributes', () => {
  const set = (...names: readonly string[]): Extended[] =>
    names.map((name) => ({ name: utf8(name), value: utf8(`=${name}`) }))
  const raw = (count: number, ...list: readonly (readonly [string, Uint8Array])[]): Uint8Array => {
    const writer = new ByteWriter(64)
    writer.varint(count)
    for (const [name, value] of list) {
      writer.block(utf8(name))
      writer.block(value)
    }
    return writer.take()
  }
  const value = utf8('v')

  it('is the same bytes in whatever order it was found', () => {
    const names = ['user.b', 'user.a', 'trusted.x', 'system.posix_acl_access']
    assert.deepEqual(encodeExtended(set(...names)), encodeExtended(set(...names.toReversed())))
    assert.deepEqual(decodeExtended(encodeExtended(set(...names))), set(...names.toSorted()))
    assert.deepEqual(decodeExtended(encodeExtended([])), [])
  })

  const rows: readonly (readonly [what: string, bytes: Uint8Array])[] = [
    ['names out of order', raw(2, ['user.b', value], ['user.a', value])],
    ['a name twice', raw(2, ['user.a', value], ['user.a', value])],
    ['no name', raw(1, ['', value])],
    ['a NUL in a name', raw(1, ['user.a\0b', value])],
    ['a name beyond 255 bytes', raw(1, [`user.${'x'.repeat(251)}`, value])],
    ['a value beyond the bound', raw(1, ['user.a', new Uint8Array(extendedMaxBytes + 1)])],
    ['more than it says', raw(1, ['user.a', value], ['user.b', value])],
    ['less than it says', raw(2, ['user.a', value])],
    ['more than a set may have', raw(extendedCountMax + 1)],
    ['nothing at all', new Uint8Array(0)],
  ]
  for (const [what, bytes] of rows)
    it(`with ${what} is refused`, () => assert.throws(() => decodeExtended(bytes), broken))

  it('as large as it may be is taken', () => {
    const many = set(...Array.from({ length: extendedCountMax }, (_, i) => `user.${String(i).padStart(4, '0')}`))
    assert.equal(decodeExtended(encodeExtended(many)).length, extendedCountMax)
    const large = [{ name: utf8('user.a'), value: new Uint8Array(extendedMaxBytes) }]
    assert.equal(decodeExtended(encodeExtended(large))[0]?.value.length, extendedMaxBytes)
  })

  it('travels beside others; an empty one is one that is not to be had', () => {
    const sets = [encodeExtended(set('user.a')), new Uint8Array(0), encodeExtended([])]
    assert.deepEqual(splitSets(joinSets(sets)), sets)
    assert.throws(() => splitSets(joinSets([new Uint8Array(2 * extendedMaxBytes + 1)])), broken)
    assert.throws(() => splitSets(joinSets(sets).subarray(0, 3)), broken)
  })

  const all = wantsMax
  const carried: readonly (readonly [name: string, mask: number, carried: boolean])[] = [
    ['user.a', wantsXattrs, true],
    ['user.a', all & ~wantsXattrs, false],
    ['user.', all, false],
    ['users.a', all, false],
    ['security.capability', wantsSystemXattrs, true],
    ['security.capability', wantsXattrs | wantsAcls, false],
    ['security.ima', all, false],
    ['security.evm', all, false],
    ['trusted.SGI_ACL_FILE', all, false],
    ['trusted.SGI_ACL_DEFAULT', all, false],
    ['trusted.x', wantsSystemXattrs, true],
    ['trusted.x', wantsXattrs, false],
    ['system.posix_acl_access', wantsAcls, true],
    ['system.posix_acl_default', wantsAcls, true],
    ['system.posix_acl_access', all & ~wantsAcls, false],
    ['system.posix_acl_accessx', all, false],
    ['system.nfs4_acl', all, false],
    ['btrfs.compression', all, false],
  ]
  for (const [name, mask, isIt] of carried)
    it(`${name} under ${kindsIn(mask).join(', ')} is ${isIt ? '' : 'not '}carried`, () => {
      assert.equal(isCarried(utf8(name), mask), isIt)
    })
})

describe('the top folder', () => {
  const set = encodeExtended([{ name: utf8('user.a'), value: utf8('a') }])
  const top: Top = { mode: 0o2750, attributes: block([1, 2], one), set, mtimeSeconds: -5, mtimeNs: 7 }
  const bare: Top = { mode: 0o755, attributes: undefined, set: new Uint8Array(0), mtimeSeconds: 0, mtimeNs: 0 }

  it('travels as it is', () => {
    for (const some of [top, bare]) assert.deepEqual(decodeTop(encodeTop(some)), some)
  })

  it('is the same where mode and block are, whatever set nobody could compare', () => {
    assert.ok(isSameTop(top, { ...top, set: new Uint8Array(0) }))
    assert.ok(isSameTop(top, { ...top, mtimeSeconds: 9 }) && isEqualTop(top, { ...top, mtimeSeconds: 9 }))
    assert.ok(!isSameTop(top, { ...top, mode: 0o750 }))
    assert.ok(!isSameTop(top, { ...top, attributes: block([1, 3], one) }))
    assert.ok(isEqualTop(undefined, undefined) && !isEqualTop(top, undefined) && isEqualTop(top, { ...top }))
    assert.notDeepEqual(topText(top), topText(bare))
  })

  it('is refused where it is cut, goes on, or holds what is none', () => {
    const whole = encodeTop(top)
    for (let length = 0; length < whole.length; length++)
      assert.throws(() => decodeTop(whole.subarray(0, length)), broken)
    assert.throws(() => decodeTop(new Uint8Array([...whole, 0])), broken)
    assert.throws(() => decodeTop(encodeTop({ ...top, mode: 0o10000 })), broken)
    assert.throws(() => decodeTop(encodeTop({ ...top, attributes: fields([9, one]) })), broken)
    assert.throws(() => decodeTop(encodeTop({ ...top, set: utf8('no set') })), broken)
  })
})

describe('what a run carries besides', () => {
  const link = utf8('x')
  const summary = { fingerprint: new Uint8Array(32), files: 0, directories: 0, sizeBytes: 0 }
  const entry = (kind: Kind, attributes: Uint8Array | undefined): Entry => ({
    kind,
    name: 'name',
    mode: kind === 'symlink' ? 0 : 0o644,
    mtimeSeconds: 1,
    mtimeNs: 0,
    sizeBytes: 0,
    edits: 0,
    link: kind === 'symlink' ? link : undefined,
    summary: kind === 'directory' ? summary : undefined,
    attributes,
  })
  const decide = (mode: Mode, kind: Kind, a: Uint8Array | undefined, b: Uint8Array | undefined): string[] => {
    const rules: Rules = { mode, timeGrainNs: 1, checksum: false }
    return [...reconcile([entry(kind, a)], [entry(kind, b)], rules)].map((decision) => decision.kind)
  }
  for (const kind of ['file', 'directory', 'symlink'] as const) {
    it(`of a ${kind}: a difference alone is adjusted by a mirror, and left by an update; no difference is nothing`, () => {
      assert.deepEqual(decide('mirror', kind, block([1, 2]), block([1, 3])), ['attributes'])
      assert.deepEqual(decide('mirror', kind, block([1, 2], one), block([1, 2])), ['attributes'])
      assert.deepEqual(decide('mirror', kind, block([1, 2], 'unknown'), block([1, 2], one)), [])
      assert.deepEqual(decide('mirror', kind, block([1, 2], one), block([1, 2], one)), [])
      assert.deepEqual(decide('update', kind, block([1, 2]), block([1, 3])), [])
    })
  }
})
