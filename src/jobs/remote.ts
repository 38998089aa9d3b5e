// An end on another machine: the calls of the contract, carried over a session. Content travels on one stream of packs,
// in either direction; everything else is a call. What comes back from a peer is bounded and checked by the schemas and
// by the readers of listings, wants and batches, before anything is done with it.

import { isAttributeKind } from '../core/attributes.ts'
import { joinDigests } from '../core/digests.ts'
import type { Summary } from '../core/entry.ts'
import { splitSets } from '../core/extended.ts'
import type { LinkedFile } from '../core/link-table.ts'
import { isLinkPolicy, type LinkPolicy } from '../core/links.ts'
import type { NameRange } from '../core/outline.ts'
import type { OwnerMap, Owners } from '../core/owners.ts'
import type { RelPath } from '../core/path.ts'
import { parseRelPath } from '../core/path.ts'
import { isProblemCode, type Problem } from '../core/problem.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { defaultKeep, keepText, parseKeep } from '../core/retention.ts'
import type { View } from '../core/view.ts'
import { isRefusalReason, type Refusal } from '../disk/dress-traits.ts'
import type { ScanReport, ScanRules } from '../disk/scan.ts'
import type { DirectoryListing, OutlinedListing } from '../disk/told-listings.ts'
import type { Traits } from '../disk/traits.ts'
import type { VerifyPoint } from '../disk/verify.ts'
import { encodeWants, type WantedDirectory } from '../disk/wants.ts'
import { packRunId } from '../state/runs.ts'
import { Failure } from '../std/failure.ts'
import type { OpenAnswer, OpenRequest } from '../wire/messages.ts'
import type { Session } from '../wire/session.ts'
import type { WireStream } from '../wire/stream.ts'
import { type Ahead, type Guess, isRight } from './ahead.ts'
import { type CallInput, type CallOutput, call } from './bulk.ts'
import { timesOf } from './dress.ts'
import {
  type Again,
  type ApplyResult,
  type Begun,
  type BothEnd,
  type EndFacts,
  type Needs,
  type PackSink,
  type PlanTotals,
  payloadHeadroomBytes,
  type SourceEnd,
  type TargetEnd,
  type Verified,
} from './endpoint.ts'
import { Foretold } from './foretold.ts'
import { Intake, packStream } from './intake.ts'
import { Offers } from './offers.ts'
import type { SlabStore } from './slabs.ts'
import { takeLinked } from './told-links.ts'
import { ToldTree } from './told-tree.ts'

/** What was asked before the end was known to be open. */
type Asked = {
  readonly scan: Promise<CallOutput<'scan'>>
  readonly guess: Promise<{ readonly guess: Guess; readonly answer: Promise<CallOutput<'view'>> } | undefined>
}
type Opened = {
  readonly answer: OpenAnswer
  readonly asked: Asked | undefined
  readonly foretold: Foretold
  readonly probable: Ahead['probable'] | undefined
}

/** What another machine says that its end holds. */
function traitsOf({ timeGrainNs, modeMask, naming, attributes, refused = [], ...told }: OpenAnswer): Traits {
  const times = timesOf(told)
  if (attributes === undefined) return { timeGrainNs, times, modeMask, naming }
  const known = refused.flatMap(({ what, why }) =>
    isAttributeKind(what) && isRefusalReason(why) ? [{ what, why } satisfies Refusal] : [],
  )
  return { timeGrainNs, times, modeMask, naming, attributes, refused: known }
}

class RemoteEnd {
  /** The epoch is told when a plan is let in. */
  facts: EndFacts
  protected readonly session: Session
  /** Holds what is listed to what was said of it; not any more once the tree changes. */
  protected told: ToldTree | undefined
  readonly #asked: Asked | undefined
  readonly #foretold: Foretold
  readonly #probable: Opened['probable']
  #texts: View['texts'] = []
  /** As many as its scan counted. */
  #entries = 0
  /** The other side has closed the end itself. */
  #isClosed = false

  constructor(session: Session, machine: string, { answer, asked, foretold, probable }: Opened) {
    this.session = session
    this.#asked = asked
    this.#foretold = foretold
    this.#probable = probable
    this.facts = {
      machine,
      path: answer.path,
      rootId: answer.rootId,
      traits: traitsOf(answer),
      empty: answer.empty,
      mode: answer.mode,
      epoch: 0,
      nowMs: answer.nowMs,
      recovered: answer.recovered,
      links: answer.links === undefined ? undefined : mustBePolicy(answer.links),
      undone: answer.undone,
    }
  }

