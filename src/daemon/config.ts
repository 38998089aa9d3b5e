// Where this machine keeps its settings and its state, and what it is called. Settings (identity, pairings, shares, the
// name) cannot be observed again and live in the configuration directory; state can, and lives apart. `--state DIR` puts
// both below DIR.

import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { ensureOwnDirectory, readOwnFile, writeOwnFile } from '../std/files.ts'
import { isMachineName } from '../wire/peers.ts'

export type Places = {
  readonly config: string
  readonly state: string
  readonly logs: string
}

/** The directories of this user's machine, or those below `stateOption`. Makes them (0700). */
export function openPlaces(stateOption: string | undefined, environment: NodeJS.ProcessEnv): Places {
  if (stateOption === '') throw new Failure('bad-usage', '--state names no folder')
  const home = environment['HOME'] ?? '/'
  const configBase = environment['XDG_CONFIG_HOME'] ?? join(home, '.config')
  const stateBase = environment['XDG_STATE_HOME'] ?? join(home, '.local', 'state')
  const config = stateOption === undefined ? join(configBase, 'nightferry') : resolve(stateOption, 'config')
  const state = stateOption === undefined ? join(stateBase, 'nightferry') : resolve(stateOption, 'state')
  ensureOwnDirectory(config, 0o700)
  ensureOwnDirectory(state, 0o700)
  return { config, state, logs: join(state, 'logs') }
}

const machineFile = 'machine.json'

/** What this machine is called: as it was named, else its host name as far as it can be a name. */
export function machineName(places: Places): string {
  const bytes = readOwnFile(join(places.config, machineFile), { maxBytes: 4096 })
  if (bytes === undefined) return nameOfHost()
  try {
    const { version, name } = JSON.parse(fromUtf8(bytes) ?? '') as { version?: unknown; name?: unknown }
    if (version === 1 && typeof name === 'string' && isMachineName(name)) return name
  } catch {
    // Falls through to the same complaint: not ours to guess.
  }
  throw new Failure('bad-config', `${join(places.config, machineFile)} is damaged`, {
    hint: 'remove it, or name the machine with --name',
  })
}

export function nameMachine(places: Places, name: string): void {
  if (!isMachineName(name)) {
    throw new Failure('bad-usage', `${JSON.stringify(name)} can't name a machine`, {
      hint: 'letters, digits, dot, dash and underscore; 63 at most',
    })
  }
  writeOwnFile(join(places.config, machineFile), utf8(`${JSON.stringify({ version: 1, name })}\n`), { mode: 0o600 })
}

function nameOfHost(): string {
  const first = hostname().split('.')[0] ?? ''
  const name = first
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 63)
  return isMachineName(name) ? name : 'machine'
}
