// Settles what a run that died had displaced, by its journal: what was taken away and is missing goes back; what was
// replaced goes to the versions of its run, or, where it is not what the scan saw, is kept aside. A journal that can't be
// read stops everything before anything is touched; where a part of it is damaged, all that lies aside and is not named
// by the rest is kept. What a write left torn at its end was never carried out. Holds no list of what it settled, nor of
// what lies there.

import { nameOf, parentOf, type RelPath } from '../core/path.ts'
import { sameFile, statWidth } from '../core/stat.ts'
import { decodeName, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { eachName, isKept, Kept, KeptPlace, keepAside } from './aside.ts'
import { sameDirectory, unlockDirectory } from './directories.ts'
import { type Displacement, readJournal } from './journal.ts'
import { errno, errnoName, type Sys } from './sys.ts'

/** Where a run's versions lie, by its id: a handle that the caller closes, or a negative one where there is none. */
export type FilesOfRun = (run: string) => number

export type Recovered = { readonly path: RelPath; readonly outcome: 'put-back' | 'kept-aside' }

/** What was settled: as much of it as is told by path, and how much more there was. */
export type Recovery = { readonly told: readonly Recovered[]; readonly more: number }

const toldMax = 10_000
/** What is moved aside gets a name with this first letter (apply.ts): whatever the journal says, it is somebody's. */
const asideMark = 0x64

type Handles = { readonly root: number; readonly own: number; readonly staging: number }

/**
 * Settles what the journal names. Afterwards the staging directory holds our own unfinished work and what `keepAside`
 * marked, and all that moved is on disk: the journal may go. Throws `target-not-writable` where something can't be
 * settled: nothing in the staging directory may be cleared away then; `format-too-new` where nothing was touched.
 */
export function recoverJournal(sys: Sys, handles: Handles, filesOf: FilesOfRun): Recovery {
  // Once only to see whether it can be read: what can't be settled as a whole is not begun.
  const { code, isDamaged, isTorn, isNewer } = readJournal(sys, handles.own, () => {})
  if (code < 0) throw unsettled(errnoName(code))
  if (isNewer) {
    throw new Failure('format-too-new', 'the journal of the target was written by a newer Nightferry', {
      hint: 'update this machine; nothing was changed',
    })
  }
  const settling = new Settling(sys, handles, filesOf)
  try {
    const again = readJournal(sys, handles.own, (displacement) => settling.settle(displacement))
    if (again.code < 0) throw unsettled(errnoName(again.code))
    // Without its line nothing says whose something is that lies there: then it stays.
    if (isDamaged) settling.keepAll(() => true)
    else if (isTorn) settling.keepAll((name) => name[0] === asideMark)
    settling.sync()
  } finally {
    settling.close()
  }
  return { told: settling.told, more: settling.more }
}

function unsettled(why: string): Failure {
  return new Failure('target-not-writable', `what a run that was cut off had taken aside can't be put back (${why})`, {
    hint: 'it lies in .nightferry/staging of the target, and nothing there was touched',
  })
}

class Settling {
  readonly told: Recovered[] = []
  more = 0
  readonly #sys: Sys
  readonly #handles: Handles
  readonly #filesOf: FilesOfRun
  /** One run died, seldom two; each has one place. */
  readonly #places = new Map<string, Kept>()
  readonly #row = new Uint32Array(statWidth)
  #hasSettled = false

  constructor(sys: Sys, handles: Handles, filesOf: FilesOfRun) {
    this.#sys = sys
    this.#handles = handles
    this.#filesOf = filesOf
  }

  settle(displacement: Displacement): void {
    this.#hasSettled = true
    const outcome = this.#settle(displacement)
    if (outcome !== undefined) this.#tell(displacement.path, outcome)
  }

  #tell(path: RelPath, outcome: Recovered['outcome']): void {
    this.#hasSettled = true
    if (this.told.length < toldMax) this.told.push({ path, outcome })
    else this.more++
  }

  #settle(displacement: Displacement): Recovered['outcome'] | undefined {
    const sys = this.#sys
    const { root, staging } = this.#handles
    const slot = utf8(displacement.slot)
    if (sys.stat(staging, slot, this.#row, 0) < 0) return undefined
    const { path, staged } = displacement
    // Still ours: it never took the place of anything.
    if (staged !== undefined && sameFile(this.#row, 0, Uint32Array.from(staged), 0)) return undefined
    const parent = sys.openDirectory(root, utf8(parentOf(path)))
    if (parent < 0) return this.#keep(slot, path)
    const lock = unlockDirectory(sys, parent)
    const back = sys.renameNoReplace(staging, slot, parent, utf8(nameOf(path)))
    lock?.()
    sys.close(parent)
    if (back === 0) return 'put-back'
    // The new version is in place. What was displaced is either what the scan saw, and done with, or a person's.
    const isSeen = back === -errno.EEXIST && isDisplaced(this.#row, displacement)
    return isSeen && this.#keepVersion(displacement) ? undefined : this.#keep(slot, path)
  }

  /** What was replaced goes where the run would have brought it. True where it may go from the staging directory now. */
  #keepVersion({ run, slot, path }: Displacement): boolean {
    if (run === undefined) return true
    const place = this.#placeOf(run)
    return place.files >= 0 && place.take(this.#sys, this.#handles.staging, utf8(slot), path) === 0
  }

  #placeOf(run: string): Kept {
    const known = this.#places.get(run)
    if (known !== undefined) return known
    const place = new Kept(this.#filesOf(run))
    this.#places.set(run, place)
    return place
  }

  #keep(slot: Uint8Array, path: RelPath): 'kept-aside' {
    if (!keepAside(this.#sys, this.#handles.staging, slot, path)) throw unsettled('it could not be renamed')
    return 'kept-aside'
  }

  /** Keeps what lies there under such a name, and all that was kept before. */
  keepAll(chosen: (name: Uint8Array) => boolean): void {
    const { own, staging } = this.#handles
    const place = new KeptPlace(this.#sys, own, staging)
    try {
      eachName(this.#sys, staging, (name) => {
        if (isKept(name)) return place.take(name)
        if (!chosen(name)) return false
        const path = decodeName(name) as RelPath
        const isGone = place.keep(name, path)
        this.#tell(path, isGone ? 'kept-aside' : this.#keep(name, path))
        return isGone
      })
    } finally {
      place.close()
    }
  }

  /** A journal that is gone before what it told is on disk would be missed after a power cut. */
  sync(): void {
    const code = this.#hasSettled ? this.#sys.syncFileSystem(this.#handles.staging) : 0
    if (code < 0) throw unsettled(errnoName(code))
  }

  close(): void {
    for (const { files } of this.#places.values()) if (files >= 0) this.#sys.close(files)
  }
}

/** Whether a row is of what the scan saw. A directory was looked through before its name was given away. */
function isDisplaced(row: Uint32Array, { expected, run }: Displacement): boolean {
  const seen = Uint32Array.from(expected)
  return sameFile(row, 0, seen, 0) || (run !== undefined && sameDirectory(row, seen))
}