  async scan(rules: ScanRules): Promise<ScanReport> {
    const answer = await (this.#asked?.scan ?? call(this.session, 'scan', rules))
    const { entries, problems = [], texts = [], moves = [] } = answer
    this.#texts = texts
    this.#entries = entries
    this.told = new ToldTree(entries)
    return {
      entries,
      problems: checkedProblems(problems),
      texts,
      moves: checkedMoves(moves),
      // Looked at where the root is.
      nested: [],
      retimed: [],
      specials: answer.specials,
    }
  }

  async view(view: View): Promise<Summary | undefined> {
    const guessed = await this.#asked?.guess
    const isAnswered = guessed !== undefined && isRight(guessed.guess, view, this.#texts)
    const { summary, closed = false } = await (isAnswered ? guessed.answer : this.#viewNow(view))
    this.closedItself(closed, isAnswered && guessed.guess.expected !== undefined)
    return summary
  }

  async #viewNow(view: View): Promise<CallOutput<'view'>> {
    // What was told under another view is nothing.
    this.#foretold.forget()
    const probable = await this.#probable?.()
    if (probable === undefined) return await call(this.session, 'view', view)
    const answer = call(this.session, 'view', { ...view, along: probable.along })
    this.#foretold.foretell(probable, answer)
    return await answer
  }

  async listings(paths: readonly RelPath[], deep = false): Promise<(DirectoryListing | undefined)[]> {
    return await this.#foretold.listings(paths, { outlined: false, deep }, this.told)
  }

  async outlines(paths: readonly RelPath[]): Promise<(OutlinedListing | undefined)[]> {
    return await this.#foretold.listings(paths, { outlined: true, deep: false }, this.told)
  }

  async listingPart(path: RelPath, ranges: readonly NameRange[]): Promise<Uint8Array> {
    return (await call(this.session, 'listingPart', { path, ranges })).bytes
  }

  async digests(files: readonly WantedDirectory[], fresh: boolean): Promise<(Uint8Array | undefined)[]> {
    return await this.#foretold.digests(files, fresh)
  }

  /** Throws `protocol-broken` where the other side says that it has closed the end, and was not let. */
  protected closedItself(closed: boolean, mayClose: boolean): void {
    if (closed && !mayClose) throw new Failure('protocol-broken', 'an end was closed unasked')
    this.#isClosed = closed
  }

  async linkedFiles(): Promise<readonly LinkedFile[]> {
    return await takeLinked((from) => call(this.session, 'linked', { from }), this.#entries)
  }

  async close(save: boolean): Promise<void> {
    // A session that is over has closed its end already.
    if (!this.#isClosed)
      await call(this.session, 'close', { save }).catch((error: unknown) => {
        if (!(error instanceof Failure)) throw error
      })
    this.session.close()
  }
}

/** What is asked of whatever content is read from. */
async function setsOf(session: Session, files: readonly WantedDirectory[]): Promise<readonly Uint8Array[]> {
  const count = files.reduce((sum, { names }) => sum + names.length, 0)
  const sets = splitSets((await call(session, 'attributes', { files: encodeWants(files) })).sets)
  if (sets.length !== count) throw new Failure('protocol-broken', 'not as many sets came as were asked for')
  return sets
}

class RemoteSource extends RemoteEnd implements SourceEnd {
  readonly #intake: Intake

  constructor(session: Session, machine: string, opened: Opened, slabs: SlabStore) {
    super(session, machine, opened)
    this.#intake = new Intake(session, session.openStream(packStream, new Uint8Array(0)), slabs)
  }

  async attributes(files: readonly WantedDirectory[]): Promise<readonly Uint8Array[]> {
    return await setsOf(this.session, files)
  }

  async owners(): Promise<Owners> {
    return await call(this.session, 'owners', {})
  }

  async supply(batch: number, wants: Uint8Array, sink: PackSink, portions?: Uint8Array): Promise<void> {
    await this.#intake.supply(batch, wants, sink, portions)
  }
}

class RemoteTarget extends RemoteEnd implements TargetEnd {
  protected readonly packs: WireStream
  readonly #offers = new Offers()
  /** How it is asked to finish. */
  #ending: Pick<CallInput<'finish'>, 'close' | 'top'>
  #finishing: Promise<CallOutput<'finish'>> | undefined

  constructor(session: Session, machine: string, opened: Opened, isLast: boolean) {
    super(session, machine, opened)
    this.packs = session.openStream(packStream, new Uint8Array(0))
    this.#ending = isLast ? { close: true } : {}
  }

  async ownersHere(owners: Owners): Promise<OwnerMap> {
    return await call(this.session, 'ownersHere', owners)
  }

  async begin(totals: PlanTotals): Promise<Begun> {
    this.told = undefined
    const { limit, keep, durability, ...rest } = totals
    const limitValue = limit.kind === 'count' ? limit.entries : limit.kind === 'percent' ? limit.percent : 0
    const { deletes, replaces, steps, hasBase, leftEntries, released, bringsBytes } = rest
    const plan = { deletes, replaces, steps, hasBase, leftEntries, released }
    const more = { ...(bringsBytes !== undefined && { bringsBytes }), ...(durability === 'none' && { unsynced: true }) }
    const input = { ...plan, ...more, limitKind: limit.kind, limitValue }
    const {
      epoch,
      unsynced = false,
      ...answer
    } = await call(this.session, 'begin', keep === undefined ? input : { ...input, keep: keepText(keep) })
    this.facts = { ...this.facts, epoch }
    return { ...answer, keep: parseKeep(answer.keep) ?? defaultKeep, durability: unsynced ? 'none' : 'group' }
  }

  async moveDirectories(moves: readonly DirectoryMove[]): Promise<readonly Problem[]> {
    return checkedProblems((await call(this.session, 'moves', { moves })).problems)
  }

  async stage(batch: number, bytes: Uint8Array, extended?: Uint8Array): Promise<Needs> {
    this.#offers.add(batch, bytes)
    const input = extended === undefined ? { batch, bytes } : { batch, bytes, extended }
    return this.#checked(batch, await call(this.session, 'stage', input))
  }

  async answer(batch: number, digests: readonly (Uint8Array | undefined)[]): Promise<Needs> {
    return this.#checked(batch, await call(this.session, 'answer', { batch, digests: joinDigests(digests) }))
  }

  #checked(batch: number, needs: Needs): Needs {
    this.#offers.check(batch, needs.wants, needs.wantCount)
    this.#offers.check(batch, needs.asks, needs.askCount)
    return needs
  }

  async receive(payload: Uint8Array): Promise<void> {
    await this.packs.send(payload, { hasHeadroom: payload.byteOffset >= payloadHeadroomBytes })
  }

  async written(batch: number, last: boolean): Promise<Again> {
    const answer = await call(this.session, 'written', { batch, last })
    const { again, count } = answer
    if (last && count > 0) throw new Failure('protocol-broken', 'the target asks for content more often than it may')
    this.#offers.check(batch, again, count)
    if (count === 0) this.#offers.remove(batch)
    return answer
  }

  async landed(): Promise<void> {
    await call(this.session, 'landed', {})
  }

  giveTop(top: Uint8Array): void {
    this.#ending = { ...this.#ending, top }
  }

  allSent(): void {
    const asked = call(this.session, 'finish', { ifWhole: true, ...this.#ending })
    // Told by `finish`.
    asked.catch(() => {})
    this.#finishing = asked
  }

  async finish(): Promise<ApplyResult> {
    const early = await this.#finishing
    const { applied, closed = false } =
      early?.applied === undefined ? await call(this.session, 'finish', this.#ending) : early
    if (applied === undefined) throw new Failure('protocol-broken', 'the target does not say what was done')
    this.closedItself(closed, this.#ending.close !== undefined)
    const { summary, problems, early: lost, ...counts } = applied
    return { summary, problems: checkedProblems(problems), counts, early: lost }
  }

  async verify(from: VerifyPoint): Promise<Verified> {
    const { problems, next, ...rest } = await call(this.session, 'verify', { from })
    const goesOn =
      next === undefined ||
      next.directory > from.directory ||
      (next.directory === from.directory && next.row > from.row)
    if (!goesOn) throw new Failure('protocol-broken', 'the target verifies without getting on')
    return { ...rest, problems: checkedProblems(problems), next }
  }

  async distrust(files: readonly WantedDirectory[]): Promise<void> {
    if (files.length > 0) await call(this.session, 'distrust', { files: encodeWants(files) })
  }
}

class RemoteBoth extends RemoteTarget implements BothEnd {
  readonly #intake: Intake

  constructor(session: Session, machine: string, opened: Opened, slabs: SlabStore) {
    super(session, machine, opened, false)
    this.#intake = new Intake(session, this.packs, slabs)
  }

  async attributes(files: readonly WantedDirectory[]): Promise<readonly Uint8Array[]> {
    return await setsOf(this.session, files)
  }

  async owners(): Promise<Owners> {
    return await call(this.session, 'owners', {})
  }

  async supply(batch: number, wants: Uint8Array, sink: PackSink, portions?: Uint8Array): Promise<void> {
    await this.#intake.supply(batch, wants, sink, portions)
  }
}

type EndRequest = Omit<OpenRequest, 'role' | 'job' | 'run'> & { readonly job: string; readonly runId: string }

function packed({ job, runId, ...request }: EndRequest): Omit<OpenRequest, 'role'> {
  return { ...request, job: Buffer.from(job, 'hex'), run: packRunId(runId) }
}

/** Opens an end, and asks along what is known to be asked next: whatever fails of that is told by what waits for it. */
async function openAhead(session: Session, request: OpenRequest, ahead: Ahead | undefined): Promise<Opened> {
  const opening = call(session, 'open', request)
  const foretold = new Foretold(session)
  const asked = ahead?.early === undefined ? undefined : askAhead(session, ahead.early, foretold)
  return { answer: await opening, asked, foretold, probable: ahead?.probable }
}

function askAhead(session: Session, { rules, guess }: NonNullable<Ahead['early']>, foretold: Foretold): Asked {
  const scan = call(session, 'scan', rules)
  const guessed = guess.then((made) => {
    if (made === undefined) return undefined
    const { view, expected, probable } = made
    // The rules are those of the scan.
    const { overrides: _, ...said } = view
    const told = probable === undefined ? {} : { along: probable.along }
    const answer = call(session, 'view', { ...said, ...told, ...(expected && { expected }) })
    answer.catch(() => {})
    if (probable !== undefined) foretold.foretell(probable, answer)
    return { guess: made, answer }
  })
  for (const one of [scan, guessed]) one.catch(() => {})
  return { scan, guess: guessed }
}

/** Opens a share of the machine at the other side of a session, to read from it. `slabs` receive what it sends. */
export async function openRemoteSource(
  session: Session,
  machine: string,
  request: Omit<EndRequest, 'create'>,
  slabs: SlabStore,
  ahead?: Ahead,
): Promise<RemoteSource> {
  const open = { ...packed({ ...request, create: false }), role: 'source' }
  return new RemoteSource(session, machine, await openAhead(session, open, ahead), slabs)
}

/**
 * Opens a share of the machine at the other side of a session, to write to it. With `closes` nothing is asked of it once
 * it has finished: it closes itself then, and keeps what it saw.
 */
export async function openRemoteTarget(
  session: Session,
  machine: string,
  request: EndRequest,
  ahead?: Ahead,
  closes = false,
): Promise<RemoteTarget> {
  const open = { ...packed(request), role: 'target' }
  return new RemoteTarget(session, machine, await openAhead(session, open, ahead), closes)
}

/** Opens a share of the machine at the other side of a session, to read from it and to write to it in one run. */
export async function openRemoteBoth(
  session: Session,
  machine: string,
  request: EndRequest,
  slabs: SlabStore,
): Promise<RemoteBoth> {
  const open = { ...packed(request), role: 'both' }
  return new RemoteBoth(session, machine, await openAhead(session, open, undefined), slabs)
}

function mustBePolicy(text: string): LinkPolicy {
  if (!isLinkPolicy(text)) throw new Failure('protocol-broken', 'a target has a rule for links that nobody knows')
  return text
}

/** Problems as another machine tells them. */
export function checkedProblems(problems: readonly { path: string; code: string; detail: string }[]): Problem[] {
  return problems.map(({ path, code, detail }) => {
    return { path, code: isProblemCode(code) ? code : 'write-failed', detail }
  })
}

/** Moves as another machine tells them; those that would lead out of a root are none. */
export function checkedMoves(moves: readonly { from: string; to: string }[]): DirectoryMove[] {
  return moves.flatMap((move) => {
    const from = parseRelPath(move.from)
    const to = parseRelPath(move.to)
    return from === undefined || to === undefined ? [] : [{ from, to }]
  })
}
