// Which names of an open tree are one file: found when it is first asked, and known as long as nothing changes. Tells it to the
// other end a part at a time, and puts it into what a root says of itself. Finds nothing where nobody looks at it.

import { domainDigest } from '../chunk/digest.ts'
import { wantsHardLinks } from '../core/attributes.ts'
import type { Summary } from '../core/entry.ts'
import { encodeLinked, type LinkedFile, linkedFiles, partitionText } from '../core/link-table.ts'
import { rootPath } from '../core/path.ts'
import type { Tree } from '../core/tree.ts'
import { concatBytes, utf8 } from '../std/bytes.ts'

export class KnownLinks {
  readonly #tree: Tree
  #files: readonly LinkedFile[] | undefined

  constructor(tree: Tree) {
    this.#tree = tree
  }

  /** The tree is about to be another one. */
  forget(): void {
    this.#files = undefined
  }

  /** Some of the files that have several names, from this number on. */
  part(from: number): ReturnType<typeof encodeLinked> {
    return encodeLinked(this.#found(), from)
  }

  /** Of the whole tree; its fingerprint is also one of which names are one file, where any are. */
  summary(): Summary | undefined {
    const summary = this.#tree.summary(rootPath)
    const text = summary === undefined ? '' : partitionText(this.#found())
    if (summary === undefined || text === '') return summary
    const fingerprint = domainDigest('linked 1', concatBytes([summary.fingerprint, utf8(text)]))
    return { ...summary, fingerprint }
  }

  #found(): readonly LinkedFile[] {
    if ((this.#tree.looks & wantsHardLinks) === 0) return []
    this.#files ??= linkedFiles(this.#tree)
    return this.#files
  }
}
