// Tasks for the tests of the crew: what a seat may do, and what it should not. For tests only.

import { Handover } from '../../src/std/crew.ts'
import { Failure } from '../../src/std/failure.ts'

let kept: readonly string[] = []

export const tasks = {
  echo: (input: { value: unknown }): unknown => input.value,
  keep(input: { word: string }): readonly string[] {
    kept = [...kept, input.word]
    return kept
  },
  fail(_input: object): void {
    throw new Failure('target-full', 'there is no space', { hint: 'free some' })
  },
  bug(_input: object): void {
    throw new TypeError('a mistake')
  },
  notCloneable: (_input: object): unknown => ({ call: () => 1 }),
  length: (input: { bytes: Uint8Array }): number => input.bytes.length,
  give(input: { length: number }): Handover<Uint8Array> {
    const bytes = new Uint8Array(input.length).fill(7)
    return new Handover(bytes, [bytes.buffer])
  },
  /** Ends its thread. */
  leave(_input: object): void {
    process.exit(3)
  },
}

export type TestTasks = typeof tasks
