// Which contents a target received in a run, and where each lies: so that a file whose content the source names, and does
// not send again, is taken from one that came before, in whatever seat that was written. Of a fixed size: the oldest goes.

import type { Arrived } from '../disk/sames.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { Written } from '../disk/written.ts'
import { hex } from '../std/bytes.ts'
import type { Seat } from '../std/crew.ts'

const knownMax = 8192

export class ArrivedContents {
  readonly #known = new Map<string, Arrived>()

  /** Takes what a seat received. */
  add(contents: readonly Arrived[] | undefined): void {
    for (const content of contents ?? []) {
      this.#known.set(hex(content.digest), content)
      if (this.#known.size <= knownMax) continue
      const [oldest = ''] = this.#known.keys()
      this.#known.delete(oldest)
    }
  }

  /** Ends a round of writing, once what was named instead of sent was taken from where it lies. */
  async finishWriting(seat: Seat<DiskTasks>, input: Parameters<DiskTasks['finishWriting']>[0]): Promise<Written> {
    const written = await seat.run('finishWriting', input)
    if (written.sames.length === 0) return written
    const found = written.sames.map((digest) => this.#known.get(hex(digest)))
    await seat.run('takeSames', { landing: input.landing, found })
    return await seat.run('finishWriting', input)
  }
}
