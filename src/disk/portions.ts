// The portions of a round: for wants that are not to come whole, what of them is asked for. A large file is told from coarse
// to fine: its outline (coarse chunks), then of what the target lacks finer chunks, or blocks where nothing moved, then the
// bytes of those that it lacks. Chunks are told by length and id, blocks by half an id, side by side, and no entry is ever
// split between two records.

import { idBytes, idWords } from '../chunk/recipe.ts'
import { type Grain, isGrain } from '../chunk/split.ts'
import { ByteReader, ByteWriter } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { wantsMax } from './wants.ts'

/** The chunks of the whole content; the fine chunks of ranges, each range cut by itself; the bytes of ranges; the blocks of ranges. */
export type Level = 'outline' | 'detail' | 'content' | 'blocks'
const levels: readonly Level[] = ['outline', 'detail', 'content', 'blocks']

/** Blocks begin at multiples of this in the content; those of a range at its ends may be shorter. */
export const blockBytes = 4096

/** How long the block at `at` is, in a range that ends at `end`. */
export function blockLength(at: number, end: number): number {
  return Math.min(blockBytes - (at % blockBytes), end - at)
}

export type Range = { readonly at: number; readonly length: number }

export type Portion = {
  /** The number of the want. */
  readonly want: number
  readonly level: Level
  readonly grain: Grain
  /** Ascending, apart from each other; none for an outline. */
  readonly ranges: readonly Range[]
}

const rangesMax = 4_000_000
const sizeMax = 2 ** 52

export function encodePortions(portions: readonly Portion[]): Uint8Array {
  const writer = new ByteWriter(64)
  writer.varint(portions.length)
  for (const { want, level, grain, ranges } of portions) {
    writer.varint(want)
    writer.u8(levels.indexOf(level))
    writer.u8(grain)
    writer.varint(ranges.length)
    let end = 0
    for (const { at, length } of ranges) {
      writer.varint(at - end)
      writer.varint(length)
      end = at + length
    }
  }
  return writer.take()
}

/** Safe for bytes from a peer: wants ascend, ranges ascend and lie below any size, and there are not too many of either. */
export function decodePortions(bytes: Uint8Array): Portion[] {
  if (bytes.length === 0) return []
  const reader = new ByteReader(bytes)
  const portions: Portion[] = []
  const count = reader.varint(wantsMax)
  let total = 0
  for (let i = 0; i < count; i++) {
    const want = reader.varint(wantsMax)
    const level = levels[reader.u8()]
    const grain = reader.u8()
    if (level === undefined || !isGrain(grain) || want <= (portions.at(-1)?.want ?? -1)) throw broken()
    const rangeCount = reader.varint(rangesMax)
    total += rangeCount
    if (total > rangesMax || (level === 'outline') !== (rangeCount === 0)) throw broken()
    portions.push({ want, level, grain, ranges: takeRanges(reader, rangeCount) })
  }
  reader.end()
  return portions
}

function takeRanges(reader: ByteReader, count: number): Range[] {
  const ranges: Range[] = []
  let end = 0
  for (let i = 0; i < count; i++) {
    const at = end + reader.varint(sizeMax)
    const length = reader.varint(sizeMax)
    end = at + length
    if (length === 0 || end > sizeMax) throw broken()
    ranges.push({ at, length })
  }
  return ranges
}

function broken(): Failure {
  return new Failure('protocol-broken', 'a portion of a file is asked for that can be none')
}

/** Half an id stands for a block, since there are many: a false one costs that its chunk is found wrong, and comes. */
export const blockIdBytes = 8

/** What an entry takes at most. */
export const entryBytesMax: number = 5 + idBytes

/** Writes an entry at `at`: a length below 2^32 and the id that starts at `idAt`. Returns where the next one goes. */
export function putEntry(into: Uint8Array, at: number, length: number, ids: Uint32Array, idAt: number): number {
  let end = at
  for (let rest = length; ; rest = Math.floor(rest / 0x80)) {
    if (rest < 0x80) {
      into[end++] = rest
      break
    }
    into[end++] = (rest % 0x80) | 0x80
  }
  for (let word = 0; word < idWords; word++) {
    const value = ids[idAt + word] as number
    for (let shift = 0; shift < 32; shift += 8) into[end++] = value >>> shift
  }
  return end
}

/** Writes the first half of the id at the start of `id`; returns where the next one goes. */
export function putBlockId(into: Uint8Array, at: number, id: Uint32Array): number {
  let end = at
  for (let word = 0; word < blockIdBytes / 4; word++) {
    const value = id[word] as number
    for (let shift = 0; shift < 32; shift += 8) into[end++] = value >>> shift
  }
  return end
}

/** Reads entries: a length of 1 to `longest`, and an id, in words that the next call overwrites. Throws what readers throw. */
export class EntryReader {
  readonly id: Uint32Array = new Uint32Array(idWords)
  length = 0
  readonly #reader: ByteReader
  readonly #longest: number

  constructor(bytes: Uint8Array, longest: number) {
    this.#reader = new ByteReader(bytes)
    this.#longest = longest
  }

  /** Goes on to the next one; false where there is none. */
  next(): boolean {
    if (this.#reader.left === 0) return false
    this.length = this.#reader.varint(this.#longest)
    if (this.length === 0) throw broken()
    for (let word = 0; word < idWords; word++) this.id[word] = this.#reader.u32()
    return true
  }

  /** Goes on to the next block, of this length: the second half of its `id` is zero. */
  nextBlock(length: number): boolean {
    if (this.#reader.left === 0) return false
    this.length = length
    for (let word = 0; word < blockIdBytes / 4; word++) this.id[word] = this.#reader.u32()
    return true
  }
}
