// Runs of a two-way job in memory: two trees and a base, decided about by core/two-way.ts and carried out as a driver does it
// on disks: conflict copies first, then what either side gets, deletions where nothing below came back; then the base moves
// on to what is really equal. A run may be cut off after some of its steps, and may carry them out in any order.

import { hash } from 'node:crypto'
import { advance, type BaseEntry, type BaseFacts, decodeBase, encodeBase } from '../../src/core/base.ts'
import type { Entry } from '../../src/core/entry.ts'
import { compareNames } from '../../src/core/listing.ts'
import { isWithin, joinPath, nameOf, parentOf, type RelPath, rootPath } from '../../src/core/path.ts'
import { isOutside } from '../../src/core/selection.ts'
import { reconcileTwoWay, type Side, settleTwoWay, type TwoWay, type TwoWayRules } from '../../src/core/two-way.ts'
import { utf8 } from '../../src/std/bytes.ts'
import { type DirectoryItem, type FileItem, type Item, isBadName, itemAt, withItem } from './trees.ts'

export type Scene = {
  readonly left: DirectoryItem
  readonly right: DirectoryItem
  /** As it is stored, by directory. */
  readonly base: ReadonlyMap<string, Uint8Array>
}

export const noBase: ReadonlyMap<string, Uint8Array> = new Map()

export const twoWay: TwoWayRules = {
  timeGrainNs: 1,
  checksum: false,
  machines: { left: 'anna', right: 'ben' },
  policyFor: () => 'keep-both',
  linkDigest: (text) => digestOfText(`link ${Buffer.from(text).toString('hex')}`),
}

/** How a run is carried out. */
export type Course = {
  /** Paths that the rules hide on both sides. */
  readonly hides?: (path: string) => boolean
  /** The order of steps; as they were planned where it is missing. */
  readonly order?: (steps: Step[]) => Step[]
  /** So many steps, and the run is cut off: the base stays as it was. */
  readonly steps?: number
  /** Whether a driver has the digests of two equal files at hand when it moves the base on; always, where it is missing. */
  readonly knows?: (path: string) => boolean
}

export type Step = {
  readonly on: Side
  readonly path: RelPath
  /** `kind side path` */
  readonly text: string
  /** What lies there afterwards. */
  readonly item: (before: Item | undefined) => Item | undefined
}

export type Ran = {
  readonly scene: Scene
  /** What was done, `kind side path`. */
  readonly done: readonly string[]
  /** `code path`. */
  readonly problems: readonly string[]
  readonly conflicts: number
}

/** One run. The items of a scene are never changed; the scene after it shares what stayed. */
export function runTwoWay(scene: Scene, rules: TwoWayRules = twoWay, course: Course = {}): Ran {
  return new Run(scene, rules, course).run()
}

/** The base of two equal trees, as a run that found them equal leaves it. */
export function agreedBase(root: DirectoryItem, rules: TwoWayRules = twoWay, course: Course = {}): Scene['base'] {
  return runTwoWay({ left: root, right: root, base: noBase }, rules, course).scene.base
}

// ---- what a scan gives ---------------------------------------------------------------------------------------------

const digests = new Map<string, Uint8Array>()

export function digestOfText(text: string): Uint8Array {
  let digest = digests.get(text)
  if (digest === undefined) {
    digest = new Uint8Array(hash('sha256', text, 'buffer'))
    digests.set(text, digest)
  }
  return digest
}

type Seen = { readonly entries: readonly Entry[]; readonly fingerprint: Uint8Array }
type Hides = (path: string) => boolean

/** Items are never changed, so what was made of one holds; only where rules hide something it is made anew. */
const seen = new Map<DirectoryItem, Seen>()
/** A weak map of so many that die young costs more than making some anew. */
const seenMax = 30

function see(root: DirectoryItem, at: RelPath, hides: Hides | undefined): Seen {
  const known = hides === undefined ? seen.get(root) : undefined
  if (known !== undefined) return known
  const entries: Entry[] = []
  for (const [name, item] of root.items) {
    const path = joinPath(at, name)
    if (hides?.(path) !== true) entries.push(entryFor(name, item, path, hides))
  }
  entries.sort(compareNames)
  const now = { entries, fingerprint: new Uint8Array(hash('sha256', JSON.stringify(entries.map(factsOf)), 'buffer')) }
  if (seen.size >= seenMax) seen.clear()
  if (hides === undefined) seen.set(root, now)
  return now
}

function factsOf(entry: Entry): unknown {
  const { kind, name, mode, mtimeSeconds, mtimeNs, sizeBytes, edits, link, summary } = entry
  const below = (summary?.fingerprint ?? link)?.join()
  return [kind, name, mode, mtimeSeconds, mtimeNs, sizeBytes, edits, below]
}

