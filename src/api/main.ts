// Nightferry for programs: `import { openMachine } from 'nightferry'`. The same engine as the command line's, with the same
// settings, state, guards and locks: what a program does here, `nightferry` shows, and the other way round. Nothing asks
// on a terminal, nothing is printed, no signal is caught. What ends a run or a call is thrown as a `Failure` with a code;
// what concerns one path is a problem in the result. A broken belief of our own is thrown as it is, and is a bug.

import type { LinkPolicy } from '../core/links.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import { keepText } from '../core/retention.ts'
import type { Statement } from '../core/why-facts.ts'
import { openSource } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import { checkStoreDirectory } from '../disk/versions.ts'
import type { RunEvent, RunListener } from '../jobs/endpoint.ts'
import type { LoggedChange } from '../jobs/logged.ts'
import {
  type KeptVersion,
  type KeptVersions,
  type Undeleted,
  type UndeleteEvent,
  undelete,
  versionsOf,
} from '../jobs/recall.ts'
import { exitCodeOf, type FinishedRun, runOnce } from '../jobs/run.ts'
import { addShare, loadShares, removeShare, type Share } from '../jobs/shares.ts'
import { type UndoEvent, type UndoResult, undoExitCode, undoRun } from '../jobs/undo.ts'
import { listRuns, type Run } from '../state/history.ts'
import { systemClock } from '../std/clock.ts'
import { Failure, type FailureCode } from '../std/failure.ts'
import { openLog } from '../std/log.ts'
import { openIdentity } from '../wire/identity.ts'
import { openPeers, type Machine as PairedMachine } from '../wire/peers.ts'
import { openEngine } from './engine.ts'
import { answersOf, type PathAnswer, type RunReport, reportOf } from './looking.ts'
import { linksOf, sizeOf } from './narrow.ts'
import { allowedOf, keepOf, limitOf, requestOf, type SyncOptions } from './request.ts'

export type {
  FailureCode,
  FinishedRun,
  KeptVersion,
  KeptVersions,
  LoggedChange,
  PairedMachine,
  PathAnswer,
  Problem,
  ProblemCode,
  Run,
  RunEvent,
  RunReport,
  Share,
  Statement,
  SyncOptions,
  Undeleted,
  UndeleteEvent,
  UndoEvent,
  UndoResult,
}
export { Failure }

/** Where a machine keeps itself. */
export type MachineOptions = {
  /**
   * Keeps settings and state below this directory. Without it they are those of the user: `$XDG_CONFIG_HOME/nightferry`
   * and `$XDG_STATE_HOME/nightferry`, or below `~/.config` and `~/.local/state`.
   */
  readonly stateDirectory?: string
  /** ssh may ask at the terminal for a password or about a new host. Default: it asks nothing, and fails instead. */
  readonly sshMayAsk?: boolean
}

/** What goes along with a run. */
export type SyncHooks = {
  /** Hears what happens, in order, from the start on. Called in the middle of the run: it must be quick. */
  readonly onEvent?: (event: RunEvent) => void
  /** Ends the run early; it is thrown as `cancelled`. What is complete is in place, and the next run goes on from there. */
  readonly signal?: AbortSignal
}

/** What goes along with an undo. */
export type UndoHooks = {
  /** Hears each change, in a dry run what would be done, and how far it is. */
  readonly onEvent?: (event: UndoEvent) => void
  /** Stops it where the target is whole. */
  readonly signal?: AbortSignal
}

/** What goes along with an undelete. */
export type UndeleteHooks = {
  /** Hears how much came so far. */
  readonly onEvent?: (event: UndeleteEvent) => void
  /** Stops it between two versions, or within the copy of a large one, of which nothing is left then. */
  readonly signal?: AbortSignal
}

/** What the command line would exit with. */
export type ExitCode = { readonly exitCode: number }

/** What a run came to, and what the command line would exit with: 0, 3 (some paths had problems) or 15 (halted). */
export type SyncResult = FinishedRun & ExitCode

