// Looks what a link is like, from inside: node probe.ts serve HOST PORT BYTES, and at the other end node probe.ts dial
// HOST PORT BYTES.
// The dialling end prints {"roundTripMs", "megabitsPerSecond"}: the median of echoes of one byte, and so many bytes one way.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

const echoes = 11

function serve(host: string, port: number, bulkBytes: number): void {
  const server = createServer({ noDelay: true }, (socket) => {
    let received = 0
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      const before = received
      received += bytes.length
      if (before < echoes || received === echoes + bulkBytes) socket.write('.')
    })
  })
  server.listen(port, host, () => console.log('listening'))
}

async function dial(host: string, port: number, bulkBytes: number): Promise<void> {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  const trips: number[] = []
  for (let i = 0; i < echoes; i++) trips.push(await answered(socket, Buffer.alloc(1)))
  const bulkMs = await answered(socket, Buffer.alloc(bulkBytes))
  socket.destroy()
  const roundTripMs = trips.sort((a, b) => a - b)[Math.floor(echoes / 2)]
  console.log(JSON.stringify({ roundTripMs, megabitsPerSecond: (bulkBytes * 8) / 1000 / bulkMs }))
}

/** How many milliseconds it takes until these bytes are answered. */
async function answered(socket: Socket, bytes: Buffer): Promise<number> {
  const startedMs = performance.now()
  socket.write(bytes)
  await once(socket, 'data')
  return performance.now() - startedMs
}

const [verb, host = '', port = '', bytes = ''] = process.argv.slice(2)
if (verb === 'serve') serve(host, Number(port), Number(bytes))
else await dial(host, Number(port), Number(bytes))
