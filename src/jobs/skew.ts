// Whether the clocks of a run's ends agree as far as the run needs it: only an update believes what times say of each other.

import type { Mode } from '../core/reconcile.ts'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import type { EndFacts } from './endpoint.ts'

const clockSkewMaxMs = 2000
/** Facts are a moment old when they are looked at; this much of it is no skew. */
const openingTookMs = 1000

/** Throws `clock-skew`. */
export function checkClocks(mode: Mode, ends: readonly { readonly facts: EndFacts }[], clock: Clock): void {
  if (mode !== 'update') return
  for (const { facts } of ends) {
    const skewMs = Math.abs(facts.nowMs - clock.nowMs())
    if (skewMs > clockSkewMaxMs + openingTookMs) {
      throw new Failure('clock-skew', `the clock of ${facts.machine} differs by ${Math.round(skewMs / 1000)} s`, {
        hint: 'an update trusts times; set the clocks first, or mirror instead',
      })
    }
  }
}