/** A folder to be shared, and with whom. */
export type ShareOptions = {
  readonly name: string
  readonly path: string
  /** Machines may read it, not write it. */
  readonly readOnly?: boolean
  /** Names of the machines it is given to; without it: every paired machine. */
  readonly for?: readonly string[]
  /** The most that one run may delete and replace in it, whatever its driver releases: a number, or `'P%'`. */
  readonly maxDelete?: number | string
  /** The most content that one run may bring: bytes, or text such as `'500M'`. */
  readonly maxBytes?: number | string
  /** Which symlinks others may make in it: `'portable'` ones only; without it every one. */
  readonly links?: LinkPolicy
  /** How long old versions are kept at least: a number of days (30), `'forever'` or `'none'`. A machine may ask for more. */
  readonly keepVersions?: number | string
  /** Keeps them in this folder, on the same disk; without it in the shared folder's own `.nightferry`. */
  readonly versions?: string
  /** What runs of other machines may set in it besides what any user may: `'owner'`, `'set-id'`, `'system-xattrs'`, `'top'`; that they leave out syncs: `'no-sync'`. */
  readonly allow?: readonly string[]
}

/** A daemon in this process. */
export type Serving = {
  /** The one it got, where 0 was asked for. */
  readonly port: number
  /** Makes a one-time code for another machine, which `paired` resolves with. An earlier code is void from now on. */
  offerPairing(): { readonly code: string; readonly paired: Promise<PairedMachine>; withdraw(): void }
  /** Ends all sessions; resolves when every folder is closed. */
  close(): Promise<void>
}

/** This machine, open. Close it, or declare it with `await using`. */
export interface Machine extends AsyncDisposable {
  /** What it is called. */
  readonly name: string
  /** The digest of its public key: what other machines know it by. */
  readonly peerId: string
  /** What a person may want to know, such as that damaged state was set aside. */
  readonly notices: readonly string[]
  /**
   * One run. Resolves also when it was halted by a guard (`outcome` is `halted`, nothing was changed) or when single paths
   * had problems. Throws Failure where no run came about or it broke. Several may go on at a time, not two on one folder.
   */
  sync(options: SyncOptions, hooks?: SyncHooks): Promise<SyncResult>
  /** The machines that it is paired with, in the order of their pairing. */
  machines(): readonly PairedMachine[]
  /** Pairs with the machine that made `code` (`nightferry pair`, or `offerPairing`). Port 5001 where none is given. */
  pair(options: { readonly code: string; readonly host: string; readonly port?: number }): Promise<PairedMachine>
  /** Ends the pairing with a machine; what was removed, or undefined where none has the name. */
  unpair(name: string): PairedMachine | undefined
  /** The folders that other machines may use. */
  shares(): readonly Share[]
  /** Shares a folder, which must be there. Throws Failure: `bad-usage`, and what opening the folder may throw. */
  share(options: ShareOptions): void
  /** Shares a folder no longer, and leaves it as it is; what was removed, or undefined where none has the name. */
  unshare(name: string): Share | undefined
  /** The runs that this machine has driven, the latest first; 100 where no number is given. */
  log(options?: { readonly limit?: number }): readonly Run[]
  /** One of them, by the beginning of its id, with what it changed. Throws `bad-usage` where none or several begin so. */
  run(id: string): RunReport
  /** Why a path is as it is, by each job that holds it: none where no job that ran here does. `run` keeps to what that run knows. */
  why(path: string, options?: { readonly run?: string }): readonly PathAnswer[]
  /**
   * The old versions of a path, and of all below it, in a target here, in `machine:share/path` or `ssh://host/path`; `run`
   * keeps to those that one run left; `remoteCommand` as for a run. Throws `no-versions` where the path lies in no target.
   */
  versions(path: string, options?: { readonly run?: string; readonly remoteCommand?: string }): Promise<KeptVersions>
  /**
   * Brings the newest old versions of a path and of all below it back, or those that `run` left; `to` names another folder
   * for them (of a share: one inside of it). Never overwrites. Throws `no-versions` where there are none. The signal stops
   * it: what came stays, `isStopped` says so, and the same again brings the rest; before anything came it throws `cancelled`.
   */
  undelete(
    path: string,
    options?: { readonly run?: string; readonly to?: string; readonly remoteCommand?: string },
    hooks?: UndeleteHooks,
  ): Promise<Undeleted>
  /**
   * Reverses a whole run, by the beginning of its id, or nothing of it: then the outcome is `refused`, and says why. It is a
   * run itself. The signal stops it where the target is whole: the outcome is `stopped`, and the next undo goes on; before
   * anything was changed it throws `cancelled`. The next run of the two folders is halted until it is released. Of a run that
   * went both ways one `side` is reversed.
   */
  undo(
    run: string,
    options?: { readonly side?: 'left' | 'right'; readonly dryRun?: boolean; readonly remoteCommand?: string },
    hooks?: UndoHooks,
  ): Promise<UndoResult & ExitCode>
  /** Answers paired machines from this process, as `nightferry serve` does. Port 0 takes any free one. */
  serve(options?: { readonly host?: string; readonly port?: number }): Promise<Serving>
  /** Ends what is served, and closes the state. Runs must be over. A second time does nothing. */
  close(): Promise<void>
}

