// A file that is coming: written as it comes, its holes left out, hashed on the way. Counts what it took, so that its owner
// can hold that against what was told; says nothing about whether it is right but what its digest is.

import { type Digester, digestOf, openDigester } from '../chunk/digest.ts'
import { Failure } from '../std/failure.ts'
import { hashZeros } from './holes.ts'
import type { PackRecord } from './pack.ts'
import type { Sys } from './sys.ts'

export class Incoming {
  /** Of the batch it belongs to. */
  readonly step: number
  readonly handle: number
  readonly name: Uint8Array
  /** It lies where a break leaves it. */
  readonly isPartial: boolean
  /** How much of the content came, holes counted. */
  written = 0
  readonly #sys: Sys
  /** None for a content that comes in one record. */
  readonly #digester: Digester | undefined
  #digest: Uint8Array | undefined
  /** Where the last bytes that were written end, once a hole came: from there on it is written by place. */
  #dataEnd: number | undefined

  /** `isWhole`: its first record is its last. */
  constructor(
    sys: Sys,
    place: { step: number; handle: number; name: Uint8Array; isPartial: boolean },
    isWhole: boolean,
  ) {
    this.#sys = sys
    this.step = place.step
    this.handle = place.handle
    this.name = place.name
    this.isPartial = place.isPartial
    this.#digester = isWhole ? undefined : openDigester()
  }

  /** Takes a record's content, or its hole. Zero, or the negative errno of a write. */
  take(pack: Uint8Array, { contentStart, contentEnd, holeBytes }: PackRecord): number {
    if (holeBytes > 0) return this.#skip(holeBytes)
    const length = contentEnd - contentStart
    const content = pack.subarray(contentStart, contentEnd)
    const at = this.#dataEnd === undefined ? undefined : this.written
    const code = length === 0 ? 0 : this.#sys.write(this.handle, pack, contentStart, length, at)
    if (code < 0) return code
    this.written += length
    if (at !== undefined && length > 0) this.#dataEnd = this.written
    if (this.#digester === undefined) this.#digest = digestOf(content)
    else this.#digester.update(content)
    return 0
  }

  #skip(bytes: number): number {
    if (this.#digester === undefined) throw new Failure('protocol-broken', 'a hole is told as a whole content')
    hashZeros(this.#digester, bytes)
    this.#dataEnd ??= this.written
    this.written += bytes
    return 0
  }

  /** The digest of what came; nothing comes any more. */
  finish(): Uint8Array {
    return this.#digest ?? (this.#digester as Digester).finish()
  }

  /** Lets it end where its last hole does. Zero or a negative errno. */
  settle(): number {
    const end = this.#dataEnd ?? this.written
    return end < this.written ? this.#sys.setLength(this.handle, this.written) : 0
  }
}
