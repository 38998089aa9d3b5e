// What an end behind the wire is asked about its tree: listings and digests. Much of it is known before it has to be: a
// driver knows which of its own directories changed since the last run, and each end which of its own. So that is asked
// along with the view, and what an answer tells along is kept until it is asked for by name. Never decides anything by it:
// what was not told, or told wrongly guessed, is asked for as ever. What comes is bounded, and held to what the scan counted.

import { joinDigests, splitDigests } from '../core/digests.ts'
import { joinPath, parseRelPath, type RelPath } from '../core/path.ts'
import { type Along, guessedBytes, type OutlinedListing, toldBytes } from '../disk/told-listings.ts'
import { encodeWants, type WantedDirectory } from '../disk/wants.ts'
import { Failure } from '../std/failure.ts'
import { alongBytesMax } from '../wire/messages.ts'
import type { Session } from '../wire/session.ts'
import { type CallOutput, call } from './bulk.ts'
import { asFiles } from './places.ts'
import type { ToldTree } from './told-tree.ts'

/** What will probably be asked for. */
export type Probable = {
  readonly paths: readonly RelPath[]
  readonly along: Along
  /** Files whose digests will decide. */
  readonly files: readonly RelPath[]
}

/** What lies below a directory that is new is asked for anyway. */
const deepBytes = 1024 * 1024
/** More is not kept before it is asked for by name. */
const keptBytesMax = 16 * 1024 * 1024

type Coming = {
  readonly view: Promise<CallOutput<'view'>>
  readonly listings: Promise<CallOutput<'listings'> | undefined>
  readonly digests: Promise<Uint8Array | undefined>
  readonly asked: Probable
}
const none = Promise.resolve(undefined)

export class Foretold {
  readonly #session: Session
  readonly #listings = new Map<RelPath, OutlinedListing>()
  readonly #digests = new Map<RelPath, Uint8Array | undefined>()
  #keptBytes = 0
  #coming: Coming | undefined
  /** What the end saw changed was asked for. */
  #hasChanged = false

  constructor(session: Session) {
    this.#session = session
  }

