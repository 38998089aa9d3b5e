// A private sshd for end-to-end tests: the system's own program with keys, configuration and a high port of its own, and a
// home for whoever logs in, all below a world's folder. The user's own ssh configuration, keys and known hosts are neither
// read nor changed: programs of the world find an `ssh` on PATH that gives the real one a configuration of its own.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, chmodSync, constants, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import type { World } from './machines.ts'
import { sshdConfig } from './sshd-config.ts'

const clone = join(import.meta.dirname, '..', '..')

function find(program: string): string | undefined {
  const places = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/usr/local/sbin`
  return places
    .split(delimiter)
    .map((place) => join(place, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** Why there can be no sshd here; false where there can. */
export function noSshd(): string | false {
  const missing = ['ssh', 'ssh-keygen', 'sshd'].filter((program) => find(program) === undefined)
  if (missing.length > 0)
    return `${missing.join(', ')} not installed (Debian: apt install openssh-server openssh-client)`
  const { uid, shell } = userInfo()
  if (shell !== null && /nologin|false$/.test(shell)) return 'the user of these tests may not log in'
  if (uid !== 0) return false
  // sshd lets nobody in whose password is locked, whatever their key.
  if (/^root:!/m.test(readFileSync('/etc/shadow', 'utf8'))) return 'root is locked (passwd -S root)'
  try {
    // Where sshd is a service, systemd makes it; it must be there, be empty and belong to root.
    mkdirSync('/run/sshd', { mode: 0o755, recursive: true })
    return false
  } catch {
    return 'sshd needs /run/sshd, and it cannot be made'
  }
}

export class Sshd {
  /** The home of who logs in; `nightferry` is on their PATH. */
  readonly home: string
  /** Holds the `ssh` that is to be found first. */
  readonly bin: string
  readonly port: number
  readonly #child: ChildProcess

  private constructor(parts: { home: string; bin: string; port: number; child: ChildProcess }) {
    this.home = parts.home
    this.bin = parts.bin
    this.port = parts.port
    this.#child = parts.child
  }

  /** Starts it, and puts `ssh` first on this process's PATH. Hosts: `nas`; `stranger` has a key that is not known. */
  static async start(world: World): Promise<Sshd> {
    const [home, bin, own, there] = ['home', 'bin', 'sshd', 'home/bin'].map((name) => world.folder(name)) as [
      string,
      string,
      string,
      string,
    ]
    const port = await freePort()
    for (const name of ['key', 'hostkey', 'otherkey'])
      spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', join(own, name)])
    copyFileSync(join(own, 'key.pub'), join(own, 'allowed'))
    const keyOf = (name: string): string =>
      readFileSync(join(own, `${name}.pub`), 'utf8')
        .split(' ', 2)
        .join(' ')
    writeFileSync(join(own, 'known'), `nas ${keyOf('hostkey')}\nstranger ${keyOf('otherkey')}\n`)
    script(join(there, 'nightferry'), `exec '${join(clone, 'nightferry')}' "$@"`)
    writeFileSync(join(own, 'config'), serverConfig({ port, own, home, path: there }))
    writeFileSync(join(own, 'client'), clientConfig(port, own))
    script(join(bin, 'ssh'), `exec '${find('ssh')}' -F '${join(own, 'client')}' "$@"`)
    const child = spawn(find('sshd') ?? 'sshd', ['-D', '-e', '-f', join(own, 'config')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    await listening(child)
    process.env['PATH'] = `${bin}${delimiter}${process.env['PATH'] ?? ''}`
    return new Sshd({ home, bin, port, child })
  }

  async close(): Promise<void> {
    const closed = once(this.#child, 'exit')
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await closed
  }
}

function script(path: string, line: string): void {
  writeFileSync(path, `#!/bin/sh\n${line}\n`)
  chmodSync(path, 0o755)
}

function serverConfig({ port, own, home, path }: { port: number; own: string; home: string; path: string }): string {
  const places = { host: '127.0.0.1', port, hostKey: join(own, 'hostkey'), allowed: join(own, 'allowed') }
  return sshdConfig(places, `SetEnv HOME=${home} PATH=${path}:${process.env['PATH'] ?? '/usr/bin:/bin'}`)
}

function clientConfig(port: number, own: string): string {
  const shared = ['HostName 127.0.0.1', `Port ${port}`, `User ${userInfo().username}`, 'IdentitiesOnly yes']
  const trust = [`UserKnownHostsFile ${join(own, 'known')}`, 'StrictHostKeyChecking yes', 'GlobalKnownHostsFile none']
  const host = (name: string, key: string): string[] => [
    `Host ${name}`,
    ...[...shared, ...trust, `HostKeyAlias ${name}`, `IdentityFile ${join(own, key)}`].map((line) => `  ${line}`),
  ]
  // `locked` is the same machine, and the key is none that it knows.
  return [...host('nas', 'key'), ...host('stranger', 'key'), ...host('locked', 'otherkey'), ''].join('\n')
}

function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stderr?.on('data', (text: Buffer) => {
      said += String(text)
      if (said.includes('Server listening')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`sshd ended with code ${code}: ${said}`)))
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
