// The receiver's guard: what a plan takes away and brings, counted by the target as it is staged, stays within what was
// announced and judged, whoever planned it.

import { checkOwnerBytes, type OwnerLimit } from '../core/owner-limit.ts'
import type { Staged } from '../disk/stage.ts'
import { Failure } from '../std/failure.ts'
import type { PlanTotals } from './endpoint.ts'

export class Weighed {
  readonly #announced: Pick<PlanTotals, 'deletes' | 'replaces'>
  readonly #ownerLimit: OwnerLimit | undefined
  #deletes = 0
  #replaces = 0
  #bringsBytes = 0

  constructor(announced: Pick<PlanTotals, 'deletes' | 'replaces'>, ownerLimit: OwnerLimit | undefined) {
    this.#announced = announced
    this.#ownerLimit = ownerLimit
  }

  /** Throws `unsolicited`, or what the owner's limit of bytes does. */
  add({ deletes, replaces, bringsBytes }: Pick<Staged, 'deletes' | 'replaces' | 'bringsBytes'>): void {
    this.#deletes += deletes
    this.#replaces += replaces
    this.#bringsBytes += bringsBytes
    if (this.#deletes > this.#announced.deletes || this.#replaces > this.#announced.replaces) {
      throw new Failure('unsolicited', 'a plan takes away more than it announced', {
        hint: 'the session was ended; nothing of this step was done',
      })
    }
    checkOwnerBytes(this.#ownerLimit, this.#bringsBytes, true)
  }
}
