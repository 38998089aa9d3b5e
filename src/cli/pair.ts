// `nightferry pair`: makes a one-time code and waits for the other machine; `nightferry pair CODE@host[:port]` brings it.
// With a running daemon the daemon answers; else this command listens itself, until the code is used or void.

import { request } from 'node:http'
import { joinMachine } from '../api/join.ts'
import { machineName, nameMachine, openPlaces, type Places } from '../daemon/config.ts'
import { type PairingLine, pairPath, socketPath } from '../daemon/contract.ts'
import { systemClock } from '../std/clock.ts'
import { Failure, isFailureCode } from '../std/failure.ts'
import { openIdentity } from '../wire/identity.ts'
import { listen } from '../wire/listen.ts'
import { offerPairing } from '../wire/pairing.ts'
import { openPeers } from '../wire/peers.ts'
import type { GlobalOptions } from './machine.ts'
import { defaultPort, parseAddress } from './serve.ts'

export type PairOptions = GlobalOptions & { readonly name?: string; readonly listen?: string }

export async function pair(code: string | undefined, options: PairOptions): Promise<number> {
  const places = openPlaces(options.state, process.env)
  if (options.name !== undefined) nameMachine(places, options.name)
  if (code !== undefined) return await join(code, places)
  if (await offerByDaemon(places)) return 0
  return await offerHere(places, parseAddress(options.listen ?? '', { host: '0.0.0.0', port: defaultPort }))
}

async function join(text: string, places: Places): Promise<number> {
  const at = text.lastIndexOf('@')
  if (at <= 0) {
    throw new Failure('bad-usage', 'pairing takes CODE@host', {
      hint: 'the code stands on the other machine, after nightferry pair',
    })
  }
  const { host, port } = parseAddress(text.slice(at + 1), { host: '', port: defaultPort })
  if (host === '') throw new Failure('bad-usage', 'the host is missing after the @')
  const machine = await joinMachine(places, { code: text.slice(0, at), host, port })
  process.stdout.write(`paired with ${machine.name} (${machine.peerId})\n`)
  return 0
}

function tellCode(code: string, name: string, port: number): void {
  process.stdout.write(`code: ${code}\n`)
  const place = port === defaultPort ? 'THIS-HOST' : `THIS-HOST:${port}`
  process.stdout.write(`On the other machine: nightferry pair ${code}@${place}\n`)
  process.stdout.write(`It pairs that machine with ${name}, once, within ten minutes. Waiting ...\n`)
}

/** Lets the running daemon make the code and answer; false where none runs. */
function offerByDaemon(places: Places): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socketPath(places), path: pairPath, method: 'POST' })
    call.on('error', () => resolve(false))
    call.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          const line = JSON.parse(text.slice(0, end)) as PairingLine
          text = text.slice(end + 1)
          if (line.type === 'code') tellCode(line.code, machineName(places), line.port)
          else if (line.type === 'paired') {
            process.stdout.write(`paired with ${line.name} (${line.peerId})\n`)
            resolve(true)
          } else {
            const code = isFailureCode(line.code) ? line.code : 'pairing-failed'
            reject(new Failure(code, line.message, { hint: line.hint }))
          }
        }
      })
      response.on('close', () => reject(new Failure('cancelled', 'the daemon ended before the code was used')))
    })
    call.end()
  })
}

async function offerHere(places: Places, address: { host: string; port: number }): Promise<number> {
  const identity = openIdentity(places.config)
  const peers = openPeers(places.config, systemClock)
  const machine = machineName(places)
  // Nothing serves here when this command has ended: no port is told.
  const offer = offerPairing({ identity, machine, port: 0, peers, clock: systemClock })
  const listener = await listen({
    ...address,
    identity,
    clock: systemClock,
    authorise: () => undefined,
    onLink: (link) => link.destroy(),
    onPairingLink: (link) => offer.answer(link),
    note: () => {},
  })
  const stop = (): void => offer.withdraw()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  try {
    process.stdout.write(`listening on ${address.host}:${listener.port}\n`)
    tellCode(offer.code, machine, listener.port)
    const paired = await offer.paired
    process.stdout.write(`paired with ${paired.name} (${paired.peerId})\n`)
    return 0
  } finally {
    process.removeListener('SIGINT', stop)
    process.removeListener('SIGTERM', stop)
    listener.close()
  }
}
