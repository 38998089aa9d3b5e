// What a run that died had replaced, and where it goes when the journal is settled: to the versions of that run if it is what
// the scan saw, a directory by its inode; aside where it is not, or where there are no versions to be had. However much lies
// there, a part of it is held at a time.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { contents, plant } from '../../test/world/planted.ts'
import { mainForms } from '../../test/world/sys-forms.ts'
import type { RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { createJournal, type Displacement, encodeDisplacements, writeJournal } from './journal.ts'
import { type FilesOfRun, type Recovery, recoverJournal } from './recovery.ts'
import { openTarget } from './root.ts'
import type { Sys } from './sys.ts'
import { systemSys } from './system.ts'

// In memory where there is such a place: some of it is many names.
const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-recovery-'))
after(() => rmSync(home, { recursive: true, force: true }))
const sys = systemSys()
let made = 0

class Died {
  readonly path = join(home, `case-${++made}`)
  readonly own: string = join(this.path, 'own')
  readonly staging: string = join(this.own, 'staging')
  readonly versions: string = join(this.path, 'versions')
  asked = 0

  /** A root with this in it, and this in its staging directory. */
  constructor(root: Readonly<Record<string, string>>, staged: Readonly<Record<string, string>>) {
    plant(join(this.path, 'root'), root)
    plant(this.staging, staged)
    mkdirSync(this.versions)
  }

  /** The row of what lies under a slot. */
  row(slot: string): number[] {
    const row = new Uint32Array(statWidth)
    const staging = sys.openRoot(this.staging)
    assert.equal(sys.stat(staging, utf8(slot), row, 0), 0)
    sys.close(staging)
    return [...row]
  }

  settle(entries: readonly Omit<Displacement, 'staged'>[], run?: string, filesOf?: FilesOfRun): Recovery {
    const handles = {
      root: sys.openRoot(join(this.path, 'root')),
      own: sys.openRoot(this.own),
      staging: sys.openRoot(this.staging),
    }
    const handle = createJournal(sys, handles.own)
    const told = encodeDisplacements(entries.map((entry) => ({ ...entry, staged: undefined })))
    assert.ok(writeJournal(sys, { handle, own: handles.own, at: 0 }, told, run) > 0)
    sys.close(handle)
    const place: FilesOfRun = () => {
      this.asked++
      return sys.openRoot(this.versions)
    }
    try {
      return recoverJournal(sys, handles, filesOf ?? place)
    } finally {
      for (const open of Object.values(handles)) sys.close(open)
    }
  }

  /** What lies in the staging directory, of what was kept only that. */
  left(): string[] {
    return readdirSync(this.staging).map((name) => (name.startsWith('k') ? 'kept' : name))
  }
}

const path = (text: string): RelPath => text as RelPath

describe('what a run that died had replaced', () => {
  it('goes to the versions of that run, of which the place is opened once', () => {
    const died = new Died({ a: 'new', 'd/b': 'new' }, { d1: 'old a', d2: 'old b' })
    const entries = [
      { slot: 'd1', path: path('a'), expected: died.row('d1') },
      { slot: 'd2', path: path('d/b'), expected: died.row('d2') },
    ]
    assert.deepEqual(died.settle(entries, 'run-1'), { told: [], more: 0 })
    assert.deepEqual(contents(died.versions), { a: 'old a', d: '/', 'd/b': 'old b' })
    assert.deepEqual([died.left(), died.asked], [[], 1])
  })

  it('goes there as a directory too, whose time moved when it was worked in', () => {
    const died = new Died({ d: 'a file now' }, { 'd1/in': 'old' })
    const expected = died.row('d1')
    utimesSync(join(died.staging, 'd1'), 1, 1)
    died.settle([{ slot: 'd1', path: path('d'), expected }], 'run-1')
    assert.deepEqual([contents(died.versions), died.left()], [{ d: '/', 'd/in': 'old' }, []])
  })

  it('is kept aside where it is not what the scan saw', () => {
    for (const [what, changes] of [
      ['file', (at: string) => writeFileSync(at, 'written since')],
      [
        'directory',
        (at: string) => {
          rmSync(at, { recursive: true })
          mkdirSync(`${at}-other`)
          plant(at, { in: 'another one' })
        },
      ],
    ] as const) {
      const died = new Died({ a: 'new' }, what === 'file' ? { d1: 'old' } : { 'd1/in': 'old' })
      const expected = died.row('d1')
      changes(join(died.staging, 'd1'))
      rmSync(join(died.staging, 'd1-other'), { recursive: true, force: true })
      const { told } = died.settle([{ slot: 'd1', path: path('a'), expected }], 'run-1')
      assert.deepEqual(told, [{ path: 'a', outcome: 'kept-aside' }], what)
      assert.deepEqual([contents(died.versions), died.left()], [{}, ['kept']], what)
    }
  })

  it('is kept aside where its versions can not be had, whatever the system says', () => {
    // The last one stands for the working directory where a handle is expected.
    for (const code of [-2, -13, -100]) {
      const died = new Died({ a: 'new' }, { d1: 'old' })
      const before = process.cwd()
      process.chdir(died.versions)
      try {
        const entries = [{ slot: 'd1', path: path('a'), expected: died.row('d1') }]
        const { told } = died.settle(entries, 'run-1', () => code)
        assert.deepEqual(told, [{ path: 'a', outcome: 'kept-aside' }])
      } finally {
        process.chdir(before)
      }
      assert.deepEqual([contents(died.versions), died.left()], [{}, ['kept']])
    }
  })

  it('is done with where no versions are kept: it is left to be cleared away', () => {
    const died = new Died({ a: 'new' }, { d1: 'old' })
    const { told } = died.settle([{ slot: 'd1', path: path('a'), expected: died.row('d1') }])
    assert.deepEqual([told, died.left(), died.asked], [[], ['d1'], 0])
    assert.equal(statSync(join(died.staging, 'd1')).size, 3)
    assert.ok(existsSync(join(died.path, 'root/a')))
  })
})

for (const form of mainForms) {
  const real = form()
  it(`what lies aside is looked at a part at a time, however much it is (${real.form})`, () => {
    for (const [journal, stays] of [
      [Buffer.from('damaged'), 25_000],
      [Buffer.alloc(0), 0],
    ] as const) {
      const target = join(home, `target-${++made}`)
      const staging = join(target, '.nightferry/staging')
      const marker = JSON.stringify({ version: 1, id: 'abcdefgh', machine: 'test', path: '' })
      plant(target, { stays: 's', '.nightferry/staging/d0': '', '.nightferry/root.json': marker })
      writeFileSync(join(target, '.nightferry/journal'), journal)
      for (let i = 1; i < 25_000; i++) writeFileSync(join(staging, `d${i}`), '')
      const listed: number[] = []
      const counting: Sys = {
        ...real,
        list(...input) {
          const count = real.list(...input)
          listed.push(count)
          return count
        },
      }
      openTarget(counting, target, { create: true, machine: 'test', expectedId: undefined }).close()
      const place = join(target, '.nightferry/kept')
      assert.deepEqual([readdirSync(staging), existsSync(place) ? readdirSync(place).length : 0], [[], stays])
      // A call of the system gives some more than were asked for.
      assert.ok(Math.max(...listed) < 24_000, listed.join(' '))
    }
  })
}
