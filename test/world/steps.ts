// Steps and packs written by hand, as a source and a driver would make them, or as no honest one would. For tests only.

import { digestOf } from '../../src/chunk/digest.ts'
import type { Entry } from '../../src/core/entry.ts'
import type { RelPath } from '../../src/core/path.ts'
import { encodeBatch, packSection, type SectionHead, type Step } from '../../src/core/plan.ts'
import { flagFailed, flagFirst, flagLast, putHole, putRecordHead, recordHeadBytes } from '../../src/disk/pack.ts'
import { concatBytes, utf8 } from '../../src/std/bytes.ts'

export const stepTime = { mtimeSeconds: 1_600_000_000, mtimeNs: 123_456_789 }

export function head(path: string, state: SectionHead['state'] = 'present', mode = 0o755): SectionHead {
  return { ...stepTime, path: path as RelPath, state, mode }
}

export function fileEntry(name: string, sizeBytes: number, change: Partial<Entry> = {}): Entry {
  const nothing = { edits: 0, link: undefined, summary: undefined }
  return { kind: 'file', name, mode: 0o644, ...stepTime, sizeBytes, ...nothing, ...change }
}

export function create(name: string, text: string, change: Partial<Entry> = {}, from?: string): Step {
  const moved =
    from === undefined
      ? { from: undefined, digest: undefined }
      : { from: from as RelPath, digest: digestOf(utf8(text)) }
  return { action: 'create', entry: fileEntry(name, utf8(text).length, change), ...moved }
}

/** A step at what is there. */
export function change(action: Step['action'], name: string, entry: Partial<Entry> = {}): Step {
  return { action, entry: fileEntry(name, 1, entry), from: undefined, digest: undefined }
}

export type Sections = readonly (readonly [SectionHead, readonly Step[]])[]

export function batchBytes(sections: Sections): Uint8Array {
  return encodeBatch(sections.map(([section, steps]) => packSection(section, steps)))
}

export type Piece = {
  readonly number: number
  readonly text: string
  readonly flags?: number
  readonly sizeBytes?: number
  readonly digest?: Uint8Array
  readonly mode?: number
  /** A hole of this length instead of a text. */
  readonly holeBytes?: number
  /** The whole content, where `text` is only a piece of it. */
  readonly whole?: string
}

/** Records side by side; by default each is a whole file with its right digest. */
export function pack(...pieces: readonly Piece[]): Uint8Array {
  const parts = pieces.map(
    ({ number, text, flags = flagFirst | flagLast, sizeBytes, digest, mode = 0o644, whole = text, holeBytes }) => {
      const content = utf8(text)
      const bytes = new Uint8Array(recordHeadBytes + content.length)
      const failed = (flags & flagFailed) !== 0
      const facts = { number, flags, code: failed ? ('vanished' as const) : undefined, mode, ...stepTime }
      const size = sizeBytes ?? utf8(whole).length
      putRecordHead(new DataView(bytes.buffer), 0, { ...facts, sizeBytes: size, length: content.length })
      bytes.set(digest ?? digestOf(utf8(whole)), 32)
      bytes.set(content, recordHeadBytes)
      if (holeBytes !== undefined) putHole(new DataView(bytes.buffer), 0, holeBytes)
      return bytes
    },
  )
  return concatBytes(parts)
}
