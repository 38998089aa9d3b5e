// What is to be done on the right, in a safe order: renamed directories first, then what comes (parents before children),
// then what changes, then what goes. A plan is held encoded, a section a directory, so that a million steps cost their
// bytes and no objects; a batch is a few sections, and is what travels, is staged, and lands together.

import { ByteReader, ByteWriter } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { attributesMaxBytes, takeBlock } from './attributes.ts'
import { type Entry, isCopied, type Kind } from './entry.ts'
import { entryNameBytes, putEntry, putTime, takeEntry, takeTime } from './listing.ts'
import { parseRelPath, pathMaxBytes, type RelPath, rootPath } from './path.ts'
import type { Problem } from './problem.ts'
import type { DirectoryMove } from './renames.ts'
import type { Specials } from './specials.ts'
import type { Top } from './top.ts'

/** What happens at one name. */
export type Action =
  /** Nothing is there; a file or symlink comes. */
  | 'create'
  /** A file or symlink is there and gets the content of another. */
  | 'replace'
  /** Something of another kind is there; it goes, this comes. */
  | 'retype'
  /** Only mode or time. */
  | 'attributes'
  | 'delete'
const actions: readonly Action[] = ['create', 'replace', 'retype', 'attributes', 'delete']

export type Step = {
  readonly action: Action
  /** The entry as it shall be; for `delete` the entry as it is. */
  readonly entry: Entry
  /** Where on the right this very file lies now, when it only moved; proven by digests. */
  readonly from: RelPath | undefined
  /** The left's digest of the content, where it is known. */
  readonly digest: Uint8Array | undefined
  /**
   * Where names that are one file stay one: this becomes a further name of the file at `from`, which keeps its own; and
   * `attributes` are set although the file has several names, all of which the job sees.
   */
  readonly links?: true
}

export type SectionHead = {
  readonly path: RelPath
  /** The directory itself: is there, is to be made, or is to be made where something of another kind is. */
  readonly state: 'present' | 'new' | 'retype'
  readonly mode: number
  readonly mtimeSeconds: number
  readonly mtimeNs: number
  /** What else a new directory shall have, as a block (attributes.ts). */
  readonly attributes?: Uint8Array | undefined
}
const hasAttributes = 0x10
const states: readonly SectionHead['state'][] = ['present', 'new', 'retype']

export type Section = SectionHead & { readonly steps: readonly Step[] }

/** A section's steps, encoded; `files` counts creates and replaces with content. */
export type PackedSection = SectionHead & {
  readonly stepBytes: Uint8Array
  readonly stepCount: number
  readonly files: number
  readonly contentBytes: number
}

/** A whole plan, with what a guard has to judge. */
export type Plan = {
  /**
   * Done in this order, before all else; a missing parent of a new name is made with it. Sections lie where they lead. One
   * that leads to what is the same name for the right gives anything that lies there the left's spelling.
   */
  readonly moves: readonly DirectoryMove[]
  /** Those parents. */
  readonly made: readonly RelPath[]
  /** What comes and changes, parents before children. */
  readonly sections: readonly PackedSection[]
  /** Names that become further names of a file, once all sections are done; digests are added then. */
  readonly links?: readonly PackedSection[]
  /** What goes. */
  readonly deletions: readonly PackedSection[]
  readonly problems: readonly Problem[]
  /** What the top folder itself becomes, where it is carried and is not that. */
  readonly top?: Top | undefined
  /** Devices and their like that only the right has: they stay. */
  readonly specials?: Specials | undefined
  /** Net of what only moved. */
  readonly deletes: number
  readonly replaces: number
  /** What is deleted or replaced, a line each, in order. */
  readonly guarded: readonly string[]
  readonly guardedDigest: Uint8Array
  readonly guardedSample: readonly string[]
}

/** Whether nothing at all is to be done. */
export function isEmptyPlan({ moves, sections, links = [], deletions, top }: Plan): boolean {
  return [moves, sections, links, deletions].every((some) => some.length === 0) && top === undefined
}

/** How many steps a plan announces: what has none of its own still counts as one. */
export function weightOf({ sections, links = [], deletions }: Plan): number {
  return [...sections, ...links, ...deletions].reduce((sum, { stepCount }) => sum + stepCount + 1, 0)
}

export function packSection(head: SectionHead, steps: readonly Step[]): PackedSection {
  const writer = new SectionWriter(head)
  for (const step of steps) writer.add(step)
  return writer.take()
}

/** Packs steps as they are found, so that none of them is kept as an object. */
export class SectionWriter {
  readonly head: SectionHead
  readonly #writer: ByteWriter = new ByteWriter(64)
  #steps = 0
  #files = 0
  #contentBytes = 0

  constructor(head: SectionHead) {
    this.head = head
  }

