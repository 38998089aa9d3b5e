// What a target remembers of runs that were undone: `.nightferry/undone.json`. Whoever undoes a run notes it here, on the
// disk that it was undone on, so that the next run of the same job is held, whichever machine drives it and whatever it
// knows; a release, or the undo's own undoing, takes the note away. A file that can't be understood holds every job.

import { join } from 'node:path'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { readOwnFile, removeOwnFile, writeOwnFile } from '../std/files.ts'

/** An undo that nobody has answered yet. */
export type UndoneMark = {
  /** The run that was undone, the undo's own run, and the machine where a person asked for it; '' where unknown. */
  readonly run: string
  readonly as: string
  readonly by: string
  /** Wall time, for people. */
  readonly atMs: number
}

const fileName = 'undone.json'
const formatVersion = 1
const maxBytes = 1024 * 1024
/** The oldest of more is forgotten: that there are any holds the job. */
const marksPerJob = 10
const jobsMax = 200

const unknownMark: UndoneMark = { run: '', as: '', by: '', atMs: 0 }

type Marks = Record<string, readonly UndoneMark[]>

/** The last undo that holds a job at the target with this `.nightferry`. Throws `format-too-new`. */
export function undoneMark(ownPath: string, job: string): UndoneMark | undefined {
  const marks = readMarks(ownPath)
  return marks === 'damaged' ? unknownMark : marksOf(marks, job).at(-1)
}

/** Notes that a job's run is about to be undone. Nothing is written over a file that can't be understood. */
export function noteUndone(ownPath: string, job: string, mark: UndoneMark): void {
  change(ownPath, job, (known) => [...known, mark].slice(-marksPerJob))
}

/** The undo did nothing after all. */
export function forgetUndo(ownPath: string, job: string, as: string): void {
  change(ownPath, job, (known) => known.filter((mark) => mark.as !== as))
}

/** The undo was carried out as a whole: where it undid an undo, neither holds the job any more. */
export function settleUndo(ownPath: string, job: string, { run, as }: { run: string; as: string }): void {
  change(ownPath, job, (known) => {
    return known.some((mark) => mark.as === run) ? known.filter((mark) => mark.as !== run && mark.as !== as) : known
  })
}

function change(ownPath: string, job: string, by: (known: readonly UndoneMark[]) => readonly UndoneMark[]): void {
  const marks = readMarks(ownPath)
  if (marks !== 'damaged') writeMarks(ownPath, { ...marks, [job]: by(marksOf(marks, job)) })
}

/** A person let the job go on, or there was nothing left to hold. */
export function clearUndone(ownPath: string, job: string): void {
  const marks = readMarks(ownPath)
  if (marks === 'damaged') removeOwnFile(join(ownPath, fileName))
  else if (marksOf(marks, job).length > 0) writeMarks(ownPath, { ...marks, [job]: [] })
}

/** A job's name may be that of something that every object has. */
function marksOf(marks: Marks, job: string): readonly UndoneMark[] {
  return Object.hasOwn(marks, job) ? (marks[job] ?? []) : []
}

function writeMarks(ownPath: string, marks: Marks): void {
  const path = join(ownPath, fileName)
  const jobs = Object.entries(marks)
    .filter(([, list]) => list.length > 0)
    .slice(-jobsMax)
  if (jobs.length === 0) return removeOwnFile(path)
  const text = JSON.stringify({ version: formatVersion, jobs: Object.fromEntries(jobs) })
  writeOwnFile(path, utf8(`${text}\n`), { mode: 0o600 })
}

function readMarks(ownPath: string): Marks | 'damaged' {
  const path = join(ownPath, fileName)
  const bytes = readOwnFile(path, { maxBytes })
  if (bytes === undefined) return {}
  let value: unknown
  try {
    value = JSON.parse(fromUtf8(bytes) ?? '')
  } catch {
    return 'damaged'
  }
  if (typeof value !== 'object' || value === null) return 'damaged'
  const { version, jobs } = value as Record<string, unknown>
  if (typeof version === 'number' && version > formatVersion) {
    throw new Failure('format-too-new', `${path} was written by a newer Nightferry`, {
      hint: 'update this machine; nothing was changed',
    })
  }
  if (version !== formatVersion || typeof jobs !== 'object' || jobs === null) return 'damaged'
  return Object.values(jobs).every(areMarks) ? (jobs as Marks) : 'damaged'
}

function areMarks(value: unknown): boolean {
  if (!Array.isArray(value)) return false
  return value.every((one: unknown) => {
    if (typeof one !== 'object' || one === null) return false
    const { run, as, by, atMs } = one as Record<string, unknown>
    return typeof run === 'string' && typeof as === 'string' && typeof by === 'string' && Number.isSafeInteger(atMs)
  })
}
