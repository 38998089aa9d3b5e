// What a run's manifest says about where its versions lie and what it renamed, in few words: what an index keeps of a run
// so that nobody has to read the manifest to know whether it may hold a version of a path. Says rather too much than too
// little: whoever looks a version up looks into the store itself.

import { parentOf, type RelPath } from '../core/path.ts'
import { sizeOf, statMode, typeDirectory, typeMask } from '../core/stat.ts'
import { type Change, encodeChanges, type Row } from './manifest.ts'

/** A directory of which entries are kept; with `isWhole` the directory itself went, with all that was below it. */
export type Place = { readonly path: RelPath; readonly isWhole: boolean }

/** Something that has another path since. */
export type Renamed = { readonly from: RelPath; readonly to: RelPath }

export type Holdings = { readonly places: readonly Place[]; readonly moves: readonly Renamed[] }

/** A run with more places than this is looked into for every path. */
export const placesMax = 2000
/** More renames than these of one run are not followed; those of directories come first. */
export const movesMax = 1000

/** Gathers the holdings of a run, line by line or batch by batch. */
export class Gathering {
  readonly #plain = new Set<RelPath>()
  readonly #whole = new Set<RelPath>()
  readonly #directories = new Map<string, Renamed>()
  readonly #files = new Map<RelPath, Renamed>()
  #hasAll = false

  add(change: Change): void {
    const { a, path } = change
    const to = 'movedTo' in change ? change.movedTo : undefined
    if (a === 'moved-directory') this.#directories.set(`${path}\0${change.movedTo}`, { from: path, to: change.movedTo })
    else if (a === 'refused') {
      if (to === undefined) this.#files.delete(path)
      else this.#directories.delete(`${path}\0${to}`)
    } else if (to !== undefined) {
      if (this.#files.size < movesMax) this.#files.set(path, { from: path, to })
    } else if (a === 'deleted' || a === 'retyped') this.#place(path, isDirectory(change.before))
    else if (a === 'replaced') this.#place(path, false)
  }

  /** What a batch holds. Directories are never renamed in one. */
  addAll({ places, moves }: Holdings): void {
    for (const { path, isWhole } of places) this.#note(path, isWhole)
    for (const move of moves) if (this.#files.size < movesMax) this.#files.set(move.from, move)
  }

  #place(path: RelPath, isWhole: boolean): void {
    this.#note(isWhole ? path : parentOf(path), isWhole)
  }

  #note(path: RelPath, isWhole: boolean): void {
    if (this.#hasAll) return
    if (isWhole) this.#whole.add(path)
    else this.#plain.add(path)
    this.#hasAll = this.#plain.size + this.#whole.size > placesMax
  }

  take(): Holdings {
    const moves = [...this.#directories.values(), ...this.#files.values()].slice(0, movesMax)
    if (this.#hasAll) return { places: [{ path: '' as RelPath, isWhole: true }], moves }
    const places = [
      ...[...this.#plain].map((path) => ({ path, isWhole: false })),
      ...[...this.#whole].map((path) => ({ path, isWhole: true })),
    ]
    return { places, moves }
  }
}

function isDirectory(row: Row): boolean {
  return ((row[statMode] ?? 0) & typeMask) === typeDirectory
}

/** Changes as they go into a manifest, with what an index and the policy want to know of them. */
export type Told = { readonly lines: Uint8Array; readonly sizeBytes: number; readonly holdings: Holdings }

export function toldOf(changes: readonly Change[]): Told {
  const gathering = new Gathering()
  let sizeBytes = 0
  for (const change of changes) {
    gathering.add(change)
    sizeBytes += sizeKept(change)
  }
  return { lines: encodeChanges(changes), sizeBytes, holdings: gathering.take() }
}

/** Bytes of old versions that a change leaves in the store. */
export function sizeKept(change: Change): number {
  if ('sizeBytes' in change && change.sizeBytes !== undefined) return change.sizeBytes
  if (!('before' in change) || 'movedTo' in change || (change.a !== 'replaced' && change.a !== 'retyped')) return 0
  const row = Uint32Array.from(change.before)
  return isDirectory(change.before) ? 0 : sizeOf(row, 0)
}
