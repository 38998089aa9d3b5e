// A line between two network namespaces, in a process of its own: node line-carrier.ts DEVICE DEVICE
// Makes two network devices (TUN) and carries every IPv4 packet that one is given to the other, late, and treated as it is
// told on its input, one JSON line at a time: lost, sent twice, overtaken, damaged (so that TCP notices, or so that only
// TLS can), answered with a reset, or not at all in one direction. Stands in for the kernel's netem, which many kernels
// lack. Ends with its input. For tests only.

import { read, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { makeDevice } from './tun.ts'

/** What happens to packets of one direction; shares of 1. */
export type Treatment = {
  readonly oneWayMs: number
  readonly bytesPerSecond: number
  readonly lost: number
  readonly twice: number
  readonly overtaken: number
  readonly damaged: number
  readonly isCut: boolean
}

/** Told to the carrier: a direction (0: from the first device, 1: from the second), and what changes there. */
export type Order = {
  readonly way: 0 | 1
  readonly treatment?: Partial<Treatment>
  /** The next packet with much content is changed so that its TCP checksum is right. */
  readonly forge?: true
  /** The next packet of a connection becomes its reset. */
  readonly reset?: true
}

const overtakenMs = 30

const tcp = 6
const headOf = (packet: Buffer): number => ((packet[0] ?? 0) & 15) * 4
const isTcp = (packet: Buffer): boolean => (packet[0] ?? 0) >> 4 === 4 && packet[9] === tcp
const contentOf = (packet: Buffer): number => headOf(packet) + ((packet[headOf(packet) + 12] ?? 0) >> 4) * 4

/** The sum of 16-bit words that IP and TCP check by. */
function sumOf(bytes: Buffer, start = 0): number {
  let sum = start
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  if (bytes.length % 2 === 1) sum += (bytes[bytes.length - 1] ?? 0) << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

/** Two words of the content change places: the sum stays, and the content is another. */
function forged(packet: Buffer): Buffer | undefined {
  const start = contentOf(packet) + 64
  for (let at = start; at + 4 <= packet.length; at += 2) {
    const [one, other] = [packet.readUInt16BE(at), packet.readUInt16BE(at + 2)]
    if (one === other) continue
    packet.writeUInt16BE(other, at)
    packet.writeUInt16BE(one, at + 2)
    return packet
  }
  return undefined
}

/** The reset that the sender of a packet would have sent in its place. */
function resetOf(packet: Buffer): Buffer {
  const head = headOf(packet)
  const reset = Buffer.from(packet.subarray(0, head + 20))
  reset.writeUInt16BE(reset.length, 2)
  reset.writeUInt16BE(0, 10)
  reset.writeUInt16BE(0xffff - sumOf(reset.subarray(0, head)), 10)
  const segment = reset.subarray(head)
  segment[12] = 5 << 4
  segment[13] = 0x14
  segment.writeUInt16BE(0, 16)
  const pseudo = sumOf(reset.subarray(12, 20), tcp + segment.length)
  segment.writeUInt16BE(0xffff - sumOf(segment, pseudo), 16)
  return reset
}

class Way {
  treatment: Treatment = {
    oneWayMs: 1,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    lost: 0,
    twice: 0,
    overtaken: 0,
    damaged: 0,
    isCut: false,
  }
  mustForge = false
  mustReset = false
  readonly #to: number
  #freeAtMs = 0
  /** The same packets are lost in each run, as far as they come in the same order. */
  #seed: number

  constructor(to: number, seed: number) {
    this.#to = to
    this.#seed = seed
  }

  #happens(share: number): boolean {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0
    return this.#seed / 2 ** 32 < share
  }

  carry(packet: Buffer): void {
    const { oneWayMs, bytesPerSecond, lost, twice, overtaken, damaged, isCut } = this.treatment
    if (isCut || this.#happens(lost)) return
    const now = performance.now()
    this.#freeAtMs = Math.max(now, this.#freeAtMs) + (packet.length / bytesPerSecond) * 1000
    const lateMs = this.#freeAtMs - now + oneWayMs + (this.#happens(overtaken) ? overtakenMs : 0)
    const treated = this.#treat(packet, damaged)
    for (let copies = this.#happens(twice) ? 2 : 1; copies > 0; copies--) setTimeout(() => this.#hand(treated), lateMs)
  }

  #treat(packet: Buffer, damaged: number): Buffer {
    if (!isTcp(packet)) return packet
    if (this.mustReset) {
      this.mustReset = false
      return resetOf(packet)
    }
    if (this.mustForge && packet.length - contentOf(packet) > 600) {
      const other = forged(packet)
      this.mustForge = other === undefined
      return other ?? packet
    }
    const content = contentOf(packet)
    if (content < packet.length && this.#happens(damaged)) packet[content] = (packet[content] ?? 0) ^ 1
    return packet
  }

  #hand(packet: Buffer): void {
    try {
      writeSync(this.#to, packet)
    } catch {
      // The other device is not up yet, or no longer: lost on the way, as on any network.
    }
  }
}

function listen(from: number, way: Way): void {
  const buffer = Buffer.alloc(65_536)
  read(from, buffer, 0, buffer.length, null, (error, length) => {
    if (error !== null) return end()
    way.carry(Buffer.from(buffer.subarray(0, length)))
    listen(from, way)
  })
}

/** A read that waits for a packet would hold up an ordinary exit. */
function end(): void {
  process.kill(process.pid, 'SIGKILL')
}

if (import.meta.main) {
  const [one = '', other = ''] = process.argv.slice(2)
  const devices = [makeDevice(one), makeDevice(other)] as const
  const ways = [new Way(devices[1], 1), new Way(devices[0], 2)] as const
  listen(devices[0], ways[0])
  listen(devices[1], ways[1])
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    const { way, treatment, forge, reset } = JSON.parse(line) as Order
    ways[way].treatment = { ...ways[way].treatment, ...treatment }
    ways[way].mustForge ||= forge === true
    ways[way].mustReset ||= reset === true
    console.log('done')
  })
  lines.on('close', end)
  console.log('ready')
}
