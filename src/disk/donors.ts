// Files of the target that large contents are put together from. A donor whose signature moved gives nothing. What one
// gives is never believed: whoever takes it verifies the whole.

import { IdMap } from '../chunk/id-map.ts'
import { decodeRecipe, idWords, type Recipe } from '../chunk/recipe.ts'
import type { Grain } from '../chunk/split.ts'
import type { RelPath } from '../core/path.ts'
import { sameSignature, sizeOf, statMode, statWidth, typeFile, typeMask } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import type { Sys } from './sys.ts'

/** A file of the target, and what it is made of where that is known. */
export type DonorFile = {
  readonly directory: RelPath
  readonly name: Uint8Array
  readonly stats: Uint32Array
  /** As it is kept; empty where it is not known. */
  readonly recipe: Uint8Array
}

const row = new Uint32Array(statWidth)

/** A file of a user that content is taken from. */
export class ChunkDonor {
  readonly sizeBytes: number
  readonly #sys: Sys
  readonly #open: () => number
  readonly #stats: Uint32Array
  #isLookedAt = false
  /** It turned out to be of no use. */
  isGone = false
  /** Its extents can be shared; tried once. */
  clones = true

  /** `open` gives a handle of its own each time, to what must still be the file with this signature. */
  constructor(sys: Sys, open: () => number, stats: Uint32Array) {
    this.#sys = sys
    this.#open = open
    this.#stats = stats
    this.sizeBytes = sizeOf(stats, 0)
  }

  static of(sys: Sys, root: number, file: Pick<DonorFile, 'directory' | 'name' | 'stats'>): ChunkDonor {
    const open = (): number => {
      const directory = sys.openDirectory(root, utf8(file.directory))
      if (directory < 0) return directory
      const handle = sys.openFile(directory, file.name)
      sys.close(directory)
      return handle
    }
    return new ChunkDonor(sys, open, file.stats)
  }

  /** A handle to read from, which the caller closes; negative where the file is not there or is another by now. */
  open(): number {
    const handle = this.isGone ? -1 : this.#open()
    if (handle >= 0 && this.#isSame(handle)) return handle
    if (handle >= 0) this.#sys.close(handle)
    this.isGone = true
    return -1
  }

  /** Whether it is what it was; looked at once, before anything is taken from it. */
  get isThere(): boolean {
    const handle = this.#isLookedAt ? -1 : this.open()
    if (handle >= 0) this.#sys.close(handle)
    this.#isLookedAt = true
    return !this.isGone
  }

  #isSame(handle: number): boolean {
    if (this.#sys.statHandle(handle, row, 0) !== 0 || ((row[statMode] as number) & typeMask) !== typeFile) return false
    return sameSignature(row, 0, this.#stats, 0)
  }
}

/** Where something lies. */
export type Found = { readonly donor: ChunkDonor; readonly at: number }

/** Places of chunks, by id: the first that was told of each. */
export class ChunkIndex {
  readonly #ids = new IdMap()
  readonly #donors: ChunkDonor[] = []
  readonly #numbers = new Map<ChunkDonor, number>()
  #owners = new Uint32Array(64)
  #places = new Float64Array(64)
  #lengths = new Uint32Array(64)

  /** Adds chunks that lie one behind the other in a donor, the first at `at`. */
  add(donor: ChunkDonor, at: number, { lengths, ids }: Pick<Recipe, 'lengths' | 'ids'>): void {
    let number = this.#numbers.get(donor)
    if (number === undefined) {
      number = this.#donors.push(donor) - 1
      this.#numbers.set(donor, number)
    }
    let place = at
    for (let chunk = 0; chunk < lengths.length; chunk++) {
      const entry = this.#ids.size
      if (entry === this.#places.length) this.#grow()
      if (this.#ids.put(ids, chunk * idWords, entry)) {
        this.#owners[entry] = number
        this.#places[entry] = place
        this.#lengths[entry] = lengths[chunk] as number
      }
      place += lengths[chunk] as number
    }
  }

  #grow(): void {
    const room = 2 * this.#places.length
    const [owners, places, lengths] = [new Uint32Array(room), new Float64Array(room), new Uint32Array(room)]
    owners.set(this.#owners)
    places.set(this.#places)
    lengths.set(this.#lengths)
    this.#owners = owners
    this.#places = places
    this.#lengths = lengths
  }

  /** Where a chunk of this id and length lies, in a donor that is still there. `at` counts words. */
  find(ids: Uint32Array, at: number, length: number): Found | undefined {
    const entry = this.#ids.get(ids, at)
    if (entry < 0 || this.#lengths[entry] !== length) return undefined
    const donor = this.#donors[this.#owners[entry] as number] as ChunkDonor
    return donor.isThere ? { donor, at: this.#places[entry] as number } : undefined
  }
}

/** Files of a tree whose recipes are known, as an index a grain. Of one thread. */
export class Basis {
  readonly #indexes = new Map<Grain, ChunkIndex>()
  readonly #donors: { readonly donor: ChunkDonor; readonly recipe: Uint8Array }[]

  constructor(sys: Sys, root: number, files: readonly DonorFile[]) {
    this.#donors = files.map((file) => ({ donor: ChunkDonor.of(sys, root, file), recipe: file.recipe }))
  }

  at(grain: Grain): ChunkIndex {
    let index = this.#indexes.get(grain)
    if (index === undefined) {
      index = new ChunkIndex()
      for (const { donor, recipe: bytes } of this.#donors) {
        const recipe = decodeRecipe(bytes)
        if (recipe?.grain === grain) index.add(donor, 0, recipe)
      }
      this.#indexes.set(grain, index)
    }
    return index
  }
}
