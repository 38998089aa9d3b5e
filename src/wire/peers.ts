// The machines this one is paired with. Two files in the configuration directory: `machines.json` says who may speak to
// us, and changes only when a person pairs, renames or removes; `addresses.json` remembers where they were seen and what
// they told of themselves (address-book.ts), changes often, and may be lost. They are apart so that noting an address can never bring back a machine that was
// removed at the same moment, or lose one that was just paired. Read afresh on each use: another process may have
// changed them. What is not exactly right is refused, never guessed and never overwritten. An address is no credential.

import { join } from 'node:path'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { ensureOwnDirectory, ownFileMode, readOwnFile, writeOwnFile } from '../std/files.ts'
import { type Address, maxAddresses, merged, withTold, withUsed } from './address-book.ts'
import type { Place } from './addresses.ts'
import { type PeerId, parsePeerId } from './peer-id.ts'

/** A machine that this one is paired with. */
export type Machine = {
  readonly name: string
  readonly peerId: PeerId
  /** The one to be tried first, first; those it once told and tells no more last. */
  readonly addresses: readonly Address[]
  readonly pairedMs: number
}

/** The paired machines of one configuration directory. Every call reads the files. */
export interface Peers {
  /** In the order in which they were paired. */
  list(): readonly Machine[]
  byName(name: string): Machine | undefined
  byId(peerId: PeerId): Machine | undefined
  /** Adds a machine, or puts a new name and address on one with this peer id. Throws when another has the name. */
  add(machine: { name: string; peerId: PeerId; address?: Place }): Machine
  /** What was removed, or undefined where nobody had the name. Links to it are the caller's to cut. */
  remove(name: string): Machine | undefined
  rename(name: string, newName: string): Machine
  /** Remembers where a paired machine was reached just now. An unknown machine is ignored. */
  noteAddress(peerId: PeerId, address: Place): void
  /** Remembers what a paired machine tells of itself just now. True when it told other addresses before. */
  noteTold(peerId: PeerId, places: readonly Place[]): boolean
}

const machinesFile = 'machines.json'
const addressesFile = 'addresses.json'
const formatVersion = 1
const maxFileBytes = 4 * 1024 * 1024
const maxMachines = 1000
const addressesVersion = 2

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

/** Whether text can name a machine. Such a name needs no quotes in a shell, and cannot be a path or hold a colon. */
export function isMachineName(text: string): boolean {
  return namePattern.test(text)
}

/** The first of `wanted`, `wanted-2`, `wanted-3` ... that no other machine has. */
export function freeName(wanted: string, machines: readonly Machine[], peerId: PeerId): string {
  const taken = new Set(machines.filter((one) => one.peerId !== peerId).map((one) => one.name.toLowerCase()))
  if (!taken.has(wanted.toLowerCase())) return wanted
  for (let count = 2; ; count++) {
    const suffix = `-${count}`
    const name = wanted.slice(0, 63 - suffix.length) + suffix
    if (!taken.has(name.toLowerCase())) return name
  }
}

/** The paired machines below `configDirectory`. Opens nothing yet. */
export function openPeers(configDirectory: string, clock: Clock): Peers {
  const files = peerFiles(configDirectory)
  const list = (): readonly Machine[] => withAddresses(files.readMachines(), files.readAddresses() ?? new Map())

  const find = (machines: readonly Machine[], name: string): Machine => {
    const machine = machines.find((one) => one.name === name)
    if (machine === undefined) {
      throw new Failure('unknown-machine', `no paired machine is called ${JSON.stringify(name)}`, {
        hint: machines.length === 0 ? 'No machine is paired yet.' : `Known: ${machines.map((m) => m.name).join(', ')}.`,
      })
    }
    return machine
  }

  /** Writes a machine's book anew, where `change` has something to write. */
  const note = (peerId: PeerId, change: (book: readonly Address[]) => readonly Address[] | undefined): void => {
    const known = files.readMachines()
    if (!known.some((one) => one.peerId === peerId)) return
    const seen = files.readAddresses()
    const book = seen === undefined ? undefined : change(seen.get(peerId) ?? [])
    if (seen === undefined || book === undefined) return
    seen.set(peerId, book)
    files.writeAddresses(new Map([...seen].filter(([id]) => known.some((one) => one.peerId === id))))
  }

  return {
    list,
    byName: (name) => list().find((one) => one.name === name),
    byId: (peerId) => list().find((one) => one.peerId === peerId),
    add({ name, peerId, address }) {
      const machines = files.readMachines()
      checkName(name, machines, peerId)
      if (address !== undefined && !isAddress(address.host, address.port)) {
        throw new Failure('bad-usage', 'a machine was given an address that is none')
      }
      const before = machines.find((one) => one.peerId === peerId)
      const seen = address === undefined ? [] : withUsed([], address, clock.nowMs())
      const addresses = merged(seen ?? [], before?.addresses ?? [])
      const machine = { name, peerId, addresses, pairedMs: before?.pairedMs ?? clock.nowMs() }
      if (before === undefined && machines.length >= maxMachines) {
        throw new Failure('limit-exceeded', `more than ${maxMachines} machines are paired`)
      }
      files.writeMachines([...machines.filter((one) => one !== before), machine])
      return machine
    },
    remove(name) {
      const machines = files.readMachines()
      const machine = machines.find((one) => one.name === name)
      if (machine !== undefined) files.writeMachines(machines.filter((one) => one !== machine))
      return machine
    },
    rename(name, newName) {
      const machines = files.readMachines()
      const machine = find(machines, name)
      checkName(newName, machines, machine.peerId)
      const renamed = { ...machine, name: newName }
      files.writeMachines(machines.map((one) => (one === machine ? renamed : one)))
      return renamed
    },
    noteAddress(peerId, place) {
      if (isAddress(place.host, place.port)) note(peerId, (book) => withUsed(book, place, clock.nowMs()))
    },
    noteTold(peerId, places) {
      let moved = false
      note(peerId, (book) => {
        const told = withTold(book, places, clock.nowMs())
        moved = told?.moved ?? false
        return told?.book
      })
      return moved
    },
  }
}

