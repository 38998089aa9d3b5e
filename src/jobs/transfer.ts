// Carries a plan out between a source and a target: several batches at once, each staged, supplied and written in order.
// What arrives damaged or changed while it was read is asked for again, twice at most; a large file comes in portions, a
// round each. Sends only what the target wants.

import { contentLength } from '../chunk/squeeze.ts'
import type { Plan } from '../core/plan.ts'
import { BatchCutter, cutBatches, encodeBatch, type PackedSection } from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import { recordHeadBytes } from '../disk/pack.ts'
import { decodeWants } from '../disk/wants.ts'
import { setsFor } from './dressing.ts'
import { type Needs, payloadHeadBytes, type RunListener, type SourceEnd, type TargetEnd, wordOf } from './endpoint.ts'
import { landFirst, linkBatches } from './hard-links.ts'
import { spareChanged } from './spare-changed.ts'

/** Batches under way at once: told ahead of their content, so that a line of any length does not run dry of wants. */
const batchesAtOnce = 32
/** Batches whose content is under way at once: enough to keep both ends busy. */
const suppliesAtOnce = 8
/** A large file takes three to be told, two to be mended, and may have to come whole after that. */
const roundsMax = 8

export type TransferTotals = {
  wanted: number
  supplied: number
  contentBytes: number
  /** Of packs as they travelled. */
  sentBytes: number
  /** The number of the next batch. */
  next: number
}

/** A batch, or that all before it has to have landed before the next one. */
export type BatchOrder = PackedSection[] | typeof landFirst

/** What is to be brought in all, as far as it is known when the transfer begins. */
export type Work = { readonly files: number; readonly contentBytes: number }

export type TransferOptions = {
  /** Resolves once the plan was let in and that is noted: batches are told before, and nothing else is done. */
  readonly begun: Promise<unknown>
  /** Extended attributes that are carried, as a mask of core's attributes; none unless said. */
  readonly looks?: number
  /** The number of the first batch, where others were told before. */
  readonly first?: number
  /** The target goes on after this, so that nobody asks it to finish yet. */
  readonly goesOn?: boolean
}

/** Runs all batches. Returns when every one was written at the target; landing goes on there. */
export async function transfer(
  source: SourceEnd,
  target: TargetEnd,
  batches: Iterable<BatchOrder> | AsyncIterable<BatchOrder>,
  work: Work,
  listen: RunListener,
  signal: AbortSignal,
  { begun, looks = 0, first = 0, goesOn = false }: TransferOptions,
): Promise<TransferTotals> {
  // Whoever waits for it is told.
  begun.catch(() => {})
  const progress = new Progress(work, listen)
  const totals: TransferTotals = { wanted: 0, supplied: 0, contentBytes: 0, sentBytes: 0, next: first }
  const [turns, order] = [new Turns(suppliesAtOnce), new InOrder()]
  let number = first
  let failed: unknown
  const underWay = new Set<Promise<void>>()
  let unsent = 1
  const sent = (): void => {
    if (--unsent === 0 && failed === undefined && !signal.aborted && !goesOn) target.allSent()
  }
  for await (const sections of batches) {
    if (sections === landFirst) {
      await Promise.all([begun, ...underWay])
      if (failed === undefined && !signal.aborted) await target.landed()
    }
    if (failed !== undefined || signal.aborted) break
    if (sections === landFirst) continue
    const batch = number++
    unsent++
    const run = runBatch({ source, target, batch, sections, progress, totals, turns, order, begun, looks, sent })
      .catch((error: unknown) => {
        failed ??= error
      })
      .finally(() => underWay.delete(run))
    underWay.add(run)
    if (underWay.size >= batchesAtOnce) await Promise.race(underWay)
  }
  await begun
  sent()
  await Promise.all(underWay)
  if (failed !== undefined) throw failed
  signal.throwIfAborted()
  // What packs hold besides content: a head a file (and a few for large files' further pieces).
  totals.next = number
  totals.contentBytes = Math.max(0, totals.contentBytes - totals.supplied * recordHeadBytes)
  return totals
}

/**
 * The batches of a plan: what comes, then further names of it, then what goes. Where further names were made, deletions of
 * what is not any more what it was are `problems` instead.
 */
export async function* planBatches(
  plan: Plan,
  source: SourceEnd,
  target: TargetEnd,
  problems: Problem[],
): AsyncGenerator<BatchOrder> {
  const { sections, links = [], deletions } = plan
  yield* cutBatches(sections)
  yield* linkBatches(source, links)
  if (links.length === 0) return yield* cutBatches(deletions)
  const cutter = new BatchCutter()
  for await (const section of spareChanged(target, deletions, problems)) yield* cutter.add(section)
  yield* cutter.rest()
}

