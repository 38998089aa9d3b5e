// After a run: reads the target's content again, portion by portion, and holds it against the digests that are known of
// it; where none is, against the source's, if the source has the same file by size and time. What differs is a problem,
// and is distrusted at the target, so that the next run brings it anew. In an update two contents of one size and time are
// told as `same-time`, as its next run would: nothing says which is newer, and the target's may be the one that is wanted.
// Changes no file.

import { isDamaged, splitDigests } from '../core/digests.ts'
import { compareTimes, type Entry } from '../core/entry.ts'
import { readListing } from '../core/listing.ts'
import { joinPath } from '../core/path.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import type { VerifyPoint, VerifyReport } from '../disk/verify.ts'
import { decodeWants, encodeWants, type WantedDirectory } from '../disk/wants.ts'
import { loadPair } from '../state/pairs.ts'
import { concatBytes, equalBytes } from '../std/bytes.ts'
import type { SourceEnd, TargetEnd, Verified } from './endpoint.ts'
import type { Job, RunContext, RunEnd, VerifyTotals } from './job.ts'

/** The end of a run with what verifying the target added to it. A run that brought nothing about is not verified. */
export async function verifyRun(
  { id: job, mode }: Pick<Job, 'id' | 'mode'>,
  end: RunEnd,
  left: SourceEnd,
  right: TargetEnd,
  context: RunContext,
): Promise<RunEnd> {
  if (end.outcome === 'halted' || end.outcome === 'planned') return end
  const { state, listen, signal } = context
  listen({ type: 'phase', phase: 'verify' })
  const totals: VerifyTotals = { files: 0, bytes: 0, unproven: 0 }
  const problems: Problem[] = []
  let seen = 0
  for (let at: VerifyPoint | undefined = { directory: 0, row: 0 }; at !== undefined; ) {
    signal.throwIfAborted()
    const portion: Verified = await right.verify(at)
    totals.files += portion.files
    totals.bytes += portion.bytes
    problems.push(...portion.problems)
    const differs = mode === 'update' ? 'same-time' : 'differs-from-source'
    await askSource(left, right, portion, totals, differs, problems)
    at = portion.next
    seen = totals.files + totals.unproven + problems.length
    const { files, sizeBytes } = end.summary
    const sofar = { files: seen, filesTotal: Math.max(seen, files), contentBytes: totals.bytes }
    listen({ type: 'progress', ...sofar, contentTotal: Math.max(totals.bytes, sizeBytes), sentBytes: 0, path: '' })
  }
  if (problems.length === 0) return { ...end, verified: totals }
  // Whatever the trees say: the next run looks at everything again.
  const pair = end.found.pair ?? loadPair(state, job)
  const found =
    pair === undefined ? end.found : { ...end.found, pair: { ...pair, problems: [...pair.problems, ...problems] } }
  const known = new Set(problems.map((problem) => problem.path))
  const all = [...end.problems.filter((problem) => !known.has(problem.path)), ...problems]
  return { ...end, outcome: 'partial', problems: all, verified: totals, found }
}

/** Files of which the target knew nothing: the source may know them. */
async function askSource(
  left: SourceEnd,
  right: TargetEnd,
  portion: Verified,
  totals: VerifyTotals,
  code: ProblemCode,
  problems: Problem[],
): Promise<void> {
  const asked = decodeWants(portion.asks)
  if (asked.length === 0) return
  const paths = asked.map(({ path }) => path)
  const [lefts, rights] = await Promise.all([left.listings(paths), right.listings(paths)])
  const read = splitDigests(portion.digests)
  const shared: { path: WantedDirectory['path']; name: string; sizeBytes: number; digest: Uint8Array | undefined }[] =
    []
  let at = 0
  asked.forEach(({ path, names }, i) => {
    const [here, there] = [filesOf(lefts[i]?.bytes), filesOf(rights[i]?.bytes)]
    for (const name of names) {
      const digest = read[at++]
      const [mine, theirs] = [here.get(name), there.get(name)]
      if (isSameFile(mine, theirs)) shared.push({ path, name, sizeBytes: theirs?.sizeBytes ?? 0, digest })
      else totals.unproven++
    }
  })
  const told = await left.digests(
    shared.map(({ path, name }) => ({ path, names: [name] })),
    false,
  )
  const differing: WantedDirectory[] = []
  shared.forEach(({ path, name, sizeBytes, digest }, i) => {
    const known = told[i]
    if (known === undefined || digest === undefined || isDamaged(known)) totals.unproven++
    else if (equalBytes(known, digest)) {
      totals.files++
      totals.bytes += sizeBytes
    } else {
      differing.push({ path, names: [name] })
      problems.push({ path: joinPath(path, name), code, detail: '' })
    }
  })
  await right.distrust(differing)
}

function filesOf(listing: Uint8Array | undefined): Map<string, Entry> {
  const files = listing === undefined ? [] : readListing(listing).filter((entry) => entry.kind === 'file')
  return new Map(files.map((entry) => [entry.name, entry]))
}

/** Equal by all that a listing says; both are made under one view, where equal times are the same. */
function isSameFile(left: Entry | undefined, right: Entry | undefined): boolean {
  if (left === undefined || right === undefined) return false
  return left.sizeBytes === right.sizeBytes && compareTimes(left, right, 1) === 0
}

/** Gives each chunk to a seat, one at a time to each. */
export async function eachSeat<Result>(
  seats: number,
  chunks: readonly Uint8Array[],
  run: (seat: number, chunk: Uint8Array) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const work = async (seat: number): Promise<void> => {
    for (let at = next++; at < chunks.length; at = next++) results[at] = await run(seat, chunks[at] as Uint8Array)
  }
  await Promise.all(Array.from({ length: seats }, (_, seat) => work(seat)))
  return results
}

/** The reports of a portion's chunks as one. */
export function joinReports(reports: readonly VerifyReport[], next: VerifyPoint | undefined): Verified {
  return {
    files: reports.reduce((sum, { files }) => sum + files, 0),
    bytes: reports.reduce((sum, { bytes }) => sum + bytes, 0),
    problems: reports.flatMap(({ problems }) => problems),
    asks: encodeWants(reports.flatMap(({ asks }) => decodeWants(asks))),
    digests: concatBytes(reports.map(({ digests }) => digests)),
    next,
  }
}
