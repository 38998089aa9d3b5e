// Reads what a target wants and packs it: each file is opened below the root without following links, looked at before
// and after it is read, hashed in the same pass, and sent as it was read only if it stood still meanwhile. Fills one
// buffer at a time, so whoever empties them sets the pace. Never opens anything but the regular files that were named.

import { type Digester, digestOf, openDigester } from '../chunk/digest.ts'
import type { RelPath } from '../core/path.ts'
import type { ProblemCode } from '../core/problem.ts'
import {
  mtimeSecondsOf,
  sameSignature,
  sizeOf,
  statMode,
  statMtimeNs,
  statWidth,
  typeFile,
  typeMask,
} from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { systemClock } from '../std/clock.ts'
import { hashZeros, holeBytesMax, packHolesMax, runAt } from './holes.ts'
import { LearnedWriter } from './learned.ts'
import {
  flagEntries,
  flagFailed,
  flagFirst,
  flagHole,
  flagLast,
  flagSame,
  putHole,
  putRecordHead,
  recordHeadBytes,
} from './pack.ts'
import { PortionReader } from './portion-reader.ts'
import { entryBytesMax, type Portion } from './portions.ts'
import { statProven } from './racy.ts'
import { keyAtHand, RecipesAtHand } from './recipes-at-hand.ts'
import { type Probe, probeFor, type SentContents, sameFromBytes } from './sent-contents.ts'
import { errno, mayHaveHoles, type Sys } from './sys.ts'
import type { WantedDirectory } from './wants.ts'

/** A content smaller than this is read whole into a pack; what is left of a buffer below it is not worth a new file. */
const pieceMin = 16 * 1024

type OpenFile = {
  readonly handle: number
  readonly number: number
  readonly sizeBytes: number
  readonly before: Uint32Array
  readonly digester: Digester
  /** It may have holes; `runEnd` is where the data ends that it is read from. */
  readonly isSparse: boolean
  runEnd: number
  sentBytes: number
  first: boolean
}

/** A file that may hold what was sent before. */
type Probing = { readonly open: OpenFile; readonly probe: Probe }

/** A large file of which portions go. */
type Telling = {
  readonly handle: number
  readonly number: number
  readonly before: Uint32Array
  readonly portion: Portion
  readonly reader: PortionReader
  first: boolean
}

/**
 * What of the wants is not to come whole, and what is known of such files. `scope` keeps the files of two runs apart.
 * `sent`: what was sent before is named, and does not come again.
 */
export type Portions = {
  readonly list: readonly Portion[]
  readonly atHand: RecipesAtHand
  readonly scope: string
  readonly sent?: SentContents | undefined
}

/** One batch of wants on its way. Lives in one worker; `fill` until it says done, then `learned`. */
export class Supply {
  readonly learned: LearnedWriter = new LearnedWriter()
  contentBytes = 0
  /** What comes next may be what another supply sends now: `fill` decides when it is called again. */
  waits = false
  readonly #sys: Sys
  readonly #root: number
  readonly #nowMs: () => number
  readonly #files: { directory: RelPath; name: Uint8Array }[] = []
  #next = 0
  #directory = -1
  #directoryPath: RelPath | undefined
  #open: OpenFile | undefined
  #probing: Probing | undefined
  #telling: Telling | undefined
  readonly #portions = new Map<number, Portion>()
  readonly #atHand: RecipesAtHand
  readonly #scope: string
  readonly #sent: SentContents | undefined
  readonly #before = new Uint32Array(statWidth)
  readonly #after = new Uint32Array(statWidth)

  constructor(
    sys: Sys,
    root: number,
    wants: readonly WantedDirectory[],
    nowMs: () => number = () => systemClock.nowMs(),
    { list, atHand, scope, sent }: Portions = { list: [], atHand: new RecipesAtHand(), scope: '' },
  ) {
    for (const portion of list) this.#portions.set(portion.want, portion)
    this.#atHand = atHand
    this.#scope = scope
    this.#sent = sent
    this.#nowMs = nowMs
    this.#sys = sys
    this.#root = root
    for (const { path, names } of wants)
      for (const name of names) this.#files.push({ directory: path, name: utf8(name) })
  }

