// A root in memory: one record a directory, and the summaries of the view in force, kept up to date lazily: changing one
// directory makes only it and those above it stale. Knows no disk: scan.ts fills it, and hands in the digest function.

import { present } from '../std/assert.ts'
import type { Summary } from './entry.ts'
import { type IgnoreScope, type IgnoreText, ignoreScope } from './ignore.ts'
import { isWithin, joinPath, parentOf, type RelPath, rootPath } from './path.ts'
import type { DirectoryRecord } from './record.ts'
import type { SizeLimits } from './selection.ts'
import { type View, viewListing } from './view.ts'

/** A directory as it is stored between runs. */
export type StoredDirectory = {
  readonly path: RelPath
  readonly record: DirectoryRecord
  /** The view that `summary` belongs to; '' where there is none. */
  readonly viewId: string
  readonly summary: Summary | undefined
}

type Node = {
  record: DirectoryRecord
  summary: Summary | undefined
  /** Differs from what is stored. */
  touched: boolean
}

export class Tree {
  #nodes = new Map<RelPath, Node>()
  #removed = new Set<RelPath>()
  #view: View | undefined
  #viewId = ''
  #fingerprint: (listing: Uint8Array) => Uint8Array
  #rootScope: IgnoreScope = ignoreScope([])
  #textsAt = new Map<string, IgnoreText[]>()

  /** `fingerprint` is the digest of a listing. Stored summaries of another view than the one set later are dropped then. */
  constructor(stored: Iterable<StoredDirectory>, viewId: string, fingerprint: (listing: Uint8Array) => Uint8Array) {
    this.#fingerprint = fingerprint
    this.#viewId = viewId
    for (const { path, record, viewId: of, summary } of stored) {
      this.#nodes.set(path, { record, summary: of === viewId ? summary : undefined, touched: false })
    }
  }

  get directoryCount(): number {
    return this.#nodes.size
  }

  record(path: RelPath): DirectoryRecord | undefined {
    return this.#nodes.get(path)?.record
  }

  paths(): Iterable<RelPath> {
    return this.#nodes.keys()
  }

  /** Puts a directory's new record. */
  put(path: RelPath, record: DirectoryRecord): void {
    this.#removed.delete(path)
    this.#nodes.set(path, { record, summary: undefined, touched: true })
    if (path !== rootPath) this.#makeStale(parentOf(path))
  }

