// Where directories were before a scan, by inode: one that lies elsewhere now keeps the digests of its files, and is
// proposed as a rename. An inode alone proves nothing; it only says where to look.

import type { Own } from '../core/page.ts'
import type { RelPath } from '../core/path.ts'
import type { DirectoryRecord } from '../core/record.ts'
import type { Tree } from '../core/tree.ts'

export class Lineage {
  readonly #tree: Tree
  /** Made when first asked for: before the scan has forgotten what is gone. */
  #paths: Map<string, RelPath> | undefined

  constructor(tree: Tree) {
    this.#tree = tree
  }

  /** What a directory held when it lay elsewhere. */
  former(own: Own): DirectoryRecord | undefined {
    const from = this.#known().get(keyOf(own))
    return from === undefined ? undefined : this.#tree.record(from)
  }

  /** Pairs vanished directories with new ones of the same inode. */
  moves(gone: ReadonlySet<RelPath>, fresh: readonly RelPath[]): { from: RelPath; to: RelPath }[] {
    const moves: { from: RelPath; to: RelPath }[] = []
    for (const to of fresh) {
      const record = this.#tree.record(to)
      const from = record === undefined ? undefined : this.#known().get(keyOf(record.own))
      if (from !== undefined && gone.has(from)) moves.push({ from, to })
    }
    return moves
  }

  #known(): Map<string, RelPath> {
    if (this.#paths === undefined) {
      this.#paths = new Map()
      for (const path of this.#tree.paths()) {
        const record = this.#tree.record(path)
        if (record !== undefined) this.#paths.set(keyOf(record.own), path)
      }
    }
    return this.#paths
  }
}

function keyOf(own: Own): string {
  return `${own.inodeHigh}.${own.inodeLow}`
}