function entryFor(name: string, item: Item, path: RelPath, hides: Hides | undefined): Entry {
  const plain = {
    name,
    mode: 0,
    mtimeSeconds: 0,
    mtimeNs: 0,
    sizeBytes: 0,
    edits: 0,
    link: undefined,
    summary: undefined,
  }
  if (isBadName(name)) return { ...plain, kind: 'bad-name' }
  if (item.kind === 'directory') {
    const { fingerprint } = see(item, path, hides)
    return { ...plain, kind: 'directory', mode: item.mode, summary: { ...noneBelow, fingerprint } }
  }
  if (item.kind === 'special' || item.kind === 'unreadable') return { ...plain, kind: item.kind }
  const time = { mtimeSeconds: item.seconds, mtimeNs: item.ns }
  if (item.kind === 'symlink') return { ...plain, ...time, kind: 'symlink', link: utf8(item.to) }
  return { ...plain, ...time, kind: 'file', mode: item.mode, sizeBytes: sizeOf(item), edits: item.edits }
}

function sizeOf({ text }: FileItem): number {
  return Buffer.byteLength(text)
}

const noneBelow = { files: 0, directories: 0, sizeBytes: 0 }

// ---- a run ---------------------------------------------------------------------------------------------------------

const copiesMax = 3

class Run {
  readonly #rules: TwoWayRules
  readonly #course: Course
  readonly #base: Map<string, Uint8Array>
  #left: DirectoryItem
  #right: DirectoryItem
  readonly #steps: Step[] = []
  readonly #copies: { loser: Side; path: RelPath; copy: RelPath }[] = []
  readonly #done: string[] = []
  readonly #problems = new Set<string>()
  readonly #open = new Set<string>()
  #conflicts = 0

  constructor(scene: Scene, rules: TwoWayRules, course: Course) {
    this.#left = scene.left
    this.#right = scene.right
    this.#base = new Map(scene.base)
    this.#rules = rules
    this.#course = course
  }

