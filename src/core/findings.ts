// What `nightferry doctor` makes of the facts it gathered: for each check a judgement, with what to do about it. Pure:
// each takes facts and gives findings, never none, so that what was looked at and found well is told too.

import type { Naming } from './naming.ts'
import { adviceOn, failureRemedies, remedyOf } from './remedy.ts'
import { countsCharacters, refusesBytes } from './stored-names.ts'

export type Finding = {
  readonly check: string
  /** `note` is worth knowing and needs nobody; `problem` ends doctor with code 1. */
  readonly level: 'ok' | 'note' | 'problem'
  readonly text: string
  /** What to do; '' where nothing is to be done. */
  readonly remedy: string
}

function finding(check: string, level: Finding['level'], text: string, remedy = ''): Finding {
  return { check, level, text, remedy }
}

/** Whether doctor ends with code 1. */
export function isSick(findings: readonly Finding[]): boolean {
  return findings.some(({ level }) => level === 'problem')
}

type Trouble = { readonly code: string; readonly message: string; readonly hint: string }

function troubleFinding(check: string, trouble: Trouble, level: Finding['level'] = 'problem'): Finding {
  const { told, remedy } = adviceOn(trouble)
  return finding(check, level, `${told} (${trouble.code})`, remedy)
}

// ---- this program -----------------------------------------------------------------------------------------------

export type PartsFacts = {
  readonly sys: { readonly form: string; readonly because: string }
  readonly digest: { readonly form: string; readonly because: string }
}

export function judgeParts({ sys, digest }: PartsFacts): Finding[] {
  return [
    sys.because === ''
      ? finding('parts', 'ok', `system calls in the exact form (${sys.form})`)
      : finding(
          'parts',
          'note',
          `system calls in the ${sys.form} form: times to the microsecond, renames without EXCHANGE (${sys.because})`,
          'all works, and a little less safely (docs/threats.md); the pinned Node 26 on Linux with glibc has the exact form',
        ),
    digest.because === ''
      ? finding('parts', 'ok', 'content is hashed by native code')
      : finding(
          'parts',
          'note',
          `content is hashed by WASM, slower (${digest.because})`,
          'run npm ci in the clone of Nightferry',
        ),
  ]
}

/** Node 26.9 is the first that has what we use. */
export function judgeNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isGood = major > 26 || (major === 26 && minor >= 9)
  return isGood
    ? finding('node', 'ok', `Node ${version}`)
    : finding(
        'node',
        'problem',
        `Node ${version} is older than 26.9`,
        'start Nightferry by its launcher, which brings its own Node',
      )
}

// ---- our own files ----------------------------------------------------------------------------------------------

export type StateFacts =
  | { readonly kind: 'opened'; readonly check: string; readonly notices: readonly string[]; readonly path: string }
  | { readonly kind: 'failed'; readonly failure: Trouble }

export function judgeState(facts: StateFacts): Finding[] {
  if (facts.kind === 'failed') return [troubleFinding('state', facts.failure)]
  const notices = facts.notices.map((text) => finding('state', 'note', text))
  return facts.check === 'ok'
    ? [...notices, finding('state', 'ok', `the state database is sound (${facts.path})`)]
    : [
        ...notices,
        finding('state', 'problem', `the state database is damaged: ${facts.check}`, failureRemedies['state-broken']),
      ]
}

/** One of our files or directories; `mode` is undefined where there is none. */
export type OwnFile = {
  readonly path: string
  readonly mode: number | undefined
  /** Others may not even read it. */
  readonly isSecret: boolean
}

export function judgeFiles(files: readonly OwnFile[]): Finding[] {
  const open = files.filter(({ mode, isSecret }) => mode !== undefined && (mode & (isSecret ? 0o077 : 0o022)) !== 0)
  if (open.length === 0) return [finding('files', 'ok', "settings and state are nobody else's to change")]
  return open.map(({ path, mode, isSecret }) =>
    finding(
      'files',
      'problem',
      `${path} can be ${isSecret ? 'read or changed' : 'changed'} by others (mode ${(mode ?? 0).toString(8).padStart(4, '0')})`,
      `run chmod ${isSecret ? 'go=' : 'go-w'} on it`,
    ),
  )
}

