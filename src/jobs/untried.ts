// What a dry run can't know of names: a target that no run wrote to is not tried out, so whether its disk takes a name that
// some disks refuse, stores it under another or has none for it is seen by the first run. Counts such names among the
// changes that are told, and says so once, where there are any.

import { nameOf, type RelPath } from '../core/path.ts'
import { isRefusedName, storesMax } from '../core/stored-names.ts'
import type { RunListener } from './endpoint.ts'

export class Untried {
  #count = 0
  #first = ''
  readonly #listen: RunListener

  constructor(listen: RunListener) {
    this.#listen = listen
  }

  /** In the place of the listener that it was made with. */
  readonly listener: RunListener = (event) => {
    if (
      event.type === 'change' &&
      !event.action.startsWith('delete') &&
      isRefusedName(nameOf(event.path as RelPath), storesMax)
    ) {
      if (this.#count === 0) this.#first = event.path
      this.#count++
    }
    this.#listen(event)
  }

  tell(): void {
    if (this.#count === 0) return
    const names = this.#count === 1 ? 'a name' : `${this.#count} names, as`
    const text = `nothing was ever written to the target, so what its disk makes of ${names} ${this.#first} is not known: it may be stored under another name, or be told as bad-name`
    this.#listen({ type: 'notice', text })
  }
}
