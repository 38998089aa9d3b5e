// What the threads of a crew do for batches: reading what is wanted, writing what comes, giving it names; part of the
// table in tasks.ts. A batch of wants or of landing lives in the seat that it was given, and its buffers are shared.

import { encodeRecipe } from '../chunk/recipe.ts'
import { expand, squeeze } from '../chunk/squeeze.ts'
import { joinSets } from '../core/extended.ts'
import type { RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { encodeShelf } from '../core/shelf.ts'
import { present } from '../std/assert.ts'
import { utf8 } from '../std/bytes.ts'
import { blockMs, systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { stopOf } from '../std/stop.ts'
import { Apply } from './apply.ts'
import type { DeltaOrder } from './assemblies.ts'
import { readExtended } from './attributes.ts'
import { basisOf } from './delta-tasks.ts'
import { encodeDisplaced } from './displaced.ts'
import { toldOf } from './holdings.ts'
import { intentsOf, lookBackAt } from './intents.ts'
import { encodeDisplacements } from './journal.ts'
import type { LandCounts } from './landed.ts'
import { Landing, type TargetHandles } from './landing.ts'
import { type LogLine, logLines } from './log-lines.ts'
import { slabBytes } from './pack.ts'
import { decodePortions, encodePortions } from './portions.ts'
import { racyMs } from './racy.ts'
import { recipesAtHand as atHand } from './recipes-at-hand.ts'
import { sysWithRoom, volumeAt } from './room.ts'
import type { Arrived } from './sames.ts'
import { SentContents } from './sent-contents.ts'
import type { LandingOrder } from './staged.ts'
import { sysUntilStopped } from './stoppable.ts'
import { Supply } from './supply.ts'
import type { Sys } from './sys.ts'
import { systemSys } from './system.ts'
import { decodeWants, encodeWants } from './wants.ts'
import { starvedBy, unwritten, type Written } from './written.ts'

const sys = systemSys()
const nowMs = systemClock.nowMs

type OpenLanding = {
  readonly landing: Landing
  readonly handles: TargetHandles
  /** What its content is written with. */
  readonly writing: Sys
  apply: Apply | undefined
}

const supplies = new Map<number, Supply>()
const landings = new Map<number, OpenLanding>()
const slabs = new Map<number, Uint8Array>()

function slabOf(id: number): Uint8Array {
  return present(slabs.get(id), 'a slab was made known to its seat')
}

function landingOf(id: number): OpenLanding {
  return present(landings.get(id), 'a landing is open in its seat')
}

/** The same for what a peer sends: it may send on before it hears that its batch could not be opened. */
function landingFor(id: number): OpenLanding {
  const open = landings.get(id)
  if (open === undefined) throw new Failure('unsolicited', 'content came for a batch that was refused')
  return open
}

export type LandReport = {
  readonly counts: LandCounts
  readonly problems: readonly Problem[]
  readonly touched: readonly RelPath[]
  readonly removed: readonly RelPath[]
  /** What lies aside until the run ends, as `encodeDisplaced`. */
  readonly displaced: Uint8Array
  readonly copied: number
  readonly moved: number
  readonly contentBytes: number
  readonly learned: Uint8Array
  /** Of large files, as `encodeRecipe`: what they were found to be made of. */
  readonly recipes: readonly Uint8Array[]
  /** Directories that landed whole, as a shelf. */
  readonly built: Uint8Array | undefined
  /** Inodes of several names of which one was displaced: their ctime moved. */
  readonly shared: readonly string[]
  /** What landed, a directory each, for the log. */
  readonly done: readonly LogLine[]
}

export const batchTasks = {
  /**
   * `tree` is that of the source: what is at hand of its files is no other source's. `sent` knows what was sent in the run,
   * and is missing where all has to come that is wanted.
   */
  openSupply(input: {
    supply: number
    tree: number
    root: number
    wants: Uint8Array
    portions: Uint8Array
    sent: SharedArrayBuffer | undefined
  }): void {
    const sent = input.sent === undefined ? undefined : new SentContents(input.sent)
    const portions = { list: decodePortions(input.portions), atHand, scope: String(input.tree), sent }
    supplies.set(input.supply, new Supply(sys, input.root, decodeWants(input.wants), nowMs, portions))
  },

  /** Makes a buffer known to this seat under a number, so that packs are passed by number. */
  useSlab(input: { slab: number; memory: SharedArrayBuffer }): void {
    slabs.set(input.slab, new Uint8Array(input.memory))
  },

  /**
   * Fills a buffer with at most `bytes` from `start`, and squeezes it at `level`, if that is not zero: `word` tells how.
   * With the last one comes what was learned.
   */
  fill(input: { supply: number; slab: number; start: number; bytes: number; level: number }): {
    length: number
    word: number
    rawLength: number
    /** What trying to squeeze it took. */
    squeezeMs: number | undefined
    done: boolean
    /** Whoever calls again should let the supplies that began before end first. */
    waits: boolean
    learned: Uint8Array | undefined
    contentBytes: number
  } {
    const supply = present(supplies.get(input.supply), 'a supply is open in its seat')
    const slab = slabOf(input.slab).subarray(input.start, input.start + input.bytes)
    const { length: rawLength, done } = supply.fill(slab)
    if (done) supplies.delete(input.supply)
    const learned = done ? supply.learned.take() : undefined
    const filled = { done, waits: supply.waits, learned, contentBytes: supply.contentBytes, rawLength }
    if (input.level === 0 || rawLength === 0) return { ...filled, length: rawLength, word: 0, squeezeMs: undefined }
    const startMs = systemClock.monotonicMs()
    const squeezed = squeeze(slab.subarray(0, rawLength), input.level)
    return { ...filled, ...squeezed, squeezeMs: systemClock.monotonicMs() - startMs }
  },

  /** The source of this tree is closed: nothing of its files has to be at hand any more. */
  forgetRecipes(input: { tree: number }): void {
    atHand.forget(`${input.tree}\0`)
  },

  /** The set of extended attributes and ACLs of each file or directory that is named, as `joinSets`; empty where it can't be had. */
  extendedOf(input: { root: number; files: Uint8Array; looks: number }): Uint8Array {
    const sets: Uint8Array[] = []
    for (const { path, names } of decodeWants(input.files)) {
      const directory = sys.openDirectory(input.root, utf8(path))
      for (const name of names) {
        const set = directory < 0 ? directory : readExtended(sys, { directory, name: utf8(name) }, input.looks)
        sets.push(typeof set === 'number' ? new Uint8Array(0) : set)
      }
      if (directory >= 0) sys.close(directory)
    }
    return joinSets(sets)
  },

  closeSupply(input: { supply: number }): void {
    supplies.get(input.supply)?.close()
    supplies.delete(input.supply)
  },

  openLanding(input: {
    landing: number
    handles: TargetHandles
    order: LandingOrder
    deltas: readonly DeltaOrder[]
    basis: number
    stop: SharedArrayBuffer
  }): void {
    const large = { deltas: input.deltas, basis: basisOf(input.basis) }
    const withRoom = sysWithRoom(sys, () => volumeAt(input.handles.staging))
    const writing = sysUntilStopped(withRoom, stopOf(input.stop))
    const landing = new Landing(writing, input.handles, input.order, process.umask(), large)
    landings.set(input.landing, { landing, handles: input.handles, writing, apply: undefined })
    landing.begin()
  },

  /**
   * Writes a pack: the one given, or what lies in a buffer from `start` to `end`; `word` tells how it was squeezed. What of
   * it is whole, and worth to be known.
   */
  receive(
    input: { landing: number; word: number } & ({ pack: Uint8Array } | { slab: number; start: number; end: number }),
  ): readonly Arrived[] | undefined {
    const pack = 'pack' in input ? input.pack : slabOf(input.slab).subarray(input.start, input.end)
    const { landing } = landingFor(input.landing)
    landing.receive(expand(pack, input.word, slabBytes))
    return landing.sames.takeArrived()
  },

  /** Takes what was named instead of sent from where it lies, as far as that was found; in the order of `sames`. */
  takeSames(input: { landing: number; found: readonly (Arrived | undefined)[] }): void {
    landingFor(input.landing).landing.takeSames(input.found)
  },

  /**
   * Ends a round of writing. `again` are wants worth another round, numbered anew; with `last` there is no further one.
   * `full`: what to do about content that found no space: say so, ask for it again, or leave it.
   */
  finishWriting(input: { landing: number; last: boolean; tells: boolean; full: 'say' | 'again' | 'leave' }): Written {
    const open = landingFor(input.landing)
    const { landing } = open
    const { waiting } = landing.sames
    if (waiting.length > 0) return { ...unwritten, sames: waiting.map(({ digest }) => digest) }
    const numbers = landing.finishWriting(input.full === 'again')
    const starvedBytes = input.full === 'say' ? starvedBy(landing) : 0
    if (starvedBytes > 0) return { ...unwritten, starvedBytes }
    if (numbers.length > 0 && !input.last) {
      landing.wantAgain(numbers)
      const portions = landing.large.portionsOf(numbers)
      const told = portions.length === 0 ? unwritten.portions : encodePortions(portions)
      return { ...unwritten, again: encodeWants(landing.batch.namesOf(numbers)), count: numbers.length, portions: told }
    }
    landing.writtenMs = nowMs()
    open.apply = new Apply(sys, open.handles, landing, nowMs, { copying: open.writing })
    return {
      ...unwritten,
      displacements: encodeDisplacements(open.apply.displacements),
      told: input.tells
        ? toldOf(intentsOf(landing.batch, lookBackAt(sys, open.handles.root, landing.wardrobe.mask)))
        : undefined,
      steps: landing.batch.count,
      contentBytes: landing.contentBytes,
    }
  },

  /** `shared`: what batches before this one reported of the same target, in this run. */
  land(input: { landing: number; shared: readonly string[] }): LandReport {
    const { landing, apply } = landingOf(input.landing)
    // A file that is written and named within one tick of the clock would have a signature that proves nothing.
    blockMs(racyMs - (nowMs() - landing.writtenMs))
    const landed = present(apply, 'a landing was written').land(input.shared)
    landings.delete(input.landing)
    return {
      counts: landed.counts,
      problems: landed.problems,
      touched: [...landed.touched],
      removed: landed.removed,
      displaced: encodeDisplaced(landed.displaced),
      copied: landing.copied,
      moved: landing.moved,
      contentBytes: landing.contentBytes,
      learned: landed.learned.take(),
      recipes: landing.large.recipes.map(encodeRecipe),
      built: landed.built.length === 0 ? undefined : encodeShelf(landed.built),
      shared: landed.shared,
      done: logLines(landing.batch),
    }
  },

  closeLanding(input: { landing: number }): void {
    landings.get(input.landing)?.landing.close()
    landings.delete(input.landing)
  },
}
