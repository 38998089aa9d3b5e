// Contents that a source names instead of sending them again: a pack says "this file holds what has this digest". The
// target takes such a content from a file that came in the same run, wherever that lies by then, verified as ever; what it
// does not find it asks for. Nothing but what this run received is looked among, so a digest tells a peer nothing.

import type { RelPath } from '../core/path.ts'
import { utf8 } from '../std/bytes.ts'
import type { PackRecord } from './pack.ts'
import { sameFromBytes } from './sent-contents.ts'
import type { StagedStep } from './staged.ts'

/** A content that came and was verified: where it waits for its name, and which name that is. */
export type Arrived = {
  readonly digest: Uint8Array
  readonly build: Uint8Array | undefined
  readonly slot: Uint8Array
  readonly directory: RelPath
  readonly name: string
}

/** What a source tells of a file whose content it does not send. */
export type SameFacts = Pick<PackRecord, 'mode' | 'sizeBytes' | 'mtimeSeconds' | 'mtimeNs'> & {
  readonly number: number
  readonly digest: Uint8Array
}

/** Where a content may lie by now: aside, and at its name. */
export function placesOf(
  content: Arrived | undefined,
  { root, staging }: { readonly root: number; readonly staging: number },
): readonly { readonly top: number; readonly path: Uint8Array; readonly name: Uint8Array }[] {
  if (content === undefined) return []
  const { build = utf8(''), slot, directory, name } = content
  return [
    { top: staging, path: build, name: slot },
    { top: root, path: utf8(directory), name: utf8(name) },
  ]
}

export class Sames {
  #told = new Map<number, SameFacts>()
  #arrived: Arrived[] = []

  /** A step of the batch holds what has this digest. */
  tell(number: number, { mode, sizeBytes, mtimeSeconds, mtimeNs }: PackRecord, digest: Uint8Array): void {
    this.#told.set(number, { number, mode, sizeBytes, mtimeSeconds, mtimeNs, digest: digest.slice() })
  }

  /** The content comes after all, or never will. */
  forget(number: number): void {
    if (this.#told.size > 0) this.#told.delete(number)
  }

  /** What was told and not taken yet. */
  get waiting(): readonly SameFacts[] {
    return [...this.#told.values()]
  }

  take(): readonly SameFacts[] {
    const waiting = this.waiting
    this.#told.clear()
    return waiting
  }

  arrive({ section, stagingName, entry }: StagedStep, sizeBytes: number, digest: Uint8Array): void {
    if (sizeBytes < sameFromBytes) return
    const { build, head } = section
    this.#arrived.push({ digest: digest.slice(), build, slot: stagingName, directory: head.path, name: entry.name })
  }

  /** What arrived since this was asked last; undefined for nothing. */
  takeArrived(): readonly Arrived[] | undefined {
    if (this.#arrived.length === 0) return undefined
    const arrived = this.#arrived
    this.#arrived = []
    return arrived
  }
}
