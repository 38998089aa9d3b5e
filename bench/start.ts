// The row `start`: what a command costs before it does anything. The shortest one of each program, a mirror of an empty
// folder to another on this machine, and to one on another machine whose daemon is up. Short things are timed often, in turns.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { figures, mustHaveEnded, type Run } from './cycle.ts'
import { measure } from './measure.ts'
import { loopback } from './network.ts'
import { program } from './nightferry.ts'
import type { Peer } from './peers.ts'
import { ownFolder, type Place } from './places.ts'
import { findProgram } from './processes.ts'
import { rotated } from './rows.ts'

type Command = {
  readonly step: string
  readonly peer: string
  readonly argv: readonly string[]
  readonly daemonPid: number | undefined
}

const timesEach = 10

export const versionStep = 'version'

export async function runStart(
  number: number,
  place: Place,
  peers: readonly Peer[],
  done: (run: Run) => void,
  signal: AbortSignal,
): Promise<void> {
  await using scope = new AsyncDisposableStack()
  const commands = [
    ...shortest(peers),
    ...foldersHere(ownFolder(place.source.beside, scope), peers),
    ...(await twoMachines(place, peers, scope, signal)),
  ]
  const [timed, errors] = await warmUp(commands, signal)
  for (let i = 1; i <= timesEach; i++)
    for (const { step, peer, argv, daemonPid } of rotated(timed, i)) {
      const measured = await measure(argv, daemonPid, loopback, signal)
      mustHaveEnded(argv.join(' '), measured)
      const named = { row: 'start', step, place: place.name, peer, cycle: number } as const
      done({ ...figures(measured), ...named, settleSeconds: 0, verified: 'not', told: {} })
    }
  if (errors.length > 0) throw new Error(errors.join('; '))
}

/**
 * Runs each once: a first run makes what later ones find (state, markers, caches of code), and here a start is what is asked
 * for. Returns those that can run, and what the others said.
 */
async function warmUp(commands: readonly Command[], signal: AbortSignal): Promise<[Command[], string[]]> {
  const [able, errors]: [Command[], string[]] = [[], []]
  for (const command of commands)
    try {
      const { peer, step, argv, daemonPid } = command
      mustHaveEnded(`${peer}, ${step}`, await measure(argv, daemonPid, loopback, signal))
      able.push(command)
    } catch (error) {
      signal.throwIfAborted()
      errors.push(error instanceof Error ? error.message : String(error))
    }
  return [able, errors]
}

function shortest(peers: readonly Peer[]): Command[] {
  const asked = { nightferry: [program, '--version'], rsync: ['rsync', '--version'], rclone: ['rclone', 'version'] }
  const node = { step: versionStep, peer: 'bare Node', argv: [process.execPath, '-e', '0'], daemonPid: undefined }
  return [...programsOf(peers, asked, versionStep), node]
}

function foldersHere(folder: string, peers: readonly Peer[]): Command[] {
  const pair = (name: string): [string, string] => {
    const ends: [string, string] = [join(folder, name, 'source'), join(folder, name, 'target')]
    for (const end of ends) mkdirSync(end, { recursive: true })
    return ends
  }
  const [left, right] = pair('rsync')
  const asked = {
    nightferry: [program, '--state', join(folder, 'state'), 'sync', ...pair('nightferry'), '--quiet'],
    rsync: ['rsync', '-a', '--delete', `${left}/`, `${right}/`],
    rclone: ['rclone', 'sync', '--config', '/dev/null', '--links', '--create-empty-src-dirs', ...pair('rclone')],
  }
  return programsOf(peers, asked, 'empty folders here')
}

/** One command for each program that is there, whichever of its forms takes part. */
function programsOf(peers: readonly Peer[], asked: Record<string, readonly string[]>, step: string): Command[] {
  return Object.entries(asked)
    .filter(([name]) => peers.some((peer) => peer.name.startsWith(name)))
    .map(([name, [first = '', ...rest]]) => ({
      step,
      peer: name,
      argv: [findProgram(first) ?? first, ...rest],
      daemonPid: undefined,
    }))
}

async function twoMachines(
  place: Place,
  peers: readonly Peer[],
  scope: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Command[]> {
  const commands: Command[] = []
  for (const peer of peers) {
    const target = await place.freshTarget(scope)
    const source = await place.freshTarget(scope)
    const { command, daemonPid } = await peer.open({ source, target, network: loopback }, scope, signal)
    if (daemonPid !== undefined)
      commands.push({ step: 'empty folders, two machines', peer: peer.name, argv: command, daemonPid })
  }
  return commands
}
