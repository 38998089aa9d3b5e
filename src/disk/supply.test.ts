// Reading what is wanted: whole, in pieces, and while it changes.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { type Folder, plant } from '../../test/world/planted.ts'
import { digestOf } from '../chunk/digest.ts'
import type { RelPath } from '../core/path.ts'
import { statCtimeNs, statCtimeSeconds, statMtimeNs, statMtimeSeconds, statWidth } from '../core/stat.ts'
import { hex, utf8 } from '../std/bytes.ts'
import { readLearned } from './learned.ts'
import { emptyRecord, flagFailed, flagFirst, flagLast, recordHeadBytes, takeRecord } from './pack.ts'
import { Supply } from './supply.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-supply-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
let made = 0

function source(folder: Folder): { path: string; root: number } {
  const path = join(home, `case-${++made}`)
  plant(path, folder)
  return { path, root: real.openRoot(path) }
}

type Got = {
  number: number
  text: string
  code: string | undefined
  sizeBytes: number
  mtimeMs: number
  mode: number
  pieces: number
}

/** Empties a supply into slabs of `slabBytes`, and puts its records together as a target would. */
function take(supply: Supply, slabBytes = 64 * 1024, between: () => void = () => {}): Got[] {
  const slab = new Uint8Array(slabBytes)
  const got: Got[] = []
  for (let done = false; !done; between()) {
    const filled = supply.fill(slab)
    done = filled.done
    assert.ok(filled.length > 0 || done, 'a slab is never empty')
    const view = new DataView(slab.buffer, 0, filled.length)
    const record = emptyRecord()
    for (let at = 0; at < filled.length; ) {
      at = takeRecord(view, at, filled.length, record)
      const text = Buffer.from(slab.subarray(record.contentStart, record.contentEnd)).toString('latin1')
      const facts = { number: record.number, code: record.code, sizeBytes: record.sizeBytes, mode: record.mode }
      const last = got.at(-1)
      if ((record.flags & (flagFirst | flagFailed)) !== 0 && last?.number !== record.number) {
        got.push({ ...facts, text, mtimeMs: record.mtimeSeconds * 1000 + record.mtimeNs / 1e6, pieces: 1 })
      } else if (last !== undefined) {
        assert.equal(last.number, record.number)
        last.text += text
        last.pieces++
        last.code = record.code
      }
      if ((record.flags & flagLast) === 0) continue
      const told = hex(slab.subarray(record.digestStart, record.digestStart + 32))
      assert.equal(told, hex(digestOf(new Uint8Array(Buffer.from(got.at(-1)?.text ?? '', 'latin1')))))
    }
  }
  return got
}

function wanting(root: number, sys: Sys, ...wants: readonly (readonly [string, readonly string[]])[]): Supply {
  return new Supply(
    sys,
    root,
    wants.map(([path, names]) => ({ path: path as RelPath, names })),
  )
}

function told(got: readonly Got[]): string[] {
  return got.map(({ number, code, text }) => `${number} ${code ?? text}`)
}

