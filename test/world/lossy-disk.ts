// A disk that forgets, under the real one: every change that the program makes is made, and noted with what would take it
// back. At a call of a given number the machine dies; `crash` then turns what lies there into a state that a power cut may
// leave, under rules that are weaker than those of any file system that is used: what was not synced may be there or
// not, in any order between directories, and the content of a file that was not synced may be short or full of zeros.
// A rename is there whole or not at all, changes of one directory keep their order, and what is there has its directory.
// Nothing is ever destroyed while a run goes on: what loses its name gets one in a graveyard, so that inodes can come back.

import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs'
import {
  mtimeSecondsOf,
  statInodeHigh,
  statInodeLow,
  statMode,
  statMtimeNs,
  statWidth,
  typeDirectory,
  typeMask,
} from '../../src/core/stat.ts'
import { EntryTable, errno, type Sys } from '../../src/disk/sys.ts'
import { utf8 } from '../../src/std/bytes.ts'
import type { Chance } from './disk-trees.ts'
import { Death } from './faulty-sys.ts'

/** `least`: of what was not synced nothing is left. `most`: all of it (a process that died). */
export type Loss = 'least' | 'most' | Chance

type Change = {
  /** The directories whose names it changes. */
  readonly directories: readonly string[]
  /** The directory that it makes, if it makes one. */
  readonly makes?: string
  undo(): void
}

/** A file or directory that was made or changed, by a descriptor of our own, as it was before. */
type Content = { readonly descriptor: number; readonly before: Uint32Array; readonly isNew: boolean }

export class LossyDisk {
  /** What the program is given in the place of the real one. */
  readonly sys: Sys
  /** How many calls that change or sync something were begun since `begin`. */
  calls = 0
  /** Of them, the name of each. */
  readonly trail: string[] = []
  readonly #real: Sys
  readonly #graveyard: number
  readonly #row = new Uint32Array(statWidth)
  #buried = 0
  #dieAt = Number.POSITIVE_INFINITY
  #onDeath: () => void = () => {}
  #isDead = false
  #changes: Change[] = []
  /** By directory: so many of all changes are on disk as far as they concern it. */
  readonly #synced = new Map<string, number>()
  /** Files and directories whose content or attributes are not on disk, by inode. */
  readonly #unsynced = new Map<string, Content>()
  /** A handle of our own for each directory that was changed. */
  readonly #directories = new Map<string, number>()

  /** `graveyard`: a folder on the same file system, which is made. */
  constructor(real: Sys, graveyard: string) {
    this.#real = real
    mkdirSync(graveyard)
    this.#graveyard = real.openRoot(graveyard)
    this.sys = this.#wrap()
  }

