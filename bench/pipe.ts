// What Node itself needs to bring a tree to an empty folder of another process, with Nightferry's own calls:
// node pipe.ts target HOST PORT FOLDER hash|plain, and at the other end node pipe.ts source HOST PORT FOLDER hash|plain
// Each side is one thread: list, look, open, read and (with `hash`) BLAKE3 here, one TLS connection, BLAKE3 and write there.
// Nothing is staged, compared, proven, remembered, logged or synced, and the other side is believed: it is what a mirror
// can't be faster than in this form, and no mirror.

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { digestOf } from '../src/chunk/digest.ts'
import {
  mtimeSecondsOf,
  sizeOf,
  statMode,
  statMtimeNs,
  statWidth,
  typeDirectory,
  typeFile,
  typeMask,
  typeSymlink,
} from '../src/core/stat.ts'
import { EntryTable } from '../src/disk/sys.ts'
import { systemSys } from '../src/disk/system.ts'
import { selfSigned, toPem } from '../src/wire/certificate.ts'

const sys = systemSys()
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const bufferBytes = 1 << 20
/** Lengths of path and of content or link target, mode, time. */
const headBytes = 24
/** A content that has not so much room left begins in the next buffer. */
const pieceBytes = 64 * 1024

function good(result: number): number {
  if (result < 0) throw new Error(`a call failed: ${result}`)
  return result
}

/** Records one after the other, a buffer at a time. */
class Sender {
  readonly #socket: TLSSocket
  #buffer = Buffer.alloc(bufferBytes)
  #end = 0

  constructor(socket: TLSSocket) {
    this.#socket = socket
  }

