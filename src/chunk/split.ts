// Where content is cut: at places that the content itself names, so that an edit moves the cuts beside it and no others.
// A gear hash (h = 2h + a number for the byte, 32 bits, so it forgets all but the last 32 bytes) cuts where it comes out
// above a threshold; as in FastCDC no cut is looked for below the smallest length, and for fine chunks the threshold is
// higher before the average length and lower after it, which draws lengths together. W. Xia et al., "FastCDC", USENIX ATC 2016,
// https://www.usenix.org/system/files/conference/atc16/atc16-paper-xia.pdf. Golden vectors pin every cut for ever: recipes
// that two machines or two releases made must meet. Pure.

/** The average length of a chunk, as a power of two. */
export type Grain = number
/** Contents are known by chunks of these grains. */
const grainMin = 17
const grainMax = 20
/** Into such chunks is cut what of a content is not known; its recipe is never kept. */
export const fineGrain: Grain = 13

/** Files below are never chunked: they travel whole. */
export const chunkedFromBytes: number = 1024 * 1024

/** The grain for content of this size: what is told of all of it and what is told of each edit are to be about as much. */
export function grainFor(sizeBytes: number): Grain {
  let grain = grainMin
  while (grain < grainMax && sizeBytes > 2 ** (3 * grain - 22)) grain++
  return grain
}

export function isGrain(value: number): boolean {
  return Number.isInteger(value) && value >= grainMin && value <= grainMax
}

/**
 * No cut is looked for below. Looking is what cutting costs: coarse chunks are looked into for the last quarter only,
 * although cuts meet again later after an edit then. Fine ones, of which there are few, for half.
 */
export function shortestChunk(grain: Grain): number {
  return grain === fineGrain ? 2 ** (grain - 1) : 3 * 2 ** (grain - 2)
}

export function longestChunk(grain: Grain): number {
  return 2 ** (grain + (grain === fineGrain ? 3 : 2))
}

/** The hash sees so many bytes. */
const window = 32

/** A number for each byte, spread over 32 bits by a fixed mixer. Never changed: cuts depend on it. */
const gear: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let mixed = Math.imul(byte + 1, 0x9e3779b9)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
})

/** A hash above it comes once in `odds` bytes. */
function thresholdFor(odds: number): number {
  return 0x7fffffff - Math.floor(2 ** 32 / odds)
}

/** Memory that is cut, as bytes and as words: four bytes are read at once. */
export type Cuttable = { readonly bytes: Uint8Array; readonly words: Uint32Array }

export function cuttable(sizeBytes: number): Cuttable {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4))
  return { bytes: new Uint8Array(words.buffer), words }
}

/** Finds cuts of one grain. */
export class Splitter {
  readonly longest: number
  readonly #shortest: number
  readonly #average: number
  readonly #hard: number
  readonly #easy: number

  constructor(grain: Grain) {
    this.longest = longestChunk(grain)
    this.#shortest = shortestChunk(grain)
    this.#average = 2 ** grain
    this.#easy = thresholdFor(2 ** (grain - 2))
    this.#hard = grain === fineGrain ? thresholdFor(2 ** (grain + 2)) : this.#easy
  }

  /**
   * Where the chunk that begins at `start` ends. `end` is where the content ends, or at least `longest` further on: what
   * lies behind that is never looked at.
   */
  cut(memory: Cuttable, start: number, end: number): number {
    const first = start + this.#shortest
    if (end <= first) return end
    const middle = Math.min(end, start + this.#average)
    const last = Math.min(end, start + this.longest)
    let hash = 0
    for (let at = first - window; at < first; at++)
      hash = ((hash << 1) + (gear[memory.bytes[at] as number] as number)) | 0
    const found = scan(memory, first, middle, hash, this.#hard)
    if (found.cut >= 0) return found.cut
    const later = scan(memory, middle, last, found.hash, this.#easy)
    return later.cut >= 0 ? later.cut : last
  }
}

/** What the last scan came to. One for the thread: a cut makes no garbage. */
const scanned = { cut: -1, hash: 0 }

/** Looks for the first hash above the threshold in `[at, end)`; `hash` is that of the bytes before. */
function scan(memory: Cuttable, from: number, end: number, before: number, above: number): typeof scanned {
  const { bytes, words } = memory
  // As integers, or the whole loop computes with floats.
  const threshold = above | 0
  let hash = before | 0
  let at = from | 0
  scanned.cut = -1
  for (; at < end && (at & 3) !== 0; at++) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
    if (hash > threshold) return cutAt(at + 1)
  }
  let index = at >>> 2
  for (const stop = Math.max(index, end >>> 2) | 0; index < stop; index++) {
    const word = words[index] as number
    const one = ((hash << 1) + (gear[word & 0xff] as number)) | 0
    const two = ((one << 1) + (gear[(word >>> 8) & 0xff] as number)) | 0
    const three = ((two << 1) + (gear[(word >>> 16) & 0xff] as number)) | 0
    hash = ((three << 1) + (gear[word >>> 24] as number)) | 0
    if (one > threshold || two > threshold || three > threshold || hash > threshold) {
      return cutAt(4 * index + (one > threshold ? 1 : two > threshold ? 2 : three > threshold ? 3 : 4))
    }
  }
  for (at = Math.max(at, 4 * index); at < end; at++) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
    if (hash > threshold) return cutAt(at + 1)
  }
  scanned.hash = hash
  return scanned
}

function cutAt(at: number): typeof scanned {
  scanned.cut = at
  return scanned
}
