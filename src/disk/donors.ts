// Files of the target that large contents are put together from: by what they are made of, as it was known when a
// signature was taken or as it is found by reading. A donor whose signature moved gives nothing. What one gives is never
// believed: whoever takes it verifies the whole.

import { IdMap } from '../chunk/id-map.ts'
import { decodeRecipe, idWords, type Outline, outlineOf, type Recipe } from '../chunk/recipe.ts'
import type { Grain } from '../chunk/split.ts'
import type { RelPath } from '../core/path.ts'
import { sameSignature, sizeOf, statMode, statWidth, typeFile, typeMask } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { RecipeReader } from './portion-reader.ts'
import type { Sys } from './sys.ts'

/** A file of the target, and what it is made of where that is known. */
export type DonorFile = {
  readonly directory: RelPath
  readonly name: Uint8Array
  readonly stats: Uint32Array
  /** As it is kept; empty where it has to be read. */
  readonly recipe: Uint8Array
}

/** A content that chunks are taken from: a user's file, or one of ours that a break left unfinished. */
export class ChunkDonor {
  readonly #sys: Sys
  readonly #open: () => number
  readonly #stats: Uint32Array | undefined
  #recipe: Recipe | undefined
  #outline: Outline | undefined
  #isLookedAt = false
  /** It turned out to be of no use. */
  isGone = false
  /** Its recipe was found by reading it, under a signature that stood still. */
  isFresh = false
  /** Its extents can be shared; tried once. */
  clones = true

  /** `open` gives a handle of its own each time; with `stats` the file must still be that one. */
  constructor(sys: Sys, open: () => number, stats: Uint32Array | undefined, recipe: Recipe | undefined) {
    this.#sys = sys
    this.#open = open
    this.#stats = stats
    this.#recipe = recipe
  }

  static of(sys: Sys, root: number, file: DonorFile): ChunkDonor {
    const open = (): number => {
      const directory = sys.openDirectory(root, utf8(file.directory))
      if (directory < 0) return directory
      const handle = sys.openFile(directory, file.name)
      sys.close(directory)
      return handle
    }
    return new ChunkDonor(sys, open, file.stats, file.recipe.length === 0 ? undefined : decodeRecipe(file.recipe))
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
    if (this.#stats === undefined) return true
    return this.#sys.statHandle(handle, row, 0) === 0 && sameSignature(row, 0, this.#stats, 0)
  }

  /** What it is made of at this grain, read where it is not known; undefined where that is not to be had. */
  recipe(grain: Grain): Recipe | undefined {
    if (this.#recipe === undefined && !this.isGone) this.#recipe = this.#read(grain)
    return this.#recipe?.grain === grain ? this.#recipe : undefined
  }

  outline(grain: Grain): Outline | undefined {
    const recipe = this.recipe(grain)
    if (recipe !== undefined) this.#outline ??= outlineOf(recipe)
    return recipe === undefined ? undefined : this.#outline
  }

  #read(grain: Grain): Recipe | undefined {
    const handle = this.open()
    if (handle < 0) return undefined
    try {
      const isFile = this.#sys.statHandle(handle, row, 0) === 0 && ((row[statMode] as number) & typeMask) === typeFile
      const reader = new RecipeReader(this.#sys, handle, isFile ? sizeOf(row, 0) : 0, grain)
      if (!isFile || !reader.read(Number.POSITIVE_INFINITY)) {
        reader.close()
        this.isGone = true
        return undefined
      }
      this.isFresh = this.#stats !== undefined && this.#isSame(handle)
      return reader.recipe
    } finally {
      this.#sys.close(handle)
    }
  }
}

const row = new Uint32Array(statWidth)

/** Where a part or a chunk lies. */
export type Found = { readonly donor: ChunkDonor; readonly index: number; readonly at: number }

/** Several donors of one grain, by their parts. */
export class DonorSet {
  readonly donors: ChunkDonor[] = []
  readonly #grain: Grain
  #parts: IdMap | undefined
  readonly #places: { donor: ChunkDonor; index: number; at: number }[] = []

  constructor(grain: Grain) {
    this.#grain = grain
  }

  add(donor: ChunkDonor): void {
    this.donors.push(donor)
    this.#parts = undefined
  }

  /** A donor that has this part. */
  findPart(id: Uint32Array): Found | undefined {
    this.#parts ??= this.#index()
    const number = this.#parts.get(id, 0)
    const found = number < 0 ? undefined : this.#places[number]
    return found?.donor.isThere === true ? found : undefined
  }

  #index(): IdMap {
    const parts = new IdMap()
    this.#places.length = 0
    for (const donor of this.donors) {
      const outline = donor.outline(this.#grain)
      if (outline === undefined) continue
      let at = 0
      for (let index = 0; index < outline.lengths.length; index++) {
        if (parts.put(outline.ids, index * idWords, this.#places.length)) this.#places.push({ donor, index, at })
        at += outline.lengths[index] as number
      }
    }
    return parts
  }

  /** Calls `found` for each chunk of the donors that `wanted` knows, until it says that this is enough. */
  findChunks(wanted: IdMap, found: (value: number, donor: ChunkDonor, at: number) => boolean): void {
    for (const donor of this.donors) {
      const recipe = donor.isGone ? undefined : donor.recipe(this.#grain)
      if (recipe === undefined) continue
      let at = 0
      for (let chunk = 0; chunk < recipe.lengths.length; chunk++) {
        const value = wanted.get(recipe.ids, chunk * idWords)
        if (value >= 0 && donor.isThere && !found(value, donor, at)) return
        at += recipe.lengths[chunk] as number
      }
    }
  }
}
