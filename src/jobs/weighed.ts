// The receiver's guard: what a plan takes away, and brings, batch by batch, held against what was announced and judged before
// and against what the owner of the share allows. Counts for itself; believes nobody.

import { checkOwnerBytes, type OwnerLimit } from '../core/owner-limit.ts'
import type { Staged } from '../disk/stage.ts'
import { Failure } from '../std/failure.ts'
import type { PlanTotals } from './endpoint.ts'

export class Weighed {
  #deletes = 0
  #replaces = 0
  #bringsBytes = 0

  /** Counts a batch. Throws `unsolicited` where it takes away more than was announced, or brings more than the owner allows. */
  add(staged: Staged, totals: PlanTotals | undefined, limit: OwnerLimit | undefined): void {
    this.#deletes += staged.deletes
    this.#replaces += staged.replaces
    this.#bringsBytes += staged.bringsBytes
    if (totals === undefined || this.#deletes > totals.deletes || this.#replaces > totals.replaces) {
      throw new Failure('unsolicited', 'a plan takes away more than it announced', {
        hint: 'the session was ended; nothing of this step was done',
      })
    }
    checkOwnerBytes(limit, this.#bringsBytes, true)
  }
}