/** The files and bytes that a plan brings, as far as the target does not have them. */
export function workOf(sections: readonly PackedSection[]): Work {
  let files = 0
  let contentBytes = 0
  for (const section of sections) {
    files += section.files
    contentBytes += section.contentBytes
  }
  return { files, contentBytes }
}

/** Batches of sections that are still being found, each told to `found` as it comes; then what comes of them. */
export async function* batchesAsFound(
  sections: AsyncIterable<PackedSection>,
  found: (section: PackedSection) => void,
  then: () => AsyncIterable<BatchOrder>,
): AsyncGenerator<BatchOrder> {
  const cutter = new BatchCutter()
  for await (const section of sections) {
    found(section)
    yield* cutter.add(section)
  }
  yield* cutter.rest()
  yield* then()
}

type BatchRun = {
  readonly source: SourceEnd
  readonly target: TargetEnd
  readonly batch: number
  readonly sections: readonly PackedSection[]
  readonly progress: Progress
  readonly totals: TransferTotals
  readonly turns: Turns
  readonly order: InOrder
  readonly begun: Promise<unknown>
  readonly looks: number
  /** All that was wanted at first is on its way, and nobody expects that more is wanted. */
  readonly sent: () => void
}

async function runBatch({ source, target, batch, sections, progress, totals, turns, ...run }: BatchRun): Promise<void> {
  const { order, begun, looks, sent } = run
  const bytes = encodeBatch(sections)
  const stage = (sets?: Uint8Array): Promise<Needs> => target.stage(batch, bytes, sets)
  const staging = looks === 0 ? stage() : order.after(setsFor(source, sections), stage)
  staging.catch(() => {})
  // A plan that is refused says why; its batches only say that they are refused.
  await begun
  const needs = await answered(source, target, batch, await staging)
  totals.wanted += needs.wantCount
  let wants = needs.wants
  let count = needs.wantCount
  let portions = needs.portions
  let isSent = false
  for (let round = 1; ; round++) {
    if (count > 0) {
      totals.supplied += count
      const take = async (payload: Uint8Array): Promise<void> => {
        const sentBytes = payload.length - payloadHeadBytes
        const bytes = contentLength(wordOf(payload), sentBytes)
        totals.contentBytes += bytes
        totals.sentBytes += sentBytes
        progress.add(bytes, sentBytes)
        await target.receive(payload)
      }
      await turns.take(() => source.supply(batch, wants, take, portions))
    }
    const writing = target.written(batch, round === roundsMax)
    writing.catch(() => {})
    // After portions there is another round.
    if (portions === undefined && !isSent) sent()
    isSent ||= portions === undefined
    const written = await writing
    if (written.count === 0) break
    wants = written.again
    count = written.count
    portions = written.portions
  }
  if (!isSent) sent()
  progress.done(sections)
}

async function answered(source: SourceEnd, target: TargetEnd, batch: number, needs: Needs): Promise<Needs> {
  if (needs.askCount === 0) return needs
  return await target.answer(batch, await source.digests(decodeWants(needs.asks), false))
}

/** A target stages in the order of the plan, whatever a batch waits for before: a file that moves is known before its old name goes. */
class InOrder {
  #last: Promise<void> = Promise.resolve()

  /** Does `then` with what `first` comes to, once all that asked before have begun theirs, or failed. */
  async after<Found, Result>(first: Promise<Found>, then: (found: Found) => Promise<Result>): Promise<Result> {
    const before = this.#last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last = promise
    try {
      const found = await first
      await before
      const result = then(found)
      resolve()
      return await result
    } finally {
      resolve()
    }
  }
}

/** So many at a time, in the order in which they asked. */
class Turns {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(free: number) {
    this.#free = free
  }

  async take(work: () => Promise<void>): Promise<void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}

class Progress {
  readonly #listen: RunListener
  readonly #filesTotal: number
  readonly #contentTotal: number
  #files = 0
  #contentBytes = 0
  #sentBytes = 0
  #path = ''

  constructor(work: Work, listen: RunListener) {
    this.#listen = listen
    this.#filesTotal = work.files
    this.#contentTotal = work.contentBytes
  }

  add(bytes: number, sentBytes: number): void {
    this.#contentBytes += bytes
    this.#sentBytes += sentBytes
    this.#tell()
  }

  done(sections: readonly PackedSection[]): void {
    for (const section of sections) this.#files += section.files
    this.#path = sections.at(-1)?.path ?? ''
    this.#tell()
  }

  #tell(): void {
    this.#listen({
      type: 'progress',
      files: this.#files,
      filesTotal: this.#filesTotal,
      contentBytes: Math.min(this.#contentBytes, this.#contentTotal),
      contentTotal: this.#contentTotal,
      sentBytes: this.#sentBytes,
      path: this.#path,
    })
  }
}
