// A Sys that does as it is told: wraps a real one, counts every call, and at a scripted call runs a hook before or
// after it, answers an errno instead, or dies. After a death every call throws, as if the process were gone, until
// `bury` closes what it had open. For tests only.

import type { EntryTable, Sys } from '../../src/disk/sys.ts'

export type SysCall = {
  [Key in keyof Sys]: Sys[Key] extends (...args: never) => unknown ? Key : never
}[keyof Sys]

export type Fault = {
  /** Counted from 1, among the calls of this kind that `name` lets through. */
  readonly nth?: number
  /** From the n-th call on, not only at it. */
  readonly sticky?: boolean
  /** Only calls that have this name among their arguments. */
  readonly name?: string
  before?(): void
  after?(result: unknown): void
  /** What the call answers, instead of being made. */
  readonly result?: number
}

/** Thrown where the script says that the process dies. */
export class Death extends Error {
  override readonly name = 'Death'
}

const changing: readonly SysCall[] = [
  'createFile',
  'reopenFile',
  'write',
  'clone',
  'setLength',
  'setTimes',
  'setTimesAt',
  'setMode',
  'setOwner',
  'setOwnerAt',
  'makeDirectory',
  'makeSymlink',
  'link',
  'renameNoReplace',
  'renameOver',
  'exchange',
  'unlink',
  'removeDirectory',
]
const opening: readonly SysCall[] = ['openRoot', 'openDirectory', 'openFile', 'reopenFile', 'createFile']

type Script = { readonly call: SysCall; readonly fault: Fault; seen: number }

export class FaultySys implements Sys {
  readonly form: Sys['form']
  readonly timeGrainNs: number
  readonly exactRenames: boolean
  /** How many calls that change something were begun. */
  changes = 0
  /** The calls that change something or sync, in order. */
  readonly trail: string[] = []
  readonly #real: Sys
  readonly #scripts: Script[] = []
  readonly #handles = new Set<number>()
  #dieAt = Number.POSITIVE_INFINITY
  #dead = false

  constructor(real: Sys) {
    this.#real = real
    this.form = real.form
    this.timeGrainNs = real.timeGrainNs
    this.exactRenames = real.exactRenames
  }

  on(call: SysCall, fault: Fault): this {
    this.#scripts.push({ call, fault, seen: 0 })
    return this
  }

  /** Dies in place of the n-th changing call, counted from 1. */
  dieAt(change: number): this {
    this.#dieAt = change
    return this
  }

  get dead(): boolean {
    return this.#dead
  }

