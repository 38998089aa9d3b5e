// Reading from a socket (TLS, or the pipe of a process) into one buffer that is used again and again. Node gives this to
// sockets that dial (`onread`), not to those that a TLS server accepts, yet a server is what most often receives; without
// it each 16 KiB record is a new ArrayBuffer and a pass through the stream machinery (measured: 1.5 s of CPU per GiB
// received instead of 1.0). So the same inner parts that `onread` uses are set from outside here, looked up by name, each
// checked; where one is missing (another Node) nothing is touched, the answer is false, and the socket works in the
// ordinary way.

import type { Socket } from 'node:net'

const bufferBytes = 64 * 1024

/** A method of the socket's inner handle that makes it read into the given buffer. */
type Handle = { useUserBuffer(buffer: Uint8Array): void }

function handleOf(socket: Socket): Handle | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null) return undefined
  return 'useUserBuffer' in handle && typeof handle.useUserBuffer === 'function' ? (handle as Handle) : undefined
}

/**
 * Gives `take` what `socket` reads from now on, as views of one buffer that are valid during the call only. What the
 * socket had read before still comes as its `data` events, and comes first. False: nothing was changed.
 */
export function readIntoBuffer(socket: Socket, take: (chunk: Buffer) => void): boolean {
  const handle = handleOf(socket)
  const symbols = Object.getOwnPropertySymbols(socket)
  const bufferSlot = symbols.find((symbol) => symbol.description === 'kBuffer')
  const callbackSlot = symbols.find((symbol) => symbol.description === 'kBufferCb')
  if (handle === undefined || bufferSlot === undefined || callbackSlot === undefined) return false
  if (Reflect.get(socket, bufferSlot) !== null || Reflect.get(socket, callbackSlot) !== null) return false
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  const callback = (length: number): boolean => {
    take(buffer.subarray(0, length))
    return true
  }
  Reflect.set(socket, bufferSlot, buffer)
  Reflect.set(socket, callbackSlot, callback)
  handle.useUserBuffer(buffer)
  return true
}
