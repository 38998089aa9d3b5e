// `nightferry machines`: who this machine is paired with, where each can be called, and where it once was.

import { machineName, openPlaces } from '../daemon/config.ts'
import { isoTime, systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { type Address, isFormer, isTold, lastSeenMs } from '../wire/address-book.ts'
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
    const shown = machines.map((one) => ({ ...one, addresses: one.addresses.map((it) => shownIn(it, one.addresses)) }))
    process.stdout.write(`${JSON.stringify({ schema: 1, self: { name, peerId }, machines: shown })}\n`)
    return 0
  }
  process.stdout.write(`${name}\t${peerId}\tthis machine\n`)
  for (const { name: known, peerId: id, addresses, pairedMs } of machines) {
    process.stdout.write(`${known}\t${id}\tpaired ${minute(pairedMs)}\n`)
    for (const address of addresses) process.stdout.write(`  ${addressLine(address, addresses)}\n`)
    if (addresses.length === 0) process.stdout.write('  no address known: it calls this machine\n')
  }
  if (machines.length === 0) process.stdout.write('paired with no machine yet; see nightferry help pair\n')
  return 0
}

/** `2026-11-21 09:12Z`. */
function minute(ms: number): string {
  return `${isoTime(ms).slice(0, 16).replace('T', ' ')}Z`
}

function place({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function addressLine(address: Address, book: readonly Address[]): string {
  const { firstSeenMs, usedMs, toldMs } = address
  const facts = [`known since ${minute(firstSeenMs)}`]
  if (usedMs > 0) facts.push(`reached ${minute(usedMs)}`)
  if (isTold(address, book)) facts.push(`told ${minute(toldMs)}`)
  else if (isFormer(address, book)) facts.push(`told until ${minute(toldMs)}, has moved since`)
  return `${place(address)}\t${facts.join(', ')}`
}

function shownIn(address: Address, book: readonly Address[]): object {
  return {
    ...address,
    lastSeenMs: lastSeenMs(address),
    isTold: isTold(address, book),
    isFormer: isFormer(address, book),
  }
}

export function machinesRemove(name: string, options: MachinesOptions): number {
  const removed = openPeers(openPlaces(options.state, process.env).config, systemClock).remove(name)
  if (removed === undefined)
    throw new Failure('unknown-machine', `no paired machine is named ${name}`, { hint: 'see nightferry machines' })
  process.stdout.write(`${name} is not paired any more; a running daemon cuts it off within seconds\n`)
  return 0
}