  run(): Ran {
    const before = new Map(this.#base)
    for (let left = copiesMax; left > 0; left--) {
      this.#decideAll()
      if (this.#copies.length === 0) break
      this.#makeCopies()
    }
    const { order = (steps) => steps, steps: most = Infinity } = this.#course
    const steps = order(this.#steps)
    for (const step of steps.slice(0, most)) this.#carryOut(step)
    const isCut = steps.length > most
    if (!isCut) this.#advance(rootPath)
    const scene = { left: this.#left, right: this.#right, base: isCut ? before : this.#base }
    return { scene, done: this.#done, problems: [...this.#problems], conflicts: this.#conflicts }
  }

  #decideAll(): void {
    this.#steps.length = 0
    this.#copies.length = 0
    this.#problems.clear()
    this.#open.clear()
    this.#enter(rootPath, true)
  }

  #root(side: Side): DirectoryItem {
    return side === 'left' ? this.#left : this.#right
  }

  #entries(side: Side, path: RelPath): readonly Entry[] {
    const item = itemAt(this.#root(side), path)
    return item?.kind === 'directory' ? see(item, path, this.#course.hides).entries : []
  }

  #baseAt(path: RelPath): BaseEntry[] {
    const bytes = this.#base.get(path)
    return bytes === undefined ? [] : decodeBase(bytes)
  }

  #decisions(path: RelPath, left: readonly Entry[], right: readonly Entry[], base: readonly BaseEntry[]): TwoWay[] {
    const taken = new Set([...left, ...right, ...base].map(({ name }) => name))
    const isTaken = (name: string): boolean => taken.has(name) || !taken.add(name)
    const all = [...reconcileTwoWay(left, right, base, path, this.#rules, isTaken)]
    return all.flatMap((one) => {
      if (one.kind !== 'digests') return [one]
      const { names } = one
      const at = joinPath(path, (names.left ?? names.right ?? names.base)?.name ?? '')
      const digestsOf = { left: this.#digest('left', at), right: this.#digest('right', at) }
      return settleTwoWay(names, digestsOf, path, this.#rules, isTaken)
    })
  }

  #digest(side: Side, path: RelPath): Uint8Array | undefined {
    const item = itemAt(this.#root(side), path)
    return item?.kind === 'file' ? digestOfText(item.text) : undefined
  }

  #enter(path: RelPath, hasBase: boolean): void {
    const [left, right] = [this.#entries('left', path), this.#entries('right', path)]
    for (const one of this.#decisions(path, left, right, hasBase ? this.#baseAt(path) : [])) this.#plan(path, one)
  }

  #plan(at: RelPath, one: TwoWay): void {
    switch (one.kind) {
      case 'enter':
        this.#enter(joinPath(at, one.left.name), one.base !== undefined)
        return
      case 'enter-deleted':
        this.#enterDeleted(joinPath(at, one.there.name), one)
        return
      case 'bring':
        this.#planBring(joinPath(at, one.entry.name), one)
        return
      case 'delete':
        this.#plans('delete', one.on, joinPath(at, one.there.name), nothing)
        return
      case 'conflict': {
        const name = one.names.left?.name ?? ''
        const path = joinPath(at, name)
        this.#conflicts++
        if (one.copyAs !== undefined) this.#copies.push({ loser: one.loser, path, copy: joinPath(at, one.copyAs) })
        return
      }
      case 'problem':
        this.#tell(one.code, joinPath(at, one.name))
        return
      default:
    }
  }

  #plans(text: string, on: Side, path: RelPath, item: Step['item']): void {
    this.#steps.push({ on, path, text: `${text} ${on} ${path}`, item })
  }

  #tell(code: string, path: RelPath): void {
    this.#problems.add(`${code} ${path}`)
    this.#open.add(path)
  }

  #planBring(path: RelPath, { to, action, entry, restores }: TwoWay & { kind: 'bring' }): void {
    const text = restores ? 'restore' : action
    if (action === 'attributes') this.#plans(text, to, path, (before) => dressed(before as Item, entry))
    else {
      const coming = this.#coming(otherSide(to), path, entry)
      this.#plans(text, to, path, () => coming)
    }
  }

  /** What comes of an entry of this side: with all below it, without what is never copied. */
  #coming(from: Side, path: RelPath, entry: Entry): Item {
    const item = itemAt(this.#root(from), path) as Item
    if (item.kind === 'directory') return this.#comingBelow(from, path, entry, [])
    return dressed(item.kind === 'file' ? { ...item, edits: 0 } : item, entry)
  }

  /** A directory as it comes where there is none: what is below is decided against nothing. */
  #comingBelow(from: Side, path: RelPath, entry: Entry, base: readonly BaseEntry[]): DirectoryItem {
    const items = new Map<string, Item>()
    const entries = this.#entries(from, path)
    const isLeft = from === 'left'
    for (const one of this.#decisions(path, isLeft ? entries : [], isLeft ? [] : entries, base)) {
      if (one.kind === 'bring') items.set(one.entry.name, this.#coming(from, joinPath(path, one.entry.name), one.entry))
      else if (one.kind === 'enter-deleted') {
        const at = joinPath(path, one.there.name)
        const below = this.#comingBelow(from, at, one.there, this.#baseAt(at))
        if (below.items.size > 0) items.set(one.there.name, below)
        else this.#plans('delete', from, at, nothing)
      } else this.#plan(path, one)
    }
    return { kind: 'directory', mode: entry.mode, items }
  }

  /** Bottom-up: the directory itself goes only where nothing below comes back. */
  #enterDeleted(path: RelPath, { on, there }: TwoWay & { kind: 'enter-deleted' }): void {
    const planned = this.#steps.length
    const coming = this.#comingBelow(on, path, there, this.#baseAt(path))
    if (coming.items.size > 0) this.#plans('create', otherSide(on), path, () => coming)
    else {
      this.#steps.length = planned
      this.#plans('delete', on, path, nothing)
    }
  }

  /** The loser of a conflict gets a name of its own on its own side; the base has nothing of the name any more. */
  #makeCopies(): void {
    for (const { loser, path, copy } of this.#copies) {
      const root = this.#root(loser)
      const item = itemAt(root, path)
      this.#setRoot(loser, withItem(withItem(root, path, undefined), copy, item))
      this.#done.push(`copy ${loser} ${path} ${nameOf(copy)}`)
      this.#forget(path)
    }
  }

  #forget(path: RelPath): void {
    const parent = parentOf(path)
    const entries = this.#baseAt(parent).filter(({ name }) => name !== nameOf(path))
    this.#base.set(parent, encodeBase(entries))
    this.#prune(path)
  }

  #prune(path: string): void {
    for (const known of [...this.#base.keys()]) if (isWithin(known, path)) this.#base.delete(known)
  }

  #setRoot(side: Side, root: DirectoryItem): void {
    if (side === 'left') this.#left = root
    else this.#right = root
  }

