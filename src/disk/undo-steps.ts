// What an undo is going to do: steps by directory, the notes that hold them against what is there, and how an entry, a
// donor and a section are made from a stat row.

import type { Entry } from '../core/entry.ts'
import { fingerprintBytes } from '../core/listing.ts'
import { joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { SectionHead, Step } from '../core/plan.ts'
import { mtimeSecondsOf, sizeOf, statMode, statMtimeNs, typeDirectory, typeFile, typeSymlink } from '../core/stat.ts'
import type { Top } from '../core/top.ts'
import { utf8 } from '../std/bytes.ts'
import type { Row } from './manifest.ts'
import type { Donor, StepNote } from './staged.ts'
import { isType } from './undo-look.ts'

export type UndoConflict = { readonly path: RelPath; readonly why: 'changed' | 'gone' | 'no-version' | 'occupied' }

type Moded = { readonly path: RelPath; readonly mode: number }

export type UndoMove = {
  readonly from: RelPath
  readonly to: RelPath
  readonly seen: Uint32Array
  /** Directories that were made for it, parents first: they go once they are empty. */
  readonly goes: readonly Moded[]
  /** Directories that went with it, which come back first. */
  readonly comes: readonly Moded[]
}

export type Sections = ReadonlyMap<RelPath, { readonly head: SectionHead; readonly steps: readonly Step[] }>

export type UndoPlan = {
  /** Sections by directory; what only goes stands in `deletions`. */
  readonly sections: Sections
  readonly deletions: Sections
  readonly notes: ReadonlyMap<RelPath, StepNote>
  /** Directories to be renamed back, in this order. */
  readonly moves: readonly UndoMove[]
  /** Directories that were made for renames which are back already: they go if nothing is in them. */
  readonly emptied: readonly RelPath[]
  /** Whether they go back before everything else. */
  readonly movesFirst: boolean
  /** What the top folder itself becomes again, and the mode that it has meanwhile. */
  readonly top?: Top | undefined
  /** Versions that get their name back, or have it: below the store's files, and where they go. */
  readonly donated: readonly { readonly version: RelPath; readonly path: RelPath; readonly isBack?: true }[]
  readonly conflicts: readonly UndoConflict[]
  /** Sets of extended attributes that come back, by digest in hexadecimal. */
  readonly sets: ReadonlyMap<string, Uint8Array>
  /** Names that are as they were before the run already. */
  readonly already: number
}

export function donorOf(place: RelPath, row: Uint32Array, store: number | undefined): Donor | undefined {
  if (!isType(row, typeFile)) return undefined
  const donor = { directory: parentOf(place), name: utf8(nameOf(place)), stats: row, moves: true, digest: undefined }
  return store === undefined ? donor : { ...donor, store }
}

export function entryOf(path: RelPath, row: Uint32Array, link: Uint8Array | undefined): Entry {
  const isLink = isType(row, typeSymlink)
  return {
    kind: isLink ? 'symlink' : isType(row, typeDirectory) ? 'directory' : 'file',
    name: nameOf(path),
    mode: isLink ? 0 : (row[statMode] as number) & 0o7777,
    mtimeSeconds: mtimeSecondsOf(row, 0),
    mtimeNs: row[statMtimeNs] as number,
    sizeBytes: isType(row, typeFile) ? sizeOf(row, 0) : 0,
    edits: 0,
    link: isLink ? link : undefined,
    summary: undefined,
  }
}

export function directoryEntry(path: RelPath, row: Row): Entry {
  const summary = { fingerprint: new Uint8Array(fingerprintBytes), files: 0, directories: 0, sizeBytes: 0 }
  return { ...entryOf(path, Uint32Array.from(row), undefined), mtimeSeconds: 0, mtimeNs: 0, summary }
}

export function presentHead(path: RelPath): SectionHead {
  return { path, state: 'present', mode: 0o755, mtimeSeconds: 0, mtimeNs: 0 }
}

export function sectionIn(
  sections: Map<RelPath, { head: SectionHead; steps: Step[] }>,
  head: SectionHead,
): { head: SectionHead; steps: Step[] } {
  const known = sections.get(head.path)
  if (known !== undefined) return known
  const made = { head, steps: [] }
  sections.set(head.path, made)
  return made
}

/** Entries that it deletes and replaces, with all that is below them, as a run's guard counts. */
export function takenBy({ sections, deletions, notes }: Pick<UndoPlan, 'sections' | 'deletions' | 'notes'>): number {
  let taken = 0
  for (const { steps } of [...sections.values(), ...deletions.values()]) {
    for (const { action } of steps) if (action !== 'create' && action !== 'attributes') taken++
  }
  for (const { below = [] } of notes.values()) for (const { names } of below) taken += names.length
  return taken
}

/** Whether a name goes whose file only moves: that is one change, not one and a deletion. */
export function isOldName(note: StepNote | undefined): boolean {
  return note?.movedTo !== undefined
}

/** Deletions, those apart of names whose files only move, or of directories with such files in them. */
export function splitDeletions({ deletions, notes }: UndoPlan): { moved: Sections; rest: Sections } {
  const moved = new Map<RelPath, { head: SectionHead; steps: Step[] }>()
  const rest = new Map<RelPath, { head: SectionHead; steps: Step[] }>()
  for (const { head, steps } of deletions.values()) {
    for (const step of steps) {
      const note = notes.get(joinPath(head.path, step.entry.name))
      const isTied = isOldName(note) || note?.below?.some(({ movedTo = [] }) => movedTo.some((to) => to !== undefined))
      sectionIn(isTied ? moved : rest, head).steps.push(step)
    }
  }
  return { moved, rest }
}

/** What a person is told of deletions: old names of files that only move are none. */
export function toldDeletions({ deletions, notes }: UndoPlan): Sections {
  const told = new Map<RelPath, { head: SectionHead; steps: Step[] }>()
  for (const { head, steps } of deletions.values())
    for (const step of steps)
      if (!isOldName(notes.get(joinPath(head.path, step.entry.name)))) sectionIn(told, head).steps.push(step)
  return told
}