  /** Closes what the dead one had open. */
  bury(): void {
    for (const handle of this.#handles) this.#real.close(handle)
    this.#handles.clear()
  }

  #call<Result>(call: SysCall, args: readonly unknown[], make: () => Result): Result | number {
    if (this.#dead) throw new Death(`${call} after death`)
    const isChange = changing.includes(call)
    if (isChange && ++this.changes >= this.#dieAt) {
      this.#dead = true
      throw new Death(`in place of ${call}`)
    }
    const names = args.filter((argument) => argument instanceof Uint8Array && argument.length < 256)
    const words = names.map((name) => Buffer.from(name as Uint8Array).toString('utf8'))
    if (isChange || call.startsWith('sync')) this.trail.push([call, ...(call === 'write' ? [] : words)].join(' '))
    const due = this.#scripts.filter((script) => {
      const { fault } = script
      if (script.call !== call || (fault.name !== undefined && !words.includes(fault.name))) return false
      script.seen++
      const nth = fault.nth ?? 1
      return script.seen === nth || (fault.sticky === true && script.seen > nth)
    })
    for (const { fault } of due) fault.before?.()
    const answered = due.find(({ fault }) => fault.result !== undefined)?.fault.result
    const result = answered ?? make()
    if (opening.includes(call) && typeof result === 'number' && result >= 0) this.#handles.add(result)
    for (const { fault } of due) fault.after?.(result)
    return result
  }

  #number(call: SysCall, args: readonly unknown[], make: () => number): number {
    return this.#call(call, args, make)
  }

  close(handle: number): void {
    if (this.#dead) return
    this.#handles.delete(handle)
    this.#real.close(handle)
  }
  openRoot(path: string): number {
    return this.#number('openRoot', [], () => this.#real.openRoot(path))
  }
  openDirectory(dir: number, path: Uint8Array): number {
    return this.#number('openDirectory', [path], () => this.#real.openDirectory(dir, path))
  }
  list(dir: number, into: EntryTable, looks?: number, most?: number): number {
    return this.#number('list', [], () => this.#real.list(dir, into, looks, most))
  }
  stat(dir: number, name: Uint8Array, into: Uint32Array, row: number, extras?: Uint32Array): number {
    return this.#number('stat', [name], () => this.#real.stat(dir, name, into, row, extras))
  }
  statHandle(handle: number, into: Uint32Array, row: number, extras?: Uint32Array): number {
    return this.#number('statHandle', [], () => this.#real.statHandle(handle, into, row, extras))
  }
  statFile(handle: number, into: Uint32Array, row: number): number {
    return this.#number('statFile', [], () => this.#real.statFile(handle, into, row))
  }
  seek(handle: number, from: number, to: 'data' | 'hole'): number {
    return this.#number('seek', [], () => this.#real.seek(handle, from, to))
  }
  readLink(dir: number, name: Uint8Array): Uint8Array | number {
    return this.#call('readLink', [name], () => this.#real.readLink(dir, name))
  }
  openFile(dir: number, name: Uint8Array): number {
    return this.#number('openFile', [name], () => this.#real.openFile(dir, name))
  }
  createFile(dir: number, name: Uint8Array, mode: number): number {
    return this.#number('createFile', [name], () => this.#real.createFile(dir, name, mode))
  }
  read(handle: number, into: Uint8Array, offset: number, length: number, position: number): number {
    return this.#number('read', [], () => this.#real.read(handle, into, offset, length, position))
  }
  reopenFile(dir: number, name: Uint8Array): number {
    return this.#number('reopenFile', [name], () => this.#real.reopenFile(dir, name))
  }
  write(handle: number, from: Uint8Array, offset: number, length: number, position?: number): number {
    return this.#number('write', [], () => this.#real.write(handle, from, offset, length, position))
  }
  clone(from: number, fromAt: number, to: number, toAt: number, length: number): number {
    return this.#number('clone', [], () => this.#real.clone(from, fromAt, to, toAt, length))
  }
  setLength(handle: number, sizeBytes: number): number {
    return this.#number('setLength', [], () => this.#real.setLength(handle, sizeBytes))
  }
  setTimes(handle: number, seconds: number, ns: number): number {
    return this.#number('setTimes', [], () => this.#real.setTimes(handle, seconds, ns))
  }
  setTimesAt(dir: number, name: Uint8Array, seconds: number, ns: number): number {
    return this.#number('setTimesAt', [name], () => this.#real.setTimesAt(dir, name, seconds, ns))
  }
  setMode(handle: number, mode: number): number {
    return this.#number('setMode', [], () => this.#real.setMode(handle, mode))
  }
  setOwner(handle: number, uid: number, gid: number): number {
    return this.#number('setOwner', [], () => this.#real.setOwner(handle, uid, gid))
  }
  openLink(dir: number, name: Uint8Array): number {
    return this.#real.openLink(dir, name)
  }

  setOwnerAt(dir: number, name: Uint8Array, uid: number, gid: number): number {
    return this.#number('setOwnerAt', [name], () => this.#real.setOwnerAt(dir, name, uid, gid))
  }
  makeDirectory(dir: number, name: Uint8Array, mode: number): number {
    return this.#number('makeDirectory', [name], () => this.#real.makeDirectory(dir, name, mode))
  }
  makeSymlink(dir: number, name: Uint8Array, target: Uint8Array): number {
    return this.#number('makeSymlink', [name], () => this.#real.makeSymlink(dir, name, target))
  }
  link(fromDir: number, from: Uint8Array, toDir: number, to: Uint8Array): number {
    return this.#number('link', [from, to], () => this.#real.link(fromDir, from, toDir, to))
  }
  renameNoReplace(fromDir: number, from: Uint8Array, toDir: number, to: Uint8Array): number {
    return this.#number('renameNoReplace', [from, to], () => this.#real.renameNoReplace(fromDir, from, toDir, to))
  }
  renameOver(fromDir: number, from: Uint8Array, toDir: number, to: Uint8Array): number {
    return this.#number('renameOver', [from, to], () => this.#real.renameOver(fromDir, from, toDir, to))
  }
  exchange(fromDir: number, from: Uint8Array, toDir: number, to: Uint8Array): number {
    return this.#number('exchange', [from, to], () => this.#real.exchange(fromDir, from, toDir, to))
  }
  unlink(dir: number, name: Uint8Array): number {
    return this.#number('unlink', [name], () => this.#real.unlink(dir, name))
  }
  removeDirectory(dir: number, name: Uint8Array): number {
    return this.#number('removeDirectory', [name], () => this.#real.removeDirectory(dir, name))
  }
  syncHandle(handle: number): number {
    return this.#number('syncHandle', [], () => this.#real.syncHandle(handle))
  }
  trimMemory(): void {
    this.#real.trimMemory()
  }

  syncFileSystem(handle: number): number {
    return this.#number('syncFileSystem', [], () => this.#real.syncFileSystem(handle))
  }
}