  get stepCount(): number {
    return this.#steps
  }

  /** Bytes of content that the steps so far may need. */
  get contentBytes(): number {
    return this.#contentBytes
  }

  add(step: Step): void {
    putStep(this.#writer, step)
    this.#steps++
    if (!carriesContent(step)) return
    this.#files++
    this.#contentBytes += bytesOf(step)
  }

  take(): PackedSection {
    const { head } = this
    const stepBytes = this.#writer.take()
    return { ...head, stepBytes, stepCount: this.#steps, files: this.#files, contentBytes: this.#contentBytes }
  }
}

/** Stands for the top folder itself where what an undo does is told: no plan has a section without steps of what is there. */
export const topSection: PackedSection = packSection(
  { path: rootPath, state: 'present', mode: 0, mtimeSeconds: 0, mtimeNs: 0 },
  [],
)

export function isTopSection({ path, state, stepCount }: PackedSection): boolean {
  return path === rootPath && state === 'present' && stepCount === 0
}

/** Bytes of content that a step may bring: none where the file itself only moves. */
function bytesOf(step: Step): number {
  return carriesContent(step) && step.from === undefined ? step.entry.sizeBytes : 0
}

/** Whether this step may need content from the left. */
export function carriesContent(step: Step): boolean {
  return bringsContent(step.action, step.entry.kind)
}

/** The same by what decides it. */
export function bringsContent(action: Action, kind: Kind): boolean {
  return kind === 'file' && (action === 'create' || action === 'replace' || action === 'retype')
}

/** The step is one about a file of several names. */
const hasLinks = 0x40

function putStep(writer: ByteWriter, step: Step): void {
  const told = (step.from === undefined ? 0 : 0x10) | (step.digest === undefined ? 0 : 0x20)
  const extras = told | (step.links === true ? hasLinks : 0)
  writer.u8(actions.indexOf(step.action) | extras)
  putEntry(writer, step.entry, entryNameBytes(step.entry))
  if (step.from !== undefined) writer.text(step.from)
  if (step.digest !== undefined) writer.bytes(step.digest)
}

/** The action of a step that begins with this byte. */
export function actionOf(head: number): Action {
  const action = actions[head & 0x0f]
  if (action === undefined || head > 0x7f) throw new Failure('protocol-broken', 'a step has an unknown action')
  return action
}

/** One step, checked. */
export function takeStep(reader: ByteReader): Step {
  const head = reader.u8()
  const action = actionOf(head)
  const entry = takeEntry(reader)
  // Names of the kinds that are never copied may be anything; none of them is ever a step.
  if (!isCopied(entry.kind)) throw new Failure('protocol-broken', 'a step is about something that is never copied')
  const from = (head & 0x10) === 0 ? undefined : takePath(reader)
  const digest = (head & 0x20) === 0 ? undefined : reader.bytes(32).slice()
  if (from === rootPath) throw new Failure('protocol-broken', 'a step takes its content from the root itself')
  if ((head & hasLinks) === 0) return { action, entry, from, digest }
  const isMeant = entry.kind === 'file' && action !== 'delete' && (action === 'attributes') === (from === undefined)
  if (!isMeant) throw new Failure('protocol-broken', 'a step makes a further name of what has none')
  return { action, entry, from, digest, links: true }
}

/** Goes past what follows the entry of a step that began with `head`. */
export function skipStepEnd(reader: ByteReader, head: number): void {
  if ((head & 0x10) !== 0) reader.skip(reader.varint(pathMaxBytes))
  if ((head & 0x20) !== 0) reader.skip(32)
}

export function takePath(reader: ByteReader): RelPath {
  const path = parseRelPath(reader.name(pathMaxBytes))
  if (path === undefined) throw new Failure('protocol-broken', 'a path is none below a root')
  return path
}

/** At most this many steps and bytes of content make a batch; one section that stays whole, or one file, may be larger. */
export const batchFilesMax: number = 1000
/** More sections, or steps in all, than this are no batch of ours. */
const batchPartsMax = 16_384
export const batchContentMax: number = 8 * 1024 * 1024
/** A section of at most this much content stays whole. A larger new directory is not built aside: its files land one by one. */
export const buildContentMax: number = 64 * 1024 * 1024

/** Encodes sections as one batch. */
export function encodeBatch(sections: readonly PackedSection[]): Uint8Array {
  const writer = new ByteWriter(4096)
  writer.varint(sections.length)
  for (const section of sections) {
    writer.text(section.path)
    const { attributes } = section
    writer.u8(states.indexOf(section.state) | (attributes === undefined ? 0 : hasAttributes))
    writer.varint(section.mode)
    putTime(writer, section.mtimeSeconds, section.mtimeNs)
    if (attributes !== undefined) writer.block(attributes)
    writer.varint(section.stepCount)
    writer.bytes(section.stepBytes)
  }
  return writer.take()
}

/** The sections of a batch; safe for bytes from a peer: their number is bounded, and that of their steps in all. */
export function decodeBatch(bytes: Uint8Array): Section[] {
  const reader = new ByteReader(bytes)
  const sections: Section[] = []
  const count = reader.varint(batchPartsMax)
  let left = batchPartsMax
  for (let i = 0; i < count; i++) {
    const { head, stepCount } = takeSectionHead(reader)
    left -= stepCount
    if (left < 0) throw new Failure('limit-exceeded', 'a batch has more steps than a batch may have')
    const steps: Step[] = []
    for (let s = 0; s < stepCount; s++) steps.push(takeStep(reader))
    sections.push({ ...head, steps })
  }
  reader.end()
  return sections
}

/** What stands before the steps of a section, and how many they are. */
export function takeSectionHead(reader: ByteReader): { head: SectionHead; stepCount: number } {
  const path = takePath(reader)
  const first = reader.u8()
  const state = states[first & ~hasAttributes]
  if (state === undefined) throw new Failure('protocol-broken', 'a section has an unknown state')
  if (state !== 'present' && path === rootPath) throw new Failure('protocol-broken', 'a section would make the root')
  const mode = reader.varint(0o7777)
  const { seconds: mtimeSeconds, ns: mtimeNs } = takeTime(reader)
  const attributes = (first & hasAttributes) === 0 ? undefined : takeBlock(reader.block(attributesMaxBytes))
  const head = { path, state, mode, mtimeSeconds, mtimeNs, ...(attributes && { attributes }) }
  // Each step is a byte at least, so no count is more than what is left.
  return { head, stepCount: reader.varint(reader.left) }
}

/** The steps of one packed section, one by one. */
export function* stepsOf(section: PackedSection): Generator<Step, void, undefined> {
  const reader = new ByteReader(section.stepBytes)
  while (reader.left > 0) yield takeStep(reader)
}

/**
 * Cuts sections, in their order, into batches of at most `batchFilesMax` steps and `batchContentMax` bytes of content. A
 * section above `batchFilesMax` or `buildContentMax` is cut, and its further parts find the directory present; one between
 * `batchContentMax` and `buildContentMax` is a batch of its own.
 */
export function* cutBatches(sections: Iterable<PackedSection>): Generator<PackedSection[]> {
  const cutter = new BatchCutter()
  for (const section of sections) yield* cutter.add(section)
  yield* cutter.rest()
}

/** The same for sections that are still being found. */
export class BatchCutter {
  #batch: PackedSection[] = []
  #steps = 0
  #contentBytes = 0

  /** The batches that this section makes complete. */
  add(section: PackedSection): PackedSection[][] {
    const complete: PackedSection[][] = []
    for (const part of cutSection(section)) {
      const isFull =
        this.#steps + part.stepCount > batchFilesMax || this.#contentBytes + part.contentBytes > batchContentMax
      if (isFull) complete.push(...this.rest())
      this.#batch.push(part)
      // A section without steps still costs: an empty directory is one thing to make.
      this.#steps += part.stepCount + 1
      this.#contentBytes += part.contentBytes
    }
    return complete
  }

  /** What is left: one batch, or none. */
  rest(): PackedSection[][] {
    const batch = this.#batch
    this.#batch = []
    this.#steps = 0
    this.#contentBytes = 0
    return batch.length === 0 ? [] : [batch]
  }
}

function* cutSection(section: PackedSection): Generator<PackedSection> {
  if (section.stepCount <= batchFilesMax && section.contentBytes <= buildContentMax) {
    yield section
    return
  }
  const { path, mode, mtimeSeconds, mtimeNs, attributes } = section
  const rest = { path, mode, mtimeSeconds, mtimeNs }
  // The directory is made first and alone; then its files land in it one by one.
  if (section.state !== 'present')
    yield packSection({ ...rest, state: section.state, ...(attributes && { attributes }) }, [])
  const head: SectionHead = { ...rest, state: 'present' }
  let part = new SectionWriter(head)
  for (const step of stepsOf(section)) {
    const size = bytesOf(step)
    const isFull = part.stepCount >= batchFilesMax || part.contentBytes + size > batchContentMax
    if (part.stepCount > 0 && isFull) {
      yield part.take()
      part = new SectionWriter(head)
    }
    part.add(step)
  }
  if (part.stepCount > 0) yield part.take()
}

/** Order of sections: parents before children, and neighbours together. */
export function compareSections(a: SectionHead, b: SectionHead): number {
  const left = a.path.replaceAll('/', '\0')
  const right = b.path.replaceAll('/', '\0')
  return left < right ? -1 : left > right ? 1 : 0
}
