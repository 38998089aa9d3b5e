// What large files were found to be made of, while a run is about them: so that one that is hashed, told and told again is cut
// once. By signature, so nothing of it outlives a change. Of one thread; bounded.

import type { Recipe } from '../chunk/recipe.ts'
import { type Grain, grainFor } from '../chunk/split.ts'
import type { RelPath } from '../core/path.ts'
import { sameSignature, sizeOf, statWidth } from '../core/stat.ts'
import { hex } from '../std/bytes.ts'
import type { IsStopped } from '../std/stop.ts'
import { RecipeReader, scannedBytes } from './portion-reader.ts'
import { isRacy } from './racy.ts'
import type { Sys } from './sys.ts'

/** Recipes of files that are on their way, by name. Of one thread; bounded. */
export class RecipesAtHand {
  readonly #bytesMax: number
  readonly #known = new Map<string, { stats: Uint32Array; recipe: Recipe }>()
  #bytes = 0

  constructor(bytesMax: number = 64 * 1024 * 1024) {
    this.#bytesMax = bytesMax
  }

  get(key: string, stats: Uint32Array, grain: Grain): Recipe | undefined {
    const found = this.#known.get(key)
    return found !== undefined && found.recipe.grain === grain && sameSignature(found.stats, 0, stats, 0)
      ? found.recipe
      : undefined
  }

  put(key: string, stats: Uint32Array, recipe: Recipe): void {
    this.#drop(key)
    this.#known.set(key, { stats, recipe })
    this.#bytes += recipe.ids.byteLength
    for (const oldest of this.#known.keys()) {
      if (this.#bytes <= this.#bytesMax || oldest === key) break
      this.#drop(oldest)
    }
  }

  /** Forgets all whose names begin so. */
  forget(prefix: string): void {
    for (const key of [...this.#known.keys()]) if (key.startsWith(prefix)) this.#drop(key)
  }

  #drop(key: string): void {
    this.#bytes -= this.#known.get(key)?.recipe.ids.byteLength ?? 0
    this.#known.delete(key)
  }
}

/** Those of this thread. */
export const recipesAtHand: RecipesAtHand = new RecipesAtHand()

/** The name of a file of this source's tree, among all that may be at hand. */
export function keyAtHand(scope: string | number, directory: RelPath, name: Uint8Array): string {
  return `${scope}\0${directory}\0${hex(name)}`
}

/**
 * The digest of a large file, whose recipe is at hand from then on, unless its signature proves nothing yet: whoever asks for it is about to ask what the file is
 * made of. Undefined as with `digestFile`.
 */
export function digestAtHand(
  sys: Sys,
  place: { readonly directory: number; readonly name: Uint8Array; readonly sizeBytes: number },
  nowMs: () => number,
  isStopped: IsStopped,
  keep: (stats: Uint32Array, recipe: Recipe) => void,
): Uint8Array | undefined {
  const { sizeBytes } = place
  const handle = sys.openFile(place.directory, place.name)
  if (handle < 0) return undefined
  const reader = new RecipeReader(sys, handle, sizeBytes, grainFor(sizeBytes))
  try {
    const [before, after] = [new Uint32Array(statWidth), new Uint32Array(statWidth)]
    if (sys.statHandle(handle, before, 0) < 0 || sizeOf(before, 0) !== sizeBytes) return undefined
    // What is written next may look the same: it would be told as what was read.
    const isProven = !isRacy(before, 0, nowMs())
    while (reader.recipe === undefined) if (isStopped() || !reader.read(scannedBytes)) return undefined
    const { recipe } = reader
    if (sys.statHandle(handle, after, 0) < 0 || sizeOf(after, 0) !== sizeBytes) return undefined
    if (isProven && sameSignature(before, 0, after, 0)) keep(before, recipe)
    return recipe.digest
  } finally {
    reader.close()
    sys.close(handle)
  }
}
