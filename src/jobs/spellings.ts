// What a source calls the entries that its target spells otherwise and can't, or shall not, spell like it (another Unicode
// form, another case in an update). A plan speaks with the target's names; whoever asks the source by a plan goes through
// here. Empty, and free, for every target that keeps names apart.

import { joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import { decodeWants, encodeWants, type WantedDirectory } from '../disk/wants.ts'
import type { SourceEnd } from './endpoint.ts'

export class Spellings {
  /** By path in the target's names. */
  readonly #names = new Map<RelPath, string>()
  /** The same the other way: by the target's path of the directory and the source's name. */
  readonly #sources = new Map<RelPath, string>()
  /** What the source has and the target can't: by the target's path of the directory and the source's name. */
  readonly #away = new Set<RelPath>()

  /** The entry that the target calls `name` in `directory` (a path in its names) is the source's `source`. */
  add(directory: RelPath, { name, source }: { readonly name: string; readonly source: string }): void {
    this.#names.set(joinPath(directory, name), source)
    this.#sources.set(joinPath(directory, source), name)
  }

  /** The source's `name` in `directory` (a path in the target's names) has no place there. */
  leaveAway(directory: RelPath, name: string): void {
    this.#away.add(joinPath(directory, name))
  }

  get isEmpty(): boolean {
    return this.#names.size === 0
  }

  /** Every name of the source has its place, under itself. */
  get areExact(): boolean {
    return this.isEmpty && this.#away.size === 0
  }

  /** The source's path of what lies at a path of the target. */
  toSource(path: RelPath): RelPath {
    if (this.isEmpty || path === '') return path
    return joinPath(this.toSource(parentOf(path)), this.#names.get(path) ?? nameOf(path))
  }

  /** The target's path of what lies at a path of the source. */
  toTarget(path: RelPath): RelPath {
    if (this.isEmpty || path === '') return path
    const directory = this.toTarget(parentOf(path))
    const name = nameOf(path)
    return joinPath(directory, this.#sources.get(joinPath(directory, name)) ?? name)
  }

  /** What the source's `name` in `directory` (a path in the target's names) is called there; undefined where it has no place. */
  placeOf(directory: RelPath, name: string): string | undefined {
    const at = joinPath(directory, name)
    return this.#away.has(at) ? undefined : (this.#sources.get(at) ?? name)
  }

  /** Where the target has what lies at these paths of the source: what stays away, alone or with its folder, has none. */
  placesAt(paths: readonly RelPath[]): RelPath[] {
    return paths.filter((path) => !this.#isAway(path)).map((path) => this.toTarget(path))
  }

  #isAway(path: RelPath): boolean {
    if (path === '') return false
    const directory = parentOf(path)
    return this.#away.has(joinPath(this.toTarget(directory), nameOf(path))) || this.#isAway(directory)
  }

  /** The same files, in the same order, as the source calls them. */
  filesToSource(files: readonly WantedDirectory[]): readonly WantedDirectory[] {
    if (this.isEmpty) return files
    return files.map(({ path, names }) => ({
      path: this.toSource(path),
      names: names.map((name) => this.#names.get(joinPath(path, name)) ?? name),
    }))
  }

  /** The same for wants as they travel. */
  wantsToSource(wants: Uint8Array): Uint8Array {
    return this.isEmpty ? wants : encodeWants([...this.filesToSource(decodeWants(wants))])
  }
}

/** A source that is asked with the target's names. */
export function spelledSource(source: SourceEnd, spellings: Spellings): SourceEnd {
  return {
    get facts() {
      return source.facts
    },
    scan: (rules) => source.scan(rules),
    view: (view, viewId) => source.view(view, viewId),
    listings: (paths, deep) =>
      source.listings(spellings.isEmpty ? paths : paths.map((path) => spellings.toSource(path)), deep),
    outlines: (paths) => source.outlines(paths.map((path) => spellings.toSource(path))),
    listingPart: (path, ranges) => source.listingPart(spellings.toSource(path), ranges),
    digests: (files, fresh) => source.digests(spellings.filesToSource(files), fresh),
    linkedFiles: async () => {
      const files = await source.linkedFiles()
      if (spellings.areExact) return files
      return files.map(({ names, paths }) => ({ names, paths: spellings.placesAt(paths) }))
    },
    attributes: (files) => source.attributes(spellings.filesToSource(files)),
    owners: () => source.owners(),
    close: (save) => source.close(save),
    supply: (batch, wants, sink, portions) => source.supply(batch, spellings.wantsToSource(wants), sink, portions),
  }
}
