// Gathers what is known of one path for `nightferry why`: the jobs that hold it, from the history; what stands at it on
// the ends that lie here; the rules in force; what the log says was done to it. Reads only. What it means is said by
// core/why.ts.

import { type HaltReason, haltText } from '../core/guard.ts'
import { explainIgnore, type IgnoreText, ignoreScope } from '../core/ignore.ts'
import { outcomeOf } from '../core/outcome.ts'
import { isReservedName, parentOf, parseRelPath, type RelPath, rootPath } from '../core/path.ts'
import { type Deed, deedOf } from '../core/trail.ts'
import type { Ignored, JobRun, Look, WhyFacts } from '../core/why-facts.ts'
import { sideAsked } from '../core/why-sides.ts'
import { knownBelow } from '../disk/find-target.ts'
import { ignoreTextsOn, lookBelow, placeOfPath, sinceRecord } from '../disk/inspect.ts'
import { realPath } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import { latestRuns, type Run, runsOfJob } from '../state/history.ts'
import type { State } from '../state/open.ts'
import { loadHold } from '../state/pairs.ts'
import { loadDirectory } from '../state/trees.ts'
import { isAlive } from '../std/alive.ts'
import { Failure } from '../std/failure.ts'
import { nameInLog, searchLog } from '../std/log-reader.ts'
import { treeKeyOf } from './local.ts'
import { isSshPlace, parseSshPlace, sshPlaceText } from './ssh-place.ts'

export type Inquiry = {
  readonly state: State
  /** The directory of the logs. */
  readonly logs: string
  readonly isMachine: (name: string) => boolean
}

export type JobAnswer = { readonly last: Run; readonly facts: WhyFacts }

/** At most so much of the log is read, from its end. */
const logBytesMax = 512 * 1024 * 1024
/** So many things that were done to a path are told. */
const deedsMax = 5

/** What each job knows that holds the path, the one that ran last first. `onlyRun` keeps to what one run did. */
export function inquire(inquiry: Inquiry, path: string, onlyRun: string | undefined): JobAnswer[] {
  const place = placesOf(inquiry, path)
  const latest = latestRuns(inquiry.state)
  const found = latest.flatMap((last) => {
    // What this machine undid of a peer's runs is told with those.
    if (isOwnUndo(last) && latest.some(({ job, driver }) => job === last.job && driver !== undefined)) return []
    return (['source', 'target'] as const).flatMap((role) => {
      const rel = relativeTo(place, last[role])
      return rel === undefined ? [] : [{ last, role, rel }]
    })
  })
  return found.flatMap(({ last, role, rel }) => {
    const runs = allRuns(inquiry.state, last)
    if (onlyRun !== undefined && !runs.some(({ runId }) => runId === onlyRun)) return []
    return [{ last, facts: factsOf(inquiry, last, runs, role, rel, onlyRun) }]
  })
}

/** An undo, asked for here, of a run that a peer drives: nothing is known of its source. */
function isOwnUndo({ mode, driver, source }: Run): boolean {
  return mode === 'undo' && driver === undefined && source === ''
}

/** Runs of the job, with what this machine undid of them. */
function allRuns(state: State, { job, driver }: Run): Run[] {
  const runs = runsOfJob(state, job, driver)
  if (driver === undefined) return runs
  const undos = runsOfJob(state, job, undefined).filter(isOwnUndo)
  return undos.length === 0 ? runs : [...runs, ...undos].sort((a, b) => b.startedMs - a.startedMs)
}

/** How jobs may have written down the end that holds this path: as it was typed, or where its links lead. */
function placesOf({ isMachine }: Inquiry, path: string): readonly string[] {
  if (isSshPlace(path)) return [sshPlaceText(parseSshPlace(path))]
  const colon = path.indexOf(':')
  const before = colon < 0 ? '' : path.slice(0, colon)
  if (colon > 0 && !before.includes('/') && isMachine(before)) return [path.replace(/\/+$/, '')]
  const place = placeOfPath(path)
  const real = realPath(place)
  return real === place ? [place] : [place, real]
}

function relativeTo(places: readonly string[], root: string): RelPath | undefined {
  if (root === '') return undefined
  const prefix = root.endsWith('/') ? root : `${root}/`
  for (const place of places) {
    if (place === root) return '' as RelPath
    if (!place.startsWith(prefix)) continue
    const below = place.slice(prefix.length)
    const rest = root.startsWith('/') ? knownBelow(root, below) : below
    // Our own folder is no path that a job could hold, and is worth an answer all the same.
    return parseRelPath(rest) ?? (rest.split('/').some(isReservedName) ? (rest as RelPath) : undefined)
  }
  return undefined
}

