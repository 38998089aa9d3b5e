// Frames however the link cuts them, their caps, and where payloads go.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Failure, type FailureCode } from '../std/failure.ts'
import {
  FrameReader,
  type FrameSink,
  frameHeader,
  frameKind,
  headerBytes,
  maxBulkBytes,
  maxControlBytes,
} from './frame.ts'

type Frame = { stream: number; kind: number; flags: number; payload: Uint8Array }

function collector(change: Partial<FrameSink> = {}): { frames: Frame[]; allocated: number[]; reader: FrameReader } {
  const frames: Frame[] = []
  const allocated: number[] = []
  const sink: FrameSink = {
    cap: (_stream, kind) => (kind === frameKind.data ? maxBulkBytes : maxControlBytes),
    allocate(_stream, length) {
      allocated.push(length)
      return new Uint8Array(length)
    },
    frame: (stream, kind, flags, payload) => frames.push({ stream, kind, flags, payload }),
    ...change,
  }
  return { frames, allocated, reader: new FrameReader(sink) }
}

function encoded(frame: Frame): Buffer {
  return Buffer.concat([frameHeader(frame.stream, frame.kind, frame.flags, frame.payload.length), frame.payload])
}

function breaks(push: () => void, code: FailureCode, message: RegExp): void {
  assert.throws(push, (error) => {
    assert.ok(error instanceof Failure, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}

const anyFrame: fc.Arbitrary<Frame> = fc.record(
  {
    stream: fc.nat(2 ** 32 - 1),
    kind: fc.constantFrom(...Object.values(frameKind), 200),
    flags: fc.nat(255),
    payload: fc.uint8Array({ maxLength: 100 }).map((bytes) => new Uint8Array(bytes)),
  },
  { noNullPrototype: true },
)

test('the header is twelve bytes, little endian', () => {
  assert.equal(Buffer.from(frameHeader(0x01020304, 0x10, 0x01, 0x002bcdef)).toString('hex'), '0403020110010000efcd2b00')
  assert.equal(headerBytes, 12)
})

test('frames come out as they went in, however the link cuts them', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 40 })), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(encoded))
      const { frames, reader } = collector()
      let at = 0
      for (const cut of cuts) {
        const chunk = Buffer.from(bytes.subarray(at, at + cut))
        reader.push(chunk)
        // The chunk is the caller's again: a link may read the next bytes into it.
        chunk.fill(0xee)
        at += cut
      }
      reader.push(new Uint8Array(bytes.subarray(at)))
      assert.deepEqual(
        frames.map((frame) => ({ ...frame, payload: new Uint8Array(frame.payload) })),
        sent,
      )
      assert.ok(reader.isBetweenFrames)
    }),
    { seed: 1 },
  )
})

test('empty, largest and one above the largest', () => {
  for (const [kind, max] of [
    [frameKind.request, maxControlBytes],
    [frameKind.data, maxBulkBytes],
  ] as const) {
    for (const length of [0, 1, max - 1, max]) {
      const { frames, reader } = collector()
      reader.push(frameHeader(7, kind, 0, length))
      reader.push(new Uint8Array(length))
      assert.deepEqual([frames.length, frames[0]?.payload.length], [1, length])
    }
    for (const length of [max + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      const { frames, allocated, reader } = collector()
      const header = Buffer.from(frameHeader(7, kind, 0, 0))
      header.writeUInt32LE(length, 8)
      breaks(() => reader.push(header), 'limit-exceeded', /above its cap/)
      reader.push(new Uint8Array(50))
      assert.deepEqual([frames, allocated], [[], []])
    }
  }
})

test('the cap is asked for each stream and kind, before anything is reserved', () => {
  const asked: unknown[] = []
  const { allocated, reader } = collector({
    cap(stream, kind, flags) {
      asked.push([stream, kind, flags])
      return stream === 5 ? 3 : 10
    },
  })
  reader.push(encoded({ stream: 4, kind: frameKind.data, flags: 1, payload: new Uint8Array(10) }))
  breaks(() => reader.push(frameHeader(5, frameKind.data, 0, 4)), 'limit-exceeded', /4 bytes, above its cap of 3/)
  assert.deepEqual(asked, [
    [4, frameKind.data, 1],
    [5, frameKind.data, 0],
  ])
  assert.deepEqual(allocated, [10])
})

test('only bulk asks where to go, shared memory included; no room refuses', () => {
  const slab = new SharedArrayBuffer(64)
  const { frames, reader } = collector({ allocate: (_stream, length) => new Uint8Array(slab, 3, length) })
  const payload = Uint8Array.from({ length: 40 }, (_, index) => index)
  reader.push(encoded({ stream: 1, kind: frameKind.data, flags: 0, payload }))
  assert.equal(frames[0]?.payload.buffer, slab)
  assert.deepEqual(new Uint8Array(slab).slice(3, 43), payload)
  const full = collector({ allocate: () => undefined })
  full.reader.push(encoded({ stream: 1, kind: frameKind.request, flags: 0, payload }))
  breaks(() => full.reader.push(frameHeader(1, frameKind.data, 0, 1)), 'limit-exceeded', /no room/)
})

test('a payload that is diverted writes no more to where its consumer wanted it', () => {
  const wanted = new Uint8Array(10)
  const { frames, reader } = collector({ allocate: () => wanted })
  reader.push(frameHeader(9, frameKind.data, 0, 10))
  reader.push(new Uint8Array(4).fill(1))
  reader.divert(8)
  reader.push(new Uint8Array(2).fill(2))
  reader.divert(9)
  reader.push(new Uint8Array(4).fill(3))
  reader.divert(9)
  assert.deepEqual([...wanted], [1, 1, 1, 1, 2, 2, 0, 0, 0, 0])
  assert.equal(frames.length, 1)
  assert.notEqual(frames[0]?.payload, wanted)
  assert.equal(frames[0]?.payload.length, 10)
})

test('reserved bits must be zero', () => {
  for (const at of [6, 7]) {
    const header = Buffer.from(frameHeader(1, 1, 0, 0))
    header[at] = 1
    breaks(() => collector().reader.push(header), 'protocol-broken', /reserved/)
  }
})

test('a reader that was stopped, or whose sink threw, says nothing more', () => {
  const three = Buffer.concat(
    [1, 2, 3].map((stream) => encoded({ stream, kind: 1, flags: 0, payload: new Uint8Array(5) })),
  )
  const seen: number[] = []
  const stopping: FrameReader = collector({
    frame(stream) {
      seen.push(stream)
      if (stream === 2) stopping.stop()
    },
  }).reader
  stopping.push(three)
  stopping.push(three)
  assert.deepEqual(seen, [1, 2])
  const throwing = collector({
    frame(stream) {
      seen.push(stream)
      throw new Failure('protocol-broken', 'no')
    },
  }).reader
  breaks(() => throwing.push(three), 'protocol-broken', /no/)
  throwing.push(three)
  assert.deepEqual(seen, [1, 2, 1])
})

test('random bytes do nothing but refuse, and reserve no more than the caps', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (chunks) => {
      const { allocated, reader } = collector({ cap: () => 1000 })
      try {
        for (const chunk of chunks) reader.push(chunk)
      } catch (error) {
        assert.ok(error instanceof Failure)
      }
      assert.ok(allocated.every((length) => length <= 1000))
    }),
    { seed: 2, numRuns: 500 },
  )
})
