// A slow or far link in a process of its own: node shaper.ts DEVICE DEVICE slow|far
// Makes two network devices (TUN) and carries every IP packet that one is given to the other, as lane.ts says: so fast, so
// late, dropped where the queue is full. Stands in for the kernel's netem, which many kernels lack. The devices may be
// moved to other namespaces, and go with this process, which ends by itself when the benchmark is no more.

import { read, writeSync } from 'node:fs'
import { makeDevice } from '../test/world/tun.ts'
import { farLine, Lane, type Line, slowLine } from './lane.ts'

const largestPacket = 65_536

/** Carries packets one way, in their order. */
function carry(from: number, to: number, line: Line): void {
  const lane = new Lane(line)
  const underWay: { readonly arrivalMs: number; readonly packet: Buffer }[] = []
  let isAwaited = false
  /** One timer for the packet that arrives first; packets never overtake each other. */
  const awaitFirst = (): void => {
    if (isAwaited || underWay[0] === undefined) return
    isAwaited = true
    setTimeout(deliver, underWay[0].arrivalMs - performance.now())
  }
  const deliver = (): void => {
    isAwaited = false
    while (underWay[0] !== undefined && underWay[0].arrivalMs <= performance.now()) hand(to, underWay.shift()?.packet)
    awaitFirst()
  }
  const buffer = Buffer.alloc(largestPacket)
  const next = (): void =>
    read(from, buffer, 0, buffer.length, null, (error, length) => {
      if (error !== null) return end()
      const arrivalMs = lane.arrival(performance.now(), length)
      if (arrivalMs !== undefined) underWay.push({ arrivalMs, packet: Buffer.from(buffer.subarray(0, length)) })
      awaitFirst()
      next()
    })
  next()
}

function hand(to: number, packet: Buffer | undefined): void {
  try {
    if (packet !== undefined) writeSync(to, packet)
  } catch {
    // The other device is not up yet, or no longer: lost on the way, as on any network.
  }
}

/** A read that waits for a packet would hold up an ordinary exit. */
function end(): void {
  process.kill(process.pid, 'SIGKILL')
}

const [left = '', right = '', name = 'slow'] = process.argv.slice(2)
const line = name === 'far' ? farLine : slowLine
const [one, other] = [makeDevice(left), makeDevice(right)]
carry(one, other, line)
carry(other, one, line)
const starter = process.ppid
setInterval(() => process.ppid !== starter && end(), 1000)
console.log('ready')