function factsOf(
  { state, logs }: Inquiry,
  last: Run,
  all: readonly Run[],
  role: 'source' | 'target',
  path: RelPath,
  onlyRun: string | undefined,
): WhyFacts {
  const runs: JobRun[] = all
    .filter(({ options, runId }) => (options?.dryRun !== true && onlyRun === undefined) || runId === onlyRun)
    .map((run) => ({ ...run, state: outcomeOf(run, isAlive(run.process)) }))
  const source = lookAt(state, last, 'source', path)
  const target = lookAt(state, last, 'target', path)
  const isDirectory = (source ?? target)?.kind === 'directory'
  const hold = last.driver === undefined && onlyRun === undefined ? loadHold(state, last.job) : undefined
  const undeletedIn = role === 'target' && onlyRun === undefined ? last.target : undefined
  const side = sideAsked({ runs, role })
  const { deeds, reached } = deedsOf(logs, path, new Set(runs.map(({ runId }) => runId)), undeletedIn, side)
  return {
    path,
    role,
    driver: last.driver,
    source,
    target,
    ignored: ignoredBy(all.find(({ options }) => options !== undefined) ?? last, path, isDirectory),
    hold: hold && { reason: haltText(hold.reason as HaltReason), atMs: hold.atMs, sample: hold.sample },
    runs,
    deeds,
    logReached: reached,
  }
}

/** What stands at the path on an end, where that end lies here. */
function lookAt(state: State, run: Run, role: 'source' | 'target', path: RelPath): Look | undefined {
  const root = run[role]
  if (!root.startsWith('/')) return undefined
  if (parseRelPath(path) === undefined) return { kind: 'special', since: 'unknown' }
  const standing = lookBelow(systemSys(), root, path)
  if (path === '') return { kind: standing.kind, since: 'unknown' }
  // Both ends of a two-way run are targets.
  const treeKey = treeKeyOf(run.mode === 'two-way' ? 'target' : role, root, run.job)
  const stored = loadDirectory(state, treeKey, parentOf(path))
  if (stored === undefined && loadDirectory(state, treeKey, rootPath) !== undefined) {
    return { kind: standing.kind, since: 'unseen' }
  }
  return { kind: standing.kind, since: sinceRecord(standing, path, stored?.record) }
}

/** The verdict of the rules that the last run had, on what lies there now. */
function ignoredBy(run: Run, path: RelPath, isDirectory: boolean): Ignored {
  const { source, options, driver } = run
  if (driver !== undefined && source === '') {
    return { verdict: 'unknown', because: `Whether it is ignored, ${driver} knows: rules are the source's.` }
  }
  if (options !== undefined && options.rules === undefined) {
    return {
      verdict: 'unknown',
      because: 'The rules of the last run were too long to be kept: whether it is ignored is not known.',
    }
  }
  const overrides = (options?.rules ?? []).map(({ label, text }): IgnoreText => ({ directory: '', label, text }))
  const isHere = source.startsWith('/')
  const names = options?.ignoreFiles ?? ['.nightferryignore']
  const found = isHere ? ignoreTextsOn(systemSys(), source, path, names) : { texts: [], unreadable: undefined }
  if (found.unreadable !== undefined) {
    return {
      verdict: 'unknown',
      because: `${found.unreadable} can't be read: whether it is ignored is not known, and nothing there is touched.`,
    }
  }
  try {
    const textsAt = (directory: string): readonly IgnoreText[] =>
      found.texts.filter((text) => text.directory === directory)
    const scope = ignoreScope(textsAt(''), { overrides })
    const { ignored, rule } = explainIgnore(scope, path, isDirectory, textsAt)
    if (!ignored && !isHere) {
      return {
        verdict: 'unknown',
        because: `Ignore files of ${source} are not known here: ask nightferry why on that machine.`,
      }
    }
    return { verdict: ignored ? 'ignored' : 'kept', rule, partly: driver !== undefined }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { verdict: 'unknown', because: `Whether it is ignored can't be said: ${error.message}.` }
  }
}

/** The top folder has no name to look for, and one thing that happens to it. */
function isOfTop(line: string): boolean {
  return line.includes('"action":"attributes-set"') && line.includes('"directory":""')
}

/** What was done to the path by these runs, the latest first; of one run the telling thing only. */
function deedsOf(
  logs: string,
  path: string,
  runIds: ReadonlySet<string>,
  target: string | undefined,
  side: string | undefined,
): { readonly deeds: readonly Deed[]; readonly reached: string | undefined } {
  if (runIds.size === 0) return { deeds: [], reached: undefined }
  const needle = nameInLog(path.slice(path.lastIndexOf('/') + 1))
  // What happens to a folder happens to all below it, whose names that line does not hold.
  const mayMatch = (line: string): boolean =>
    path === ''
      ? isOfTop(line)
      : line.includes(needle) || line.includes('"deleted"') || line.includes('"action":"renamed"')
  const search = searchLog(logs, { mayMatch, maxBytes: logBytesMax })
  const deeds: Deed[] = []
  for (const entry of search.entries) {
    // Of a two-way run, what was done on the other side is told there.
    if (side !== undefined && entry['side'] !== undefined && entry['side'] !== side) continue
    const deed = deedOf(entry, path, target)
    if (deed === undefined || (deed.kind !== 'undeleted' && !runIds.has(deed.runId))) continue
    // That it was sent is told by what became of it; that it was sent only, where nothing else is known.
    const isToldBetter = deed.kind === 'sent' && deeds.some(({ runId }) => runId === deed.runId)
    if (!isToldBetter) deeds.push(deed)
    if (deeds.length === deedsMax) break
  }
  return { deeds, reached: search.reached }
}
