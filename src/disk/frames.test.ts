// Frames, and the journal made of them: whatever a power cut or a bad disk makes of the file, nothing is read that was not
// written, all that lies before the spoiled place and behind it is found, and damage is told from a torn end.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { digestOf } from '../chunk/digest.ts'
import type { RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { concatBytes, fromUtf8, utf8 } from '../std/bytes.ts'
import { encodeFrame, kindEntries, kindSeal, payloadMaxBytes, type Walked, walkFrames } from './frames.ts'
import { createJournal, type Displacement, encodeDisplacements, readJournal, writeJournal } from './journal.ts'
import { errno } from './sys.ts'
import { systemSys } from './system.ts'

/** mulberry32 */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below)
  }
}

function walk(file: Uint8Array): Walked & { texts: string[] } {
  const texts: string[] = []
  const walked = walkFrames(
    (into, position) => {
      const part = file.subarray(position, position + into.length)
      into.set(part)
      return part.length
    },
    (payload) => void texts.push(fromUtf8(payload) ?? '?'),
  )
  return { ...walked, texts }
}

type Written = { readonly file: Uint8Array; readonly groups: string[][]; readonly ends: number[] }

/** Groups of frames, each but the last one sealed. `ends`: where each group ends, its seal left out. */
function groupsOf(groups: string[][]): Written {
  const frames: Uint8Array[] = []
  const ends: number[] = []
  let at = 0
  const add = (kind: number, text: string): void => {
    const frame = encodeFrame(kind, utf8(text), at)
    frames.push(frame)
    at += frame.length
  }
  for (const [i, group] of groups.entries()) {
    for (const text of group) add(kindEntries, text)
    ends.push(at)
    if (i < groups.length - 1) add(kindSeal, '')
  }
  return { file: concatBytes(frames), groups, ends }
}

const three = groupsOf([['a', 'bb'], ['ccc'], ['dddd', '', 'f'.repeat(70)]])
const all = three.groups.flat()
const sound = { code: 0, isDamaged: false, isTorn: false, isNewer: false }

describe('frames', () => {
  it('come back as they were written, none of them in an empty file', () => {
    assert.deepEqual(walk(three.file), { ...sound, texts: all })
    assert.deepEqual(walk(new Uint8Array(0)), { ...sound, texts: [] })
  })

  it('cut off at any byte: a beginning of them comes back, and the end is torn, not damaged', () => {
    for (let length = 0; length < three.file.length; length++) {
      const { texts, isDamaged } = walk(three.file.subarray(0, length))
      assert.deepEqual(texts, all.slice(0, texts.length), `cut at ${length}`)
      assert.equal(isDamaged, false, `cut at ${length}`)
      const whole = three.ends.filter((end) => end <= length).length
      assert.ok(texts.length >= three.groups.slice(0, whole).flat().length, `cut at ${length}`)
    }
  })

  it('a bit that turned before a seal is damage, and costs one frame; after the last seal it is a torn end', () => {
    const sealed = three.ends[1] as number
    for (let at = 0; at < three.file.length; at++) {
      const file = three.file.slice()
      file[at] = (file[at] as number) ^ 4
      const { texts, isDamaged, isTorn, isNewer } = walk(file)
      if (isNewer) continue
      // A seal that turned seals nothing, and the one after the first group has another one behind it.
      assert.equal(isDamaged, at < sealed, `bit at ${at}`)
      assert.equal(isTorn, at >= sealed, `bit at ${at}`)
      assert.ok(texts.length >= all.length - 1, `bit at ${at}`)
      assert.deepEqual(
        texts,
        all.filter((text) => texts.includes(text)),
        `bit at ${at}`,
      )
    }
  })

  it('blocks of the last group that never came to the disk, in any order: nothing is read that was not written', () => {
    const random = seeded(7)
    for (let round = 0; round < 300; round++) {
      const groups = Array.from({ length: 1 + random(4) }, () =>
        Array.from({ length: 1 + random(5) }, () => 'x'.repeat(random(90)) + random(1e6)),
      )
      const { file, ends } = groupsOf(groups)
      const from = groups.length === 1 ? 0 : (ends.at(-2) as number) + encodeFrame(kindSeal, utf8(''), 0).length
      const blockBytes = 1 + random(64)
      for (let at = from; at < file.length; at += blockBytes) {
        if (random(2) === 0) continue
        if (random(2) === 0) file.fill(0, at, at + blockBytes)
        else for (let i = at; i < Math.min(file.length, at + blockBytes); i++) file[i] = random(256)
      }
      const { texts, isDamaged } = walk(file)
      const written = groups.flat()
      assert.deepEqual(
        texts,
        written.filter((text) => texts.includes(text)),
      )
      assert.ok(texts.length >= groups.slice(0, -1).flat().length)
      // Garbage in the place of the first bytes of all is no beginning of ours.
      if (from > 0) assert.equal(isDamaged, false)
    }
  })

  it('of another place, of other bytes or too long are none', () => {
    const moved = concatBytes([encodeFrame(kindEntries, utf8('a'), 0), encodeFrame(kindEntries, utf8('b'), 0)])
    assert.deepEqual(walk(moved), { ...sound, isTorn: true, texts: ['a'] })
    assert.equal(walk(utf8('{"slot":"d"}\n')).isDamaged, true)
    const long = encodeFrame(kindEntries, new Uint8Array(payloadMaxBytes + 1), 0)
    assert.deepEqual(walk(long).texts, [])
    // Sound as far as it goes, but shorter than it says.
    const short = encodeFrame(kindEntries, utf8('a'), 0)
    new DataView(short.buffer, short.byteOffset).setUint32(21, 2, true)
    short.set(digestOf(short.subarray(20)).subarray(0, 16), 4)
    assert.deepEqual(walk(short), { ...sound, isTorn: true, texts: [] })
    // Sound, and of a kind that nobody knows.
    assert.deepEqual(walk(encodeFrame(7, utf8('a'), 0)), { ...sound, texts: [] })
    assert.equal(walk(utf8('NFJ2 and what follows')).isNewer, true)
    assert.deepEqual(walk(new Uint8Array(100)), { ...sound, isTorn: true, texts: [] })
  })

  it('are read through a window, and a read that fails is told', () => {
    const groups = [Array.from({ length: 40 }, (_, i) => `${i}`.repeat(50_000))]
    assert.deepEqual(walk(groupsOf(groups).file).texts, groups.flat())
    const failing = walkFrames(
      () => -errno.EIO,
      () => assert.fail('nothing was read'),
    )
    assert.equal(failing.code, -errno.EIO)
    // A little at a time: in the middle of a frame, and with the beginning of one at the end of what is read.
    for (let garbage = 0; garbage < 120; garbage++) {
      const file = concatBytes([new Uint8Array(garbage), encodeFrame(kindEntries, utf8('a'.repeat(90)), garbage)])
      for (const readable of [file.length, garbage + 60]) {
        const texts: string[] = []
        const { code } = walkFrames(
          (into, position) => {
            const part = file.subarray(position, position + 50)
            if (position + part.length > readable) return -errno.EIO
            into.set(part)
            return part.length
          },
          (payload) => void texts.push(fromUtf8(payload) ?? '?'),
        )
        assert.deepEqual([code, texts.length], readable === file.length ? [0, 1] : [-errno.EIO, 0], `${garbage}`)
      }
    }
  })
})