/** What reading a settings file came to; `what` says whose it is. */
export type SettingFacts = { readonly what: string; readonly told: string; readonly failure: Trouble | undefined }

export function judgeSetting({ what, told, failure }: SettingFacts): Finding {
  return failure === undefined ? finding('settings', 'ok', `${what}: ${told}`) : troubleFinding('settings', failure)
}

// ---- folders ----------------------------------------------------------------------------------------------------

export type RootFacts = {
  readonly path: string
  readonly role: 'source' | 'target'
  readonly trouble: string
  readonly fileSystem: string
  readonly freeBytes: number
  readonly totalBytes: number
  readonly freeInodes: number | undefined
  readonly own:
    | {
        readonly isLocked: boolean
        readonly staged: number
        readonly hasJournal: boolean
        readonly kept: number
        readonly trouble: string
        readonly traits:
          | {
              readonly timeGrainNs: number
              readonly modeMask: number
              readonly exchanges: boolean
              readonly naming?: Naming | undefined
            }
          | undefined
      }
    | undefined
}

const gigabyte = 1e9
const fewInodes = 1000

export function judgeRoot(root: RootFacts): Finding[] {
  const check = root.role
  const { path } = root
  if (root.trouble !== '') return [finding(check, 'problem', `${path}: ${troubleText(root)}`, troubleRemedy(root))]
  const findings = [roomFinding(root)]
  const { own } = root
  if (own === undefined) return findings
  if (own.trouble !== '')
    findings.push(finding(check, 'problem', `${path}: ${own.trouble}`, remedyOf('target-not-writable')))
  if (own.isLocked) findings.push(finding(check, 'note', `${path}: a run works on it now`))
  if (own.staged > 0 || own.hasJournal) {
    findings.push(
      finding(
        check,
        'note',
        `${path}: a run was cut off and left unfinished work (${own.staged} in staging)`,
        'the next run settles and clears it',
      ),
    )
  }
  if (own.kept > 0) {
    findings.push(
      finding(
        check,
        'note',
        `${path}: ${own.kept} in .nightferry/kept, which runs that were cut off had to put aside`,
        'look at them, put back what you need, and delete the rest',
      ),
    )
  }
  findings.push(...traitFindings(root))
  return findings
}

function troubleText({ trouble, role }: RootFacts): string {
  switch (trouble) {
    case 'ENOENT':
      return 'is not there'
    case 'ENOTDIR':
      return 'is no folder'
    case 'EROFS':
      return 'is on a disk that is mounted read-only'
    case 'EACCES':
    case 'EPERM':
      return role === 'target' ? 'may not be read and written' : 'may not be read'
    default:
      return `can't be looked at (${trouble})`
  }
}

function troubleRemedy({ trouble, role }: RootFacts): string {
  if (trouble === 'ENOENT') return failureRemedies['source-missing'].replace(/ Nothing.*/, '')
  if (trouble === 'ENOTDIR') return failureRemedies['source-not-directory']
  return remedyOf(role === 'target' ? 'target-not-writable' : 'source-unreadable')
}

function roomFinding({ role, path, freeBytes, totalBytes, freeInodes, fileSystem }: RootFacts): Finding {
  const share = totalBytes === 0 ? 1 : freeBytes / totalBytes
  const room = `${(freeBytes / gigabyte).toFixed(1)} GB free (${Math.round(share * 100)} %), ${fileSystem}`
  if (role === 'source') return finding(role, 'ok', `${path}: ${room}`)
  if (freeInodes !== undefined && freeInodes < fewInodes)
    return finding(
      role,
      'problem',
      `${path}: room for ${freeInodes} more files only (inodes), ${fileSystem}`,
      remedyOf('no-space'),
    )
  if (share < 0.01 || freeBytes < 0.05 * gigabyte)
    return finding(role, 'problem', `${path}: nearly full, ${room}`, remedyOf('target-full'))
  if (share < 0.05) return finding(role, 'note', `${path}: little room, ${room}`, remedyOf('no-space'))
  return finding(role, 'ok', `${path}: ${room}`)
}

