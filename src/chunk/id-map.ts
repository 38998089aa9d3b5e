// Finds ids: each stands for a number, the first that was put under it. Flat, because there may be a million of them.

import { idWords } from './recipe.ts'

export class IdMap {
  #slots: Int32Array
  #ids: Uint32Array
  #values: Int32Array
  #count = 0

  /** For about so many. */
  constructor(expected = 64) {
    const room = 2 ** Math.ceil(Math.log2(Math.max(16, expected * 2)))
    this.#slots = new Int32Array(room).fill(-1)
    this.#ids = new Uint32Array((room / 2) * idWords)
    this.#values = new Int32Array(room / 2)
  }

  get size(): number {
    return this.#count
  }

  /** The number of the id at `at` in `ids`, or -1. */
  get(ids: Uint32Array, at: number): number {
    const entry = this.#slots[this.#find(ids, at)] as number
    return entry < 0 ? -1 : (this.#values[entry] as number)
  }

  /** Puts a number under an id that has none. False where it has one already. */
  put(ids: Uint32Array, at: number, value: number): boolean {
    if (this.#count === this.#values.length) this.#grow()
    const slot = this.#find(ids, at)
    if ((this.#slots[slot] as number) >= 0) return false
    const entry = this.#count++
    this.#slots[slot] = entry
    this.#values[entry] = value
    for (let word = 0; word < idWords; word++) this.#ids[entry * idWords + word] = ids[at + word] as number
    return true
  }

  /** The slot that holds the id, or where it would go. */
  #find(ids: Uint32Array, at: number): number {
    const mask = this.#slots.length - 1
    // Ids are digests: any of their bits spread well, but those of the first word delimit parts.
    for (let slot = (ids[at + 1] as number) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number
      if (entry < 0 || this.#isAt(entry, ids, at)) return slot
    }
  }

  #isAt(entry: number, ids: Uint32Array, at: number): boolean {
    const start = entry * idWords
    for (let word = 0; word < idWords; word++) if (this.#ids[start + word] !== ids[at + word]) return false
    return true
  }

  #grow(): void {
    const bigger = new IdMap(2 * this.#values.length)
    for (let entry = 0; entry < this.#count; entry++) {
      bigger.put(this.#ids, entry * idWords, this.#values[entry] as number)
    }
    this.#slots = bigger.#slots
    this.#ids = bigger.#ids
    this.#values = bigger.#values
  }
}

/** Whether the ids with these numbers are one, as far as so many words tell. */
export function sameId(
  a: Uint32Array,
  indexA: number,
  b: Uint32Array,
  indexB: number,
  words: number = idWords,
): boolean {
  for (let word = 0; word < words; word++) {
    if (a[indexA * idWords + word] !== b[indexB * idWords + word]) return false
  }
  return true
}
