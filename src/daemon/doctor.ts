// Gathers the facts for `nightferry doctor` and has them judged (core/findings.ts). Whatever is wrong is a finding, so a
// broken part never hides another. Changes nothing but what a target's own staging directory shows of its disk.

import { createServer } from 'node:http'
import { release } from 'node:os'
import { join } from 'node:path'
import { digestForm } from '../chunk/digest.ts'
import {
  type DoorFacts,
  type Finding,
  judgeClock,
  judgeDoor,
  judgeFiles,
  judgeLimits,
  judgeNode,
  judgeParts,
  judgePeer,
  judgeRoot,
  judgeSetting,
  judgeState,
  type OwnFile,
  type PeerFacts,
} from '../core/findings.ts'
import { endedWell, outcomeOf } from '../core/outcome.ts'
import { checkRoot } from '../disk/checkup.ts'
import { systemForm, systemSys } from '../disk/system.ts'
import type { Reach } from '../jobs/run.ts'
import { loadShares, type Share } from '../jobs/shares.ts'
import { checkState } from '../state/check.ts'
import { latestRuns, type Run, runsSinceGood } from '../state/history.ts'
import { openState } from '../state/open.ts'
import { systemClock } from '../std/clock.ts'
import { asFailure, Failure } from '../std/failure.ts'
import { ownFileMode, readSystemText } from '../std/files.ts'
import { openIdentity } from '../wire/identity.ts'
import { type Machine, openPeers } from '../wire/peers.ts'
import { askDaemon } from './client.ts'
import { machineName, type Places } from './config.ts'
import { openReach } from './reach.ts'
import { packageVersions, productVersion } from './version.ts'

export type Versions = Readonly<Record<string, string>>

/** Everything that a report of a fault should say. */
export function versions(): Versions {
  const { sqlite = 'unknown', openssl = 'unknown' } = process.versions
  return {
    nightferry: productVersion,
    node: process.versions.node,
    sqlite,
    openssl,
    kernel: `${process.platform} ${release()} ${process.arch}`,
    ...packageVersions,
  }
}

/** Looks at everything. `usualPort` is where a daemon listens unless told otherwise. */
export async function examine(places: Places, usualPort: number): Promise<Finding[]> {
  const runs: Run[] = []
  const state = examineState(places, runs)
  const shares = tried(() => loadShares(places.config))
  const machines = tried(() => openPeers(places.config, systemClock).list())
  const name = tried(() => machineName(places))
  const identity = tried(() => identityText(places))
  const peers = await askPeers(places, machines.value ?? [], runs)
  return [
    judgeNode(process.versions.node),
    ...judgeParts({ sys: systemForm(), digest: digestForm() }),
    ...state,
    ...judgeFiles(ownFiles(places)),
    judgeSetting({ what: 'name', told: name.value ?? '', failure: name.failure }),
    judgeSetting({ what: 'key', told: identity.value ?? '', failure: identity.failure }),
    judgeSetting({ what: 'paired machines', told: String(machines.value?.length), failure: machines.failure }),
    judgeSetting({ what: 'shares', told: String(shares.value?.length), failure: shares.failure }),
    ...rootsOf(runs, shares.value ?? []).flatMap(({ path, role }) =>
      judgeRoot({ path, role, ...checkRoot(systemSys(), path, role) }),
    ),
    ...judgeClock({
      nowMs: systemClock.nowMs(),
      newestRunMs: runs.length === 0 ? undefined : Math.max(...runs.map(({ startedMs }) => startedMs)),
      peers: peers.flatMap(({ facts, aheadMs }) =>
        aheadMs === undefined ? [] : [{ machine: facts.machine, aheadMs }],
      ),
    }),
    ...judgeLimits({
      ...systemLimits(),
      directories: Math.max(0, ...runs.map(({ totals }) => totals.directories ?? 0)),
    }),
    ...judgeDoor(await doorFacts(places, shares.value?.length ?? 0, usualPort)),
    ...peers.map(({ facts }) => judgePeer(facts)),
  ]
}

function tried<Value>(work: () => Value): { value: Value | undefined; failure: Failure | undefined } {
  try {
    return { value: work(), failure: undefined }
  } catch (error) {
    return { value: undefined, failure: asFailure(error, 'bad-config') }
  }
}

function examineState(places: Places, runs: Run[]): Finding[] {
  try {
    using state = openState({ directory: places.state, clock: systemClock })
    const check = checkState(state)
    // A job that never came to anything may name what was never there.
    const worked = latestRuns(state).filter(({ job, driver, outcome }) =>
      driver === undefined ? runsSinceGood(state, job, driver).some(isGood) : outcome !== 'failed',
    )
    runs.push(...worked)
    return judgeState({ kind: 'opened', check, notices: state.notices, path: join(places.state, 'state.db') })
  } catch (error) {
    return judgeState({ kind: 'failed', failure: asFailure(error, 'state-broken') })
  }
}