  /** Asks, right behind the view that it is asked under, which tells the rest. */
  foretell(asked: Probable, view: Promise<CallOutput<'view'>>): void {
    const { paths, files } = asked
    const listings = paths.length === 0 ? none : call(this.#session, 'listings', { paths, outlined: true })
    const digests = files.length === 0 ? none : this.#askDigests(asFiles(files))
    // Nobody has to hear of it: it is asked once more, by name.
    for (const one of [listings, digests]) one.catch(() => {})
    this.#coming = { view, listings, digests, asked }
  }

  /** The view was another one in the end: nothing of what is told counts. */
  forget(): void {
    this.#coming = undefined
  }

  /** With `deep` what lies below will be asked for as well. */
  async listings(
    paths: readonly RelPath[],
    { outlined, deep }: { readonly outlined: boolean; readonly deep: boolean },
    tree: ToldTree | undefined,
  ): Promise<(OutlinedListing | undefined)[]> {
    await this.#arrived(tree)
    const known = new Map<RelPath, OutlinedListing | undefined>()
    for (const path of paths) {
      const listing = this.#take(path, outlined)
      if (listing !== undefined) known.set(path, listing)
    }
    const asked = paths.filter((path) => !known.has(path))
    if (asked.length > 0) {
      const along = this.#along(deep)
      const answer = await call(this.#session, 'listings', { paths: asked, outlined, ...along })
      checkedListings(answer, asked, tree).forEach((listing, i) => known.set(asked[i] as RelPath, listing))
      this.#keep(answer, tree)
    }
    return paths.map((path) => known.get(path))
  }

  #along(deep: boolean): { readonly along?: Along; readonly alongBytes?: number } {
    if (this.#keptBytes > keptBytesMax) return {}
    if (deep) return { along: 'all', alongBytes: deepBytes }
    if (this.#hasChanged) return {}
    this.#hasChanged = true
    return { along: 'changed', alongBytes: guessedBytes }
  }

  /** The digests of files as they are known, in their order; with `fresh` everything is read. */
  async digests(files: readonly WantedDirectory[], fresh: boolean): Promise<(Uint8Array | undefined)[]> {
    const asked = files.flatMap(({ path, names }) => names.map((name) => joinPath(path, name)))
    if (fresh) return await this.#toldDigests(files, asked.length, true)
    await this.#arrived(undefined)
    const missing = asked.filter((path) => !this.#digests.has(path))
    const told = missing.length === 0 ? [] : await this.#toldDigests(asFiles(missing), missing.length, false)
    const found = new Map(missing.map((path, i) => [path, told[i]]))
    return asked.map((path) => (found.has(path) ? found.get(path) : this.#digests.get(path)))
  }

  async #toldDigests(
    files: readonly WantedDirectory[],
    count: number,
    fresh: boolean,
  ): Promise<(Uint8Array | undefined)[]> {
    const told = splitDigests(await this.#askDigests(files, fresh))
    if (told.length !== count) throw new Failure('protocol-broken', 'not as many digests came as were asked for')
    return told
  }

  async #askDigests(files: readonly WantedDirectory[], fresh = false): Promise<Uint8Array> {
    return (await call(this.#session, 'digests', { files: encodeWants(files), fresh })).digests
  }

  /** What was foretold, once it has come. */
  async #arrived(tree: ToldTree | undefined): Promise<void> {
    const coming = this.#coming
    if (coming === undefined) return
    this.#coming = undefined
    const { paths, along, files } = coming.asked
    this.#hasChanged = along === 'changed'
    const viewed = await coming.view.catch(unlessBroken)
    if (viewed !== undefined) this.#keep(viewed, tree)
    const answer = await coming.listings.catch(unlessBroken)
    if (answer !== undefined) {
      checkedListings(answer, paths, tree).forEach((listing, i) => {
        if (listing !== undefined) this.#put(paths[i] as RelPath, listing)
      })
    }
    const told = splitDigests((await coming.digests.catch(unlessBroken)) ?? joinDigests([]))
    if (told.length === files.length) files.forEach((path, i) => this.#digests.set(path, told[i]))
  }

  #take(path: RelPath, outlined: boolean): OutlinedListing | undefined {
    const listing = this.#listings.get(path)
    if (listing === undefined || (listing.outline !== undefined && !outlined)) return undefined
    this.#listings.delete(path)
    this.#keptBytes -= toldBytes(listing)
    return listing
  }

  #put(path: RelPath, listing: OutlinedListing): void {
    if (this.#listings.has(path)) return
    this.#listings.set(path, listing)
    this.#keptBytes += toldBytes(listing)
  }

  #keep({ along = [] }: Pick<CallOutput<'view'>, 'along'>, tree: ToldTree | undefined): void {
    if (along.reduce((sum, listing) => sum + toldBytes(listing), 0) > alongBytesMax)
      throw new Failure('protocol-broken', 'more is told along than was asked for')
    for (const { path, ...listing } of along) {
      const known = parseRelPath(path)
      if (known === undefined) throw new Failure('protocol-broken', 'a listing was told of a path that is none')
      tree?.take(known, listing.bytes.length)
      this.#put(known, listingOf(listing))
    }
  }
}

/** In the order of the paths; undefined where a directory is not known. */
function checkedListings(
  { listings }: CallOutput<'listings'>,
  paths: readonly RelPath[],
  tree: ToldTree | undefined,
): (OutlinedListing | undefined)[] {
  if (listings.length !== paths.length)
    throw new Failure('protocol-broken', 'not as many listings came as were asked for')
  listings.forEach(({ known, bytes }, i) => known && tree?.take(paths[i] as RelPath, bytes.length))
  return listings.map(({ known, ...listing }) => (known ? listingOf(listing) : undefined))
}

type WireListing = Omit<NonNullable<CallOutput<'view'>['along']>[number], 'path'>

function listingOf({ bytes, outline, mtimeSeconds, mtimeNs, top }: WireListing): OutlinedListing {
  const told = { bytes, ...(outline && { outline }), mtimeSeconds: Number(mtimeSeconds), mtimeNs }
  return { ...told, ...(top && { top }) }
}

/** A guess that could not be answered is asked again by name; what breaks a rule is told at once. */
function unlessBroken(error: unknown): undefined {
  if (error instanceof Failure && error.code !== 'protocol-broken') return undefined
  throw error
}