/** What a root makes of names, and what a person does about it. */
function namingNotes(naming: Naming | undefined): [text: string, remedy: string][] {
  if (naming === undefined) return []
  const notes: [string, string][] = []
  if (naming.folds !== 'no')
    notes.push([
      'takes names that differ in case for the same',
      'keep no two names in one folder that differ only in case',
    ])
  if (naming.foldsForm)
    notes.push([
      'takes names that differ in their Unicode form for the same',
      'keep no two names in one folder that look alike',
    ])
  const refused = refusedText(naming.refuses)
  if (refused !== '') notes.push([`takes no names ${refused}`, 'rename those on the source'])
  const stored = refusedText(naming.stores)
  if (stored !== '')
    notes.push([
      `takes no names ${stored}: they are stored under others, and come back as they were`,
      'read them there with Nightferry',
    ])
  return notes
}

function refusedText(mask: number): string {
  const [windows, bytes] = [(mask & ~(refusesBytes | countsCharacters)) !== 0, (mask & refusesBytes) !== 0]
  return [...(bytes ? ['that are not UTF-8'] : []), ...(windows ? ['that Windows has not'] : [])].join(' or ')
}

function traitFindings({ role, path, own }: RootFacts): Finding[] {
  const traits = own?.traits
  if (traits === undefined) return []
  const findings: Finding[] = []
  const grain = traits.timeGrainNs
  if (grain > 1000)
    findings.push(
      finding(role, 'note', `${path}: keeps times to ${grain >= 1e9 ? `${grain / 1e9} s` : `${grain / 1e6} ms`}`),
    )
  if (traits.modeMask === 0) findings.push(finding(role, 'note', `${path}: keeps no permissions`))
  if (!traits.exchanges)
    findings.push(
      finding(role, 'note', `${path}: names can't be exchanged at one instant, so a window remains (docs/threats.md)`),
    )
  for (const [text, remedy] of namingNotes(traits.naming))
    findings.push(finding(role, 'note', `${path}: ${text}`, remedy))
  return findings.length > 0
    ? findings
    : [finding(role, 'ok', `${path}: keeps times, modes and case exactly, and exchanges names`)]
}

// ---- clock, limits, door ----------------------------------------------------------------------------------------

export type ClockFacts = {
  readonly nowMs: number
  /** When the newest run began, by the clock of then; undefined before the first. */
  readonly newestRunMs: number | undefined
  /** How far the clocks of others are ahead of this one. */
  readonly peers: readonly { readonly machine: string; readonly aheadMs: number }[]
}

/** An update refuses more than this (jobs/cycle.ts). */
const skewMs = 2000
/** The beginning of 2026: no file of this program is older. */
const tooEarlyMs = 1_767_225_600_000

export function judgeClock({ nowMs, newestRunMs, peers }: ClockFacts): Finding[] {
  const findings: Finding[] = []
  if (nowMs < tooEarlyMs)
    findings.push(finding('clock', 'problem', 'this clock stands in the past', 'set the clock of this machine'))
  if (newestRunMs !== undefined && newestRunMs > nowMs + skewMs) {
    const ahead = Math.round((newestRunMs - nowMs) / 1000)
    findings.push(
      finding(
        'clock',
        'problem',
        `this clock went back: the newest run began ${ahead} s in the future`,
        'set the clock of this machine',
      ),
    )
  }
  for (const { machine, aheadMs } of peers) {
    const seconds = Math.abs(Math.round(aheadMs / 1000))
    if (Math.abs(aheadMs) <= skewMs)
      findings.push(finding('clock', 'ok', `the clock of ${machine} agrees, within ${(skewMs / 1000).toFixed(0)} s`))
    else
      findings.push(
        finding(
          'clock',
          'problem',
          `the clock of ${machine} is ${seconds} s ${aheadMs > 0 ? 'ahead' : 'behind'}`,
          'set the clocks: --mode update refuses to run, and logs do not fit together',
        ),
      )
  }
  return findings.length > 0 ? findings : [finding('clock', 'ok', 'this clock is plausible; no other was asked')]
}

