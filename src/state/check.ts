// Whether the state database is sound, for a person who asks: every page is looked at, which opening does not do.

import type { State } from './open.ts'
import { textIn } from './row.ts'

/** SQLite's word on it: `ok`, or what is wrong first. */
export function checkState(state: State): string {
  return state.read(() => textIn(state.prepare('PRAGMA quick_check(1)').get() ?? {}, 'quick_check'))
}
