// A tracer for tests, a program of its own: starts a command, follows all its threads and processes, and numbers every
// system call that changes something below the folders it watches, in the one order in which the kernel is asked, across
// all threads. In front of a call of a given number it kills the command, cuts off the disk that it works on, or answers an
// errno in its place, once or from there on. What was called stands in a report. Linux on x64, by ptrace through node:ffi.
//
//   node tracer.ts PLAN.json COMMAND [ARGUMENT ...]

import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, readlinkSync, readSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** What one start of a command is to meet. */
export type TracePlan = {
  /** Only calls on files below these folders count. */
  readonly watch: readonly string[]
  /** Where the report is written. The pid of the command is written to the same path with `.pid`, once it runs. */
  readonly report: string
  readonly fault?: TraceFault | undefined
}

export type TraceFault = {
  /** The number of the call, from 1. */
  readonly at: number
  /** `KILL`, `CUT` (the power of the disk that `cut` lies on), or the name of an errno that the call answers. */
  readonly how: string
  readonly cut?: string
  /** From that call on, and not only at it. */
  readonly sticky?: boolean
}

export type TraceReport = {
  /** `name path`, in order. */
  readonly calls: readonly string[]
  /** The call that was hit; undefined where there were fewer. */
  readonly hit: string | undefined
}

type Call = { readonly name: string; readonly handle?: number; readonly path?: number; readonly base?: number }

const O_CREAT = 0o100
const O_TRUNC = 0o1000
const AT_FDCWD = -100

/** By number: a call on a handle (which argument), or on a path (which argument, and which one is the folder's handle). */
const callsOnX64: Readonly<Record<number, Call & { readonly flags?: number }>> = {
  1: { name: 'write', handle: 0 },
  2: { name: 'open', path: 0, flags: 1 },
  18: { name: 'pwrite64', handle: 0 },
  20: { name: 'writev', handle: 0 },
  74: { name: 'fsync', handle: 0 },
  75: { name: 'fdatasync', handle: 0 },
  76: { name: 'truncate', path: 0 },
  77: { name: 'ftruncate', handle: 0 },
  82: { name: 'rename', path: 1 },
  83: { name: 'mkdir', path: 0 },
  84: { name: 'rmdir', path: 0 },
  85: { name: 'creat', path: 0 },
  86: { name: 'link', path: 1 },
  87: { name: 'unlink', path: 0 },
  88: { name: 'symlink', path: 1 },
  90: { name: 'chmod', path: 0 },
  91: { name: 'fchmod', handle: 0 },
  93: { name: 'fchown', handle: 0 },
  190: { name: 'fsetxattr', handle: 0 },
  257: { name: 'openat', base: 0, path: 1, flags: 2 },
  258: { name: 'mkdirat', base: 0, path: 1 },
  263: { name: 'unlinkat', base: 0, path: 1 },
  264: { name: 'renameat', base: 2, path: 3 },
  265: { name: 'linkat', base: 2, path: 3 },
  266: { name: 'symlinkat', base: 1, path: 2 },
  268: { name: 'fchmodat', base: 0, path: 1 },
  280: { name: 'utimensat', base: 0, path: 1 },
  285: { name: 'fallocate', handle: 0 },
  306: { name: 'syncfs', handle: 0 },
  316: { name: 'renameat2', base: 2, path: 3 },
  326: { name: 'copy_file_range', handle: 2 },
}

const requests = {
  goOnToCall: 24,
  seize: 0x4206,
  listen: 0x4208,
  syscallInfo: 0x420e,
  pokeUser: 6,
} as const
/** TRACESYSGOOD, the births of processes and threads, exec, and EXITKILL: nothing outlives this tracer. */
const options = 0x1n | 0x2n | 0x4n | 0x8n | 0x10n | 0x10_0000n
const waitAll = 0x4000_0000
const eventStop = 128
const registers = { origRax: 15n * 8n, rax: 10n * 8n }
const entryStop = 1
/** EXT4_IOC_SHUTDOWN, and XFS_IOC_GOINGDOWN. */
const goingDown = 0x8004_587dn
const goingDownNoLogFlush = 2

