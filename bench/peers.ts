// The programs we are measured against, as Debian installs them: rsync to its own daemon in the clear, rsync over ssh, and
// rclone between two folders. A daemon is started for one run with a configuration, keys and a free port of its own, in a
// temporary folder; nothing of the machine's own rsyncd, sshd or rclone is read, changed or reached.

import { writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { LimitSeen } from './bwlimit.ts'
import { exact, type Fidelity } from './compare.ts'
import type { Measured } from './measure.ts'
import { type Network, nodeScript } from './network.ts'
import type { Ground } from './places.ts'
import { debianVersion, findProgram, freePort, isListening, lacking, must, own, startDaemon } from './processes.ts'
import { lookForSsh, openSshd } from './ssh.ts'

export type PeerName =
  | 'nightferry'
  | 'nightferry over ssh'
  | 'rsync daemon'
  | 'rsync over ssh'
  | 'rclone'
  | 'bare pipe'
  | 'bare pipe, unhashed'

/** What a program said of a run; a figure that it does not tell is absent. */
export type Told = {
  /** Content and messages in both directions, before encryption. */
  readonly wireBytes?: number
  readonly renamed?: number
  readonly contentBytes?: number
  /** Under a limit: the share of it that was used. */
  readonly limit?: LimitSeen
  /** Seconds of each phase, in order. */
  readonly phases?: Readonly<Record<string, number>>
}

/** Two machines: what each may use for itself, and what lies between. */
export type Ends = { readonly source: Ground; readonly target: Ground; readonly network: Network }

/** A target made ready: the daemon runs, the command mirrors the source to it each time it is run. */
export type Ready = {
  readonly command: readonly string[]
  /** Undefined where the command does it all by itself. */
  readonly daemonPid: number | undefined
  /** What the target holds afterwards of what the source held. */
  readonly keeps: Fidelity
  read(measured: Measured): Told
}

export type Peer = {
  readonly name: PeerName
  /** Its versions, or why it cannot take part on this machine. */
  look(signal: AbortSignal): Promise<{ readonly version: string } | { readonly missing: string }>
  /** Makes a target ready; what was started for it ends with `scope`. `source.beside` and `target.beside` are its own. */
  open(ends: Ends, scope: AsyncDisposableStack, signal: AbortSignal): Promise<Ready>
}

/** On a slow link a person adds `-z`; elsewhere it would only cost. */
function rsyncOptions({ isSlow }: Network): string[] {
  return ['-a', '--delete', '--stats', '--no-human-readable', ...(isSlow ? ['-z'] : [])]
}

export const rsyncDaemon: Peer = {
  name: 'rsync daemon',
  async look(signal) {
    const rsync = findProgram('rsync')
    return rsync === undefined ? lacking('rsync', 'rsync') : { version: await rsyncVersion(rsync, signal) }
  },
  async open({ source, target, network }, scope, signal) {
    const rsync = findProgram('rsync') ?? 'rsync'
    const port = await freePort()
    const config = join(target.beside, 'rsyncd.conf')
    // As root it serves as Debian's does, from a chroot, and keeps owners; without one it would also rewrite links.
    const isRoot = userInfo().uid === 0
    const identity = isRoot ? 'use chroot = yes\nuid = 0\ngid = 0\n' : 'use chroot = no\n'
    const settings = `${identity}munge symlinks = no\nread only = no\nreverse lookup = no\n`
    const logging = `log file = ${join(target.beside, 'rsyncd.log')}\n`
    writeFileSync(config, `${settings}${logging}[mirror]\npath = ${target.tree}\n`)
    const serve = [
      rsync,
      '--daemon',
      '--no-detach',
      `--config=${config}`,
      `--address=${network.host}`,
      `--port=${port}`,
    ]
    const daemon = own(await startDaemon(network.onTarget(serve), (_, pid) => isListening(pid, port), signal), scope)
    const mirror = [rsync, ...rsyncOptions(network), `${source.tree}/`, `rsync://${network.host}:${port}/mirror/`]
    const keeps: Fidelity = { links: isRoot ? 'exact' : 'normalized', modes: true }
    return { command: network.onSource(mirror), daemonPid: daemon.pid, keeps, read: readRsync }
  },
}

export const rsyncOverSsh: Peer = {
  name: 'rsync over ssh',
  async look(signal) {
    const rsync = findProgram('rsync')
    if (rsync === undefined) return lacking('rsync', 'rsync')
    const ssh = await lookForSsh(signal)
    return 'missing' in ssh ? ssh : { version: `${await rsyncVersion(rsync, signal)}; ${ssh.version}` }
  },
  async open({ source, target, network }, scope, signal) {
    const { shell, login, pid } = await openSshd({ source, target, network }, scope, signal)
    const place = `${login}:${target.tree}/`
    const rsync = findProgram('rsync') ?? 'rsync'
    const command = network.onSource([rsync, ...rsyncOptions(network), '-e', shell, `${source.tree}/`, place])
    return { command, daemonPid: pid, keeps: exact, read: readRsync }
  },
}

/**
 * One process that copies from folder to folder. Not `--metadata`, which would keep modes: with links in the tree, 1.60 gives
 * their mode 777 to the files that they lead to, and fails where they lead nowhere.
 */
export const rclone: Peer = {
  name: 'rclone',
  async look(signal) {
    const program = findProgram('rclone')
    if (program === undefined) return lacking('rclone', 'rclone')
    const said = /^rclone v?(\S+)/.exec(await must([program, 'version'], signal))?.[1] ?? '?'
    const packaged = await debianVersion('rclone', signal)
    return { version: `rclone ${said}${packaged === '' ? '' : ` (Debian ${packaged})`}` }
  },
  async open({ source, target }) {
    const config = join(source.beside, 'rclone.conf')
    writeFileSync(config, '')
    const options = ['--config', config, '--links', '--create-empty-src-dirs']
    const command = [findProgram('rclone') ?? 'rclone', 'sync', ...options, source.tree, target.tree]
    return { command, daemonPid: undefined, keeps: { links: 'exact', modes: false }, read: () => ({}) }
  },
}

/** pipe.ts, with hashing at both ends or without: what a mirror can't be faster than in Node, and no mirror. */
function barePipe(name: PeerName, way: 'hash' | 'plain'): Peer {
  return {
    name,
    look: async () => ({ version: `Node ${process.version}` }),
    async open({ source, target, network }, scope, signal) {
      const port = await freePort()
      const pipe = (role: string, folder: string): string[] => {
        const where = [network.host, `${port}`, folder, way]
        return [...nodeScript('pipe.ts'), role, ...where]
      }
      const serve = network.onTarget(pipe('target', target.tree))
      const daemon = own(await startDaemon(serve, (output) => output.includes('listening'), signal), scope)
      const command = network.onSource(pipe('source', source.tree))
      return { command, daemonPid: daemon.pid, keeps: exact, read: () => ({}) }
    },
  }
}
export const barePipes: readonly Peer[] = [barePipe('bare pipe', 'hash'), barePipe('bare pipe, unhashed', 'plain')]

async function rsyncVersion(rsync: string, signal: AbortSignal): Promise<string> {
  const said = (await must([rsync, '--version'], signal)).split('\n')[0] ?? ''
  const packaged = await debianVersion('rsync', signal)
  return `rsync ${/version (\S+)/.exec(said)?.[1] ?? said}${packaged === '' ? '' : ` (Debian ${packaged})`}`
}

function readRsync({ output }: Measured): Told {
  const text = output.map((piece) => piece.text).join('')
  const number = (label: string): number => Number(new RegExp(`^${label}: (\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN)
  return {
    wireBytes: number('Total bytes sent') + number('Total bytes received'),
    contentBytes: number('Literal data'),
  }
}