  /** A record learned a digest, or what its directory's own inode says: no summary is stale, but what is stored is. */
  touch(path: RelPath): void {
    present(this.#nodes.get(path), 'what is learned belongs to a known directory').touched = true
  }

  /** Forgets one directory; those below it are the caller's to remove too. */
  remove(path: RelPath): void {
    if (!this.#nodes.delete(path)) return
    this.#removed.add(path)
    if (path !== rootPath) this.#makeStale(parentOf(path))
  }

  #makeStale(path: RelPath): void {
    for (let at = path; ; at = parentOf(at)) {
      const node = this.#nodes.get(at)
      if (node !== undefined) {
        // Summaries above a stale one were made stale with it, or never were.
        if (node.summary === undefined && at !== path) return
        // What is stored of it is stale too, and must not be found by who loads it before it is summarised again.
        if (node.summary !== undefined) node.touched = true
        node.summary = undefined
      }
      if (at === rootPath) return
    }
  }

  /** A directory with all below it now lies at `to`; the records of both parents are the caller's to put. */
  move(from: RelPath, to: RelPath): void {
    // Rules can name places: what they hide may be another thing at the new one.
    const isPlaceless = this.#view !== undefined && this.hasNoRules
    for (const [path, node] of [...this.#nodes]) {
      if (!isWithin(path, from)) continue
      this.#nodes.delete(path)
      this.#removed.add(path)
      const moved = `${to}${path.slice(from.length)}` as RelPath
      this.#nodes.set(moved, { record: node.record, summary: isPlaceless ? node.summary : undefined, touched: true })
      this.#removed.delete(moved)
    }
    this.#makeStale(parentOf(from))
    this.#makeStale(parentOf(to))
  }

  /** Forgets a directory and all below it. */
  removeWithin(path: RelPath): void {
    for (const known of [...this.#nodes.keys()]) if (isWithin(known, path)) this.remove(known)
  }

  /** Sets the view that summaries and listings are made under. */
  setView(view: View, viewId: string): void {
    this.#view = view
    this.#rootScope = ignoreScope(
      view.texts.filter((text) => text.directory === ''),
      { overrides: [...view.overrides] },
    )
    this.#textsAt = new Map()
    for (const text of view.texts) {
      if (text.directory === '') continue
      const there = this.#textsAt.get(text.directory)
      if (there === undefined) this.#textsAt.set(text.directory, [text])
      else there.push(text)
    }
    if (viewId === this.#viewId) return
    this.#viewId = viewId
    for (const node of this.#nodes.values()) {
      node.summary = undefined
      node.touched = true
    }
  }

  /** Whether the view in force hides nothing anywhere. */
  get hasNoRules(): boolean {
    return this.#rootScope.idle && this.#textsAt.size === 0
  }

  /** The sizes that the view in force looks at. */
  get sizes(): SizeLimits | undefined {
    return this.#view?.sizes
  }

  /** The rules in force within a directory. */
  scopeAt(path: RelPath): IgnoreScope {
    let scope = this.#rootScope
    if (path === '' || (scope.idle && this.#textsAt.size === 0)) return scope
    let at = rootPath
    for (const name of path.split('/')) {
      at = joinPath(at, name)
      scope = scope.enter(name, this.#textsAt.get(at) ?? [])
    }
    return scope
  }

  /** The summary of a directory under the view in force, or undefined where the directory is not known. */
  summary(path: RelPath): Summary | undefined {
    return this.#summarise(path, this.scopeAt(path))
  }

  #summarise(path: RelPath, scope: IgnoreScope): Summary | undefined {
    const node = this.#nodes.get(path)
    if (node === undefined || node.summary !== undefined) return node?.summary
    const { bytes, totals } = this.#list(path, node.record, scope)
    node.summary = { fingerprint: this.#fingerprint(bytes), ...totals }
    node.touched = true
    return node.summary
  }

  #list(path: RelPath, record: DirectoryRecord, scope: IgnoreScope): ReturnType<typeof viewListing> {
    const view = present(this.#view, 'a view is set before a tree is listed')
    return viewListing(record, view, scope, (name) => {
      const child = joinPath(path, name)
      const known = this.#nodes.get(child)
      if (known === undefined || known.summary !== undefined) return known?.summary
      return this.#summarise(child, scope.enter(name, this.#textsAt.get(child) ?? []))
    })
  }

  /** The listing of a directory under the view in force. */
  listing(path: RelPath): Uint8Array | undefined {
    const record = this.record(path)
    return record === undefined ? undefined : this.#list(path, record, this.scopeAt(path)).bytes
  }

  /** About how much there is of it, in bytes of records. */
  get sizeBytes(): number {
    let bytes = 0
    for (const { record } of this.#nodes.values()) bytes += record.bytes.length
    return bytes
  }

  /**
   * What differs from what is stored, and forgets that it does. `gives` says how many bytes of records are enough for
   * now: these directories are forgotten, so that what is saved is never held twice; nothing in `put`: that was all.
   */
  takeChanges(gives = 0): { put: StoredDirectory[]; removed: RelPath[] } {
    const put: StoredDirectory[] = []
    let bytes = 0
    for (const [path, node] of this.#nodes) {
      if (gives > 0) this.#nodes.delete(path)
      if (!node.touched) continue
      node.touched = false
      put.push({ path, record: node.record, viewId: this.#viewId, summary: node.summary })
      bytes += node.record.bytes.length
      if (gives > 0 && bytes >= gives) break
    }
    const removed = [...this.#removed]
    this.#removed.clear()
    return { put, removed }
  }
}
