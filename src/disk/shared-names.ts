// Which names of a target are one file, for whoever plans what to do at them. When one of its names comes or goes, a file's
// ctime moves, and the others are looked at again; before one gets a further name, it is looked at whether that is allowed:
// only where its content is what the source says, by digest. Knows nothing where nobody asked.

import { namesIn } from '../core/attributes.ts'
import { type LinkedFile, linkedFiles } from '../core/link-table.ts'
import { joinPath, parentOf, type RelPath } from '../core/path.ts'
import type { DirectoryRecord } from '../core/record.ts'
import { inodeOf, sizeOf, typeFile } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { equalBytes, utf8 } from '../std/bytes.ts'
import { digestFile } from './content.ts'
import type { Sys } from './sys.ts'

/** A name of the tree, by its row. */
export type SharedName = { readonly directory: RelPath; readonly record: DirectoryRecord; readonly row: number }

export class SharedNames {
  readonly #sys: Sys
  readonly #root: number
  readonly #tree: Tree
  readonly #isAsked: boolean
  readonly #changed = new Set<string>()
  readonly #leaving = new Set<string>()
  #fileAt: Map<RelPath, LinkedFile> | undefined
  readonly #told = new Set<LinkedFile>()
  /** The tree knows all that has landed. */
  mayLink = false

  constructor(sys: Sys, root: number, tree: Tree, isAsked: boolean) {
    this.#sys = sys
    this.#root = root
    this.#tree = tree
    this.#isAsked = isAsked
  }

  /** Inodes of which a name comes or goes. */
  get changed(): ReadonlySet<string> | undefined {
    return this.#isAsked ? this.#changed : undefined
  }

  /** The tree was looked at again: from here on further names may be made. */
  begin(): void {
    this.mayLink = this.#isAsked
    this.#fileAt = undefined
    this.#told.clear()
  }

  /** Whether this is a file of several names. */
  isShared({ record, row }: SharedName): boolean {
    return this.#isAsked && record.type(row) === typeFile && namesIn(record.attributes(row)) > 1
  }

  /** A name of this file comes or goes: the directories of all its names are put into `touches`. */
  touch(name: SharedName, touches: Set<RelPath>): void {
    if (!this.#isAsked) return
    const { directory, record, row } = name
    this.#changed.add(inodeOf(record.stats(row), record.at(row)))
    touches.add(directory)
    const file = this.#fileOf(name)
    if (file === undefined || this.#told.has(file)) return
    this.#told.add(file)
    for (const path of file.paths) touches.add(parentOf(path))
  }

  /** This name of the file goes, and what it was is kept as a version. */
  leaves({ record, row }: SharedName): void {
    this.#leaving.add(inodeOf(record.stats(row), record.at(row)))
  }

  /** How many names it has, where the rules show all of them and all stay: what is set on one may be set on all. */
  together(name: SharedName): number | undefined {
    if (!this.#isAsked || this.#leaving.has(inodeOf(name.record.stats(name.row), name.record.at(name.row))))
      return undefined
    const names = namesIn(name.record.attributes(name.row))
    return names === (this.#fileOf(name)?.paths.length ?? 1) ? names : undefined
  }

  /** Whether the file has this content: as it is known, or by reading it. */
  holds({ directory, record, row }: SharedName, digest: Uint8Array): boolean {
    let known = record.digest(row)
    if (known === undefined) {
      const handle = this.#sys.openDirectory(this.#root, utf8(directory))
      const sizeBytes = sizeOf(record.stats(row), record.at(row))
      known = handle < 0 ? undefined : digestFile(this.#sys, handle, record.nameBytes(row), sizeBytes)
      if (handle >= 0) this.#sys.close(handle)
      if (known !== undefined) record.setDigest(row, known)
    }
    return known !== undefined && equalBytes(known, digest)
  }

  #fileOf({ directory, record, row }: SharedName): LinkedFile | undefined {
    this.#fileAt ??= new Map(linkedFiles(this.#tree).flatMap((file) => file.paths.map((path) => [path, file] as const)))
    return this.#fileAt.get(joinPath(directory, record.name(row)))
  }
}
