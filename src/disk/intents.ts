// What a written batch is about to do, as lines of a run's manifest. Built when everything is staged and nothing has its
// name: what was seen at each name, and what will stand there.

import { digestOf } from '../chunk/digest.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import { sizeOf, statMode, statWidth, typeDirectory, typeFile, typeMask } from '../core/stat.ts'
import { decodeName, hex, utf8 } from '../std/bytes.ts'
import { type Had, wholeDress } from './attributes.ts'
import { type Change, type ListedFile, listingDigest, type Row } from './manifest.ts'
import type { SeenDirectory, StagedBatch, StagedSection, StagedStep, StepNote } from './staged.ts'
import type { Sys } from './sys.ts'

/** What an entry has besides content, mode and times, before it is given something else. */
export type LookBack = (directory: RelPath, name: Uint8Array) => Had | undefined

/** The lines of a batch, in the order of its steps; with `lookBack` also what they take away that no row says. */
export function intentsOf(batch: StagedBatch, lookBack?: LookBack): Change[] {
  const changes: Change[] = []
  for (const section of batch.sections) {
    const { path, state } = section.head
    if (state === 'new') changes.push(madeChange(batch, section))
    for (const staged of stepsIn(batch, section)) {
      if (state !== 'new' || isMove(staged)) changes.push(...stepChanges(batch, path, staged, lookBack))
    }
  }
  return changes
}

/** Looks at names below an open root, where a batch carries attributes. */
export function lookBackAt(sys: Sys, root: number, mask: number): LookBack | undefined {
  if (mask === 0) return undefined
  return (path, name) => {
    const directory = sys.openDirectory(root, utf8(path))
    const had = directory < 0 ? undefined : wholeDress(sys, directory, name)
    if (directory >= 0) sys.close(directory)
    return had
  }
}

/** The lines of what was refused after all. */
export function refusedOf(paths: readonly string[]): Change[] {
  return paths.map((path) => ({ a: 'refused', path: path as RelPath }))
}

function stepsIn(batch: StagedBatch, section: StagedSection): Iterable<StagedStep> {
  return batch.steps(section.firstStep, section.endStep)
}

/** A file that only gets another name has a line of its own wherever it comes to lie: it may go back alone. */
function isMove({ note }: StagedStep): boolean {
  return note?.donor?.moves === true && note.donor.store === undefined && note.donor.links !== true
}

function madeChange(batch: StagedBatch, section: StagedSection): Change {
  const files: ListedFile[] = []
  for (const staged of stepsIn(batch, section)) {
    if (!staged.isWritten || isMove(staged)) continue
    files.push({ name: staged.nameBytes, stats: batch.rows, at: staged.number * statWidth })
  }
  return { a: 'made', path: section.head.path, digest: listingDigest(files) }
}

function stepChanges(batch: StagedBatch, directory: RelPath, staged: StagedStep, lookBack?: LookBack): Change[] {
  const { step, note } = staged
  if (staged.problem !== undefined) return []
  const path = joinPath(directory, step.entry.name)
  const after = staged.isWritten ? rowOf(batch.rows, staged.number) : undefined
  const known = batch.digests.get(staged.number) ?? (step.entry.link && digestOf(step.entry.link))
  const written = { ...(after && { after }), ...(known && { digest: hex(known) }) }
  if (step.action === 'create') return after === undefined ? [] : [{ a: 'created', path, ...written, after }]
  if (note?.expected === undefined) return []
  const before = rowOf(note.expected, 0)
  const moved = note.movedTo === undefined ? {} : { movedTo: note.movedTo }
  switch (step.action) {
    case 'replace':
      return after === undefined ? [] : [{ a: 'replaced', path, before, ...written, ...moved }]
    case 'retype':
      return [...movedBelow(note.below), { a: 'retyped', path, before, ...written, ...moved, ...sizeBelow(note) }]
    case 'attributes': {
      const { mode, mtimeSeconds, mtimeNs } = step.entry
      const had = lookBack?.(directory, staged.nameBytes)
      return [{ a: 'attributes', path, before, mode, mtimeSeconds, mtimeNs, ...(had && { had }) }]
    }
    case 'delete': {
      const sizeBytes = note.movedTo === undefined ? sizeOfAll(note.expected, note.below) : 0
      return [...movedBelow(note.below), { a: 'deleted', path, before, sizeBytes, ...moved }]
    }
  }
}

function sizeBelow({ expected, below }: StepNote): { sizeBytes: number } | Record<never, never> {
  return expected === undefined || below === undefined ? {} : { sizeBytes: sizeOfAll(expected, below) }
}

function rowOf(rows: Uint32Array, number: number): Row {
  return [...rows.subarray(number * statWidth, (number + 1) * statWidth)]
}

/** Files of a directory that goes which only moved elsewhere: their names go, and come back by an undo. */
function movedBelow(below: readonly SeenDirectory[] = []): Change[] {
  return below.flatMap(({ path, names, rows, movedTo }) =>
    names.flatMap((name, i): Change[] => {
      const to = movedTo?.[i]
      if (to === undefined) return []
      const before = rowOf(rows, i)
      return [{ a: 'deleted', path: joinPath(path, decodeName(name)), before, sizeBytes: 0, movedTo: to }]
    }),
  )
}

function sizeOfAll(row: Uint32Array, below: readonly SeenDirectory[] | undefined): number {
  if (below === undefined) return ((row[statMode] as number) & typeMask) === typeDirectory ? 0 : sizeOf(row, 0)
  let sum = 0
  for (const { names, rows, movedTo } of below) {
    for (let i = 0; i < names.length; i++) {
      const isFile = ((rows[i * statWidth + statMode] as number) & typeMask) === typeFile
      if (isFile && movedTo?.[i] === undefined) sum += sizeOf(rows, i * statWidth)
    }
  }
  return sum
}