function checkName(name: string, machines: readonly Machine[], peerId: PeerId): void {
  if (!isMachineName(name)) {
    throw new Failure('bad-usage', `${JSON.stringify(name)} cannot name a machine`, {
      hint: 'A name starts with a letter or digit and has up to 63 letters, digits, dots, dashes and underscores.',
    })
  }
  const other = machines.find((one) => one.peerId !== peerId && one.name.toLowerCase() === name.toLowerCase())
  if (other !== undefined) {
    throw new Failure('bad-usage', `a machine called ${other.name} is paired already`, { hint: 'Choose another name.' })
  }
}

function withAddresses(
  machines: readonly Machine[],
  seen: ReadonlyMap<PeerId, readonly Address[]>,
): readonly Machine[] {
  return machines.map((machine) => ({
    ...machine,
    addresses: merged(seen.get(machine.peerId) ?? [], machine.addresses),
  }))
}

type PeerFiles = {
  readMachines(): readonly Machine[]
  writeMachines(machines: readonly Machine[]): void
  /** Damaged is empty, for it is only a memory; undefined when a newer program owns it. */
  readAddresses(): Map<PeerId, readonly Address[]> | undefined
  writeAddresses(seen: ReadonlyMap<PeerId, readonly Address[]>): void
}

function peerFiles(directory: string): PeerFiles {
  const write = (name: string, version: number, content: object): void => {
    ensureOwnDirectory(directory, 0o700)
    const text = JSON.stringify({ version, ...content }, undefined, 2)
    writeOwnFile(join(directory, name), utf8(`${text}\n`), { mode: 0o600 })
  }
  return {
    readMachines() {
      const path = join(directory, machinesFile)
      const mode = ownFileMode(path)
      if (mode !== undefined && (mode & 0o022) !== 0) {
        throw new Failure('bad-config', `${path} can be changed by other users`, {
          hint: 'It says which machines are trusted. Look through it, then run chmod 600 on it.',
        })
      }
      const content = readJson(path)
      return content === undefined ? [] : new Checker(path).machines(content)
    },
    writeMachines: (machines) =>
      write(machinesFile, formatVersion, {
        machines: machines.map((machine) => ({ ...machine, addresses: givenAddresses(machine) })),
      }),
    readAddresses() {
      const path = join(directory, addressesFile)
      try {
        const content = readJson(path)
        return content === undefined ? new Map() : new Checker(path).seen(content)
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        return error.code === 'format-too-new' ? undefined : new Map()
      }
    },
    writeAddresses: (seen) =>
      write(addressesFile, addressesVersion, {
        seen: [...seen].map(([peerId, addresses]) => ({ peerId, addresses })),
      }),
  }
}

/** What `machines.json` holds of addresses: those that came with a pairing, as every version reads them. */
function givenAddresses({ addresses }: Machine): readonly object[] {
  return addresses
    .filter(({ usedMs }) => usedMs > 0)
    .slice(0, 8)
    .map(({ host, port, usedMs }) => ({ host, port, lastSeenMs: usedMs }))
}

function damaged(path: string, what: string): Failure {
  return new Failure('bad-config', `${path} is damaged: ${what}`, {
    hint: 'Put it back from a backup, or mend it by hand; Nightferry changes nothing in it meanwhile.',
  })
}