  /** Fills `slab` from its start; returns how far, and whether the batch is done. */
  fill(slab: Uint8Array): { length: number; done: boolean } {
    const view = new DataView(slab.buffer, slab.byteOffset, slab.byteLength)
    let at = 0
    if (this.#telling !== undefined) at = this.#tell(slab, view, at)
    if (this.#probing !== undefined) at = this.#probe(slab, view, at)
    else if (this.#open !== undefined) at = this.#continue(slab, view, at)
    while (!this.#isBusy && this.#next < this.#files.length) {
      const room = slab.length - at - recordHeadBytes
      if (room < Math.min(pieceMin, slab.length >> 1)) break
      const took = this.#start(slab, view, at, room)
      if (took < 0) break
      at = took
    }
    const done = !this.#isBusy && this.#next >= this.#files.length
    if (done) this.close()
    return { length: at, done }
  }

  /** A file is under way that goes on in the next buffer. */
  get #isBusy(): boolean {
    return this.#open !== undefined || this.#telling !== undefined || this.#probing !== undefined
  }

  close(): void {
    const { open } = this.#probing ?? { open: this.#open }
    if (open !== undefined) this.#sys.close(open.handle)
    this.#probing = undefined
    if (this.#telling !== undefined) this.#endTelling()
    if (this.#directory >= 0) this.#sys.close(this.#directory)
    this.#open = undefined
    this.#directory = -1
    this.#directoryPath = undefined
  }

  /** Starts the next file at `at`. Returns where the next record goes, or -1 when this file does not fit any more. */
  #start(slab: Uint8Array, view: DataView, at: number, room: number): number {
    const number = this.#next
    const file = this.#files[number] as { directory: RelPath; name: Uint8Array }
    const directory = this.#enter(file.directory)
    const handle = directory < 0 ? directory : this.#sys.openFile(directory, file.name)
    if (handle < 0) return this.#fail(view, at, number, missingCode(handle))
    const looked = statProven(this.#sys, handle, this.#before, this.#nowMs)
    if (looked < 0 || ((this.#before[statMode] as number) & typeMask) !== typeFile) {
      this.#sys.close(handle)
      return this.#fail(view, at, number, 'changing')
    }
    const sizeBytes = sizeOf(this.#before, 0)
    const portion = this.#portions.get(number)
    if (portion !== undefined) {
      this.#next++
      return this.#startTelling(slab, view, at, { handle, number, portion, sizeBytes })
    }
    const isSparse = mayHaveHoles(looked) && sizeBytes > 0
    if (isSparse || sizeBytes > room) {
      // A file that would fit an empty buffer waits for one; a larger one starts in what is left and goes on.
      if (!isSparse && at > 0 && sizeBytes <= slab.length - recordHeadBytes) {
        this.#sys.close(handle)
        return -1
      }
      this.#next++
      const open: OpenFile = {
        handle,
        number,
        sizeBytes,
        before: this.#before.slice(),
        digester: openDigester(),
        isSparse,
        runEnd: 0,
        sentBytes: 0,
        first: true,
      }
      const probe = isSparse ? undefined : probeFor(this.#sys, handle, sizeBytes, this.#sent, slab.subarray(at))
      if (probe !== undefined) {
        this.#probing = { open, probe }
        return this.#probe(slab, view, at)
      }
      this.#open = open
      return this.#continue(slab, view, at)
    }
    this.#next++
    const end = this.#readWhole(slab, view, at, handle, number, sizeBytes)
    this.#sys.close(handle)
    return end
  }

  #readWhole(slab: Uint8Array, view: DataView, at: number, handle: number, number: number, sizeBytes: number): number {
    const start = at + recordHeadBytes
    let filled = 0
    while (filled < sizeBytes) {
      const count = this.#sys.read(handle, slab, start + filled, sizeBytes - filled, -1)
      if (count <= 0) break
      filled += count
    }
    if (filled !== sizeBytes || !this.#stoodStill(handle, this.#before)) return this.#fail(view, at, number, 'changing')
    const digest = digestOf(slab.subarray(start, start + sizeBytes))
    if (sizeBytes >= sameFromBytes && this.#sent?.has(digest) === true) {
      this.#finish(view, slab, at, number, flagSame, 0, digest, this.#before)
      return start
    }
    this.#finish(view, slab, at, number, flagFirst | flagLast, sizeBytes, digest, this.#before)
    return start + sizeBytes
  }

  /** Reads on in a file that may have been sent: it is named where it was, else it goes now. */
  #probe(slab: Uint8Array, view: DataView, at: number): number {
    const { open, probe } = this.#probing as Probing
    if (!probe.readOn(slab.subarray(at))) return at
    const { digest } = probe
    const isSent = digest !== undefined && this.#sent?.has(digest) === true
    // The one like it may be on its way: looked for twice.
    this.waits = digest !== undefined && !isSent && !this.waits
    if (this.waits) return at
    this.#probing = undefined
    if (!isSent || !this.#stoodStill(open.handle, open.before)) {
      this.#open = open
      return this.#continue(slab, view, at)
    }
    this.#sys.close(open.handle)
    this.#finish(view, slab, at, open.number, flagSame, 0, digest, open.before)
    return at + recordHeadBytes
  }

  /** Goes on with a file that may have holes: what comes next of it, as far as this buffer goes. */
  #continueSparse(slab: Uint8Array, view: DataView, from: number, open: OpenFile): number {
    let at = from
    for (let holes = 0; slab.length - at > 2 * recordHeadBytes && holes < packHolesMax; ) {
      const { sizeBytes, sentBytes } = open
      if (sentBytes === sizeBytes) return this.#endSparse(slab, view, at, open)
      if (sentBytes === open.runEnd) {
        const { isHole, end } = runAt(this.#sys, open.handle, sentBytes, sizeBytes)
        if (isHole) {
          const length = Math.min(end - sentBytes, holeBytesMax)
          hashZeros(open.digester, length)
          this.#head(view, at, open.number, flagHole | (open.first ? flagFirst : 0), 0, open.before)
          putHole(view, at, length)
          open.first = false
          open.sentBytes += length
          open.runEnd = open.sentBytes
          holes += length
          at += recordHeadBytes
          continue
        }
        open.runEnd = end
      }
      const start = at + recordHeadBytes
      const wanted = Math.min(slab.length - start, open.runEnd - sentBytes)
      const filled = this.#sys.read(open.handle, slab, start, wanted, sentBytes)
      // It is shorter by now.
      if (filled <= 0) return this.#endSparse(slab, view, at, open)
      open.digester.update(slab.subarray(start, start + filled))
      this.#head(view, at, open.number, open.first ? flagFirst : 0, filled, open.before)
      open.first = false
      open.sentBytes += filled
      this.contentBytes += filled
      at = start + filled
    }
    return at
  }

  #endSparse(slab: Uint8Array, view: DataView, at: number, open: OpenFile): number {
    const { handle, number, before, sentBytes, sizeBytes } = open
    const isWhole = sentBytes === sizeBytes && this.#stoodStill(handle, before)
    this.#sys.close(handle)
    this.#open = undefined
    const digest = open.digester.finish()
    if (!isWhole) return this.#fail(view, at, number, 'changing')
    this.#finish(view, slab, at, number, flagLast, 0, digest, before)
    return at + recordHeadBytes
  }

  /** Goes on with the large file that is open. */
  #continue(slab: Uint8Array, view: DataView, at: number): number {
    const open = this.#open as OpenFile
    if (open.isSparse) return this.#continueSparse(slab, view, at, open)
    const start = at + recordHeadBytes
    const wanted = Math.min(slab.length - start, open.sizeBytes - open.sentBytes)
    let filled = 0
    while (filled < wanted) {
      const count = this.#sys.read(open.handle, slab, start + filled, wanted - filled, -1)
      if (count <= 0) break
      filled += count
    }
    open.digester.update(slab.subarray(start, start + filled))
    open.sentBytes += filled
    const flags = open.first ? flagFirst : 0
    open.first = false
    if (filled === wanted && open.sentBytes < open.sizeBytes) {
      this.#head(view, at, open.number, flags, filled, open.before)
      this.contentBytes += filled
      return start + filled
    }
    const whole = filled === wanted && this.#stoodStill(open.handle, open.before)
    this.#sys.close(open.handle)
    this.#open = undefined
    const digest = open.digester.finish()
    if (!whole) return this.#fail(view, at, open.number, 'changing')
    this.#finish(view, slab, at, open.number, flags | flagLast, filled, digest, open.before)
    return start + filled
  }

  #startTelling(
    slab: Uint8Array,
    view: DataView,
    at: number,
    { sizeBytes, ...file }: Pick<Telling, 'handle' | 'number' | 'portion'> & { sizeBytes: number },
  ): number {
    const { handle, number, portion } = file
    const before = this.#before.slice()
    const known = this.#atHand.get(this.#keyOf(number), before, portion.grain)
    const reader = new PortionReader(this.#sys, handle, sizeBytes, portion, known)
    this.#telling = { ...file, before, reader, first: true }
    return this.#tell(slab, view, at)
  }

  #keyOf(number: number): string {
    const { directory, name } = this.#files[number] as { directory: RelPath; name: Uint8Array }
    return keyAtHand(this.#scope, directory, name)
  }

  /** Goes on with the file of which portions go. */
  #tell(slab: Uint8Array, view: DataView, at: number): number {
    const telling = this.#telling as Telling
    const { handle, number, before, portion, reader } = telling
    const start = at + recordHeadBytes
    if (slab.length - start < entryBytesMax) return at
    const filled = reader.fill(slab.subarray(start))
    if (filled < 0 || (reader.done && !this.#stoodStill(handle, before))) {
      this.#endTelling()
      return this.#fail(view, at, number, 'changing')
    }
    const flags = (telling.first ? flagFirst : 0) | (portion.level === 'content' ? 0 : flagEntries)
    telling.first = false
    this.#head(view, at, number, flags | (reader.done ? flagLast : 0), filled, before)
    this.contentBytes += filled
    if (!reader.done) return start + filled
    this.#endTelling()
    const { recipe } = reader
    slab.fill(0, at + 32, at + recordHeadBytes)
    if (recipe === undefined) return start + filled
    slab.set(recipe.digest, at + 32)
    this.#atHand.put(this.#keyOf(number), before, recipe)
    const { directory, name } = this.#files[number] as { directory: RelPath; name: Uint8Array }
    this.learned.add({ directory, name, stats: before, digest: recipe.digest })
    return start + filled
  }

  #endTelling(): void {
    const { handle, reader } = this.#telling as Telling
    reader.close()
    this.#sys.close(handle)
    this.#telling = undefined
  }

  #stoodStill(handle: number, before: Uint32Array): boolean {
    return this.#sys.statHandle(handle, this.#after, 0) === 0 && sameSignature(before, 0, this.#after, 0)
  }

  #finish(
    view: DataView,
    slab: Uint8Array,
    at: number,
    number: number,
    flags: number,
    length: number,
    digest: Uint8Array,
    stats: Uint32Array,
  ): void {
    this.#head(view, at, number, flags, length, stats)
    slab.set(digest, at + 32)
    this.contentBytes += length
    const file = this.#files[number] as { directory: RelPath; name: Uint8Array }
    this.learned.add({ directory: file.directory, name: file.name, stats, digest })
    if (sizeOf(stats, 0) >= sameFromBytes) this.#sent?.add(digest)
  }

  #head(view: DataView, at: number, number: number, flags: number, length: number, stats: Uint32Array): void {
    putRecordHead(view, at, {
      number,
      flags,
      code: undefined,
      mode: (stats[statMode] as number) & 0o7777,
      sizeBytes: sizeOf(stats, 0),
      mtimeSeconds: mtimeSecondsOf(stats, 0),
      mtimeNs: stats[statMtimeNs] as number,
      length,
    })
  }

  #fail(view: DataView, at: number, number: number, code: ProblemCode): number {
    this.#next = Math.max(this.#next, number + 1)
    putRecordHead(view, at, {
      number,
      flags: flagFailed,
      code,
      mode: 0,
      sizeBytes: 0,
      mtimeSeconds: 0,
      mtimeNs: 0,
      length: 0,
    })
    return at + recordHeadBytes
  }

  #enter(path: RelPath): number {
    if (this.#directoryPath === path) return this.#directory
    if (this.#directory >= 0) this.#sys.close(this.#directory)
    this.#directory = this.#sys.openDirectory(this.#root, utf8(path))
    this.#directoryPath = this.#directory < 0 ? undefined : path
    return this.#directory
  }
}

function missingCode(code: number): ProblemCode {
  if (code === -errno.ENOENT) return 'vanished'
  return code === -errno.ELOOP || code === -errno.ENOTDIR || code === -errno.EXDEV ? 'changing' : 'unreadable'
}
