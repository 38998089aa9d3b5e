// A source on this machine: it is looked at, and what is wanted of it leaves (supplies.ts). Nothing is ever written to it.

import type { Root } from '../disk/root.ts'
import type { PackSink, SourceEnd } from './endpoint.ts'
import { LocalEnd, type LocalOptions, type Workshop } from './local.ts'
import { type Leaving, Supplies } from './supplies.ts'

export class LocalSource extends LocalEnd implements SourceEnd {
  readonly #supplies: Supplies

  constructor(workshop: Workshop, root: Root, options: LocalOptions & Leaving) {
    super(workshop, root, options)
    this.#supplies = new Supplies(this.reading, options)
  }

  /** What waits for its turn to leave waits no longer, and does not leave. */
  override stop(): void {
    super.stop()
    this.#supplies.stop()
  }

  async supply(batch: number, wants: Uint8Array, sink: PackSink, portions?: Uint8Array): Promise<void> {
    await this.#supplies.supply(batch, wants, sink, portions)
  }

  override async close(save: boolean): Promise<void> {
    this.stop()
    await super.close(save)
    await this.#supplies.close()
  }
}