function readJson(path: string): unknown {
  const bytes = readOwnFile(path, { maxBytes: maxFileBytes })
  if (bytes === undefined) return undefined
  try {
    return JSON.parse(fromUtf8(bytes) ?? '')
  } catch {
    throw damaged(path, 'it is not JSON')
  }
}

function isAddress(host: unknown, port: unknown): boolean {
  const isHost = typeof host === 'string' && /^[^\s\p{C}"'\\<>]{1,253}$/u.test(host)
  return isHost && typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65535
}

/** Turns parsed JSON into what it must be, or says what is wrong where. */
class Checker {
  readonly #path: string
  /** The file has version 1: of an address only the last time is known. */
  #isFirst = false

  constructor(path: string) {
    this.#path = path
  }

  #object(value: unknown, keys: readonly string[], where: string): Map<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw damaged(this.#path, `${where} is not an object`)
    }
    const fields = new Map<string, unknown>(Object.entries(value))
    for (const key of keys) if (!fields.has(key)) throw damaged(this.#path, `${where} has no ${key}`)
    if (fields.size !== keys.length) throw damaged(this.#path, `${where} has an unknown field`)
    return fields
  }

  #list(value: unknown, max: number, where: string): readonly unknown[] {
    if (!Array.isArray(value)) throw damaged(this.#path, `${where} is not a list`)
    if (value.length > max) throw damaged(this.#path, `${where} has more than ${max} entries`)
    return value
  }

  /** The one list of a file, once its version is known to be one of ours. */
  #content(value: unknown, key: string, newest: number): readonly unknown[] {
    const version: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'version') : undefined
    if (typeof version === 'number' && version > newest) {
      throw new Failure('format-too-new', `${this.#path} was written by a newer Nightferry (format ${version})`, {
        hint: 'Update Nightferry on this machine. Nothing was changed.',
      })
    }
    this.#isFirst = version === formatVersion
    if (!this.#isFirst && version !== newest) throw damaged(this.#path, `its version is not ${newest}`)
    return this.#list(this.#object(value, ['version', key], 'it').get(key), maxMachines, key)
  }

  #time(value: unknown, where: string): number {
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
      throw damaged(this.#path, `${where} is not a time`)
    }
    return value
  }

  #peerId(value: unknown, where: string): PeerId {
    const peerId = typeof value === 'string' ? parsePeerId(value) : undefined
    if (peerId === undefined) throw damaged(this.#path, `${where}.peerId is not a peer id`)
    return peerId
  }

  #addresses(value: unknown, where: string): readonly Address[] {
    return this.#list(value, maxAddresses, `${where}.addresses`).map((item, index) => {
      const at = `${where}.addresses[${index}]`
      const times = this.#isFirst ? ['lastSeenMs'] : ['firstSeenMs', 'usedMs', 'toldMs']
      const fields = this.#object(item, ['host', 'port', ...times], at)
      const host = fields.get('host')
      const port = fields.get('port')
      if (typeof host !== 'string' || typeof port !== 'number' || !isAddress(host, port)) {
        throw damaged(this.#path, `${at} is not an address`)
      }
      const [first = 0, usedMs = first, toldMs = 0] = times.map((key) => this.#time(fields.get(key), `${at}.${key}`))
      return { host, port, firstSeenMs: first, usedMs, toldMs }
    })
  }

  machines(value: unknown): readonly Machine[] {
    const names = new Set<string>()
    const ids = new Set<PeerId>()
    return this.#content(value, 'machines', formatVersion).map((item, index) => {
      const where = `machines[${index}]`
      const fields = this.#object(item, ['name', 'peerId', 'addresses', 'pairedMs'], where)
      const name = fields.get('name')
      if (typeof name !== 'string' || !isMachineName(name)) throw damaged(this.#path, `${where}.name is not a name`)
      const peerId = this.#peerId(fields.get('peerId'), where)
      if (names.has(name.toLowerCase())) throw damaged(this.#path, `${where}.name is there twice`)
      if (ids.has(peerId)) throw damaged(this.#path, `${where}.peerId is there twice`)
      names.add(name.toLowerCase())
      ids.add(peerId)
      const addresses = this.#addresses(fields.get('addresses'), where)
      return { name, peerId, addresses, pairedMs: this.#time(fields.get('pairedMs'), `${where}.pairedMs`) }
    })
  }

  seen(value: unknown): Map<PeerId, readonly Address[]> {
    const seen = new Map<PeerId, readonly Address[]>()
    for (const [index, item] of this.#content(value, 'seen', addressesVersion).entries()) {
      const where = `seen[${index}]`
      const fields = this.#object(item, ['peerId', 'addresses'], where)
      seen.set(this.#peerId(fields.get('peerId'), where), this.#addresses(fields.get('addresses'), where))
    }
    return seen
  }
}
