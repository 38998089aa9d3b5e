// What an undo gives back besides content, modes and times: of entries whose owner, attributes or ACLs the run changed in place,
// what its manifest says they had; of directories, symlinks and empty files, which are made anew, what their versions have.

import { extendedOf, wantsExtended, wantsOwner } from '../core/attributes.ts'
import { joinSets } from '../core/extended.ts'
import { type PackedSection, stepsOf } from '../core/plan.ts'
import { hex } from '../std/bytes.ts'
import type { UndoPlan } from './undo-steps.ts'

/** What a batch of an undo sets besides modes and times: nothing, where no entry says what it had. */
export function undoDress(
  sections: readonly PackedSection[],
  { sets }: UndoPlan,
): { attributes?: number; extended?: Uint8Array } {
  let isTold = false
  const needed = new Map<string, Uint8Array>()
  const need = (block: Uint8Array | undefined): void => {
    if (block === undefined) return
    isTold = true
    const digest = extendedOf(block)
    const set = typeof digest === 'string' ? undefined : sets.get(hex(digest))
    if (set !== undefined && typeof digest !== 'string') needed.set(hex(digest), set)
  }
  for (const section of sections) {
    need(section.attributes)
    for (const { entry } of stepsOf(section)) need(entry.attributes)
  }
  return isTold ? { attributes: wantsOwner | wantsExtended, extended: joinSets([...needed.values()]) } : {}
}
