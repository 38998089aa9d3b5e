// The bytes of a pack, and what is refused of them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check } from '../../test/world/trees.ts'
import { problemCodes } from '../core/problem.ts'
import { Failure } from '../std/failure.ts'
import { holeBytesMax } from './holes.ts'
import {
  emptyRecord,
  flagFailed,
  flagFirst,
  flagHole,
  flagLast,
  type PackRecord,
  putHole,
  putRecordHead,
  type RecordFacts,
  recordHeadBytes,
  takeRecord,
} from './pack.ts'

const codes = Object.keys(problemCodes) as (keyof typeof problemCodes)[]

const someFacts: fc.Arbitrary<RecordFacts> = fc.record(
  {
    number: fc.nat(0xffff_ffff),
    flags: fc.integer({ min: 0, max: 3 }),
    code: fc.constant(undefined),
    mode: fc.nat(0o7777),
    sizeBytes: fc.maxSafeNat(),
    mtimeSeconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    mtimeNs: fc.nat(999_999_999),
    length: fc.nat(300),
  },
  { noNullPrototype: true },
)

function roundTrip(facts: RecordFacts): { record: PackRecord; next: number } {
  const bytes = new Uint8Array(recordHeadBytes + facts.length + 7)
  const view = new DataView(bytes.buffer, 3)
  putRecordHead(view, 0, facts)
  const record = emptyRecord()
  return { record, next: takeRecord(view, 0, recordHeadBytes + facts.length, record) }
}

function broken(call: () => void): void {
  assert.throws(call, (error) => error instanceof Failure && error.code === 'protocol-broken')
}

describe('pack', () => {
  it('reads back every number that was put', () => {
    check(
      fc.property(someFacts, (facts) => {
        const { record, next } = roundTrip(facts)
        const { contentStart, contentEnd, digestStart, holeBytes, ...rest } = record
        assert.equal(holeBytes, 0)
        assert.deepEqual({ ...rest, length: contentEnd - contentStart }, facts)
        assert.deepEqual([contentStart, next, digestStart], [recordHeadBytes, contentEnd, 32])
      }),
    )
  })

  it('carries each problem code, and refuses one that it does not know', () => {
    for (const code of codes) {
      const { record } = roundTrip({
        number: 1,
        flags: flagFailed,
        code,
        mode: 0,
        sizeBytes: 0,
        mtimeSeconds: 0,
        mtimeNs: 0,
        length: 0,
      })
      assert.equal(record.code, code)
    }
  })

  it('refuses a head that is cut, content beyond its end, and flags or numbers that are none', () => {
    const put = (facts: Partial<RecordFacts>, spoil: (view: DataView) => void = () => {}): DataView => {
      const view = new DataView(new ArrayBuffer(200))
      const plain = {
        number: 0,
        flags: flagFirst | flagLast,
        code: undefined,
        mode: 0,
        sizeBytes: 0,
        mtimeSeconds: 0,
        mtimeNs: 0,
        length: 10,
      }
      putRecordHead(view, 0, { ...plain, ...facts })
      spoil(view)
      return view
    }
    const take = (view: DataView, end = 200): number => takeRecord(view, 0, end, emptyRecord())
    assert.equal(take(put({})), recordHeadBytes + 10)
    assert.equal(take(put({}), recordHeadBytes + 10), recordHeadBytes + 10)
    for (const end of [0, 1, recordHeadBytes - 1, recordHeadBytes, recordHeadBytes + 9])
      broken(() => take(put({}), end))
    broken(() => take(put({ length: 0xffff_ffff })))
    broken(() => take(put({ flags: 32 })))
    broken(() => take(put({ flags: 255 })))
    broken(() => take(put({ mtimeNs: 1_000_000_000 })))
    broken(() => take(put({ flags: flagFailed })))
    broken(() => take(put({ code: 'vanished' })))
    broken(() => take(put({ flags: flagFailed }, (view) => view.setUint8(5, codes.length + 1))))
    broken(() => take(put({}, (view) => view.setUint32(12, 0xffff_ffff, true))))
  })

  it('tells a hole by its length, alone, never of nothing, and no longer than a hole may be', () => {
    const holed = (holeBytes: number, facts: Partial<RecordFacts> = {}): PackRecord => {
      const view = new DataView(new ArrayBuffer(2 * recordHeadBytes))
      const plain = { number: 0, flags: flagHole, code: undefined, mode: 0, sizeBytes: 0 }
      putRecordHead(view, 0, { ...plain, mtimeSeconds: 0, mtimeNs: 0, length: 0, ...facts })
      putHole(view, 0, holeBytes)
      const record = emptyRecord()
      assert.equal(takeRecord(view, 0, view.byteLength, record), recordHeadBytes)
      return record
    }
    for (const holeBytes of [1, 4096, holeBytesMax]) assert.equal(holed(holeBytes).holeBytes, holeBytes)
    assert.equal(holed(1, { flags: flagHole | flagFirst }).holeBytes, 1)
    for (const holeBytes of [0, holeBytesMax + 1, 0xffff_ffff]) broken(() => holed(holeBytes))
    for (const flags of [flagHole | flagLast, flagHole | 8, flagHole | flagFailed]) broken(() => holed(1, { flags }))
    broken(() => holed(1, { length: 1 }))
  })

  it('never reads beyond its bytes, whatever these are', () => {
    check(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), (bytes) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        const record = emptyRecord()
        try {
          for (let at = 0; at < bytes.length; ) {
            const next = takeRecord(view, at, bytes.length, record)
            assert.ok(next >= at + recordHeadBytes && next <= bytes.length)
            at = next
          }
        } catch (error) {
          assert.ok(error instanceof Failure && error.code === 'protocol-broken')
        }
      }),
    )
  })
})