describe('supply', () => {
  it('sends what is wanted, in that order, with mode, size, time and digest, many to a slab', () => {
    const { root } = source({ 'a/one': { text: 'first', mode: 0o640, mtimeMs: -1500 }, 'a/empty': '', b: 'second' })
    const supply = wanting(root, real, ['', ['b']], ['a', ['empty', 'one']])
    const slab = new Uint8Array(64 * 1024)
    assert.deepEqual(supply.fill(slab), { length: 3 * recordHeadBytes + 11, done: true })
    const got = take(wanting(root, real, ['', ['b']], ['a', ['empty', 'one']]))
    assert.deepEqual(told(got), ['0 second', '1 ', '2 first'])
    assert.deepEqual([got[2]?.mode, got[2]?.sizeBytes, got[2]?.mtimeMs], [0o640, 5, -1500])
    assert.equal(supply.contentBytes, 11)
    const learned = [...readLearned(supply.learned.take())]
    assert.deepEqual(
      learned.map(({ directory, name, digest }) => `${directory}/${Buffer.from(name)} ${hex(digest).slice(0, 8)}`),
      [
        `/b ${hex(digestOf(utf8('second'))).slice(0, 8)}`,
        `a/empty ${hex(digestOf(utf8(''))).slice(0, 8)}`,
        `a/one ${hex(digestOf(utf8('first'))).slice(0, 8)}`,
      ],
    )
    real.close(root)
  })

  it('sends a large file in pieces, and lets one that fits a slab wait for a fresh one', () => {
    const big = 'x'.repeat(300_000)
    const middle = 'y'.repeat(60_000)
    const { root } = source({ big, middle, small: 's', exact: 'z'.repeat(64 * 1024 - recordHeadBytes) })
    const got = take(wanting(root, real, ['', ['small', 'middle', 'big', 'exact', 'small']]))
    assert.deepEqual(
      got.map(({ number, pieces, text }) => [number, pieces, text.length]),
      [
        [0, 1, 1],
        [1, 1, 60_000],
        [2, 5, 300_000],
        [3, 1, 65_472],
        [4, 1, 1],
      ],
    )
    real.close(root)
  })

  it('says why a file can not be had, and goes on', () => {
    const { path, root } = source({ 'd/f': 'f', closed: 'c', dir: {}, last: 'last' })
    symlinkSync('d/f', join(path, 'link'))
    symlinkSync('d', join(path, 'to d'))
    execFileSync('mkfifo', [join(path, 'fifo')])
    const sys = new FaultySys(real).on('openFile', { name: 'closed', result: -errno.EACCES })
    const supply = wanting(
      root,
      sys,
      ['', ['missing', 'closed', 'link', 'fifo', 'dir']],
      ['to d', ['f']],
      ['no/such', ['f']],
      ['', ['last']],
    )
    assert.deepEqual(told(take(supply)), [
      '0 vanished',
      '1 unreadable',
      '2 changing',
      '3 changing',
      '4 changing',
      '5 changing',
      '6 vanished',
      '7 last',
    ])
    real.close(root)
  })

  const sizes: Readonly<Record<string, string>> = { small: 'some text', large: 'l'.repeat(200_000) }
  const changes: Readonly<Record<string, (path: string) => void>> = {
    grows: (path) => appendFileSync(path, 'more'),
    shrinks: (path) => truncateSync(path, 3),
    'is rewritten in place': (path) => writeFileSync(path, readFileSync(path, 'utf8').toUpperCase()),
    'is rewritten, its time kept': (path) => {
      const { atime, mtime } = lstatSync(path)
      writeFileSync(path, readFileSync(path, 'utf8').toUpperCase())
      utimesSync(path, atime, mtime)
    },
  }
  for (const [size, text] of Object.entries(sizes))
    for (const [what, change] of Object.entries(changes))
      it(`never sends a ${size} file as whole that ${what} while it is read`, () => {
        const { path, root } = source({ f: text, next: 'next' })
        const sys = new FaultySys(real).on('read', {
          nth: size === 'small' ? 1 : 2,
          before: () => change(join(path, 'f')),
        })
        const supply = wanting(root, sys, ['', ['f', 'next']])
        const got = take(supply)
        assert.deepEqual(
          got.map(({ code }) => code),
          ['changing', undefined],
          what,
        )
        assert.deepEqual(
          [...readLearned(supply.learned.take())].map(({ name }) => Buffer.from(name).toString()),
          ['next'],
        )
        real.close(root)
      })

  it('sends what it had open, when the name is given to another file meanwhile', () => {
    const { path, root } = source({ f: 'l'.repeat(200_000), other: 'other' })
    const got = take(
      wanting(root, new FaultySys(real).on('read', { nth: 2, before: () => unlinkSync(join(path, 'f')) }), ['', ['f']]),
    )
    // Its ctime moved with the unlink: it is asked for again, and then it is gone.
    assert.deepEqual(told(got), ['0 changing'])
    real.close(root)
  })

  it('reads on with an error of the disk as a file that can not be had', () => {
    for (const nth of [1, 2]) {
      const { root } = source({ f: 'l'.repeat(200_000), next: 'next' })
      const got = take(wanting(root, new FaultySys(real).on('read', { nth, result: -errno.EIO }), ['', ['f', 'next']]))
      assert.deepEqual(told(got), ['0 changing', '1 next'])
      real.close(root)
    }
  })

  it('does not send a version that a write within the same tick of the clock could replace unseen', () => {
    const { path, root } = source({ f: 'aaaa' })
    writeFileSync(join(path, 'f'), 'bbbb')
    const before = lstatSync(join(path, 'f'), { bigint: true })
    const sys = new FaultySys(real)
    let readMs = 0
    sys.on('read', { before: () => void (readMs = Date.now()) })
    assert.deepEqual(told(take(wanting(root, sys, ['', ['f']]))), ['0 bbbb'])
    // Once it is read, the clock has moved on: whatever is written now has another time stamp.
    assert.ok(
      readMs - Number(before.ctimeNs) / 1e6 >= 15,
      `read ${readMs - Number(before.ctimeNs) / 1e6} ms after it was written`,
    )
    // A ctime that lies in the future would be waited for in vain, file after file.
    const past = new Supply(real, root, [{ path: '' as RelPath, names: ['f'] }], () => 0)
    assert.deepEqual(told(take(past)), ['0 bbbb'])
    real.close(root)
  })

  /** A file system whose clock ticks so slowly that what is written between a file's look and the end of its reading has its time. */
  function ticking(each: (when: 'before' | 'behind') => void): Sys {
    const sys = Object.create(real) as Sys
    const columns = [statCtimeSeconds, statCtimeNs, statMtimeSeconds, statMtimeNs]
    let times: readonly (number | undefined)[] = []
    sys.statFile = (handle, into, row) => {
      each('before')
      const looked = real.statFile(handle, into, row)
      times = columns.map((column) => into[row * statWidth + column])
      each('behind')
      return looked
    }
    sys.statHandle = (handle, into, row) => {
      const looked = real.statHandle(handle, into, row)
      columns.forEach((column, i) => void (into[row * statWidth + column] = times[i] as number))
      return looked
    }
    return sys
  }

  it('never sends what is rewritten all the time, in ticks that hide it', () => {
    const { path, root } = source({ f: 'version 0', next: 'next' })
    let version = 0
    const sys = ticking(() => writeFileSync(join(path, 'f'), `version ${++version % 10}`))
    // Whatever a write takes: it is a moment after what was looked at.
    let lookedMs = 0
    const looking = Object.create(sys) as Sys
    looking.statFile = (handle, into, row) => {
      const looked = sys.statFile(handle, into, row)
      const [seconds, ns] = [statCtimeSeconds, statCtimeNs].map((column) => into[row * statWidth + column] as number)
      lookedMs = (seconds as number) * 1000 + (ns as number) / 1e6
      return looked
    }
    const nowMs = (): number => lookedMs + 1
    const supply = new Supply(looking, root, [{ path: '' as RelPath, names: ['f', 'next'] }], nowMs)
    assert.deepEqual(told(take(supply)), ['0 changing', '1 next'])
    real.close(root)
  })

  it('sends a file that grows all the time as it is when nothing is added while it is read', () => {
    const { path, root } = source({ log: 'line' })
    let looks = 0
    const sys = ticking((when) => {
      if (when === 'behind' && looks++ === 0) appendFileSync(join(path, 'log'), 'line')
    })
    const nowMs = (): number => lstatSync(join(path, 'log')).ctimeMs + 1
    const supply = new Supply(sys, root, [{ path: '' as RelPath, names: ['log'] }], nowMs)
    assert.deepEqual(told(take(supply)), ['0 lineline'])
    real.close(root)
  })

  it('closes what it has open, at its end and when it is given up', () => {
    const { root } = source({ 'a/f': 'l'.repeat(200_000), 'b/f': 'f' })
    const open = new Set<number>()
    const sys = Object.create(real) as Sys
    sys.openFile = (dir, name) => track(real.openFile(dir, name))
    sys.openDirectory = (dir, name) => track(real.openDirectory(dir, name))
    sys.close = (handle) => {
      open.delete(handle)
      real.close(handle)
    }
    function track(handle: number): number {
      if (handle >= 0) open.add(handle)
      return handle
    }
    const wants = [
      ['a', ['f']],
      ['b', ['f', 'missing']],
    ] as const
    take(wanting(root, sys, ...wants))
    assert.equal(open.size, 0)
    const givenUp = wanting(root, sys, ...wants)
    givenUp.fill(new Uint8Array(64 * 1024))
    assert.equal(open.size, 2)
    givenUp.close()
    givenUp.close()
    assert.equal(open.size, 0)
    real.close(root)
  })

  it('never leaves the root, though directories are swapped for symlinks under it', () => {
    const { path, root } = source({ 'd/f': 'inside' })
    plant(join(home, 'outside'), { f: 'outside' })
    const sys = new FaultySys(real).on('openDirectory', {
      before() {
        renameSync(join(path, 'd'), join(path, 'away'))
        symlinkSync(join(home, 'outside'), join(path, 'd'))
      },
    })
    assert.deepEqual(told(take(wanting(root, sys, ['d', ['f']]))), ['0 changing'])
    real.close(root)
  })
})
