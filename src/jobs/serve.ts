// The answering side: one session, at most one end open in it. A peer reaches what it is granted (grants.ts) and nothing
// else; what it asks is done by the same local ends that a run on this machine uses, under the rules of the grant.
// When the session ends, for whatever reason, the end is closed, and what landed stays landed.

import { joinDigests, splitDigests } from '../core/digests.ts'
import { joinSets } from '../core/extended.ts'
import { areRising, type NameRange } from '../core/outline.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import { keepText } from '../core/retention.ts'
import type { View } from '../core/view.ts'
import { openSource } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import { type Along, guessedBytes, type OutlinedListing, toldBytes } from '../disk/told-listings.ts'
import { decodeWants, type WantedDirectory } from '../disk/wants.ts'
import { forgetOldTrees } from '../state/trees.ts'
import { Bug } from '../std/assert.ts'
import { asFailure, Failure } from '../std/failure.ts'
import { callBytesMax, type OpenAnswer, type OpenRequest } from '../wire/messages.ts'
import type { Session } from '../wire/session.ts'
import type { WireStream } from '../wire/stream.ts'
import type { StreamHandler } from '../wire/streams.ts'
import { isExpected, isWithin } from './ahead.ts'
import {
  checkMoves,
  flowOf,
  limitOf,
  mustBeRootRules,
  mustKeep,
  mustPath,
  type Opening,
  onceEach,
  openingOf,
  withoutEmpty,
} from './asked.ts'
import type { Allowance } from './body.ts'
import { LocalBoth } from './both.ts'
import { answerCall, type CallHandlers, type CallInput, type CallOutput, type CallRules } from './bulk.ts'
import { CallOrder, type Role } from './call-order.ts'
import { openAllowed, toldTraits } from './dress.ts'
import { batchOf, payloadHeadBytes, payloadHeadroomBytes } from './endpoint.ts'
import type { Grant, Grants } from './grants.ts'
import { packStream } from './intake.ts'
import { servedTreeKeys, type Workshop } from './local.ts'
import { LocalSource } from './local-source.ts'
import { OpenBatches } from './open-batches.ts'
import { viewIdOf } from './rules-id.ts'
import { ServedPast } from './serve-past.ts'
import { PackInbox } from './slabs.ts'
import type { Leaving } from './supplies.ts'
import { LocalTarget } from './target.ts'
import { type LateEnds, Visit } from './visit.ts'

export type ServeOptions = {
  readonly workshop: Workshop
  /** What the peer may reach. */
  readonly grants: Grants
  /** What this machine calls the peer. */
  readonly machine: string
  /** Takes the ends of runs that were served; one for all sessions. */
  readonly ends: LateEnds
  /** For the bodies of all calls of that machine. */
  readonly allowance: Allowance
}

/** Answers everything in a session. Give `onStream` to `openSession`, and the session to `attach` once it is open. */
export class Served {
  readonly #options: ServeOptions
  readonly #inbox: PackInbox
  readonly #past: ServedPast
  readonly #handlers: CallHandlers
  /** Both are the same where it is read from and written to. */
  #source: LocalSource | LocalBoth | undefined
  #target: LocalTarget | undefined
  #packs: WireStream | undefined
  #session: Session | undefined
  /** What a driver wants this side to send at most; it may say so before the session is attached. */
  #rateBytes: number | undefined
  #opening: Promise<unknown> = Promise.resolve()
  #visit: Visit | undefined
  readonly #order = new CallOrder()
  readonly #batches = new OpenBatches()
  #treePlace = ''
  /** The rules of the scan, and the ignore files that it found. */
  #scanned: Pick<View, 'overrides' | 'texts'> = { overrides: [], texts: [] }
  readonly #rules: CallRules
  /** What the session was given to use; it says what of it may be told. */
  #grant: Grant | undefined

  constructor(options: ServeOptions) {
    this.#options = options
    const tellable = (failure: Failure): Failure => this.#grant?.told(failure) ?? failure
    this.#rules = { order: this.#order, allowance: options.allowance, tellable }
    this.#inbox = new PackInbox(options.workshop.slabs)
    this.#past = new ServedPast(options)
    this.#handlers = this.#makeHandlers()
  }

