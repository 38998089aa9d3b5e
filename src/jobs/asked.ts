// What a driver asks for in its calls, read from what the schema let through: names, paths, rules and numbers become values
// of ours, or the call is refused as `protocol-broken`. And what is answered, said as shortly as it can be.

import { type Flow, parseCompress, rateBytesMin } from '../core/flow.ts'
import type { GuardLimit } from '../core/guard.ts'
import type { IgnoreText } from '../core/ignore.ts'
import { parseRelPath, type RelPath } from '../core/path.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { type Keep, parseKeep } from '../core/retention.ts'
import type { ScanReport } from '../disk/scan.ts'
import { unpackRunId } from '../state/runs.ts'
import { hex } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import type { OpenRequest } from '../wire/messages.ts'
import type { CallOutput } from './bulk.ts'

/** How packs are wanted. */
export function flowOf({ rateBytes, compress = 'off' }: Pick<OpenRequest, 'rateBytes' | 'compress'>): Flow {
  const parsed = parseCompress(compress)
  if (parsed === undefined) throw new Failure('protocol-broken', 'packs are wanted in no known way')
  // A byte a second would hold a session, and the folder in it, for years.
  if (rateBytes !== undefined && rateBytes < rateBytesMin)
    throw new Failure('protocol-broken', 'packs are wanted more slowly than anyone may ask for')
  return { rateBytes, compress: parsed }
}

/** A request to open an end, with its names as text. */
export type Opening = Omit<OpenRequest, 'job' | 'run'> & { readonly job: string; readonly runId: string }

/** Throws where the names of a run or a job are none. */
export function openingOf({ job, run, ...request }: OpenRequest): Opening {
  const runId = unpackRunId(run)
  if (runId === undefined || job.length !== 16) throw new Failure('protocol-broken', 'a run has a name that is none')
  return { ...request, job: hex(job), runId }
}

/** Said as shortly as it can be: most scans find none of these. */
export function withoutEmpty({
  problems,
  texts,
  moves,
}: Omit<ScanReport, 'entries' | 'nested'>): Omit<CallOutput<'scan'>, 'entries'> {
  return {
    ...(problems.length > 0 && { problems: [...problems] }),
    ...(texts.length > 0 && { texts: [...texts] }),
    ...(moves.length > 0 && { moves: [...moves] }),
  }
}

/** A path below a root, as a peer named it. */
export function mustPath(text: string): RelPath {
  const path = parseRelPath(text)
  if (path === undefined) throw new Failure('protocol-broken', 'a path is none below a root')
  return path
}

/** Overrides are rules of the root, whoever sends them. */
export function mustBeRootRules(overrides: readonly IgnoreText[]): void {
  if (overrides.some(({ directory }) => directory !== ''))
    throw new Failure('protocol-broken', 'rules for all of a tree are told for a part of it')
}

/** Moves, each from and to a path below the root. */
export function checkMoves(moves: readonly { from: string; to: string }[]): DirectoryMove[] {
  return moves.map(({ from, to }) => ({ from: mustPath(from), to: mustPath(to) }))
}

/** How long versions are to be kept. */
export function mustKeep(text: string): Keep {
  const keep = parseKeep(text)
  if (keep === undefined) throw new Failure('protocol-broken', 'how long versions are kept is not said')
  return keep
}

/** The driver's limit of what a plan takes away. */
export function limitOf(kind: string, value: number): GuardLimit {
  if (kind === 'count') return { kind, entries: value }
  return kind === 'percent' ? { kind, percent: value } : { kind: 'default' }
}

/** Finds something out for each item, once for those with the same key. */
export async function onceEach<Item, Found>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  find: (items: readonly Item[]) => Promise<readonly Found[]>,
): Promise<Found[]> {
  const once = new Map(items.map((item) => [keyOf(item), item]))
  const found = await find([...once.values()])
  const places = new Map([...once.keys()].map((key, place) => [key, place]))
  return items.map((item) => found[places.get(keyOf(item)) as number] as Found)
}