  #carryOut({ on, path, text, item }: Step): void {
    const root = this.#root(on)
    const before = itemAt(root, path)
    const now = item(before)
    const goes = text.startsWith('delete') || text.startsWith('retype')
    const rest = goes && before !== undefined ? this.#leftover(path, before) : undefined
    if (rest !== undefined) this.#tell('not-empty', path)
    this.#done.push(text)
    this.#setRoot(on, withItem(root, path, rest ?? now))
  }

  /** What stays of something that shall go: what is never copied or hidden, with the directories above it. */
  #leftover(path: RelPath, item: Item): Item | undefined {
    if (this.#course.hides?.(path) === true || isBadName(nameOf(path))) return item
    if (item.kind === 'special' || item.kind === 'unreadable') return item
    if (item.kind === 'file') return isOutside(sizeOf(item), this.#rules.sizes) ? item : undefined
    if (item.kind === 'symlink') return undefined
    const items = new Map<string, Item>()
    for (const [name, child] of item.items) {
      const rest = this.#leftover(joinPath(path, name), child)
      if (rest !== undefined) items.set(name, rest)
    }
    return items.size === 0 ? undefined : { ...item, items }
  }

  /** Moves the base of a directory on, those below it first; whether all there is settled. */
  #advance(path: RelPath): boolean {
    const [left, right, base] = [this.#entries('left', path), this.#entries('right', path), this.#baseAt(path)]
    const settled = new Map<string, boolean>()
    for (const entry of left) {
      const other = right.find(({ name }) => name === entry.name)
      if (entry.kind !== 'directory' || other?.kind !== 'directory') continue
      const known = base.find(({ name }) => name === entry.name)
      if (known?.kind !== 'directory') this.#prune(joinPath(path, entry.name))
      settled.set(entry.name, this.#advance(joinPath(path, entry.name)))
    }
    const facts: BaseFacts = {
      digestsOf: (one, other) => this.#known(joinPath(path, one.name), one.edits > 0 || other.edits > 0),
      isOpen: (name) => this.#open.has(joinPath(path, name)),
      isSettledBelow: (name) => settled.get(name) ?? false,
    }
    const { bytes, isSettled } = advance(left, right, base, facts, this.#rules)
    this.#base.set(path, bytes)
    for (const { name } of base) if (!this.#isBaseDirectory(path, name)) this.#prune(joinPath(path, name))
    return isSettled
  }

  #isBaseDirectory(path: RelPath, name: string): boolean {
    return this.#baseAt(path).find((entry) => entry.name === name)?.kind === 'directory'
  }

  /** The digests of what was seen to be edited were asked for. */
  #known(path: RelPath, isEdited: boolean): { left: Uint8Array | undefined; right: Uint8Array | undefined } {
    if (!isEdited && this.#course.knows?.(path) === false) return { left: undefined, right: undefined }
    return { left: this.#digest('left', path), right: this.#digest('right', path) }
  }
}

function otherSide(side: Side): Side {
  return side === 'left' ? 'right' : 'left'
}

function nothing(): undefined {}

/** The same item with the mode and time of an entry. */
function dressed(item: Item, { mode, mtimeSeconds, mtimeNs }: Entry): Item {
  if (item.kind === 'directory') return { ...item, mode }
  if (item.kind === 'file') return { ...item, mode, seconds: mtimeSeconds, ns: mtimeNs }
  return item.kind === 'symlink' ? { ...item, seconds: mtimeSeconds, ns: mtimeNs } : item
}

// ---- what came of it -----------------------------------------------------------------------------------------------

/** A tree as text, edits aside: equal exactly where the trees are. */
export function shapeOf(root: Item): string {
  if (root.kind === 'directory') {
    const items = [...root.items].map(([name, item]) => `${JSON.stringify(name)}:${shapeOf(item)}`)
    return `{${root.mode.toString(8)} ${items.sort().join(' ')}}`
  }
  if (root.kind === 'file') return `${JSON.stringify(root.text)} ${root.mode.toString(8)} ${root.seconds}.${root.ns}`
  return root.kind === 'symlink' ? `-> ${root.to} ${root.seconds}.${root.ns}` : root.kind
}

/** Every item below, by path; directories too. */
export function itemsBelow(root: DirectoryItem, at = ''): [path: string, item: Item][] {
  return [...root.items].flatMap(([name, item]) => {
    const path = at === '' ? name : `${at}/${name}`
    const below = item.kind === 'directory' && !isBadName(name) ? itemsBelow(item, path) : []
    return [[path, item] as [string, Item], ...below]
  })
}

/** What a person put there: the text of a file, or of a link. */
export function contentOf(item: Item | undefined): string | undefined {
  if (item?.kind === 'file') return `file ${(item as FileItem).text}`
  return item?.kind === 'symlink' ? `link ${item.to}` : undefined
}
