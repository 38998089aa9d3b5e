// Writes a tree as Nightferry writes one (its own calls: staged under another name, then renamed), in one of three ways to
// make it last: node writer.ts none|group|each SOURCE TARGET
// none: no sync at all. group: as the program does with many files, one syncfs before a group's names are given and one at
// the end. each: as it does with few, fsync of every file before its name, of every directory at the end. It compares
// nothing, sends nothing and hashes nothing: what differs between the three is the cost of lasting.

import {
  mtimeSecondsOf,
  sizeOf,
  statMode,
  statMtimeNs,
  statWidth,
  typeDirectory,
  typeMask,
  typeSymlink,
} from '../src/core/stat.ts'
import { EntryTable, errnoName, type Sys } from '../src/disk/sys.ts'
import { systemSys } from '../src/disk/system.ts'

const ways = ['none', 'group', 'each'] as const
type Way = (typeof ways)[number]
type Staged = { readonly folder: Uint8Array; readonly slot: Uint8Array; readonly name: Uint8Array }

/** The groups of src/jobs/target.ts. */
const groupContentBytes = 256 * 1024 * 1024
const groupFiles = 20_000
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const stagingName = bytesOf('.staging')

class Writer {
  readonly #sys: Sys = systemSys()
  readonly #way: Way
  readonly #root: number
  readonly #staging: number
  readonly #folders: Uint8Array[] = []
  readonly #buffer = new Uint8Array(1 << 20)
  #staged: Staged[] = []
  #stagedBytes = 0
  #count = 0

  constructor(way: Way, target: string) {
    this.#way = way
    this.#root = good(this.#sys.openRoot(target))
    good(this.#sys.makeDirectory(this.#root, stagingName, 0o700))
    this.#staging = good(this.#sys.openDirectory(this.#root, stagingName))
  }

  write(source: string): void {
    this.#copyFolder(good(this.#sys.openRoot(source)), this.#root, new Uint8Array(0))
    this.#land()
    good(this.#sys.removeDirectory(this.#root, stagingName))
    if (this.#way === 'group') good(this.#sys.syncFileSystem(this.#root))
    if (this.#way === 'each') for (const folder of this.#folders) this.#syncFolder(folder)
  }

  #copyFolder(from: number, to: number, path: Uint8Array): void {
    this.#folders.push(path)
    const table = new EntryTable()
    good(this.#sys.list(from, table))
    for (let row = 0; row < table.count; row++) {
      const [name, at] = [table.name(row), row * statWidth]
      const mode = table.stats[at + statMode] as number
      const kind = mode & typeMask
      if (kind === typeDirectory) {
        good(this.#sys.makeDirectory(to, name, mode & 0o7777))
        const [inner, made] = [this.#sys.openDirectory(from, name), this.#sys.openDirectory(to, name)]
        good(this.#sys.setMode(good(made), mode & 0o7777))
        this.#copyFolder(good(inner), made, path.length === 0 ? name : Buffer.concat([path, bytesOf('/'), name]))
      } else if (kind === typeSymlink) {
        const text = this.#sys.readLink(from, name)
        good(typeof text === 'number' ? text : this.#sys.makeSymlink(to, name, text))
        good(this.#sys.setTimesAt(to, name, mtimeSecondsOf(table.stats, at), table.stats[at + statMtimeNs] as number))
      } else this.#stageFile(from, name, table.stats, at, path)
    }
    for (const handle of to === this.#root ? [from] : [from, to]) this.#sys.close(handle)
  }

  #stageFile(from: number, name: Uint8Array, stats: Uint32Array, at: number, folder: Uint8Array): void {
    const slot = bytesOf((this.#count++).toString(36))
    const input = good(this.#sys.openFile(from, name))
    const output = good(this.#sys.createFile(this.#staging, slot, 0o600))
    for (;;) {
      const length = good(this.#sys.read(input, this.#buffer, 0, this.#buffer.length, -1))
      if (length === 0) break
      good(this.#sys.write(output, this.#buffer, 0, length))
    }
    good(this.#sys.setMode(output, (stats[at + statMode] as number) & 0o7777))
    good(this.#sys.setTimes(output, mtimeSecondsOf(stats, at), stats[at + statMtimeNs] as number))
    if (this.#way === 'each') good(this.#sys.syncHandle(output))
    this.#sys.close(input)
    this.#sys.close(output)
    this.#staged.push({ folder, slot, name: name.slice() })
    this.#stagedBytes += sizeOf(stats, at)
    if (this.#staged.length >= groupFiles || this.#stagedBytes >= groupContentBytes) this.#land()
  }

  /** Gives the group its names. */
  #land(): void {
    if (this.#way === 'group') good(this.#sys.syncFileSystem(this.#staging))
    let open: { readonly folder: Uint8Array; readonly handle: number } | undefined
    for (const { folder, slot, name } of this.#staged) {
      if (open?.folder !== folder) {
        if (open !== undefined) this.#sys.close(open.handle)
        open = { folder, handle: good(this.#sys.openDirectory(this.#root, folder)) }
      }
      good(this.#sys.renameNoReplace(this.#staging, slot, open.handle, name))
    }
    if (open !== undefined) this.#sys.close(open.handle)
    this.#staged = []
    this.#stagedBytes = 0
  }

  #syncFolder(path: Uint8Array): void {
    const handle = good(this.#sys.openDirectory(this.#root, path))
    good(this.#sys.syncHandle(handle))
    this.#sys.close(handle)
  }
}

function good(code: number): number {
  if (code < 0) throw new Error(errnoName(code))
  return code
}

const [asked, source = '', target = ''] = process.argv.slice(2)
const way = ways.find((one) => one === asked)
if (way === undefined) throw new Error(`writer.ts ${ways.join('|')} SOURCE TARGET`)
new Writer(way, target).write(source)