  async head(path: Uint8Array, table: EntryTable, at: number, lengthBytes: number): Promise<void> {
    const needed = headBytes + path.length + Math.min(lengthBytes, pieceBytes)
    if (this.#buffer.length - this.#end < needed) await this.flush()
    const numbers = [path.length, lengthBytes, table.stats[at + statMode] as number]
    for (const number of [...numbers, mtimeSecondsOf(table.stats, at), table.stats[at + statMtimeNs] as number])
      this.#end = this.#buffer.writeUInt32LE(number, this.#end)
    this.#end = this.#buffer.writeUInt32LE(0, this.#end)
    this.put(path)
  }

  put(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#end)
    this.#end += bytes.length
  }

  async file(handle: number, sizeBytes: number, hashes: boolean): Promise<void> {
    for (let left = sizeBytes; left > 0; ) {
      if (this.#end === this.#buffer.length) await this.flush()
      const wanted = Math.min(left, this.#buffer.length - this.#end)
      const count = good(sys.read(handle, this.#buffer, this.#end, wanted, -1))
      if (count === 0) throw new Error('a file is shorter than it was')
      if (hashes) digestOf(this.#buffer.subarray(this.#end, this.#end + count))
      this.#end += count
      left -= count
    }
  }

  async flush(): Promise<void> {
    const isTaken = this.#socket.write(this.#buffer.subarray(0, this.#end))
    this.#buffer = Buffer.alloc(bufferBytes)
    this.#end = 0
    if (!isTaken) await once(this.#socket, 'drain')
  }
}

async function send(sender: Sender, directory: number, path: string, hashes: boolean): Promise<void> {
  const table = new EntryTable()
  good(sys.list(directory, table))
  for (let row = 0; row < table.count; row++) {
    const at = row * statWidth
    const name = table.name(row)
    const type = (table.stats[at + statMode] as number) & typeMask
    const inside = `${path}${Buffer.from(name).toString()}`
    if (type === typeDirectory) {
      await sender.head(bytesOf(inside), table, at, 0)
      const below = good(sys.openDirectory(directory, name))
      await send(sender, below, `${inside}/`, hashes)
      sys.close(below)
    } else if (type === typeFile) {
      const sizeBytes = sizeOf(table.stats, at)
      await sender.head(bytesOf(inside), table, at, sizeBytes)
      const handle = good(sys.openFile(directory, name))
      await sender.file(handle, sizeBytes, hashes)
      sys.close(handle)
    } else if (type === typeSymlink) {
      const link = sys.readLink(directory, name)
      if (typeof link === 'number') throw new Error('a link can not be read')
      await sender.head(bytesOf(inside), table, at, link.length)
      sender.put(link)
    }
  }
}

/** Makes what comes. Records are never more than a buffer of the sender and a file's rest. */
class Maker {
  readonly #root: number
  readonly #hashes: boolean
  #rest = Buffer.alloc(0)
  #file = -1
  #left = 0
  #time: readonly [seconds: number, ns: number] = [0, 0]
  #directory: number
  #directoryPath = ''

  constructor(folder: string, hashes: boolean) {
    this.#root = good(sys.openRoot(folder))
    this.#directory = this.#root
    this.#hashes = hashes
  }

  take(bytes: Buffer): void {
    const buffer = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    let at = 0
    for (let took = -1; took !== 0; at += took)
      took = this.#file >= 0 ? this.#write(buffer, at) : this.#make(buffer, at)
    this.#rest = Buffer.from(buffer.subarray(at))
  }

  #write(buffer: Buffer, at: number): number {
    const piece = buffer.subarray(at, at + this.#left)
    if (this.#hashes) digestOf(piece)
    if (piece.length > 0) good(sys.write(this.#file, piece, 0, piece.length, -1))
    this.#left -= piece.length
    if (this.#left > 0) return piece.length
    this.#close()
    return piece.length === 0 ? this.#make(buffer, at) : piece.length
  }

  #close(): void {
    good(sys.setTimes(this.#file, ...this.#time))
    sys.close(this.#file)
    this.#file = -1
  }

  /** Begins the next entry; how many bytes that took, 0 where it is not there as a whole. */
  #make(buffer: Buffer, at: number): number {
    if (buffer.length - at < headBytes) return 0
    const [pathBytes = 0, lengthBytes = 0, mode = 0, seconds = 0, ns = 0] = [0, 4, 8, 12, 16].map((offset) =>
      buffer.readUInt32LE(at + offset),
    )
    const isLink = (mode & typeMask) === typeSymlink
    const tookBytes = headBytes + pathBytes + (isLink ? lengthBytes : 0)
    if (buffer.length - at < tookBytes) return 0
    const path = buffer.toString('utf8', at + headBytes, at + headBytes + pathBytes)
    const slash = path.lastIndexOf('/')
    this.#enter(path.slice(0, Math.max(0, slash)))
    const name = bytesOf(path.slice(slash + 1))
    this.#time = [seconds, ns]
    if ((mode & typeMask) === typeDirectory) good(sys.makeDirectory(this.#directory, name, mode & 0o777))
    else if (isLink) this.#link(name, buffer.subarray(at + headBytes + pathBytes, at + tookBytes))
    else {
      this.#file = good(sys.createFile(this.#directory, name, mode & 0o777))
      this.#left = lengthBytes
    }
    return tookBytes
  }

  #link(name: Uint8Array, target: Uint8Array): void {
    good(sys.makeSymlink(this.#directory, name, target))
    good(sys.setTimesAt(this.#directory, name, ...this.#time))
  }

  #enter(path: string): void {
    if (path === this.#directoryPath) return
    if (this.#directory !== this.#root) sys.close(this.#directory)
    this.#directory = path === '' ? this.#root : good(sys.openDirectory(this.#root, bytesOf(path)))
    this.#directoryPath = path
  }

  end(): void {
    if (this.#file >= 0) this.#close()
  }
}

const [role, host = '', port = '', folder = '', way] = process.argv.slice(2)
process.umask(0)
if (role === 'source') {
  // There is no one to be known: both ends are this script.
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const sender = new Sender(socket)
  await send(sender, good(sys.openRoot(folder)), '', way === 'hash')
  await sender.flush()
  socket.end()
  await once(socket, 'close')
} else {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const cert = toPem('CERTIFICATE', selfSigned(publicKey, privateKey))
  const server = createServer({ key, cert, minVersion: 'TLSv1.3' }, (socket) => {
    const maker = new Maker(folder, way === 'hash')
    socket.on('data', (bytes: Buffer) => maker.take(bytes))
    socket.on('end', () => {
      maker.end()
      socket.end()
    })
  })
  server.listen(Number(port), host, () => console.log('listening'))
}