  readonly onStream: StreamHandler = (name, header, stream) => {
    if (name !== packStream) return answerCall(name, header, stream, this.#handlers, this.#rules)
    if (this.#packs !== undefined) return false
    this.#packs = stream
    stream.allocate = this.#inbox.allocate
    stream.onFrame((payload, release) => this.#receive(payload, release))
    return true
  }

  /** Closes the end when the session is over. Resolves then. */
  async attach(session: Session): Promise<void> {
    this.#session = session
    this.#limit()
    const failure = await session.closed
    this.#inbox.close()
    const end = this.#source ?? this.#target
    end?.stop()
    await this.#opening.catch(() => {})
    await this.#tries(() => this.#close(false))
    const visited = this.#visit?.end(failure)
    if (visited !== undefined) await this.#tries(() => this.#options.ends.write(visited))
    await this.#tries(() => this.#past.close(failure))
    this.#note('session-close', { reason: failure?.code ?? 'done' })
  }

  /** What fails after the session (the disk of the state database is full, say) is nobody's to hear: the others go on. */
  async #tries(work: () => unknown): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof Bug) throw error
      this.#note('session-close-failed', { reason: asFailure(error, 'peer-failed').message })
    }
  }

  #note(action: string, fields: Record<string, string | number | boolean>): void {
    this.#options.workshop.log.note(action, { machine: this.#options.machine, ...fields })
  }

