// By which names a disk shows what was given others: one that shows every name in lower case has `One` as `one`. Whoever makes
// a further name of what has just landed calls that as the source does. Decides nothing where names are shown as they are given.

import { foldName, type Naming } from '../core/naming.ts'
import { joinPath, type RelPath, rootPath } from '../core/path.ts'
import type { DirectoryRecord } from '../core/record.ts'
import type { Tree } from '../core/tree.ts'
import { utf8 } from '../std/bytes.ts'

export class ShownNames {
  readonly #tree: Tree
  readonly #naming: Naming | undefined
  /** Names of a directory by what the disk takes for the same; undefined where it shows several of them. */
  readonly #known = new WeakMap<DirectoryRecord, Map<string, string | undefined>>()

  constructor(tree: Tree, naming: Naming | undefined) {
    this.#tree = tree
    this.#naming = naming?.keeps === 'lower' ? naming : undefined
  }

  /** The path under which the tree has what was brought as `path`; `path` itself where it has nothing else. */
  pathOf(path: RelPath): RelPath {
    const naming = this.#naming
    if (naming === undefined) return path
    let at: RelPath = rootPath
    for (const name of path.split('/')) {
      const record = this.#tree.record(at)
      if (record === undefined) return path
      const shown = record.find(utf8(name)) >= 0 ? name : this.#namesIn(record, naming).get(foldName(name, naming))
      if (shown === undefined) return path
      at = joinPath(at, shown)
    }
    return at
  }

  #namesIn(record: DirectoryRecord, naming: Naming): Map<string, string | undefined> {
    const known = this.#known.get(record)
    if (known !== undefined) return known
    const names = new Map<string, string | undefined>()
    for (let row = 0; row < record.count; row++) {
      const folded = foldName(record.name(row), naming)
      names.set(folded, names.has(folded) ? undefined : record.name(row))
    }
    this.#known.set(record, names)
    return names
  }
}
