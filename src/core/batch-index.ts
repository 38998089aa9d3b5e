// A batch as it lies: where each step begins in the bytes, so that a step costs four bytes and no object until somebody
// looks at it. For bytes that `decodeBatch` has let pass: an index checks that they hang together, and nothing more.

import { ByteReader, decodeName } from '../std/bytes.ts'
import type { Kind } from './entry.ts'
import { kindAt, skipEntry } from './listing.ts'
import { type Action, actionOf, type SectionHead, type Step, skipStepEnd, takeSectionHead, takeStep } from './plan.ts'

export type IndexedSection = {
  readonly head: SectionHead
  readonly firstStep: number
  readonly endStep: number
}

/** Steps are numbered through all sections. */
export class BatchIndex {
  readonly sections: readonly IndexedSection[]
  readonly stepCount: number
  readonly #bytes: Uint8Array
  readonly #starts: Uint32Array

  constructor(bytes: Uint8Array) {
    const reader = new ByteReader(bytes)
    const sections: IndexedSection[] = []
    const starts: number[] = []
    for (let left = reader.varint(bytes.length); left > 0; left--) {
      const { head, stepCount } = takeSectionHead(reader)
      const firstStep = starts.length
      for (let step = 0; step < stepCount; step++) {
        starts.push(reader.offset)
        const first = reader.u8()
        skipEntry(reader)
        skipStepEnd(reader, first)
      }
      sections.push({ head, firstStep, endStep: starts.length })
    }
    reader.end()
    this.sections = sections
    this.stepCount = starts.length
    this.#bytes = bytes
    this.#starts = Uint32Array.from(starts)
  }

  action(number: number): Action {
    return actionOf(this.#bytes[this.#starts[number] as number] as number)
  }

  /** The kind of the step's entry. */
  kind(number: number): Kind {
    return kindAt(this.#bytes[(this.#starts[number] as number) + 1] as number)
  }

  /** A view of the bytes of the entry's name. */
  nameBytes(number: number): Uint8Array {
    const start = (this.#starts[number] as number) + 2
    const length = this.#bytes[start] as number
    // A name has 255 bytes at most: its length takes one byte, or two.
    if (length < 0x80) return this.#bytes.subarray(start + 1, start + 1 + length)
    const long = (length & 0x7f) | ((this.#bytes[start + 1] as number) << 7)
    return this.#bytes.subarray(start + 2, start + 2 + long)
  }

  name(number: number): string {
    return decodeName(this.nameBytes(number))
  }

  step(number: number): Step {
    return takeStep(new ByteReader(this.#bytes, this.#starts[number]))
  }
}
