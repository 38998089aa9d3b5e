// Which large files of a run are told instead of sent whole, and what of the target they may be made of: the file that is
// replaced, what a break left of this one, and every file whose recipe is known. The target asks; it says how finely, since
// only it knows how finely its recipes are cut. A file that nothing here could be like comes whole, and is not cut.

import { decodeRecipe } from '../chunk/recipe.ts'
import { type Grain, grainFor } from '../chunk/split.ts'
import { joinDigests } from '../core/digests.ts'
import { sizeOf } from '../core/stat.ts'
import type { DeltaOrder } from '../disk/assemblies.ts'
import type { DonorFile } from '../disk/donors.ts'
import { type LargeWant, pathOfLarge } from '../disk/large.ts'
import { partialName } from '../disk/partials.ts'
import { encodePortions } from '../disk/portions.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import { knownRecipes, loadRecipes, saveRecipes, touchRecipes } from '../state/recipes.ts'
import { hex, utf8 } from '../std/bytes.ts'
import type { Seat } from '../std/crew.ts'
import { nextSeatId, type Workshop } from './local.ts'

/** So much of recipes a run works with at most; the last used first. */
const basisBytesMax = 16 * 1024 * 1024

/** How the large wants of a batch come. */
export type Prepared = {
  readonly deltas: readonly DeltaOrder[]
  /** The known files, by the number under which the seat knows them. */
  readonly basis: number
  /** For the source, as `encodePortions`. */
  readonly portions: Uint8Array
}

export class Deltas {
  readonly #workshop: Workshop
  readonly #treeSeat: Seat<DiskTasks>
  readonly #tree: number
  readonly #root: number
  readonly #basis: number = nextSeatId()
  #files: Promise<readonly DonorFile[]> | undefined
  readonly #told = new Map<Seat<DiskTasks>, Promise<void>>()
  /** The grains of the recipe of each known content, by digest. */
  readonly #grains = new Map<string, Grain>()
  /** What a break left, by the names of `partialName`. */
  readonly #partials: ReadonlySet<string>
  /** Those that this run goes on with. */
  readonly inUse: Set<string> = new Set()

  constructor(
    workshop: Workshop,
    treeSeat: Seat<DiskTasks>,
    { tree, root, partials }: { tree: number; root: number; partials: Iterable<string> },
  ) {
    this.#workshop = workshop
    this.#treeSeat = treeSeat
    this.#tree = tree
    this.#root = root
    this.#partials = new Set(partials)
  }

  /** Decides how large wants come, and makes the seat that writes them ready for it; one that works until the end is closed. */
  async prepare(seat: Seat<DiskTasks>, large: readonly LargeWant[]): Promise<Prepared> {
    if (large.length === 0) return { deltas: [], basis: 0, portions: new Uint8Array(0) }
    this.#files ??= this.#load()
    const files = await this.#files
    const ordered = large.flatMap((want) => {
      const order = this.#orderFor(want)
      return order === undefined ? [] : [{ want, order }]
    })
    if (ordered.length > 0) await this.#tell(seat, files)
    const used = ordered.flatMap(({ want: { old }, order }) => {
      return old?.digest !== undefined && order.isKnown ? [old.digest] : []
    })
    if (used.length > 0) touchRecipes(this.#workshop.state, used)
    const portions = ordered.map(({ want, order }) => {
      return { want: want.want, level: 'outline', grain: order.grain, ranges: [] } as const
    })
    return { deltas: ordered.map(({ order }) => order), basis: this.#basis, portions: encodePortions(portions) }
  }

  #orderFor(want: LargeWant): DeltaOrder | undefined {
    const { number, old, sizeBytes, directory, name } = want
    const path = pathOfLarge(want)
    const left = partialName(path)
    this.inUse.add(left)
    const known = old?.digest === undefined ? undefined : this.#grains.get(hex(old.digest))
    const grain = known ?? grainFor(Math.max(sizeBytes, old === undefined ? 0 : sizeOf(old.stats, 0)))
    const isKnown = known !== undefined
    if (old !== undefined) {
      return { number, path, grain, old: { directory, name: utf8(name), stats: old.stats }, isKnown }
    }
    const mayBeHere = this.#partials.has(left) || [...this.#grains.values()].includes(grain)
    return mayBeHere ? { number, path, grain, old: undefined, isKnown } : undefined
  }

  /** The files of the tree whose recipes are known. */
  async #load(): Promise<readonly DonorFile[]> {
    const { state } = this.#workshop
    let total = 0
    const known = knownRecipes(state).filter(({ bodyBytes }) => {
      total += bodyBytes
      return total <= basisBytesMax
    })
    if (known.length === 0) return []
    const digests = joinDigests(known.map(({ digest }) => digest))
    const places = await this.#treeSeat.run('placesOf', { tree: this.#tree, digests })
    const files: DonorFile[] = []
    for (const { content, ...place } of places) {
      const digest = known[content]?.digest ?? new Uint8Array(0)
      for (const body of loadRecipes(state, digest)) {
        const recipe = new Uint8Array(new SharedArrayBuffer(body.length))
        recipe.set(body)
        files.push({ ...place, recipe })
        this.#grains.set(hex(digest), decodeRecipe(body)?.grain ?? 0)
      }
    }
    return files
  }

  #tell(seat: Seat<DiskTasks>, files: readonly DonorFile[]): Promise<void> {
    let told = this.#told.get(seat)
    if (told === undefined) {
      told = seat.run('useBasis', { basis: this.#basis, root: this.#root, files })
      this.#told.set(seat, told)
    }
    return told
  }

  /** Keeps what files were found to be made of. */
  keep(recipes: readonly Uint8Array[]): void {
    if (recipes.length > 0) saveRecipes(this.#workshop.state, recipes)
  }

  /** Lets the seats forget; for closing. Resolves when they have: a thread must not be ended in the middle of a task. */
  async close(): Promise<void> {
    const seats = [...this.#told.keys()]
    await Promise.allSettled(seats.map((seat) => seat.run('dropBasis', { basis: this.#basis })))
  }
}