type Libc = {
  ptrace(request: number, pid: number, address: bigint, data: bigint): bigint
  waitpid(pid: number, status: bigint, options: number): number
  ioctl(handle: number, request: bigint, argument: bigint): number
}
type Ffi = {
  dlopen(library: string, definitions: Record<string, { arguments: string[]; return: string }>): { functions: Libc }
  getRawPointer(source: ArrayBufferView): bigint
}

function sleepMs(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

class Tracer {
  readonly #plan: TracePlan
  readonly #libc: Libc
  readonly #info = new DataView(new ArrayBuffer(88))
  readonly #infoAt: bigint
  readonly #status = new Int32Array(1)
  readonly #statusAt: bigint
  readonly #flags = new Uint32Array(1)
  readonly #flagsAt: bigint
  readonly #calls: string[] = []
  /** Threads that are inside a call that will not be made, and what it answers. */
  readonly #refused = new Map<number, number>()
  #hit: string | undefined
  #isDead = false

  constructor(plan: TracePlan) {
    this.#plan = plan
    const ffi = createRequire(import.meta.url)('node:ffi') as Ffi
    this.#libc = ffi.dlopen('libc.so.6', {
      ptrace: { arguments: ['i32', 'i32', 'i64', 'i64'], return: 'i64' },
      waitpid: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
      ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' },
    }).functions
    this.#infoAt = ffi.getRawPointer(new Uint8Array(this.#info.buffer))
    this.#statusAt = ffi.getRawPointer(this.#status)
    this.#flagsAt = ffi.getRawPointer(this.#flags)
  }

  /** Runs until nothing that was started is left. The wait status of the command. */
  run(command: readonly string[]): number {
    const child = spawn('/bin/sh', ['-c', 'kill -STOP $$; exec "$@"', 'sh', ...command], { stdio: 'inherit' })
    const { pid = 0 } = child
    while (!/\) T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))) sleepMs(1)
    if (this.#libc.ptrace(requests.seize, pid, 0n, options) !== 0n) {
      process.kill(pid, 'SIGKILL')
      throw new Error('this system lets nobody be traced')
    }
    writeFileSync(`${this.#plan.report}.pid`, `${pid}`)
    process.kill(pid, 'SIGCONT')
    let ended = 0
    for (;;) {
      const thread = this.#libc.waitpid(-1, this.#statusAt, waitAll)
      const status = this.#status[0] as number
      if (thread < 0) return ended
      if ((status & 0xff) === 0x7f) this.#stopped(thread, status)
      else if (thread === pid) ended = status
    }
  }

  report(): TraceReport {
    return { calls: this.#calls, hit: this.#hit }
  }

  #stopped(thread: number, status: number): void {
    const signal = (status >> 8) & 0xff
    const event = status >> 16
    if (event === eventStop && signal !== constants.signals.SIGTRAP) {
      this.#libc.ptrace(requests.listen, thread, 0n, 0n)
      return
    }
    if (signal === (constants.signals.SIGTRAP | 0x80)) this.#atCall(thread)
    const passed = event === 0 && (signal & 0x7f) !== constants.signals.SIGTRAP ? signal : 0
    this.#libc.ptrace(requests.goOnToCall, thread, 0n, BigInt(passed))
  }

  #atCall(thread: number): void {
    if (this.#libc.ptrace(requests.syscallInfo, thread, 88n, BigInt.asIntN(64, this.#infoAt)) < 0n) return
    const isEntry = this.#info.getUint8(0) === entryStop
    if (!isEntry) {
      const refused = this.#refused.get(thread)
      if (refused === undefined) return
      this.#refused.delete(thread)
      this.#libc.ptrace(requests.pokeUser, thread, registers.rax, BigInt(-refused))
      return
    }
    const call = callsOnX64[Number(this.#info.getBigUint64(24, true))]
    if (call === undefined || this.#isDead) return
    if (call.flags !== undefined && (this.#argument(call.flags) & (O_CREAT | O_TRUNC)) === 0) return
    const path = this.#pathOf(thread, call)
    if (path === undefined || !this.#plan.watch.some((root) => path === root || path.startsWith(`${root}/`))) return
    this.#calls.push(`${call.name} ${path}`)
    const { fault } = this.#plan
    const number = this.#calls.length
    if (fault === undefined || (fault.sticky === true ? number < fault.at : number !== fault.at)) return
    this.#hit ??= `${call.name} ${path}`
    if (fault.how === 'KILL') this.#kill(thread)
    else if (fault.how === 'CUT') this.#cut(fault.cut ?? path)
    else this.#refuse(thread, fault.how)
  }

  #kill(thread: number): void {
    this.#isDead = true
    const process_ = Number(/^Tgid:\t(\d+)/m.exec(readFileSync(`/proc/${thread}/status`, 'latin1'))?.[1])
    process.kill(process_, 'SIGKILL')
  }

  /** The file system stops dead: its log is not flushed, and what was not written is gone. */
  #cut(path: string): void {
    this.#flags[0] = goingDownNoLogFlush
    const disk = openSync(path, 'r')
    const code = this.#libc.ioctl(disk, goingDown, this.#flagsAt)
    closeSync(disk)
    if (code !== 0) throw new Error(`the disk of ${path} can't be cut off`)
  }

  #refuse(thread: number, name: string): void {
    const value = (constants.errno as Readonly<Record<string, number>>)[name]
    if (value === undefined) throw new Error(`there is no errno ${name}`)
    this.#refused.set(thread, value)
    this.#libc.ptrace(requests.pokeUser, thread, registers.origRax, -1n)
  }

  #argument(index: number): number {
    return Number(BigInt.asIntN(32, this.#info.getBigUint64(32 + index * 8, true)))
  }

  /** The file that a call is about; undefined where it is none. */
  #pathOf(thread: number, call: Call): string | undefined {
    try {
      if (call.path === undefined) return readlinkSync(`/proc/${thread}/fd/${this.#argument(call.handle ?? 0)}`)
      const address = this.#info.getBigUint64(32 + call.path * 8, true)
      const base = call.base === undefined ? AT_FDCWD : this.#argument(call.base)
      // The times of an open file: a call on its handle.
      const text = address === 0n ? '' : readText(thread, address)
      if (isAbsolute(text)) return throughHandle(thread, text)
      const folder = readlinkSync(base === AT_FDCWD ? `/proc/${thread}/cwd` : `/proc/${thread}/fd/${base}`)
      return join(folder, text)
    } catch {
      return undefined
    }
  }
}

/** `/proc/self/fd/N/name` as the path that it stands for. */
function throughHandle(thread: number, path: string): string {
  const match = /^\/proc\/self\/fd\/(\d+)(\/.*)?$/.exec(path)
  return match === null ? path : join(readlinkSync(`/proc/${thread}/fd/${match[1]}`), match[2] ?? '')
}

function readText(thread: number, address: bigint): string {
  const memory = openSync(`/proc/${thread}/mem`, 'r')
  try {
    const bytes = Buffer.alloc(4096)
    // A page at a time: the next one may not be there.
    let length = 0
    while (length < bytes.length) {
      const at = address + BigInt(length)
      const wanted = Math.min(4096 - Number(at & 4095n), bytes.length - length)
      length += readSync(memory, bytes, length, wanted, at)
      if (bytes.subarray(0, length).includes(0)) break
    }
    return bytes.toString('utf8', 0, bytes.indexOf(0))
  } finally {
    closeSync(memory)
  }
}

if (import.meta.main) {
  const [planPath = '', ...command] = process.argv.slice(2)
  const plan = JSON.parse(readFileSync(planPath, 'utf8')) as TracePlan
  const tracer = new Tracer(plan)
  const status = tracer.run(command)
  writeFileSync(plan.report, JSON.stringify(tracer.report()))
  const signal = status & 0x7f
  process.exit(signal === 0 ? (status >> 8) & 0xff : 128 + signal)
}