describe('journal file', () => {
  const home = mkdtempSync(join(tmpdir(), 'nf-frames-'))
  after(() => rmSync(home, { recursive: true, force: true }))
  const sys = systemSys()
  const row = (seed: number): number[] => Array.from({ length: statWidth }, (_, i) => (seed * 7919 + i) >>> 0)
  const entry = (i: number): Displacement => ({
    slot: `d${i}`,
    path: `directory ${i % 7}/a file that goes, number ${i}` as RelPath,
    expected: row(i),
    staged: i % 3 === 0 ? row(i + 1) : undefined,
    run: i % 2 === 0 ? undefined : '20261126T000000000Z-abcd',
  })
  const read = (own: number): Displacement[] => {
    const entries: Displacement[] = []
    assert.equal(readJournal(sys, own, (one) => void entries.push(one)).code, 0)
    return entries
  }

  it('is added to, group by group, and a try that failed is written over', () => {
    const own = sys.openRoot(home)
    const handle = createJournal(sys, own)
    assert.equal(createJournal(sys, own), -errno.EEXIST)
    const groups = [[1, 3, 5], Array.from({ length: 5000 }, (_, i) => 2 * i), [7]].map((group) => group.map(entry))
    let at = 0
    for (const group of groups) {
      // Half of a longer group, that found no space.
      const half = encodeFrame(kindEntries, new Uint8Array(5000), at).subarray(0, 3000)
      assert.equal(sys.write(handle, half, 0, half.length, at), 0)
      at = writeJournal(sys, { handle, own, at }, encodeDisplacements(group), group[0]?.run)
      assert.ok(at > 0)
    }
    const [back, told] = [read(own), groups.flat()]
    // One by one: what differs in five thousand at once takes for ever to print.
    assert.equal(back.length, told.length)
    for (const [i, one] of back.entries()) assert.deepEqual(one, told[i])
    // What the failed try left behind the last group is a torn end.
    const walked = readJournal(sys, own, () => {})
    assert.deepEqual(walked, { ...sound, isTorn: true })
    const path = join(home, 'journal')
    writeFileSync(path, readFileSync(path).subarray(0, at))
    assert.deepEqual(
      readJournal(sys, own, () => {}),
      sound,
    )
    sys.close(handle)
    sys.close(own)
  })
})
