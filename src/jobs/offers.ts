// What a target on another machine was offered, batch by batch, and the check that it asks for nothing else: it names files
// of the source by their paths, and without this it could name any file of the source's folder, those that the rules leave
// out among them. Holds the bytes of batches under way, and nothing of those that are done.

import { joinPath } from '../core/path.ts'
import { carriesContent, decodeBatch } from '../core/plan.ts'
import { decodeWants } from '../disk/wants.ts'
import { Failure } from '../std/failure.ts'

export class Offers {
  readonly #batches = new Map<number, Uint8Array>()

  /** A batch is about to be told. */
  add(batch: number, bytes: Uint8Array): void {
    this.#batches.set(batch, bytes)
  }

  /** Nothing more may be asked of it. */
  remove(batch: number): void {
    this.#batches.delete(batch)
  }

  /**
   * What the target asks for must be files of the batch that come with content, each once, and as many as it says. Throws
   * `unsolicited` for another file, `protocol-broken` for another number.
   */
  check(batch: number, wants: Uint8Array, count: number): void {
    if (count === 0 && wants.length <= 1) return
    const bytes = this.#batches.get(batch)
    if (bytes === undefined) throw unoffered()
    const offered = new Set<string>()
    for (const { path, steps } of decodeBatch(bytes)) {
      for (const step of steps) if (carriesContent(step)) offered.add(joinPath(path, step.entry.name))
    }
    let asked = 0
    for (const { path, names } of decodeWants(wants)) {
      asked += names.length
      for (const name of names) if (!offered.delete(joinPath(path, name))) throw unoffered()
    }
    if (asked !== count) throw new Failure('protocol-broken', 'the target does not ask for as much as it says')
  }
}

function unoffered(): Failure {
  return new Failure('unsolicited', 'the target asked for a file that it was not offered', {
    hint: 'the session was ended; nothing of that file was sent',
  })
}
