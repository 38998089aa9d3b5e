// The journal: what is about to be displaced, written before it is, so that whatever a machine that dies had taken away
// is found again (recovery.ts). Frames of `.nightferry/journal`, added to group by group and never rewritten: the frames
// of a group are synced, then sealed. It goes when everything in it was looked at and the change is on disk. Neither
// writing nor reading holds more of it than a window.

import { parseRelPath, pathMaxBytes, type RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { ByteReader, ByteWriter, concatBytes, utf8 } from '../std/bytes.ts'
import { encodeFrame, kindEntries, kindSeal, type Walked, walkFrames } from './frames.ts'
import { errno, type Sys } from './sys.ts'

export type Displacement = {
  /** Name in the staging directory under which the displaced thing lies, or will. */
  readonly slot: string
  readonly path: RelPath
  /** What the scan saw at `path`. */
  readonly expected: readonly number[]
  /** The row of what was staged under `slot` to take its place, for an exchange. */
  readonly staged: readonly number[] | undefined
  /** The run whose versions it belongs to, where any are kept. */
  readonly run?: string | undefined
}

const journalName = utf8('journal')
/** About as much as is encoded and written at a time. */
const frameBytes = 64 * 1024
const runMaxBytes = 64

/** Makes the journal, for a target whose own was settled. A handle that the caller closes, or a negative errno. */
export function createJournal(sys: Sys, own: number): number {
  return sys.createFile(own, journalName, 0o600)
}

/**
 * Adds a group (`encodeDisplacements`) to an open journal, synced when this returns. `at` is where the last group ended, zero for the first one;
 * what a failed try left there is written over. `run`: whose versions what is displaced will be. Where this group ends,
 * or a negative errno: then nothing that it tells may be done.
 */
export function writeJournal(
  sys: Sys,
  journal: { readonly handle: number; readonly own: number; readonly at: number },
  displacements: readonly Uint8Array[],
  run?: string,
): number {
  const { handle, own, at } = journal
  const head = headOf(run)
  let end = at
  for (const entries of displacements) {
    const frame = encodeFrame(kindEntries, concatBytes([head, entries]), end)
    const code = sys.write(handle, frame, 0, frame.length, end)
    if (code < 0) return code
    end += frame.length
  }
  let code = sys.syncHandle(handle)
  if (code === 0 && at === 0) code = sys.syncHandle(own)
  if (code < 0) return code
  // Not synced: where it is missing, the group before it counts as one that was never begun or as whole, both rightly.
  const seal = encodeFrame(kindSeal, new Uint8Array(0), end)
  return sys.write(handle, seal, 0, seal.length, end) < 0 ? end : end + seal.length
}

/** Each frame says whose its entries are. */
function headOf(run: string | undefined): Uint8Array {
  const writer = new ByteWriter()
  writer.text(run ?? '')
  return writer.take()
}

/** Displacements as they stand in the journal, in parts of a frame each. */
export function encodeDisplacements(displacements: readonly Displacement[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let from = 0; from < displacements.length; ) {
    const writer = new ByteWriter(frameBytes + 8192)
    for (; from < displacements.length && writer.length < frameBytes; from++) {
      const { slot, path, expected, staged } = displacements[from] as Displacement
      writer.text(slot)
      writer.text(path)
      writer.u8(staged === undefined ? 0 : 1)
      for (const part of expected) writer.u32(part)
      for (const part of staged ?? []) writer.u32(part)
    }
    parts.push(writer.take())
  }
  return parts
}

/** Everything it named is settled. Zero, or a negative errno: it is still there. */
export function clearJournal(sys: Sys, own: number): number {
  const code = sys.unlink(own, journalName)
  return code === -errno.ENOENT ? 0 : code
}

/** Calls `take` with all that a journal names, in order. What of it can't be read is told, never guessed. */
export function readJournal(sys: Sys, own: number, take: (displacement: Displacement) => void): Walked {
  const none = { code: 0, isDamaged: false, isTorn: false, isNewer: false }
  const handle = sys.openFile(own, journalName)
  if (handle === -errno.ENOENT) return none
  if (handle < 0) return { ...none, code: handle }
  let isOdd = false
  const walked = walkFrames(
    (into, position) => sys.read(handle, into, 0, into.length, position),
    (payload) => {
      const entries = decodeEntries(payload)
      isOdd ||= entries === undefined
      for (const entry of entries ?? []) take(entry)
    },
  )
  sys.close(handle)
  return isOdd ? { ...walked, isDamaged: true } : walked
}

/** Undefined where something in it is none of ours: nothing may lead out of the root. */
function decodeEntries(payload: Uint8Array): Displacement[] | undefined {
  const entries: Displacement[] = []
  try {
    const reader = new ByteReader(payload)
    const run = reader.text(runMaxBytes)
    while (reader.left > 0) {
      const slot = reader.text(64)
      const path = parseRelPath(reader.name(pathMaxBytes))
      const isStaged = reader.u8() === 1
      const expected = row(reader)
      const staged = isStaged ? row(reader) : undefined
      if (!/^[a-z0-9]{1,40}$/.test(slot) || path === undefined || path === '') return undefined
      entries.push({ slot, path, expected, staged, run: run === '' ? undefined : run })
    }
    return entries
  } catch {
    return undefined
  }
}

function row(reader: ByteReader): number[] {
  return Array.from({ length: statWidth }, () => reader.u32())
}
