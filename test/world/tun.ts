// A network device of our own (TUN): whoever has its handle gets each IP packet that is given to it, and gives it others. It
// goes with the process, and needs root. For tests and the benchmark only.

import { openSync } from 'node:fs'
import { createRequire } from 'node:module'

type Ffi = {
  dlopen(
    library: string,
    definitions: Record<string, { arguments: string[]; return: string }>,
  ): { functions: { ioctl(handle: number, request: bigint, into: bigint): number } }
  getRawPointer(source: ArrayBufferView): bigint
}

const TUNSETIFF = 0x400454can
const IFF_TUN = 0x0001
const IFF_NO_PI = 0x1000

/** Makes the device of this name: its handle. */
export function makeDevice(name: string): number {
  const ffi = createRequire(import.meta.url)('node:ffi') as Ffi
  const { ioctl } = ffi.dlopen('libc.so.6', {
    ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' },
  }).functions
  const handle = openSync('/dev/net/tun', 'r+')
  const request = new Uint8Array(40)
  request.set(new TextEncoder().encode(name))
  new DataView(request.buffer).setUint16(16, IFF_TUN | IFF_NO_PI, true)
  if (ioctl(handle, TUNSETIFF, ffi.getRawPointer(request)) < 0) throw new Error(`no network device ${name} can be made`)
  return handle
}
