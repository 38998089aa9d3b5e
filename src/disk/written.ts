// What comes of a round of writing a batch: what is asked for again, or what has to be told before it lands.

import type { Told } from './holdings.ts'
import type { Landing } from './landing.ts'

/** The end of a round of writing: wants worth another round, or what has to be in the journal before landing. */
export type Written = {
  readonly again: Uint8Array
  readonly count: number
  /** Of what is wanted again, those of which only portions are to come. */
  readonly portions: Uint8Array
  /** What is about to be displaced, as `encodeDisplacements`. */
  readonly displacements: readonly Uint8Array[]
  /** What is about to happen, for the run's manifest. */
  readonly told: Told | undefined
  readonly steps: number
  readonly contentBytes: number
  /** Above 0: so many bytes found no space. The round is not ended; ask again, with `hasRoom` or `last`. */
  readonly starvedBytes: number
  /** Digests of contents that were named and not sent. The round is not ended; ask again once they were looked for. */
  readonly sames: readonly Uint8Array[]
}

/** Bytes of content that found no space. */
export function starvedBy(landing: Landing): number {
  const starved = landing.batch.failed().filter(({ problem }) => problem?.code === 'no-space')
  return starved.reduce((sum, { entry }) => sum + entry.sizeBytes, 0)
}

/** Nothing came of it yet. */
export const unwritten: Written = {
  again: new Uint8Array(0),
  count: 0,
  portions: new Uint8Array(0),
  displacements: [],
  told: undefined,
  steps: 0,
  contentBytes: 0,
  starvedBytes: 0,
  sames: [],
}
