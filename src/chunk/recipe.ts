// A recipe: a content as its chunks, each a length and an id. An id is the first 16 bytes of the chunk's BLAKE3: enough
// that no two contents meet by chance, and never the last word (the digest of the whole is). Recipes are kept in our own
// database, which has no checksums: `decodeRecipe` believes nothing.

import { digestBytes } from '../core/page.ts'
import { concatBytes, equalBytes } from '../std/bytes.ts'
import { digestOf, domainDigest } from './digest.ts'
import { type Cuttable, type Grain, grainFor, isGrain, Splitter } from './split.ts'

/** An id in words. */
export const idWords = 4
export const idBytes = 16

const version = 2
/** u32: version, grain, count, 0; f64 size; the content's digest. */
const headBytes = 16 + 8 + digestBytes

export type Recipe = {
  readonly grain: Grain
  readonly sizeBytes: number
  /** Of the whole content. */
  readonly digest: Uint8Array
  /** Of each chunk. */
  readonly lengths: Uint32Array
  /** Four words a chunk. */
  readonly ids: Uint32Array
}

/** Chunks as they are found, side by side. */
export class IdList {
  #lengths = new Uint32Array(256)
  #ids = new Uint32Array(256 * idWords)
  count = 0
  sizeBytes = 0

  add(length: number, ids: Uint32Array, at: number): void {
    if (this.count === this.#lengths.length) this.#grow()
    this.#lengths[this.count] = length
    for (let word = 0; word < idWords; word++) this.#ids[this.count * idWords + word] = ids[at + word] as number
    this.count++
    this.sizeBytes += length
  }

  #grow(): void {
    const lengths = new Uint32Array(2 * this.#lengths.length)
    lengths.set(this.#lengths)
    this.#lengths = lengths
    const ids = new Uint32Array(2 * this.#ids.length)
    ids.set(this.#ids)
    this.#ids = ids
  }

  /** Views of what was added. */
  get lengths(): Uint32Array {
    return this.#lengths.subarray(0, this.count)
  }

  get ids(): Uint32Array {
    return this.#ids.subarray(0, this.count * idWords)
  }
}

const idScratch = new Uint32Array(digestBytes / 4)
const idScratchBytes = new Uint8Array(idScratch.buffer)

/** The id of a chunk's content, in words that the next call overwrites. */
export function chunkId(content: Uint8Array): Uint32Array {
  idScratchBytes.set(digestOf(content))
  return idScratch
}

/** Adds the chunks of `memory[start, end)`; where the content goes on, only those that are sure to be whole. Where it stopped. */
export function addChunks(
  list: IdList,
  splitter: Splitter,
  memory: Cuttable,
  start: number,
  end: number,
  isLast: boolean,
): number {
  let at = start
  while (isLast ? at < end : end - at >= splitter.longest) {
    const cut = splitter.cut(memory, at, end)
    list.add(cut - at, chunkId(memory.bytes.subarray(at, cut)), 0)
    at = cut
  }
  return at
}

/** A recipe of content that lies in memory. */
export function recipeOf(memory: Cuttable, sizeBytes: number, grain: Grain = grainFor(sizeBytes)): Recipe {
  const list = new IdList()
  addChunks(list, new Splitter(grain), memory, 0, sizeBytes, true)
  const digest = digestOf(memory.bytes.subarray(0, sizeBytes))
  return { grain, sizeBytes, digest, lengths: list.lengths, ids: list.ids }
}

/** As it is kept, with a digest of its own at the end. */
export function encodeRecipe({ grain, sizeBytes, digest, lengths, ids }: Recipe): Uint8Array {
  const head = new Uint8Array(headBytes)
  new Uint32Array(head.buffer, 0, 4).set([version, grain, lengths.length, 0])
  new Float64Array(head.buffer, 16, 1)[0] = sizeBytes
  head.set(digest, 24)
  const body = concatBytes([head, bytesOf(lengths), bytesOf(ids)])
  return concatBytes([body, domainDigest('recipe 1', body)])
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
}

/** A recipe that was kept, as views of `bytes`; undefined where it is not, to the last bit, what was kept. */
export function decodeRecipe(bytes: Uint8Array): Recipe | undefined {
  const end = bytes.length - digestBytes
  if (end < headBytes) return undefined
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const { buffer, byteOffset } = aligned
  const [found, grain = 0, count = 0] = new Uint32Array(buffer, byteOffset, 4)
  if (found !== version || !isGrain(grain) || headBytes + count * (4 + idBytes) !== end) return undefined
  if (!equalBytes(domainDigest('recipe 1', aligned.subarray(0, end)), aligned.subarray(end))) return undefined
  const sizeBytes = new Float64Array(buffer, byteOffset + 16, 1)[0] as number
  const lengths = new Uint32Array(buffer, byteOffset + headBytes, count)
  const ids = new Uint32Array(buffer, byteOffset + headBytes + 4 * count, count * idWords)
  const digest = aligned.subarray(24, 24 + digestBytes)
  let sum = 0
  for (const length of lengths) sum += length
  return sum === sizeBytes ? { grain, sizeBytes, digest, lengths, ids } : undefined
}