const defaultPort = 5001
const loggedRuns = 100

/** What ssh says beside a session is nobody's to hear here; how it fails is thrown. */
function waysOf(remoteCommand: string | undefined): { remoteCommand: string | undefined; tell: () => void } {
  return { remoteCommand, tell: () => {} }
}

/**
 * Opens this machine: its settings, its state and its threads, which start with their first work. Makes what is missing.
 * Throws Failure: `bad-config`, `format-too-new`, `disk-error`.
 */
export function openMachine(options: MachineOptions = {}): Machine {
  const engine = openEngine(options.stateDirectory, 'sync', options.sshMayAsk)
  const { places, workshop } = engine
  const servings = new Set<Serving>()
  const peers = openPeers(places.config, systemClock)
  let closing: Promise<void> | undefined
  const closeAll = async (): Promise<void> => {
    for (const serving of [...servings]) await serving.close()
    await engine.close()
  }
  const machine: Machine = {
    name: workshop.machine,
    get peerId() {
      return openIdentity(places.config).peerId
    },
    notices: engine.notices,
    async sync(wanted, { onEvent = () => {}, signal = new AbortController().signal } = {}) {
      const listen: RunListener = onEvent
      const run = await runOnce(workshop, engine.reach, requestOf(wanted), listen, signal)
      return { ...run, exitCode: exitCodeOf(run) }
    },
    machines: () => peers.list(),
    async pair({ code, host, port = defaultPort }) {
      const { joinMachine } = await import('./join.ts')
      return await joinMachine(places, { code, host, port })
    },
    unpair: (name) => peers.remove(name),
    shares: () => loadShares(places.config),
    share({ name, path, readOnly = false, for: machines, maxDelete, allow = [], ...options }) {
      const root = openSource(systemSys(), path)
      root.close()
      const limit = maxDelete === undefined ? undefined : limitOf(maxDelete)
      const { keepVersions, versions, maxBytes } = options
      const [allows, links] = [allowedOf(allow), linksOf(options.links)]
      const wish = {
        ...(keepVersions !== undefined && { keepVersions: keepText(keepOf(keepVersions)) }),
        ...(versions !== undefined && { versions: checkStoreDirectory(versions, root.path) }),
        ...(maxBytes !== undefined && { maxBytes: sizeOf('--max-bytes', String(maxBytes)) }),
        ...(links && { links }),
        ...(allows && { allows }),
      }
      addShare(places.config, { name, path: root.path, readOnly, for: machines, maxDelete: limit, ...wish })
    },
    unshare: (name) => removeShare(places.config, name),
    log: ({ limit = loggedRuns } = {}) => listRuns(workshop.state, { limit }),
    run: (id) => reportOf(engine, id),
    why: (path, { run } = {}) => answersOf(engine, path, run),
    versions: (path, { run, remoteCommand } = {}) =>
      versionsOf(workshop, engine.reach, path, { run, ways: waysOf(remoteCommand) }),
    undelete: (
      path,
      { remoteCommand, ...wish } = {},
      { onEvent = () => {}, signal = new AbortController().signal } = {},
    ) => undelete(workshop, engine.reach, path, { ...wish, ways: waysOf(remoteCommand) }, onEvent, signal),
    async undo(
      run,
      { side, dryRun = false, remoteCommand } = {},
      { onEvent = () => {}, signal = new AbortController().signal } = {},
    ) {
      const result = await undoRun(
        workshop,
        engine.reach,
        { prefix: run, side, dryRun, ways: waysOf(remoteCommand) },
        onEvent,
        signal,
      )
      return { ...result, exitCode: undoExitCode(result) }
    },
    async serve({ host = '0.0.0.0', port = defaultPort } = {}) {
      const { openDaemon } = await import('../daemon/main.ts')
      const log = openLog({ directory: places.logs, role: 'serve', clock: systemClock })
      const daemon = await openDaemon({ ...workshop, log }, places, { host, port })
      const serving: Serving = {
        port: daemon.port,
        offerPairing: daemon.offerCode,
        async close() {
          servings.delete(serving)
          await daemon.close()
          log.flush()
        },
      }
      servings.add(serving)
      return serving
    },
    close() {
      closing ??= closeAll()
      return closing
    },
    [Symbol.asyncDispose]: () => machine.close(),
  }
  return machine
}