function isGood(run: Run): boolean {
  return endedWell(outcomeOf(run, undefined))
}

/** The key is not made by looking for it. */
function identityText({ config }: Places): string {
  if (ownFileMode(join(config, 'identity.pem')) === undefined) return 'none yet; pair or serve makes it'
  return openIdentity(config).peerId
}

function ownFiles({ config, state, logs }: Places): OwnFile[] {
  const file = (path: string, isSecret: boolean): OwnFile => ({ path, isSecret, mode: ownFileMode(path) })
  const settings = ['machines.json', 'addresses.json', 'shares.json', 'machine.json'].map((name) =>
    file(join(config, name), false),
  )
  return [
    ...[config, state, logs, join(config, 'identity.pem'), join(state, 'state.db')].map((path) => file(path, true)),
    ...settings,
  ]
}

/** The folders of this machine that jobs and shares use, each once; one that is both is looked at as a target. */
function rootsOf(runs: readonly Run[], shares: readonly Share[]): { path: string; role: 'source' | 'target' }[] {
  const roles = new Map<string, 'source' | 'target'>()
  for (const { path, readOnly } of shares) roles.set(path, readOnly ? 'source' : 'target')
  for (const { source, target } of runs) {
    if (source.startsWith('/') && !roles.has(source)) roles.set(source, 'source')
    if (target.startsWith('/')) roles.set(target, 'target')
  }
  return [...roles].map(([path, role]) => ({ path, role }))
}

function systemLimits(): { watches: number | undefined; instances: number | undefined; files: number | undefined } {
  const number = (text: string | undefined): number | undefined =>
    text === undefined || !/^\d+$/.test(text.trim()) ? undefined : Number(text)
  const files = /^Max open files\s+(\d+)/m.exec(readSystemText('/proc/self/limits') ?? '')?.[1]
  return {
    watches: number(readSystemText('/proc/sys/fs/inotify/max_user_watches')),
    instances: number(readSystemText('/proc/sys/fs/inotify/max_user_instances')),
    files: number(files),
  }
}

async function doorFacts(places: Places, shares: number, usualPort: number): Promise<DoorFacts> {
  const facts = { shares, productVersion, usual: { port: usualPort, isTaken: false } }
  try {
    const daemon = await askDaemon(places)
    if (daemon !== undefined) return { ...facts, daemon, failure: undefined }
    const usual = { port: usualPort, isTaken: await isTaken(usualPort) }
    return { ...facts, usual, daemon: undefined, failure: undefined }
  } catch (error) {
    return { ...facts, daemon: undefined, failure: asFailure(error, 'peer-failed') }
  }
}

/** Whether nobody could listen there now. */
function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(true))
    probe.listen(port, '0.0.0.0', () => probe.close(() => resolve(false)))
  })
}

type Asked = { readonly facts: PeerFacts; readonly aheadMs: number | undefined }

const dialMs = 12_000

/** Dials every paired machine, all at once. */
async function askPeers(places: Places, machines: readonly Machine[], runs: readonly Run[]): Promise<Asked[]> {
  const machine = tried(() => machineName(places)).value ?? 'doctor'
  const log = { note: () => {}, flush: () => {} }
  // Looks only: nobody is told where this machine can be called.
  const reach = openReach({ places, machine, log, listening: () => Promise.resolve(undefined) })
  const ends = runs.flatMap(({ source, target, driver }) => (driver === undefined ? [source, target] : []))
  return await Promise.all(
    machines.map(({ name, addresses }) => {
      const isEnd = ends.some((end) => end.startsWith(`${name}:`))
      if (addresses.length === 0) {
        const facts: PeerFacts = { machine: name, isEnd, reached: { kind: 'no-address' } }
        return { facts, aheadMs: undefined }
      }
      return askPeer(reach, name, isEnd)
    }),
  )
}

async function askPeer(reach: Reach, machine: string, isEnd: boolean): Promise<Asked> {
  const stop = new AbortController()
  const deadline = systemClock.timer(dialMs, () => stop.abort())
  const startMs = systemClock.monotonicMs()
  try {
    const session = await reach.connect(machine, stop.signal)
    const { peer, wireVersion, link } = session
    const tookMs = Math.round(systemClock.monotonicMs() - startMs)
    session.close()
    const { productVersion: version, wallMs, heardMs } = peer
    const reached = { kind: 'yes', address: link.remoteAddress, productVersion: version, wireVersion, tookMs } as const
    return { facts: { machine, isEnd, reached }, aheadMs: wallMs - heardMs }
  } catch (error) {
    const failure = stop.signal.aborted
      ? new Failure('timed-out', `no answer within ${dialMs / 1000} s`)
      : asFailure(error, 'unreachable')
    return { facts: { machine, isEnd, reached: { kind: 'no', failure } }, aheadMs: undefined }
  } finally {
    deadline.cancel()
  }
}
