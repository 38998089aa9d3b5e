// An end on this machine that is read from and written to in one run, as both ends of a two-way job are: a target, from which
// content leaves too. One tree, one lock, one lease. What is written here never races with what is read: no name of a run
// goes both ways, and each is read and written under the look that the plan was made by.

import type { Root } from '../disk/root.ts'
import type { BothEnd, PackSink } from './endpoint.ts'
import type { Workshop } from './local.ts'
import { type Leaving, Supplies } from './supplies.ts'
import { LocalTarget, type LocalTargetOptions } from './target.ts'

export class LocalBoth extends LocalTarget implements BothEnd {
  readonly #supplies: Supplies

  constructor(workshop: Workshop, root: Root, options: LocalTargetOptions & Leaving) {
    super(workshop, root, options)
    this.#supplies = new Supplies(this.reading, options)
  }

  protected override get isRead(): boolean {
    return true
  }

  override stop(): void {
    super.stop()
    this.#supplies.stop()
  }

  async supply(batch: number, wants: Uint8Array, sink: PackSink, portions?: Uint8Array): Promise<void> {
    await this.#supplies.supply(batch, wants, sink, portions)
  }

  override async close(save: boolean): Promise<void> {
    this.#supplies.stop()
    await super.close(save)
    await this.#supplies.close()
  }
}