  #receive(payload: Uint8Array, release: () => void): void {
    const target = this.#mustTarget()
    const received = async (): Promise<void> => {
      if (payload.length >= payloadHeadBytes) this.#batches.receive(batchOf(payload))
      await target.receive(payload)
    }
    received().then(
      () => {
        this.#inbox.done(payload)
        release()
      },
      (error: unknown) => {
        this.#inbox.done(payload)
        this.#unsolicited(asFailure(error, 'peer-failed'))
      },
    )
  }

  /** Content that nobody asked for stops the transfer at once; it is an event of its own. */
  #unsolicited(failure: Failure): void {
    this.#note(failure.code === 'unsolicited' ? 'unsolicited' : 'receive-failed', { reason: failure.message })
    if (failure.code === 'unsolicited') this.#session?.fail(failure)
    else this.#packs?.cancel(failure)
  }

  #mustSource(): LocalSource | LocalBoth {
    if (this.#source === undefined) throw new Failure('protocol-broken', 'no source is open in this session')
    return this.#source
  }

  #mustTarget(): LocalTarget {
    if (this.#target === undefined) throw new Failure('protocol-broken', 'no target is open in this session')
    return this.#target
  }

  #mustEnd(): LocalSource | LocalTarget {
    return this.#target ?? this.#mustSource()
  }

  async #open(request: OpenRequest): Promise<OpenAnswer> {
    if (this.#source !== undefined || this.#target !== undefined) {
      throw new Failure('protocol-broken', 'a session opens one end')
    }
    const opening = openingOf(request)
    const { runId } = opening
    const { workshop, grants, machine } = this.#options
    const grant = grants.end(request.share, request.sub, request.versions)
    const { label } = grant
    this.#grant = grant
    const role = roleOf(request)
    const { facts } = role === 'source' ? this.#openSource(grant, opening) : this.#openTarget(grant, opening)
    this.#visit = new Visit(workshop, machine, opening, facts)
    this.#order.opened(role)
    this.#note('session-open', { share: label, role: request.role, runId })
    const { rootId, empty, recovered } = facts
    const told = { path: label, rootId, ...toldTraits(facts.traits), empty, nowMs: workshop.clock.nowMs(), recovered }
    const { undone, mode } = facts
    const rules = facts.links === 'portable' ? { links: facts.links } : {}
    return { ...told, ...rules, ...(undone && { undone }), ...(mode !== undefined && { mode }) }
  }

  #limit(): void {
    if (this.#rateBytes !== undefined) this.#session?.limit(this.#rateBytes)
  }

  /** For how long packs have kept the session's socket busy. */
  get writingMs(): number {
    return this.#session?.writingMs ?? 0
  }

  #openSource({ path, label }: Grant, request: Opening): LocalSource {
    const leaving = this.#leaving(request)
    const root = openSource(systemSys(), path, request.asks)
    this.#source = new LocalSource(this.#options.workshop, root, {
      treeKey: this.#treeKey('source', path, request.job),
      isApart: true,
      ...leaving,
      runId: request.runId,
      label,
    })
    return this.#source
  }

  /** How content leaves, as the driver wants it. */
  #leaving(request: Opening): Leaving {
    const flow = flowOf(request)
    this.#rateBytes = flow.rateBytes
    this.#limit()
    return { flow, line: this }
  }

  #openTarget(grant: Grant, request: Opening): LocalTarget {
    grant.mayWrite()
    const { path, label, ownerLimit, versions, links, allows, mustSync } = grant
    const { workshop } = this.#options
    const { create, expectedId, isNew = false, asks = 0, mode } = request
    const isBoth = request.role === 'both'
    const leaving = isBoth ? this.#leaving(request) : {}
    const root = openAllowed(path, { create, machine: workshop.machine, expectedId, isNew, mode }, asks, allows)
    const named = { label, job: request.job, runId: request.runId }
    const options = { treeKey: this.#treeKey('target', path, request.job), isApart: true, ...named }
    const rules = { ownerLimit, versions, links, mustSync }
    if (!isBoth) this.#target = new LocalTarget(workshop, root, { ...options, ...rules })
    else this.#target = this.#source = new LocalBoth(workshop, root, { ...options, ...rules, ...leaving })
    return this.#target
  }

  #treeKey(role: 'source' | 'target', path: string, job: string): string {
    const { place, key } = servedTreeKeys(role, path, job)
    this.#treePlace = place
    return key
  }

  async #supply({ batch, wants, portions }: CallInput<'supply'>): Promise<{ packs: number }> {
    const stream = this.#packs
    if (stream === undefined) throw new Failure('protocol-broken', 'no stream of packs is open')
    this.#visit?.moved()
    let packs = 0
    const send = async (payload: Uint8Array): Promise<void> => {
      packs++
      await stream.send(payload, { hasHeadroom: payload.byteOffset >= payloadHeadroomBytes })
    }
    await this.#mustSource().supply(batch, wants, send, portions)
    return { packs }
  }

  async #close(save: boolean): Promise<void> {
    const end = this.#source ?? this.#target
    this.#source = undefined
    this.#target = undefined
    await end?.close(save)
    if (!save) return
    forgetOldTrees(this.#options.workshop.state, this.#treePlace, treesPerPlace)
    this.#visit?.saved()
  }

  /** The end that the session has open, for who asks the daemon; undefined before it opened one. */
  get visit(): { readonly role: string; readonly path: string; readonly runId: string } | undefined {
    return this.#visit
  }

  #makeHandlers(): CallHandlers {
    return {
      open: (request) => {
        const opened = this.#open(request)
        this.#opening = opened
        return opened
      },
      scan: async (rules) => {
        mustBeRootRules(rules.overrides)
        const { entries, specials, ...lists } = await this.#mustEnd().scan(rules)
        this.#scanned = { overrides: rules.overrides, texts: lists.texts }
        return { entries, ...withoutEmpty(lists), ...(specials && { specials }) }
      },
      view: async (request) => await this.#view(request),
      listings: async (request) => await this.#listings(request),
      listingPart: async ({ path, ranges }) => await this.#listingPart(path, ranges),
      digests: async ({ files, fresh }) => await this.#digests(decodeWants(files), fresh),
      linked: async ({ from }) => await this.#mustEnd().linkedPart(from),
      begin: async ({ limitKind, limitValue, keep, unsynced = false, ...rest }) => {
        const limit = limitOf(limitKind, limitValue)
        const wanted = keep === undefined ? keep : mustKeep(keep)
        const asked = { ...rest, limit, keep: wanted, durability: unsynced ? ('none' as const) : ('group' as const) }
        const { durability, ...begun } = await this.#mustTarget().begin(asked)
        this.#visit?.moved()
        const told = durability === 'none' ? { unsynced: true } : {}
        return { ...begun, ...told, keep: keepText(begun.keep), epoch: this.#mustTarget().facts.epoch }
      },
      moves: async ({ moves }) => ({ problems: await this.#mustTarget().moveDirectories(checkMoves(moves)) }),
      attributes: async ({ files }) => ({ sets: joinSets(await this.#mustSource().attributes(decodeWants(files))) }),
      owners: async () => await this.#mustSource().owners(),
      ownersHere: async (owners) => await this.#mustTarget().ownersHere(owners),
      stage: async ({ batch, bytes, extended = new Uint8Array(0) }) => {
        this.#batches.stage(batch, bytes.length + extended.length)
        return await this.#mustTarget().stage(batch, bytes, extended)
      },
      answer: async ({ batch, digests }) => await this.#mustTarget().answer(batch, splitDigests(digests)),
      supply: async (input) => await this.#supply(input),
      written: async ({ batch, last }) =>
        await this.#batches.written(batch, () => this.#mustTarget().written(batch, last)),
      landed: async () => {
        await this.#mustTarget().landed()
        return {}
      },
      finish: async (request) => await this.#finish(request),
      verify: async ({ from }) => {
        const { next, ...found } = await this.#mustTarget().verify(from)
        return next === undefined ? found : { ...found, next }
      },
      distrust: async ({ files }) => {
        await this.#mustTarget().distrust(decodeWants(files))
        return {}
      },
      close: async ({ save }) => {
        await this.#close(save)
        return {}
      },
      ...this.#past.handlers,
    }
  }

  /** Closes a target that is what its driver expects, before it is told so: whoever comes next finds it free. */
  async #view({ expected, along, ...asked }: CallInput<'view'>): Promise<CallOutput<'view'>> {
    const view: View = { ...this.#scanned, ...asked }
    mustBeRootRules(view.overrides)
    for (const { directory } of view.texts) mustPath(directory)
    const end = this.#mustEnd()
    const summary = await end.view(view, viewIdOf(view))
    if (summary === undefined) return {}
    const isFinal = this.#target !== undefined && isExpected(summary.fingerprint, expected)
    // What its owner wants of links may have changed, and is the driver's to look at.
    if (!isFinal || end.facts.links === 'portable' || !isWithin(view, end.facts.traits))
      return { summary, ...(await this.#along([], along, guessedBytes)) }
    await this.#close(true)
    return { summary, closed: true }
  }

  /** Asked for while the last batches are being written, it is done only where none of them wants anything again. */
  async #finish({ ifWhole = false, close = false, top }: CallInput<'finish'>): Promise<CallOutput<'finish'>> {
    if (ifWhole && !(await this.#batches.areWhole())) {
      this.#order.goesOn()
      return {}
    }
    const target = this.#mustTarget()
    if (top !== undefined) target.giveTop(top)
    const { summary, problems, counts, early } = await target.finish()
    this.#visit?.finished({ summary, problems, counts, early })
    const applied = { summary, problems, ...counts, early }
    if (!close) return { applied }
    // Nothing more is asked of it: whoever comes next finds it free.
    await this.#close(true)
    return { applied, closed: true }
  }

  /** A few at a time: who asks for much is refused before all of it is held. */
  async #listings(request: CallInput<'listings'>): Promise<CallOutput<'listings'>> {
    const { paths, outlined, along, alongBytes = 0 } = request
    const end = this.#mustEnd()
    const list = async (asked: readonly RelPath[]): Promise<(OutlinedListing | undefined)[]> =>
      await (outlined ? end.outlines(asked) : end.listings(asked))
    const listings: CallOutput<'listings'>['listings'][number][] = []
    let sizeBytes = 0
    for (let at = 0; at < paths.length; at += listingsAtOnce) {
      const some = paths.slice(at, at + listingsAtOnce).map(mustPath)
      for (const listing of await onceEach(some, (path) => path, list)) {
        const told = toldListing(listing ?? noListing)
        sizeBytes += toldBytes(told)
        if (sizeBytes > callBytesMax) throw new Failure('limit-exceeded', 'more is asked for than an answer may hold')
        listings.push({ known: listing !== undefined, ...told })
      }
    }
    return { listings, ...(await this.#along(paths.map(mustPath), along, alongBytes)) }
  }

  async #along(
    asked: readonly RelPath[],
    along: Along | undefined,
    maxBytes: number,
  ): Promise<Pick<CallOutput<'view'>, 'along'>> {
    if (along === undefined) return {}
    const told = await this.#mustEnd().listingsAlong(asked, along, maxBytes)
    return told.length === 0 ? {} : { along: told.map(({ path, ...listing }) => ({ path, ...toldListing(listing) })) }
  }

  async #listingPart(path: string, ranges: readonly NameRange[]): Promise<CallOutput<'listingPart'>> {
    if (!areRising(ranges)) throw new Failure('protocol-broken', 'parts of a listing are asked for out of order')
    const bytes = await this.#mustEnd().listingPart(mustPath(path), ranges)
    if (bytes.length > callBytesMax) throw new Failure('limit-exceeded', 'more is asked for than an answer may hold')
    return { bytes }
  }

  /** A few files at a time, so that nothing is read for whom nobody waits any more. */
  async #digests(files: readonly WantedDirectory[], fresh: boolean): Promise<CallOutput<'digests'>> {
    const asked = files.flatMap(({ path, names }) => names.map((name) => ({ path, names: [name] })))
    const keyOf = ({ path, names }: WantedDirectory): string => joinPath(path, names[0] as string)
    const digests = await onceEach(asked, keyOf, async (once) => {
      const found: (Uint8Array | undefined)[] = []
      for (let at = 0; at < once.length; at += digestsAtOnce)
        found.push(...(await this.#mustEnd().digests(once.slice(at, at + digestsAtOnce), fresh)))
      return found
    })
    return { digests: joinDigests(digests) }
  }
}

/** What a driver means to do with the end. */
function roleOf({ role }: OpenRequest): Role {
  if (role === 'source' || role === 'target' || role === 'both') return role
  throw new Failure('protocol-broken', 'an end is opened for something that nobody knows')
}

const noListing: OutlinedListing = { bytes: new Uint8Array(0), mtimeSeconds: 0, mtimeNs: 0 }

/** A listing as it travels. */
function toldListing({ mtimeSeconds, ...told }: OutlinedListing): Omit<OutlinedListing, 'mtimeSeconds'> & {
  readonly mtimeSeconds: bigint
} {
  return { ...told, mtimeSeconds: BigInt(mtimeSeconds) }
}

/** A peer names its jobs as it likes: so many trees of one folder are remembered. */
const treesPerPlace = 16
/** Of a million entries each, they take as much as an answer may hold. */
const listingsAtOnce = 16
const digestsAtOnce = 500