export type LimitFacts = {
  /** inotify: watches of a user, and instances; undefined where the system has none. */
  readonly watches: number | undefined
  readonly instances: number | undefined
  /** Open files of this process. */
  readonly files: number | undefined
  /** Directories of the largest folder that a run saw. */
  readonly directories: number
}

const filesMin = 1024
const instancesMin = 16

export function judgeLimits({ watches, instances, files, directories }: LimitFacts): Finding[] {
  const findings: Finding[] = []
  if (watches !== undefined) {
    const text = `inotify: ${watches} watches a user, ${instances ?? '?'} instances; the largest folder has ${directories} directories`
    const isFew = watches < directories * 2 || (instances ?? instancesMin) < instancesMin
    findings.push(
      isFew
        ? finding(
            'limits',
            'note',
            text,
            'raise fs.inotify.max_user_watches and max_user_instances before a folder is watched',
          )
        : finding('limits', 'ok', text),
    )
  }
  if (files !== undefined) {
    findings.push(
      files < filesMin
        ? finding(
            'limits',
            'problem',
            `only ${files} files may be open at once`,
            'raise the limit (ulimit -n) to 1024 or more',
          )
        : finding('limits', 'ok', `${files} files may be open at once`),
    )
  }
  return findings.length > 0 ? findings : [finding('limits', 'note', 'this system tells no limits')]
}

export type DoorFacts = {
  /** Of the running daemon; undefined where none runs. */
  readonly daemon: { readonly port: number; readonly productVersion: string } | undefined
  /** It runs, and does not answer as it must. */
  readonly failure: Trouble | undefined
  readonly shares: number
  readonly productVersion: string
  /** The usual port, and whether something else has it; asked only where no daemon runs. */
  readonly usual: { readonly port: number; readonly isTaken: boolean }
}

export function judgeDoor({ daemon, failure, shares, productVersion, usual }: DoorFacts): Finding[] {
  if (failure !== undefined) return [troubleFinding('daemon', failure)]
  if (daemon !== undefined) {
    const running = finding('daemon', 'ok', `nightferry serve runs, on port ${daemon.port}`)
    if (daemon.productVersion === productVersion) return [running]
    const text = `the daemon is Nightferry ${daemon.productVersion}, this command ${productVersion}`
    return [running, finding('daemon', 'note', text, 'start nightferry serve again')]
  }
  const findings =
    shares === 0
      ? [finding('daemon', 'ok', 'no daemon runs, and nothing is shared')]
      : [
          finding(
            'daemon',
            'problem',
            `${shares} shared, and no daemon runs: nobody reaches it`,
            'start nightferry serve',
          ),
        ]
  if (usual.isTaken) {
    const level = shares === 0 ? 'note' : 'problem'
    findings.push(finding('daemon', level, `port ${usual.port} is taken by another program`, remedyOf('port-in-use')))
  }
  return findings
}

// ---- other machines ---------------------------------------------------------------------------------------------

export type PeerFacts = {
  readonly machine: string
  /** Some job of this machine has an end there. */
  readonly isEnd: boolean
  readonly reached:
    | {
        readonly kind: 'yes'
        readonly address: string
        readonly productVersion: string
        readonly wireVersion: number
        readonly tookMs: number
      }
    | { readonly kind: 'no'; readonly failure: Trouble }
    /** It calls this machine; nobody here knows where it is. */
    | { readonly kind: 'no-address' }
}

export function judgePeer({ machine, isEnd, reached }: PeerFacts): Finding {
  switch (reached.kind) {
    case 'yes':
      return finding(
        'machine',
        'ok',
        `${machine} answers at ${reached.address} in ${reached.tookMs} ms: Nightferry ${reached.productVersion}, wire version ${reached.wireVersion}`,
      )
    case 'no-address':
      return finding('machine', 'note', `no address of ${machine} is known: it calls this machine`)
    case 'no': {
      const { failure } = reached
      const isAway = ['unreachable', 'timed-out', 'connection-lost'].includes(failure.code)
      return troubleFinding(
        'machine',
        { ...failure, message: `${machine}: ${failure.message}` },
        isAway && !isEnd ? 'note' : 'problem',
      )
    }
  }
}
