// Where the entries of a batch are made aside: in the staging directory, or in the new directory that is built there. Holds
// one handle, of the directory that is being built.

import type { StagedSection, StagedStep } from './staged.ts'
import type { Sys } from './sys.ts'

export class BuildHandle {
  readonly #sys: Sys
  readonly #staging: number
  #handle = -1
  #section: StagedSection | undefined

  constructor(sys: Sys, staging: number) {
    this.#sys = sys
    this.#staging = staging
  }

  /** Where a step's entry is made. The directory may be a negative errno, which every call with it answers. */
  placeOf({ section, stagingName: name }: StagedStep): { directory: number; name: Uint8Array } {
    if (section.build === undefined) return { directory: this.#staging, name }
    if (this.#section !== section) {
      this.leave()
      this.#handle = this.#sys.openDirectory(this.#staging, section.build)
      this.#section = section
    }
    return { directory: this.#handle, name }
  }

  leave(): void {
    if (this.#handle >= 0) this.#sys.close(this.#handle)
    this.#handle = -1
    this.#section = undefined
  }
}
