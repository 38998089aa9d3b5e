// What an empty right needs to become the left: everything, told while it is being found, so that content travels before
// the whole left was listed. There is nothing that could be lost, replaced or renamed, and nothing for a guard to judge.

import type { Entry } from '../core/entry.ts'
import { depthOf } from '../core/links.ts'
import { listingEntries } from '../core/listing.ts'
import { pairNames } from '../core/naming.ts'
import { joinPath, rootPath } from '../core/path.ts'
import { batchFilesMax, type PackedSection, type SectionHead, SectionWriter } from '../core/plan.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import { type Rules, reconcile } from '../core/reconcile.ts'
import type { Top } from '../core/top.ts'
import type { DirectoryListing } from '../disk/told-listings.ts'
import type { End } from './endpoint.ts'
import { chunks, headOf, stepOf } from './places.ts'
import { topFor } from './top.ts'

type Waiting = Pick<SectionHead, 'path' | 'state' | 'mode' | 'attributes'>

/** What is found on the way: what can't be brought, and what the top folder becomes. */
export type Brought = { readonly problems: Problem[]; giveTop(top: Top): void }

/** The sections, parents before children, a level after the other; what else there is to say is put into `found`. */
export async function* bringAll(left: End, rules: Rules, found: Brought): AsyncGenerator<PackedSection> {
  const { problems } = found
  for (let level: Waiting[] = [{ path: rootPath, state: 'present', mode: 0 }]; level.length > 0; ) {
    const next: Waiting[] = []
    for (const some of chunks(level)) {
      const listings = await left.listings(
        some.map(({ path }) => path),
        true,
      )
      for (const [i, directory] of some.entries()) {
        const listing = listings[i]
        const top = directory.path === rootPath ? topFor(listing, undefined, rules) : undefined
        if (top !== undefined) found.giveTop(top)
        if (listing === undefined) problems.push({ path: directory.path, code: 'unreadable', detail: '' })
        else yield* bringDirectory(directory, listing, rules, problems, next)
      }
    }
    level = next
  }
}

/** One directory, in parts where it is too large to be built aside: a listing of a million entries is never held as steps. */
function* bringDirectory(
  { path, state, mode, attributes }: Waiting,
  listing: DirectoryListing,
  rules: Rules,
  problems: Problem[],
  next: Waiting[],
): Generator<PackedSection, void, undefined> {
  const head = headOf(path, state, listing, { mode, attributes })
  const problem = (name: string, code: ProblemCode): void => {
    problems.push({ path: path === '' ? name : `${path}/${name}`, code, detail: '' })
  }
  let section = new SectionWriter(head)
  let entries: Iterable<Entry> = listingEntries(listing.bytes)
  if (rules.naming !== undefined) {
    const paired = pairNames(entries, [], rules.naming, false)
    for (const { name, code } of paired.problems) problem(name, code)
    entries = paired.left
  }
  for (const decision of reconcile(entries, [], rules, depthOf(path))) {
    if (decision.kind === 'problem') problem(decision.name, decision.code)
    if (decision.kind !== 'create') continue
    const { left } = decision
    if (left.kind === 'directory') {
      const { mode, attributes } = left
      next.push({ path: joinPath(path, left.name), state: 'new', mode, ...(attributes && { attributes }) })
    } else {
      if (section.stepCount === batchFilesMax) {
        // The directory is made first and alone; then its files land in it one by one.
        if (section.head.state === 'new') yield new SectionWriter(head).take()
        yield { ...section.take(), state: 'present' }
        section = new SectionWriter({ ...head, state: 'present' })
      }
      section.add(stepOf('create', left))
    }
  }
  if (section.stepCount > 0 || section.head.state === 'new') yield section.take()
}
