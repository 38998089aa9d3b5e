// `nightferry serve`: the daemon in the foreground, until it is told to stop; with --stdio one session for ssh.

import { nameMachine, openPlaces } from '../daemon/config.ts'
import { Failure } from '../std/failure.ts'
import { type GlobalOptions, openMachine } from './machine.ts'

export type ServeOptions = GlobalOptions & { readonly listen?: string; readonly name?: string; readonly stdio?: true }

export const defaultPort = 5001

/** `host:port`, `host`, `port`, `:port` or `[v6]:port`; digits alone are a port, never a host. Throws `bad-usage`. */
export function parseAddress(text: string, defaults: { host: string; port: number }): { host: string; port: number } {
  const whole = /^\d+$/.test(text) ? `:${text}` : text
  const match = /^(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(whole)
  const port = match?.[3] === undefined ? defaults.port : Number(match[3])
  if (match === null || port > 65_535) {
    throw new Failure('bad-usage', `${JSON.stringify(text)} is no address`, {
      hint: 'write host:port, such as 0.0.0.0:5001 or [::]:5001, or a port alone: 5001',
    })
  }
  const host = match[1] ?? match[2] ?? ''
  return { host: host === '' ? defaults.host : host, port }
}

/** Serves until SIGINT or SIGTERM, or with --stdio until the session is over. */
export async function serve(options: ServeOptions): Promise<number> {
  if (options.stdio) return await serveOne(options)
  if (options.name !== undefined) nameMachine(openPlaces(options.state, process.env), options.name)
  const address = parseAddress(options.listen ?? '', { host: '0.0.0.0', port: defaultPort })
  // Pairing comes with it, and a tenth of a second of arithmetic: one session over stdio needs neither.
  const { openDaemon } = await import('../daemon/main.ts')
  const machine = openMachine(options, 'serve')
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })
  try {
    const daemon = await openDaemon(machine.workshop, machine.places, address)
    process.stdout.write(
      `${machine.workshop.machine} (${daemon.peerId})\nlistening on ${address.host}:${daemon.port}\n`,
    )
    await stopped
    await daemon.close()
    return 0
  } finally {
    await machine.close()
  }
}

async function serveOne(options: ServeOptions): Promise<number> {
  if (options.listen !== undefined || options.name !== undefined)
    throw new Failure('bad-usage', '--stdio goes with neither --listen nor --name: it serves one session of ssh')
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => stop.abort())
  const machine = openMachine(options, 'serve')
  try {
    const { serveStdio } = await import('../daemon/stdio.ts')
    await serveStdio(machine.workshop, stop.signal)
    return 0
  } finally {
    await machine.close()
  }
}
