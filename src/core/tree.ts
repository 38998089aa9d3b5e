// A root in memory: one record a directory, and the summaries of the view in force, kept up to date lazily: changing one
// directory makes only it and those above it stale. Knows no disk: scan.ts fills it, and hands in the digest function.

import { present } from '../std/assert.ts'
import { ByteWriter, hex } from '../std/bytes.ts'
import type { Summary } from './entry.ts'
import { type IgnoreScope, type IgnoreText, ignoreScope } from './ignore.ts'
import { putEntry, startListing } from './listing.ts'
import { type NameRange, OutlineWriter, outlinedMin } from './outline.ts'
import { mapOwner, OwnerIds } from './owners.ts'
import type { RecordPage } from './page.ts'
import { isWithin, joinPath, parentOf, type RelPath, rootPath } from './path.ts'
import { type DirectoryRecord, joinPages } from './record.ts'
import type { SizeLimits } from './selection.ts'
import { typeDirectory } from './stat.ts'
import { isEqualTop, type Top, topText } from './top.ts'
import { isHidden, type TakeEntry, type View, viewEntries, viewListing } from './view.ts'

/** A page of a directory as it is stored between runs. */
export type StoredPage = {
  /** Of the first page of a directory: its path. Of another one: the path, `//`, and its first name in hexadecimal. */
  readonly key: string
  readonly page: RecordPage
  /** The view that `summary` belongs to; '' where there is none. */
  readonly viewId: string
  /** Of the directory; with its first page. */
  readonly summary: Summary | undefined
}

/** A directory as it was stored. */
export type StoredDirectory = {
  readonly path: RelPath
  readonly record: DirectoryRecord
  readonly viewId: string
  readonly summary: Summary | undefined
}

/** A directory page by page, as it is stored. */
export function storedPages({ path, record, viewId, summary }: StoredDirectory): StoredPage[] {
  return record.pages.map((page) => storedPage(path, page, viewId, summary))
}

function storedPage(path: RelPath, page: RecordPage, viewId: string, summary: Summary | undefined): StoredPage {
  const isFirst = page.pages > 0
  return { key: keyOf(path, page), page, viewId: isFirst ? viewId : '', summary: isFirst ? summary : undefined }
}

/** The directory that a key names a page of. */
export function pathOfKey(key: string): RelPath {
  const end = key.indexOf('//')
  return (end < 0 ? key : key.slice(0, end)) as RelPath
}

function keyOf(path: RelPath, page: RecordPage): string {
  return page.pages > 0 ? path : partKey(path, page)
}

function partKey(path: RelPath, page: RecordPage): string {
  return `${path}//${hex(page.nameBytes(0))}`
}

/** The digest of a listing, which comes in pieces. */
export type ListingDigester = { update(piece: Uint8Array): void; finish(): Uint8Array }

type Node = {
  record: DirectoryRecord
  summary: Summary | undefined
}

type Stale = { readonly path: RelPath; readonly node: Node; readonly scope: IgnoreScope }

export class Tree {
  #nodes = new Map<RelPath, Node>()
  /** Keys of what is stored and is no more. */
  #removed = new Set<string>()
  #view: View | undefined
  #viewId = ''
  #openDigester: () => ListingDigester
  #rootScope: IgnoreScope = ignoreScope([])
  #textsAt = new Map<string, IgnoreText[]>()
  /** Of the root, and of directories that lie on another one than their parent. */
  readonly #devices = new Map<RelPath, number>()
  /** What of an entry's attributes is looked at, as a mask of attributes.ts: whoever looks for this tree looks at these. */
  looks = 0
  #top: Top | undefined

