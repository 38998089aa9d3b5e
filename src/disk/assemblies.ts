// The large files of one batch that are put together from what is told and what is here: which of the batch's steps they
// are, where each is written, and how far it is. Whole files of some size are begun here too, so that a break leaves
// what came of them. Knows no plan and gives nothing a name: `take over` is the landing's.

import type { Recipe } from '../chunk/recipe.ts'
import { chunkedFromBytes, type Grain } from '../chunk/split.ts'
import type { RelPath } from '../core/path.ts'
import { sizeOf, statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { Assembly, type Next } from './assembly.ts'
import { type Basis, ChunkDonor, type DonorFile } from './donors.ts'
import { flagEntries, flagFirst, flagLast, type PackRecord } from './pack.ts'
import { partialName } from './partials.ts'
import type { Level, Portion, Range } from './portions.ts'
import { StagedFile } from './staged-file.ts'
import { errno, type Sys } from './sys.ts'

/** One step whose file is told, not sent. */
export type DeltaOrder = {
  readonly number: number
  readonly grain: Grain
  readonly path: RelPath
  /** The file that it replaces. */
  readonly old: Omit<DonorFile, 'recipe'> | undefined
  /** The old file is among those whose recipes are known. */
  readonly isKnown: boolean
}

/** What is done about large files: those that are told, and what they may be made of. */
export type LargeFiles = { readonly deltas: readonly DeltaOrder[]; readonly basis: Basis | undefined }

/** How far a file is. A complete one gives its handle and what was told of it. */
export type Progress =
  | Exclude<Next, { kind: 'whole' | 'complete' }>
  /** All of it is to come anew. `hasChanged`: the source told of two versions, which is no damage. */
  | { readonly kind: 'whole'; readonly hasChanged: boolean }
  | { readonly kind: 'complete'; readonly handle: number; readonly facts: PackRecord; readonly digest: Uint8Array }

/**
 * `facts` are those that the outline came with: its digest is what the whole is held against, so mode and time are of the same
 * version. What is told later may be of another one that agrees in the ranges that were asked for.
 */
type Open = {
  readonly assembly: Assembly
  readonly file: StagedFile
  readonly facts: PackRecord
  /** The source told of another version since. */
  hasChanged: boolean
  /** Something came since it was looked how far it is. */
  hasCome: boolean
}

const row = new Uint32Array(statWidth)

export class Assemblies {
  readonly #sys: Sys
  readonly #root: number
  readonly #partials: number
  readonly #orders = new Map<number, DeltaOrder>()
  readonly #basis: Basis | undefined
  readonly #open = new Map<number, Open>()
  readonly #asked = new Map<number, { readonly level: Level; readonly ranges: readonly Range[] }>()
  /** What files that were put together are made of. */
  readonly recipes: Recipe[] = []

  constructor(
    sys: Sys,
    handles: { readonly root: number; readonly partials?: number },
    orders: readonly DeltaOrder[] = [],
    basis?: Basis,
  ) {
    this.#sys = sys
    this.#root = handles.root
    this.#partials = handles.partials ?? -1
    this.#basis = basis
    for (const order of orders) this.#orders.set(order.number, order)
  }

  /** Whether the file of this step is told. */
  has(number: number): boolean {
    return this.#orders.has(number)
  }

  /** The steps whose files are under way. */
  get underWay(): Iterable<number> {
    return this.#open.keys()
  }

  /** Whether a further portion of this file is asked for: it goes on. */
  isAsking(number: number): boolean {
    return this.#asked.has(number)
  }

  /** Takes a record of a step that is told; zero or a negative errno. EPROTO where nothing of the kind was asked for. */
  take(number: number, record: PackRecord, pack: Uint8Array): number {
    const isFirst = (record.flags & flagFirst) !== 0
    const isOutline = isFirst && !this.#asked.has(number)
    if (isOutline) {
      this.drop(number)
      const code = this.#begin(this.#orders.get(number) as DeltaOrder, record)
      if (code < 0) return code
    }
    const open = this.#open.get(number)
    if (open === undefined) return -errno.EPROTO
    open.hasCome = true
    if (!isOfOneVersion(record, open.facts)) open.hasChanged = true
    const isEntries = (record.flags & flagEntries) !== 0
    const content = pack.subarray(record.contentStart, record.contentEnd)
    const code = open.assembly.take(content, isEntries, record.sizeBytes)
    if (code === 0 && (record.flags & flagLast) !== 0) {
      open.assembly.end(pack.subarray(record.digestStart, record.digestStart + 32))
    }
    return code
  }

  #begin(order: DeltaOrder, record: PackRecord): number {
    const sys = this.#sys
    const name = utf8(partialName(order.path))
    let handle = sys.reopenFile(this.#partials, name)
    let kept = 0
    if (handle >= 0) {
      if (sys.statHandle(handle, row, 0) === 0) kept = sizeOf(row, 0)
      else {
        // How much of it is there can't be told: it is begun anew.
        sys.close(handle)
        handle = -1
      }
    }
    if (handle < 0) {
      const made = this.create(order.path)
      if (made < 0) return made
      // What was made is only for writing.
      sys.close(made)
      handle = sys.reopenFile(this.#partials, name)
      if (handle < 0) return handle
    }
    const { grain, old, isKnown } = order
    const file = new StagedFile(sys, handle, kept)
    const assembly = new Assembly(sys, grain, file, {
      known: this.#basis?.at(grain),
      old: old === undefined ? undefined : { donor: ChunkDonor.of(sys, this.#root, old), isKnown },
    })
    this.#open.set(order.number, { assembly, file, facts: { ...record }, hasChanged: false, hasCome: false })
    return 0
  }

  /** Whether a file of this size is worth being gone on with after a break. */
  keeps(sizeBytes: number): boolean {
    return this.#partials >= 0 && sizeBytes >= chunkedFromBytes
  }

  /** Makes a file that is to come whole, in place of what is there of it: a handle to write, or a negative errno. */
  create(path: RelPath): number {
    const name = utf8(partialName(path))
    const handle = this.#sys.createFile(this.#partials, name, 0o600)
    if (handle !== -errno.EEXIST) return handle
    this.#sys.unlink(this.#partials, name)
    return this.#sys.createFile(this.#partials, name, 0o600)
  }

  /** Gives a whole file the name that it has while it waits to be landed. Zero or a negative errno. */
  moveOut(path: RelPath, directory: number, name: Uint8Array): number {
    return this.#sys.renameNoReplace(this.#partials, utf8(partialName(path)), directory, name)
  }

  /** Removes what there is of a file. */
  discard(path: RelPath): void {
    if (this.#partials >= 0) this.#sys.unlink(this.#partials, utf8(partialName(path)))
  }

  /** How far a file is, after all that can be done for it here. */
  next(number: number): Progress {
    const open = this.#open.get(number) as Open
    const asked = this.#asked.get(number)
    // Asked twice in a round, and what was asked for is on its way.
    if (asked !== undefined && !open.hasCome) return { kind: 'portion', ...asked }
    open.hasCome = false
    const { assembly, file, facts, hasChanged } = open
    const next = assembly.next()
    this.#asked.delete(number)
    if (next.kind === 'portion') {
      this.#asked.set(number, next)
      return next
    }
    const { recipe } = assembly
    if (next.kind === 'failed') {
      this.drop(number)
      return next
    }
    if (next.kind === 'whole' || recipe === undefined) {
      this.drop(number)
      this.#orders.delete(number)
      return { kind: 'whole', hasChanged }
    }
    if (assembly.isProven()) this.recipes.push(recipe)
    assembly.close(true)
    this.#open.delete(number)
    return { kind: 'complete', facts, handle: file.handle, digest: recipe.digest }
  }

  /** What is asked for of these steps, which are the wants of the next round in this order. */
  portionsOf(numbers: readonly number[]): Portion[] {
    return numbers.flatMap((number, want) => {
      const order = this.#orders.get(number)
      if (order === undefined) return []
      const { level, ranges } = this.#asked.get(number) ?? { level: 'outline', ranges: [] }
      return [{ want, level, grain: order.grain, ranges }]
    })
  }

  /** Lets go of a file that is under way; what there is of it stays where it is. */
  drop(number: number): void {
    this.#asked.delete(number)
    const open = this.#open.get(number)
    this.#open.delete(number)
    open?.assembly.close()
  }

  close(): void {
    for (const number of [...this.#open.keys()]) this.drop(number)
  }
}

function isOfOneVersion(a: PackRecord, b: PackRecord): boolean {
  return a.mtimeSeconds === b.mtimeSeconds && a.mtimeNs === b.mtimeNs && a.sizeBytes === b.sizeBytes
}
