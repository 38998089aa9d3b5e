// An sshd of our own, for those that are measured over ssh: keys, configuration and a free port in a temporary folder, and
// the words of an ssh that knows this one host. Nothing of the machine's own sshd or of the user's ssh is read or changed.

import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { sshdConfig } from '../test/world/sshd-config.ts'
import type { Network } from './network.ts'
import type { Ground } from './places.ts'
import { findProgram, freePort, lacking, must, own, run, startDaemon } from './processes.ts'

/** Its version, or why there is none. */
export async function lookForSsh(
  signal: AbortSignal,
): Promise<{ readonly version: string } | { readonly missing: string }> {
  if (findProgram('sshd') === undefined) return lacking('sshd', 'openssh-server')
  if (findProgram('ssh') === undefined) return lacking('ssh', 'openssh-client')
  return { version: (await run(['ssh', '-V'], signal)).stderr.trim() }
}

export type OpenSshd = {
  /** The command line of ssh without a host, for a shell. */
  readonly shell: string
  /** `user@host`. */
  readonly login: string
  readonly pid: number
}

/** Starts it on the target's side; it ends with `scope`. */
export async function openSshd(
  { source, target, network }: { source: Ground; target: Ground; network: Network },
  scope: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<OpenSshd> {
  const port = await freePort()
  const key = join(source.beside, 'key')
  const known = join(source.beside, 'known_hosts')
  const hostKey = join(target.beside, 'host_key')
  const allowed = join(target.beside, 'authorized_keys')
  for (const path of [key, hostKey])
    await must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'bench', '-f', path], signal)
  await must(['cp', `${key}.pub`, allowed], signal)
  const [type, digits] = (await must(['cat', `${hostKey}.pub`], signal)).split(' ')
  writeFileSync(known, `[${network.host}]:${port} ${type} ${digits}\n`)
  const config = join(target.beside, 'sshd_config')
  writeFileSync(config, sshdConfig({ host: network.host, port, hostKey, allowed }))
  makeSeparationFolder(scope)
  const serve = network.onTarget([findProgram('sshd') ?? 'sshd', '-D', '-e', '-f', config])
  const daemon = own(await startDaemon(serve, (output) => output.includes('Server listening'), signal), scope)
  const trust = `-o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile='${known}'`
  const shell = `ssh -F /dev/null -p ${port} -i '${key}' ${trust}`
  return { shell, login: `${userInfo().username}@${network.host}`, pid: daemon.pid }
}

/** The empty folder that sshd insists on as root; systemd makes it where sshd is a service. */
function makeSeparationFolder(scope: AsyncDisposableStack): void {
  if (userInfo().uid !== 0) return
  try {
    mkdirSync('/run/sshd', { mode: 0o755 })
    scope.defer(() => rmdirSync('/run/sshd'))
  } catch {
    // It is there already; sshd says so where it is not what it needs.
  }
}
