// The directories that a run renamed, as its undo finds them: which still have the name that the run gave them, which are
// back already (an undo was cut off, or is asked for again), and which path stands for which while they go back. A rename
// may begin below what an earlier one brought there; so the last one goes back first, and a path is followed from one to
// the next. Looks, and changes nothing.

import { isWithin, type RelPath } from '../core/path.ts'
import { statMode } from '../core/stat.ts'
import { sameDirectory } from './directories.ts'
import type { Manifest, MoveChange } from './manifest.ts'
import type { UndoConflict, UndoMove } from './undo-steps.ts'

/** What has exactly this name in the root now. */
type LookAt = (path: RelPath) => Uint32Array | undefined

/** A path within `from` as it is called once `from` is called `to`. */
function follow(path: RelPath, from: RelPath, to: RelPath): RelPath {
  return isWithin(path, from) ? (`${to}${path.slice(from.length)}` as RelPath) : path
}

export class MovesBack {
  /** Directories to be renamed back, in this order. */
  readonly moves: UndoMove[] = []
  /** Directories that were made for renames which are back already. */
  readonly emptied: RelPath[] = []
  readonly conflicts: UndoConflict[] = []
  /** The run renamed after all else, so its reversal renames first. */
  readonly areFirst: boolean
  readonly #manifest: Manifest
  readonly #lookAt: LookAt
  /** Those that are back already, the last rename first: [as the run left them, as they are]. */
  readonly #back: (readonly [RelPath, RelPath])[] = []

  constructor(manifest: Manifest, lookAt: LookAt) {
    this.#manifest = manifest
    this.#lookAt = lookAt
    this.areFirst = manifest.moves.some(({ isLast }) => isLast === true)
  }

  /** Yields how many names it looked at. */
  *plan(): Generator<number> {
    const { moves } = this.#manifest
    const standing = this.#standing()
    for (const [i, move] of [...moves.entries()].reverse()) {
      yield 1
      const { path, movedTo, before, parents, above = [] } = move
      const seen = Uint32Array.from(before)
      const since = moves.slice(i + 1, standing)
      const isStanding = i < standing
      if (isStanding && this.#isAt(afterAll(movedTo, since), seen)) {
        const goes = parents.map((parent) => ({ path: parent, mode: this.#modeOf(parent) }))
        this.#checkFree(path, afterAll(path, since))
        this.moves.push({ from: movedTo, to: path, seen, goes, comes: above })
      } else if (this.#isAt(isStanding ? afterAll(path, since) : beforeAll(path, moves.slice(standing, i)), seen)) {
        this.#back.push([movedTo, path])
        this.emptied.push(...parents.filter((parent) => this.#lookAt(parent) !== undefined).reverse())
      } else this.conflicts.push({ path: movedTo, why: this.#lookAt(movedTo) === undefined ? 'gone' : 'changed' })
    }
  }

  /** How many of the renames, from the first on, nobody has reversed: the last of them is exactly where it was brought. */
  #standing(): number {
    return (
      this.#manifest.moves.findLastIndex(({ movedTo, before }) => this.#isAt(movedTo, Uint32Array.from(before))) + 1
    )
  }

  /** The name that a directory is to get back must be free when its turn comes. */
  #checkFree(path: RelPath, now: RelPath): void {
    const there = this.#lookAt(now)
    if (there === undefined || this.moves.some(({ seen }) => sameDirectory(there, seen))) return
    // What the run itself put where the directory was goes before it comes back.
    if (this.areFirst || !this.#isOfRun(path)) this.conflicts.push({ path, why: 'occupied' })
  }

  #isOfRun(path: RelPath): boolean {
    const change = this.#manifest.changes.get(path)
    return (
      change?.a === 'made' ||
      change?.a === 'created' ||
      this.#manifest.moves.some(({ movedTo, parents }) => movedTo === path || parents.includes(path))
    )
  }

  #modeOf(path: RelPath): number {
    return ((this.#lookAt(path)?.[statMode] as number | undefined) ?? 0o755) & 0o777
  }

  #isAt(path: RelPath, seen: Uint32Array): boolean {
    const row = this.#lookAt(path)
    return row !== undefined && sameDirectory(row, seen)
  }

  /**
   * Where that is now which has this path once the renames that come first are done; undefined where what has the path
   * now is renamed away, so that nothing will be there.
   */
  placeNow(path: RelPath): RelPath | undefined {
    if (!this.areFirst) return path
    let at = path
    for (const { from, to } of [...this.moves].reverse()) {
      if (isWithin(at, to)) at = follow(at, to, from)
      else if (isWithin(at, from)) return undefined
    }
    return at
  }

  /** Where a path of the manifest is when the plan gets to it. */
  here(path: RelPath): RelPath {
    if (this.areFirst) return path
    return this.#back.reduce((at, [left, back]) => follow(at, left, back), path)
  }

  /** The path under which the manifest tells of what is at `path`. */
  told(path: RelPath): RelPath {
    if (this.areFirst) return path
    return this.#back.reduceRight((at, [left, back]) => follow(at, back, left), path)
  }
}

/** Where a path is after these renames, and where it was before them. */
function afterAll(path: RelPath, moves: readonly MoveChange[]): RelPath {
  return moves.reduce((at, move) => follow(at, move.path, move.movedTo), path)
}

function beforeAll(path: RelPath, moves: readonly MoveChange[]): RelPath {
  return moves.reduceRight((at, move) => follow(at, move.movedTo, move.path), path)
}