  /** Fingerprints are what `openDigester` makes of listings. Stored summaries of another view than the one set later are dropped then. */
  constructor(stored: Iterable<StoredPage>, viewId: string, openDigester: () => ListingDigester) {
    this.#openDigester = openDigester
    this.#viewId = viewId
    for (const { record, path, viewId: of, summary } of joinStored(stored)) {
      for (const page of record.pages) page.isStored = true
      this.#nodes.set(path, { record, summary: of === viewId ? summary : undefined })
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

  /** The top folder itself, where it is carried; never stored. */
  get top(): Top | undefined {
    return this.#top
  }

  /** The same as the view shows it. */
  get shownTop(): Top | undefined {
    if (this.#top === undefined) return undefined
    const { modeMask, owners } = this.#mustView()
    return { ...this.#top, mode: this.#top.mode & modeMask, attributes: mapOwner(this.#top.attributes, owners) }
  }

  setTop(top: Top | undefined): void {
    const isSame = isEqualTop(top, this.#top)
    this.#top = top
    if (!isSame) this.#makeStale(rootPath)
  }

  /** Which device a directory is on, as far as somebody said so since the tree was opened. */
  deviceOf(path: RelPath): number {
    for (let at = path; ; at = parentOf(at)) {
      const device = this.#devices.get(at)
      if (device !== undefined || at === rootPath) return device ?? 0
    }
  }

  setDevice(path: RelPath, device: number): void {
    this.#devices.delete(path)
    if (path === rootPath || this.deviceOf(path) !== device) this.#devices.set(path, device)
  }

  /** Puts a directory's new record. */
  put(path: RelPath, record: DirectoryRecord): void {
    const before = this.#nodes.get(path)?.record
    if (before !== undefined) this.#forgetPages(path, before.pages)
    for (const page of record.pages) this.#removed.delete(keyOf(path, page))
    record.touch()
    this.#nodes.set(path, { record, summary: undefined })
    if (path !== rootPath) this.#makeStale(parentOf(path))
  }

  /** Forgets one directory; those below it are the caller's to remove too. */
  remove(path: RelPath): void {
    const node = this.#nodes.get(path)
    if (node === undefined) return
    this.#nodes.delete(path)
    this.#forgetPages(path, node.record.pages)
    if (path !== rootPath) this.#makeStale(parentOf(path))
  }

  /** A page that is the first one now may have been stored as another one, and the other way round. */
  #forgetPages(path: RelPath, pages: readonly RecordPage[]): void {
    this.#removed.add(path)
    if (pages.length > 1) for (const page of pages) this.#removed.add(partKey(path, page))
  }

  #makeStale(path: RelPath): void {
    for (let at = path; ; at = parentOf(at)) {
      const node = this.#nodes.get(at)
      if (node !== undefined) {
        // Summaries above a stale one were made stale with it, or never were.
        if (node.summary === undefined && at !== path) return
        // What is stored of it is stale too, and must not be found by who loads it before it is summarised again.
        if (node.summary !== undefined) node.record.touch()
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
      const { pages } = node.record
      this.#forgetPages(path, pages)
      const moved = `${to}${path.slice(from.length)}` as RelPath
      this.#nodes.set(moved, { record: node.record, summary: isPlaceless ? node.summary : undefined })
      for (const page of pages) {
        page.isStored = false
        this.#removed.delete(keyOf(moved, page))
      }
    }
    this.#makeStale(parentOf(from))
    this.#makeStale(parentOf(to))
  }

  /** Forgets a directory and all below it. */
  removeWithin(path: RelPath): void {
    for (const known of [...this.#nodes.keys()]) if (isWithin(known, path)) this.remove(known)
  }

  /** The numbers that own something in it. */
  ownerIds(): OwnerIds {
    const ids = new OwnerIds()
    ids.add(this.#top?.attributes)
    for (const { record } of this.#nodes.values())
      for (let row = 0; row < record.count; row++) ids.add(record.attributes(row))
    return ids
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
      node.record.touch()
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

  /** What lies below first: trees may be deeper than calls may nest, and no digest is open while another one is made. */
  #summarise(path: RelPath, scope: IgnoreScope): Summary | undefined {
    const node = this.#nodes.get(path)
    if (node === undefined || node.summary !== undefined) return node?.summary
    const stale: Stale[] = [{ path, node, scope }]
    for (const above of stale) this.#addStaleBelow(above, stale)
    for (const one of stale.reverse()) {
      const digester = this.#openDigester()
      const { bytes, totals } = this.#list(one.path, one.node.record, one.scope, (piece) => digester.update(piece))
      digester.update(bytes)
      if (one.path === rootPath && this.shownTop !== undefined) digester.update(topText(this.shownTop))
      one.node.summary = { fingerprint: digester.finish(), ...totals }
      one.node.record.touch()
    }
    return node.summary
  }

  #addStaleBelow({ path, node: { record }, scope }: Stale, stale: Stale[]): void {
    for (let row = 0; row < record.count; row++) {
      const name = record.type(row) === typeDirectory ? record.name(row) : undefined
      if (name === undefined) continue
      const below = joinPath(path, name)
      const node = this.#nodes.get(below)
      if (node === undefined || node.summary !== undefined || isHidden(record, row, scope)) continue
      stale.push({ path: below, node, scope: scope.enter(name, this.#textsAt.get(below) ?? []) })
    }
  }

  /** Of a directory below which nothing is stale. */
  #list(
    path: RelPath,
    record: DirectoryRecord,
    scope: IgnoreScope,
    drain?: (piece: Uint8Array) => void,
  ): ReturnType<typeof viewListing> {
    return viewListing(record, this.#mustView(), scope, this.#summaryIn(path), drain)
  }

  #mustView(): View {
    return present(this.#view, 'a view is set before a tree is listed')
  }

  #summaryIn(path: RelPath): (name: string) => Summary | undefined {
    return (name) => this.#nodes.get(joinPath(path, name))?.summary
  }

  /** The listing of a directory under the view in force. */
  listing(path: RelPath): Uint8Array | undefined {
    const record = this.record(path)
    if (record === undefined) return undefined
    const scope = this.scopeAt(path)
    this.#summarise(path, scope)
    return this.#list(path, record, scope).bytes
  }

  /** The outline of a directory's listing; undefined where it is not long, or the directory is not known. */
  outline(path: RelPath): Uint8Array | undefined {
    const record = this.record(path)
    if (record === undefined || record.count <= outlinedMin) return undefined
    const scope = this.scopeAt(path)
    this.#summarise(path, scope)
    const writer = new OutlineWriter((page) => {
      const digester = this.#openDigester()
      digester.update(page)
      return digester.finish()
    })
    viewEntries(record, this.#mustView(), scope, this.#summaryIn(path), (entry, name) => writer.add(entry, name))
    return writer.take()
  }

  /** The part of a directory's listing that lies within these ranges, which are in order and apart. */
  listingPart(path: RelPath, ranges: readonly NameRange[]): Uint8Array | undefined {
    const record = this.record(path)
    if (record === undefined) return undefined
    const scope = this.scopeAt(path)
    this.#summarise(path, scope)
    const writer = new ByteWriter(64 * 1024)
    startListing(writer)
    const put: TakeEntry = (entry, name) => putEntry(writer, entry, name)
    for (const { from, to } of ranges) {
      const end = to.length === 0 ? record.count : record.firstFrom(to)
      viewEntries(record, this.#mustView(), scope, this.#summaryIn(path), put, record.firstFrom(from), end)
    }
    return writer.take()
  }

  /** About how much there is of it, in bytes of records. */
  get sizeBytes(): number {
    let bytes = 0
    for (const { record } of this.#nodes.values()) bytes += record.sizeBytes
    return bytes
  }

  /**
   * What differs from what is stored, and forgets that it does. `gives` says how many bytes of pages are enough for now:
   * these are forgotten, so that what is saved is never held twice; nothing in `put`: that was all. `forgotten` hears of each
   * page that goes, those that are stored as they are too; pages that are still to be put may lie in the same buffer.
   */
  takeChanges(gives = 0, forgotten?: (page: RecordPage) => void): { put: StoredPage[]; removed: string[] } {
    const put: StoredPage[] = []
    let bytes = 0
    for (const [path, { record, summary }] of this.#nodes) {
      for (const page of record.pages) {
        if (page.isStored) continue
        if (gives > 0 && bytes >= gives) return { put, removed: this.#takeRemoved() }
        page.isStored = true
        put.push(storedPage(path, page, this.#viewId, summary))
        bytes += page.bytes.length
      }
      if (gives > 0) this.#nodes.delete(path)
      if (gives > 0 && forgotten !== undefined) record.pages.forEach(forgotten)
    }
    return { put, removed: this.#takeRemoved() }
  }

  #takeRemoved(): string[] {
    const removed = [...this.#removed]
    this.#removed.clear()
    return removed
  }
}

/** The directories that these are pages of. They come in any order; those of a large directory are put together. Throws `state-broken` where one is missing. */
export function* joinStored(stored: Iterable<StoredPage>): Generator<StoredDirectory> {
  const parts = new Map<RelPath, StoredPage[]>()
  for (const { key, page, viewId, summary } of stored) {
    if (page.pages === 1) yield { path: key as RelPath, record: joinPages([page]), viewId, summary }
    else {
      const path = pathOfKey(key)
      const known = parts.get(path)
      if (known === undefined) parts.set(path, [{ key, page, viewId, summary }])
      else known.push({ key, page, viewId, summary })
    }
  }
  for (const [path, pages] of parts) {
    const record = joinPages(pages.map(({ page }) => page))
    const { viewId = '', summary } = pages.find(({ page }) => page.pages > 0) ?? {}
    yield { path, record, viewId, summary }
  }
}
