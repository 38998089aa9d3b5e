// The layer below which names are stored ones: where nothing is stored under another name every call passes as it is; where
// something is, each call means the right entry, a listing tells what was meant, and what can be meant by no name is told.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { namingSys } from '../../test/world/naming-sys.ts'
import { oddNames } from '../../test/world/odd-names.ts'
import { statErrno, statWidth } from '../core/stat.ts'
import { fitsStored, isRefusedName, storedName } from '../core/stored-names.ts'
import { decodeName, utf8 } from '../std/bytes.ts'
import { EntryTable, errno, type Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { descriptorOf, storesIn, storingHandle, sysWithNames } from './sys-names.ts'
import { openPortableSys } from './sys-portable.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-sys-names-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0
function fresh(): string {
  const path = join(home, `case-${++made}`)
  mkdirSync(path)
  return path
}

const stores = 31

function listed(sys: Sys, handle: number): string[] {
  const table = new EntryTable()
  const count = sys.list(handle, table)
  assert.ok(count >= 0, `${count}`)
  return Array.from({ length: count }, (_, row) => decodeName(table.name(row))).sort()
}

function onDisk(path: string): string[] {
  return readdirSync(path, { encoding: 'buffer' })
    .map((name) => decodeName(name))
    .sort()
}

/** A Sys that only notes how it was called. */
function noting(calls: unknown[][]): Sys {
  return new Proxy(openPortableSys(), {
    get(target, key): unknown {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      return (...given: unknown[]) => {
        calls.push([key, ...given])
        return 7
      }
    },
  })
}

describe('a handle', () => {
  it('says how names are stored below it, and is the number of the system else', () => {
    for (const number of [0, 3, 1_048_575, 2 ** 31 - 1]) {
      assert.deepEqual([descriptorOf(number), storesIn(number), storingHandle(number, 0)], [number, 0, number])
      const handle = storingHandle(number, stores)
      assert.deepEqual([descriptorOf(handle), storesIn(handle)], [number, stores])
      assert.equal(storingHandle(handle, 1), storingHandle(number, 1))
    }
    assert.equal(storingHandle(-errno.ENOENT, stores), -errno.ENOENT)
    assert.equal(descriptorOf(-errno.ENOENT), -errno.ENOENT)
  })
})

describe('a directory in which every name is itself', () => {
  it('is given exactly the calls that were made: the same, and no other', () => {
    const calls: unknown[][] = []
    const sys = sysWithNames(noting(calls))
    const name = utf8('a\uf03ab:con\udcff.')
    const row = new Uint32Array(statWidth)
    const table = new EntryTable()
    const given: unknown[][] = [
      ['openDirectory', 5, name],
      ['close', 5],
      ['list', 5, table, 1, 2],
      ['stat', 5, name, row, 0, undefined],
      ['statHandle', 5, row, 0, undefined],
      ['readLink', 5, name],
      ['openFile', 5, name],
      ['createFile', 5, name, 0o600],
      ['reopenFile', 5, name],
      ['setTimes', 5, 1, 2],
      ['setTimesAt', 5, name, 1, 2],
      ['setMode', 5, 0o600],
      ['setOwner', 5, 1, 2],
      ['setOwnerAt', 5, name, 1, 2],
      ['makeDirectory', 5, name, 0o700],
      ['makeSymlink', 5, name, name],
      ['link', 5, name, 6, name],
      ['renameNoReplace', 5, name, 6, name],
      ['renameOver', 5, name, 6, name],
      ['exchange', 5, name, 6, name],
      ['unlink', 5, name],
      ['removeDirectory', 5, name],
      ['syncHandle', 5],
      ['syncFileSystem', 5],
    ]
    for (const [call, ...words] of given) {
      const method = Reflect.get(sys, String(call)) as (...all: unknown[]) => unknown
      method(...words)
    }
    assert.deepEqual(calls, given)
    for (const [i, words] of calls.entries())
      assert.ok(
        words.every((word, at) => word === given[i]?.[at]),
        `${i}`,
      )
  })
})

const forms: readonly (() => Sys)[] = process.platform === 'linux' ? [openLinuxSys, openPortableSys] : [openPortableSys]

for (const open of forms) {
  const real = open()

  describe(`names that a disk refuses (${real.form})`, () => {
    it('are stored under others by every call, and listed as they are', () => {
      const path = fresh()
      const sys = namingSys(real, { narrow: true, textOnly: true })
      const root = storingHandle(sys.openRoot(path), stores)
      const names = oddNames().filter((name) => fitsStored(name, stores))
      assert.ok(names.length > 700, `${names.length}`)
      for (const name of names) {
        const [bytes, moved] = [utf8(name), utf8('moved')]
        const file = sys.createFile(root, bytes, 0o644)
        assert.ok(file >= 0, `${JSON.stringify(name)}: ${file}`)
        sys.close(file)
        assert.equal(sys.createFile(root, bytes, 0o644), -errno.EEXIST)
        assert.equal(sys.renameNoReplace(root, bytes, root, moved), 0)
        assert.equal(sys.makeDirectory(root, bytes, 0o755), 0)
        const below = sys.openDirectory(root, bytes)
        assert.equal(storesIn(below), stores)
        assert.equal(sys.link(root, moved, below, bytes), 0)
        assert.equal(sys.exchange(root, moved, below, bytes), real.exactRenames ? 0 : -errno.ENOSYS)
        const again = sys.openDirectory(root, utf8(`${name}/.`.replace(/\/\.$/, '')))
        assert.deepEqual(listed(sys, again), [name])
        for (const handle of [below, again]) sys.close(handle)
        assert.equal(sys.unlink(root, moved), 0)
      }
      assert.deepEqual(listed(sys, root), [...names].sort())
      const raw = onDisk(path)
      assert.deepEqual(raw, names.map((name) => storedName(name, stores)).sort())
      assert.ok(raw.every((name) => !isRefusedName(name, stores)))
      for (const name of names) {
        const deep = sys.openDirectory(root, utf8(name))
        assert.equal(sys.unlink(deep, utf8(name)), 0)
        sys.close(deep)
        assert.equal(sys.removeDirectory(root, utf8(name)), 0)
      }
      assert.deepEqual(onDisk(path), [])
      sys.close(root)
    })

    it('are told as unreadable where something else put them there, and in doubt the whole directory is', () => {
      const path = fresh()
      const sys = sysWithNames(real)
      const root = storingHandle(sys.openRoot(path), stores)
      writeFileSync(join(path, 'a:b'), 'by another program')
      writeFileSync(join(path, '\uf02e'), 'would be the directory itself')
      writeFileSync(join(path, 'good'), '')
      const table = new EntryTable()
      assert.equal(sys.list(root, table), 3)
      const errors = Object.fromEntries(
        Array.from({ length: 3 }, (_, row) => [decodeName(table.name(row)), table.stats[row * statWidth + statErrno]]),
      )
      assert.deepEqual(errors, { 'a:b': errno.EILSEQ, '\uf02e': errno.EILSEQ, good: 0 })
      // Nothing here means them, whatever is asked.
      assert.equal(sys.unlink(root, utf8('a:b')), -errno.ENOENT)
      assert.equal(sys.openFile(root, utf8('\uf02e')), -errno.ENOENT)
      // Not looked at, or two by one name: nothing can be said of any of them.
      assert.equal(sys.list(root, table, 0), 3)
      assert.ok([1, 2].some((looks) => sys.list(root, table, looks) === -errno.EILSEQ))
      const file = sys.createFile(root, utf8('a:b'), 0o600)
      assert.ok(file >= 0)
      sys.close(file)
      assert.equal(sys.list(root, table), -errno.EILSEQ)
      assert.deepEqual(onDisk(path), ['a:b', 'a\uf03ab', 'good', '\uf02e'].sort())
      sys.close(root)
    })
  })
}
