// Where a machine can be called, as it tells it itself: which of its own addresses are worth telling over a session, and
// what is kept of what a peer tells. Pure. Only plain IP addresses, so that nothing is looked up that a peer chose, and
// none that reaches less far than the session it came by: over the network nobody makes us call our own loopback or the
// services of our own segment. What is told is a hint where to look; the key decides who is there.

import { BlockList, isIP, isIPv4 } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import { addressesNotice, maxToldAddresses } from './messages.ts'
import { decodeMessage, encodeMessage } from './schema.ts'

/** A host, as a name or an IP address, and a port. */
export type Place = { readonly host: string; readonly port: number }

/** Where a daemon listens: the address it is bound to (perhaps all: 0.0.0.0 or ::), and the port. */
export type Listening = { readonly address: string; readonly port: number }

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/** How far an address reaches; `none` for what is no address of one machine. */
export type Reaching = 'none' | 'loopback' | 'link' | 'wide'

const ranges: readonly (readonly [Reaching, string, number])[] = [
  ['loopback', '127.0.0.0', 8],
  ['loopback', '::1', 128],
  ['link', '169.254.0.0', 16],
  ['link', 'fe80::', 10],
  ['none', '0.0.0.0', 8],
  ['none', '224.0.0.0', 3],
  ['none', '::', 128],
  ['none', 'ff00::', 8],
  // An IPv4 address in disguise: those are written as such.
  ['none', '::ffff:0:0', 96],
]

const lists = ranges.map(([reaching, network, bits]) => {
  const list = new BlockList()
  list.addSubnet(network, bits, isIPv4(network) ? 'ipv4' : 'ipv6')
  return { reaching, family: isIPv4(network) ? 4 : 6, list }
})

/** How far `host` reaches. A zone (`%eth0`) means something on one machine only: such an address is none. */
export function reachingOf(host: string): Reaching {
  const family = host.includes('%') ? 0 : isIP(host)
  if (family === 0) return 'none'
  const found = lists.find((one) => one.family === family && one.list.check(host, family === 4 ? 'ipv4' : 'ipv6'))
  return found?.reaching ?? 'wide'
}

/** Whether an address may be told and believed over a session with a machine at `remoteAddress`. */
function mayTravel(host: string, remoteAddress: string): boolean {
  const reaching = reachingOf(host)
  const session = reachingOf(remoteAddress.replace(/%.*$/, ''))
  if (reaching === 'none') return false
  if (reaching === 'loopback') return session === 'loopback'
  // Without its zone an IPv6 address of one segment leads nowhere.
  if (reaching === 'link') return isIPv4(host) && (session === 'link' || session === 'loopback')
  return true
}

/** The places to tell a machine at `remoteAddress`: those that reach furthest first, IPv4 before IPv6. */
export function placesToTell(listening: Listening, interfaces: Interfaces, remoteAddress: string): readonly Place[] {
  const hosts = ownHosts(listening.address, interfaces).filter((host) => mayTravel(host, remoteAddress))
  return hosts.slice(0, maxToldAddresses).map((host) => ({ host, port: listening.port }))
}

/** Every address of this machine at which a daemon bound to `bound` answers, in a stable order. */
export function ownHosts(bound: string, interfaces: Interfaces): readonly string[] {
  if (bound !== '0.0.0.0' && bound !== '::') return [bound]
  const all = Object.values(interfaces).flatMap((one) => one ?? [])
  const bothFamilies = bound === '::'
  // IPv6 addresses of one segment come and go with every virtual interface, and are never told.
  const isOurs = (host: string): boolean => isIPv4(host) || (bothFamilies && reachingOf(host) !== 'link')
  const hosts = all.map(({ address }) => address).filter(isOurs)
  const rank = (host: string): string => {
    const reach = { wide: 0, link: 1, loopback: 2, none: 3 }[reachingOf(host)]
    return `${reach} ${isIPv4(host) ? 4 : 6}`
  }
  return [...new Set(hosts)].sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0))
}

export function encodePlaces(places: readonly Place[]): Uint8Array {
  return encodeMessage(addressesNotice, { hosts: places.map(({ host }) => host), port: places[0]?.port ?? 0 })
}

/**
 * What of a peer's notice is to be believed, over a session with a machine at `remoteAddress`. Throws
 * Failure('protocol-broken') for a notice out of its bounds.
 */
export function decodePlaces(body: Uint8Array, remoteAddress: string): readonly Place[] {
  const { hosts, port } = decodeMessage(addressesNotice, body)
  if (port === 0) return []
  return [...new Set(hosts)].filter((host) => mayTravel(host, remoteAddress)).map((host) => ({ host, port }))
}
