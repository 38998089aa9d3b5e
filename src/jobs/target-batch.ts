// A batch that a target has under way, from its staging until its group has landed; and how large a group is.

import type { Written } from '../disk/written.ts'

export const groupContentBytes: number = 256 * 1024 * 1024
export const groupSteps = 20_000

export type TargetBatch = {
  readonly landing: number
  readonly seat: number
  /** All is known that it needs: content may come. */
  isOpen: boolean
  written: Written | undefined
  /** Sets of attributes that came with it, until it is opened. */
  extended: Uint8Array | undefined
}