  /** All that was done so far is on disk. From here on calls count; in front of call `dieAt` the machine dies. */
  begin(dieAt = Number.POSITIVE_INFINITY, onDeath: () => void = () => {}): void {
    this.#settle()
    this.#isDead = false
    this.#dieAt = dieAt
    this.#onDeath = onDeath
    this.calls = 0
    this.trail.length = 0
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** What a power cut at this moment leaves. */
  crash(loss: Loss): void {
    if (loss !== 'most') {
      const stays = this.#survivors(loss)
      for (let number = this.#changes.length - 1; number >= 0; number--) {
        if (stays[number] !== true) this.#changes[number]?.undo()
      }
      for (const content of this.#unsynced.values()) this.#forget(content, loss)
    }
    this.begin()
  }

  close(): void {
    this.#settle()
    this.#real.close(this.#graveyard)
  }

  #settle(): void {
    for (const { descriptor } of this.#unsynced.values()) closeSync(descriptor)
    for (const handle of this.#directories.values()) this.#real.close(handle)
    this.#unsynced.clear()
    this.#directories.clear()
    this.#synced.clear()
    this.#changes = []
  }

  /** Which changes are on disk. */
  #survivors(loss: Chance | 'least'): boolean[] {
    const count = this.#changes.length
    const cuts = new Map<string, number>()
    for (const { directories } of this.#changes) {
      for (const key of directories) {
        if (cuts.has(key)) continue
        const synced = this.#synced.get(key) ?? 0
        cuts.set(key, loss === 'least' ? synced : synced + loss(count - synced + 1))
      }
    }
    const madeBy = new Map(this.#changes.flatMap(({ makes }, number) => (makes === undefined ? [] : [[makes, number]])))
    const stays = new Array<boolean>(count).fill(false)
    for (let isSettled = false; !isSettled; ) {
      isSettled = true
      for (let number = count - 1; number >= 0; number--) {
        const { directories } = this.#changes[number] as Change
        if (stays[number] === true || !directories.some((key) => (cuts.get(key) ?? 0) > number)) continue
        stays[number] = true
        isSettled = false
        // It is there whole, with all that came before it in its directories, and with those themselves.
        for (const key of directories) {
          cuts.set(key, Math.max(cuts.get(key) ?? 0, number + 1))
          const maker = madeBy.get(key)
          for (const parent of maker === undefined ? [] : (this.#changes[maker] as Change).directories)
            cuts.set(parent, Math.max(cuts.get(parent) ?? 0, (maker as number) + 1))
        }
      }
    }
    return stays
  }

  /** The inode behind a row, and whether it is a directory. */
  #identity(): { key: string; isDirectory: boolean } {
    const key = `${this.#row[statInodeHigh]}-${this.#row[statInodeLow]}`
    return { key, isDirectory: ((this.#row[statMode] as number) & typeMask) === typeDirectory }
  }

  #keyOf(handle: number): string {
    this.#real.statHandle(handle, this.#row, 0)
    const { key } = this.#identity()
    if (!this.#directories.has(key)) this.#directories.set(key, this.#real.openDirectory(handle, utf8('')))
    return key
  }

  #handleOf(key: string): number {
    return this.#directories.get(key) as number
  }

  #at(dir: number, name: Uint8Array): { key: string; isDirectory: boolean } | undefined {
    return this.#real.stat(dir, name, this.#row, 0) < 0 ? undefined : this.#identity()
  }

  /** Gives what has this name one in the graveyard instead, from where `undo` takes it again. */
  #bury(dir: number, name: Uint8Array): { code: number; back: () => void } {
    const grave = utf8(`${++this.#buried}`)
    const key = this.#keyOf(dir)
    const kept = name.slice()
    const code = this.#real.renameNoReplace(dir, name, this.#graveyard, grave)
    return { code, back: () => void this.#real.renameNoReplace(this.#graveyard, grave, this.#handleOf(key), kept) }
  }

  /** Takes the name away again, and what had it out of the world. */
  #forgetName(key: string, name: Uint8Array): void {
    this.#real.renameNoReplace(this.#handleOf(key), name, this.#graveyard, utf8(`${++this.#buried}`))
  }

  #call<Result>(name: string, make: () => Result): Result {
    if (this.#isDead) throw new Death(`${name} after death`)
    this.calls++
    this.trail.push(name)
    if (this.calls < this.#dieAt) return make()
    this.#isDead = true
    this.#onDeath()
    throw new Death(`in place of ${name}`)
  }

  /** Notes that content or attributes of an open file are about to change. */
  #touch(handle: number, isNew: boolean): void {
    this.#real.statHandle(handle, this.#row, 0)
    const { key } = this.#identity()
    if (this.#unsynced.has(key)) return
    const descriptor = openSync(`/proc/self/fd/${handle}`, isNew ? 'r+' : 'r')
    this.#unsynced.set(key, { descriptor, before: this.#row.slice(), isNew })
  }

  #sync(handle: number): number {
    this.#real.statHandle(handle, this.#row, 0)
    const { key, isDirectory } = this.#identity()
    const content = this.#unsynced.get(key)
    if (content !== undefined) closeSync(content.descriptor)
    this.#unsynced.delete(key)
    if (isDirectory) this.#synced.set(key, this.#changes.length)
    return 0
  }

  #rename(fromDir: number, fromName: Uint8Array, toDir: number, toName: Uint8Array, over: boolean): number {
    const real = this.#real
    const [from, to] = [this.#keyOf(fromDir), this.#keyOf(toDir)]
    const [one, other] = [fromName.slice(), toName.slice()]
    const there = over ? this.#at(toDir, toName) : undefined
    if (there?.isDirectory === true) return real.renameOver(fromDir, fromName, toDir, toName)
    const displaced = there === undefined ? undefined : this.#bury(toDir, toName)
    const code = real.renameNoReplace(fromDir, fromName, toDir, toName)
    if (code < 0) displaced?.back()
    else
      this.#changes.push({
        directories: [from, to],
        undo: () => {
          real.renameNoReplace(this.#handleOf(to), other, this.#handleOf(from), one)
          displaced?.back()
        },
      })
    return code
  }

  #wrap(): Sys {
    const real = this.#real
    const named = (dir: number, name: Uint8Array, makes?: string): void => {
      const key = this.#keyOf(dir)
      const kept = name.slice()
      const undo = (): void => this.#forgetName(key, kept)
      this.#changes.push({ directories: [key], undo, ...(makes !== undefined && { makes }) })
    }
    const alive = <Rest extends unknown[], Result>(call: (...rest: Rest) => Result): ((...rest: Rest) => Result) => {
      return (...rest) => {
        if (this.#isDead) throw new Death('after death')
        return call(...rest)
      }
    }
    return {
      form: real.form,
      timeGrainNs: real.timeGrainNs,
      exactRenames: real.exactRenames,
      trimMemory: () => real.trimMemory(),
      openRoot: alive((path: string) => real.openRoot(path)),
      openDirectory: alive((dir: number, path: Uint8Array) => real.openDirectory(dir, path)),
      // The dead lose their handles too.
      close: (handle) => real.close(handle),
      list: alive((dir: number, into: EntryTable, looks?: number, most?: number) => real.list(dir, into, looks, most)),
      stat: alive((dir: number, name: Uint8Array, into: Uint32Array, row: number, extras?: Uint32Array) =>
        real.stat(dir, name, into, row, extras),
      ),
      statHandle: alive((handle: number, into: Uint32Array, row: number) => real.statHandle(handle, into, row)),
      statFile: alive((handle: number, into: Uint32Array, row: number) => real.statFile(handle, into, row)),
      seek: alive((handle: number, from: number, to: 'data' | 'hole') => real.seek(handle, from, to)),
      readLink: alive((dir: number, name: Uint8Array) => real.readLink(dir, name)),
      openFile: alive((dir: number, name: Uint8Array) => real.openFile(dir, name)),
      read: alive((handle: number, into: Uint8Array, offset: number, length: number, position: number) =>
        real.read(handle, into, offset, length, position),
      ),
      createFile: (dir, name, mode) =>
        this.#call('createFile', () => {
          const handle = real.createFile(dir, name, mode)
          if (handle < 0) return handle
          named(dir, name)
          this.#touch(handle, true)
          return handle
        }),
      reopenFile: (dir, name) =>
        this.#call('reopenFile', () => {
          const handle = real.reopenFile(dir, name)
          // What is written to it is as new as what is written to a new one.
          if (handle >= 0) this.#touch(handle, true)
          return handle
        }),
      write: (handle, from, offset, length, position) =>
        this.#call('write', () => real.write(handle, from, offset, length, position)),
      clone: (from, fromAt, to, toAt, length) => this.#call('clone', () => real.clone(from, fromAt, to, toAt, length)),
      setLength: (handle, sizeBytes) => this.#call('setLength', () => real.setLength(handle, sizeBytes)),
      setTimes: (handle, seconds, ns) =>
        this.#call('setTimes', () => {
          this.#touch(handle, false)
          return real.setTimes(handle, seconds, ns)
        }),
      setTimesAt: (dir, name, seconds, ns) => this.#call('setTimesAt', () => real.setTimesAt(dir, name, seconds, ns)),
      setMode: (handle, mode) =>
        this.#call('setMode', () => {
          this.#touch(handle, false)
          return real.setMode(handle, mode)
        }),
      setOwner: (handle, uid, gid) =>
        this.#call('setOwner', () => {
          this.#touch(handle, false)
          return real.setOwner(handle, uid, gid)
        }),
      openLink: alive((dir: number, name: Uint8Array) => real.openLink(dir, name)),
      setOwnerAt: (dir, name, uid, gid) => this.#call('setOwnerAt', () => real.setOwnerAt(dir, name, uid, gid)),
      makeDirectory: (dir, name, mode) =>
        this.#call('makeDirectory', () => {
          const code = real.makeDirectory(dir, name, mode)
          if (code === 0) named(dir, name, this.#at(dir, name)?.key)
          return code
        }),
      makeSymlink: (dir, name, target) =>
        this.#call('makeSymlink', () => {
          const code = real.makeSymlink(dir, name, target)
          if (code === 0) named(dir, name)
          return code
        }),
      link: (fromDir, fromName, toDir, toName) =>
        this.#call('link', () => {
          const code = real.link(fromDir, fromName, toDir, toName)
          if (code === 0) named(toDir, toName)
          return code
        }),
      renameNoReplace: (fromDir, fromName, toDir, toName) =>
        this.#call('renameNoReplace', () => this.#rename(fromDir, fromName, toDir, toName, false)),
      renameOver: (fromDir, fromName, toDir, toName) =>
        this.#call('renameOver', () => this.#rename(fromDir, fromName, toDir, toName, true)),
      exchange: (fromDir, fromName, toDir, toName) =>
        this.#call('exchange', () => {
          const code = real.exchange(fromDir, fromName, toDir, toName)
          if (code < 0) return code
          const [from, to] = [this.#keyOf(fromDir), this.#keyOf(toDir)]
          const [one, other] = [fromName.slice(), toName.slice()]
          const undo = (): void => void real.exchange(this.#handleOf(from), one, this.#handleOf(to), other)
          this.#changes.push({ directories: [from, to], undo })
          return code
        }),
      unlink: (dir, name) =>
        this.#call('unlink', () => {
          const there = this.#at(dir, name)
          if (there === undefined || there.isDirectory) return real.unlink(dir, name)
          const { code, back } = this.#bury(dir, name)
          if (code === 0) this.#changes.push({ directories: [this.#keyOf(dir)], undo: back })
          return code
        }),
      removeDirectory: (dir, name) => this.#call('removeDirectory', () => this.#removeDirectory(dir, name)),
      syncHandle: (handle) => this.#call('syncHandle', () => this.#sync(handle)),
      syncFileSystem: () =>
        this.#call('syncFileSystem', () => {
          this.#settle()
          return 0
        }),
    }
  }

  #removeDirectory(dir: number, name: Uint8Array): number {
    if (this.#at(dir, name)?.isDirectory !== true) return this.#real.removeDirectory(dir, name)
    const handle = this.#real.openDirectory(dir, name)
    if (handle < 0) return handle
    const table = new EntryTable()
    const count = this.#real.list(handle, table)
    this.#real.close(handle)
    if (count !== 0) return count < 0 ? count : -errno.ENOTEMPTY
    const { code, back } = this.#bury(dir, name)
    if (code === 0) this.#changes.push({ directories: [this.#keyOf(dir)], undo: back })
    return code
  }

  /** Content that was not synced is short, torn or whole; attributes are the old ones or the new. */
  #forget({ descriptor, before, isNew }: Content, loss: Chance | 'least'): void {
    const { size } = fstatSync(descriptor)
    const what = loss === 'least' ? 0 : loss(4)
    if (!isNew) {
      if (what === 3) return
      this.#real.setMode(descriptor, (before[statMode] as number) & 0o7777)
      this.#real.setTimes(descriptor, mtimeSecondsOf(before, 0), before[statMtimeNs] as number)
      return
    }
    const cut = loss === 'least' ? 0 : 512 * loss(Math.floor(size / 512) + 1)
    this.#real.statHandle(descriptor, this.#row, 0)
    if (what === 0) ftruncateSync(descriptor, cut)
    else if (what === 1 && size > cut)
      writeSync(descriptor, new Uint8Array(Math.min(512, size - cut)), 0, undefined, cut)
    // What is lost is no change that a time tells of.
    this.#real.setTimes(descriptor, mtimeSecondsOf(this.#row, 0), this.#row[statMtimeNs] as number)
  }
}
