// `nightferry machines`: who this machine is paired with, and where they were last seen.

import { machineName, openPlaces } from '../daemon/config.ts'
import { isoTime, systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { openIdentity } from '../wire/identity.ts'
import { openPeers } from '../wire/peers.ts'
import type { GlobalOptions } from './machine.ts'

export type MachinesOptions = GlobalOptions & { readonly json?: true }

export function machinesList(options: MachinesOptions): number {
  const places = openPlaces(options.state, process.env)
  const { peerId } = openIdentity(places.config)
  const name = machineName(places)
  const machines = openPeers(places.config, systemClock).list()
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ schema: 1, self: { name, peerId }, machines })}\n`)
    return 0
  }
  process.stdout.write(`${name}\t${peerId}\tthis machine\n`)
  for (const machine of machines) {
    const seen = machine.addresses.map(
      ({ host, port, lastSeenMs }) => `${host}:${port} (${isoTime(lastSeenMs).slice(0, 16)}Z)`,
    )
    process.stdout.write(
      `${machine.name}\t${machine.peerId}\t${seen.join(', ') || 'no address known: it calls this machine'}\n`,
    )
  }
  if (machines.length === 0) process.stdout.write('paired with no machine yet; see nightferry help pair\n')
  return 0
}

export function machinesRemove(name: string, options: MachinesOptions): number {
  const removed = openPeers(openPlaces(options.state, process.env).config, systemClock).remove(name)
  if (removed === undefined)
    throw new Failure('unknown-machine', `no paired machine is named ${name}`, { hint: 'see nightferry machines' })
  process.stdout.write(`${name} is not paired any more; a running daemon cuts it off within seconds\n`)
  return 0
}
