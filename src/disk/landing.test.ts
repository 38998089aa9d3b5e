// Writing aside: every record checked, every digest compared.

import assert from 'node:assert/strict'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys, type SysCall } from '../../test/world/faulty-sys.ts'
import { plant } from '../../test/world/planted.ts'
import { batchBytes, create, fileEntry, head, type Piece, pack, type Sections } from '../../test/world/steps.ts'
import { digestOf } from '../chunk/digest.ts'
import type { RelPath } from '../core/path.ts'
import type { Step } from '../core/plan.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { Apply } from './apply.ts'
import { holeBytesMax } from './holes.ts'
import { Landing } from './landing.ts'
import { flagFailed, flagFirst, flagHole, flagLast } from './pack.ts'
import type { StepNote } from './staged.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-landing-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
let made = 0

type Place = {
  readonly path: string
  readonly staging: string
  readonly handles: { root: number; staging: number }
  close(): void
}

function freshPlace(): Place {
  const path = join(home, `case-${++made}`)
  const staging = join(home, `case-${made}-staging`)
  mkdirSync(path)
  mkdirSync(staging)
  const handles = { root: real.openRoot(path), staging: real.openRoot(staging) }
  const close = (): void => {
    real.close(handles.root)
    real.close(handles.staging)
  }
  return { path, staging, handles, close }
}

const root = head('')

type Change = {
  wanted?: readonly number[]
  notes?: ReadonlyMap<number, StepNote>
  modeMask?: number
  syncEach?: boolean
  holdsSizes?: boolean
  sys?: Sys
  umask?: number
}

/** A landing that wants the content of every step, unless told otherwise. */
function landingOf(place: Place, sections: Sections, change: Change = {}): Landing {
  const count = sections.reduce((sum, [, steps]) => sum + steps.length, 0)
  const wanted = Uint8Array.from({ length: count }, (_, i) =>
    change.wanted === undefined || change.wanted.includes(i) ? 1 : 0,
  )
  const bytes = batchBytes(sections)
  const { notes = new Map(), modeMask = 0o777, syncEach = false, holdsSizes = false } = change
  const order = { batch: 0, bytes, wanted, notes, modeMask, syncEach, holdsSizes }
  const landing = new Landing(change.sys ?? real, place.handles, order, change.umask ?? process.umask())
  landing.begin()
  return landing
}

function unsolicited(call: () => void): void {
  assert.throws(call, (error) => error instanceof Failure && error.code === 'unsolicited')
}

function land(place: Place, landing: Landing): { names: string[]; problems: string[] } {
  const landed = new Apply(real, place.handles, landing, Date.now).land()
  const problems = landed.problems.map(({ path, code }) => `${path}: ${code}`).sort()
  return { names: readdirSync(place.path).sort(), problems }
}

const cases: Readonly<Record<string, (place: Place) => void>> = {
  'what arrives whole and as its digest says gets its name; the rest of the batch does not wait'(place) {
    const landing = landingOf(place, [[root, [create('a', 'first'), create('b', 'second'), create('c', '')]]], {
      wanted: [0, 1],
    })
    landing.receive(pack({ number: 0, text: 'first' }, { number: 1, text: 'sec', flags: flagFirst, whole: 'second' }))
    landing.receive(pack({ number: 1, text: 'ond', flags: flagLast, whole: 'second' }))
    assert.deepEqual(landing.finishWriting(), [])
    assert.deepEqual(readdirSync(place.path), [])
    assert.deepEqual(land(place, landing), { names: ['a', 'b', 'c'], problems: [] })
    assert.equal(readFileSync(join(place.path, 'b'), 'utf8'), 'second')
    assert.equal(
      lstatSync(join(place.path, 'b'), { bigint: true }).mtimeNs,
      1_600_000_000_123_456_789n - (real.timeGrainNs > 1 ? 289n : 0n),
    )
  },

  'a new directory that can not be dressed gets no name, and nor does what is in it'(place) {
    const landing = landingOf(place, [[{ ...head('d'), state: 'new' }, [create('a', 'first')]]])
    landing.receive(pack({ number: 0, text: 'first' }))
    assert.deepEqual(landing.finishWriting(), [])
    const sys = new FaultySys(real).on('openDirectory', { nth: 2, result: -errno.EMFILE })
    const landed = new Apply(sys, place.handles, landing, Date.now).land()
    assert.deepEqual(
      landed.problems.map(({ path, detail }) => `${path}: ${detail}`),
      ['d/a: EMFILE'],
    )
    assert.deepEqual(readdirSync(place.path), [])
  },

  'what has grown since the plan is taken as it comes, but not beyond its bound, and not at all where it is counted'(
    place,
  ) {
    const mib = 1024 * 1024
    for (const [holdsSizes, sizeBytes, isTaken] of [
      [false, 7, true],
      [false, 64 * mib + 12, true],
      [false, 64 * mib + 13, false],
      [true, 6, true],
      [true, 7, false],
    ] as const) {
      const landing = landingOf(place, [[root, [create('a', 'before')]]], { holdsSizes })
      landing.receive(pack({ number: 0, text: 'begun', flags: flagFirst, sizeBytes }))
      assert.equal(landing.batch.step(0).problem?.code, isTaken ? undefined : 'changing', `${holdsSizes} ${sizeBytes}`)
      assert.equal(landing.contentBytes, isTaken ? 5 : 0)
      // What came of it goes on to be nothing.
      landing.receive(pack({ number: 0, text: 'more', flags: 0, sizeBytes: 2 ** 50 }))
      assert.equal(landing.batch.step(0).problem?.code, 'changing')
      assert.deepEqual(readdirSync(place.staging), [])
      assert.deepEqual(landing.finishWriting(), [0])
      landing.close()
    }
  },

  'content that is not what its digest says never gets a name'(place) {
    for (const [state, section] of [
      ['present', root],
      ['new', head('d', 'new')],
    ] as const) {
      const landing = landingOf(place, [[section, [create('a', 'first'), create('b', 'second')]]])
      landing.receive(
        pack({ number: 0, text: 'f1rst', digest: digestOf(utf8('first')) }, { number: 1, text: 'second' }),
      )
      assert.deepEqual(landing.finishWriting(), [0])
      landing.wantAgain([0])
      landing.receive(pack({ number: 0, text: 'f1', flags: flagFirst, whole: 'first' }))
      landing.receive(pack({ number: 0, text: 'rst', flags: flagLast, whole: 'first' }))
      assert.deepEqual(landing.finishWriting(), [0])
      const { problems } = land(place, landing)
      assert.deepEqual(problems, [`${state === 'new' ? 'd/' : ''}a: damaged-in-transit`])
      assert.deepEqual(
        readdirSync(join(place.path, section.path)).filter((name) => name !== 'd'),
        ['b'],
      )
    }
    assert.deepEqual(readdirSync(place.staging), [])
  },

  'a size that is not the content’s is damage, and no more is written than was told'(place) {
    const landing = landingOf(place, [[root, [create('a', 'first'), create('b', 'second'), create('c', 'third')]]])
    landing.receive(pack({ number: 0, text: 'first', sizeBytes: 4 }, { number: 1, text: 'second', sizeBytes: 7 }))
    const sys = new FaultySys(real)
    const endless = landingOf(place, [[root, [create('c', 'third')]]], { sys })
    for (let i = 0; i < 100; i++) {
      endless.receive(pack({ number: 0, text: 'x'.repeat(1000), flags: i === 0 ? flagFirst : 0, sizeBytes: 2500 }))
    }
    assert.equal(sys.trail.filter((line) => line === 'write').length, 2)
    assert.deepEqual(landing.finishWriting(), [0, 1, 2])
    assert.deepEqual(endless.finishWriting(), [0])
    assert.deepEqual(readdirSync(place.staging), [])
    assert.deepEqual(land(place, landing).names, [])
  },

  'a record for what was not asked for ends the run, and nothing of it is kept'(place) {
    const steps = [create('a', 'first'), create('b', 'second'), create('c', '')]
    unsolicited(() => landingOf(place, [[root, steps]], { wanted: [0, 1] }).receive(pack({ number: 2, text: '' })))
    unsolicited(() => landingOf(place, [[root, steps]], { wanted: [1] }).receive(pack({ number: 1, text: 'first' })))
    unsolicited(() => landingOf(place, [[root, steps]]).receive(pack({ number: 0xffff_ffff, text: 'x' })))
    unsolicited(() =>
      landingOf(place, [[root, steps]], { wanted: [] }).receive(pack({ number: 0, text: 'x', flags: flagFailed })),
    )
    // Twice, and going on with what was not begun.
    unsolicited(() =>
      landingOf(place, [[root, steps]]).receive(pack({ number: 0, text: 'first' }, { number: 0, text: 'first' })),
    )
    unsolicited(() => landingOf(place, [[root, steps]]).receive(pack({ number: 0, text: 'first', flags: flagLast })))
    assert.deepEqual(readdirSync(place.path), [])
  },

  'a large file that fails on the way leaves nothing behind, and what follows it lands'(place) {
    const landing = landingOf(place, [
      [head('d', 'new'), [create('big', 'x'), create('small', 'small')]],
      [root, [create('other', 'other')]],
    ])
    landing.receive(pack({ number: 0, text: 'first piece', flags: flagFirst, sizeBytes: 100 }))
    landing.receive(pack({ number: 0, text: '', flags: flagFailed }, { number: 1, text: 'small' }))
    landing.receive(pack({ number: 2, text: 'other', flags: flagFirst, sizeBytes: 5 }))
    // Nobody ends the third one: it was cut off.
    assert.deepEqual(landing.finishWriting(), [2])
    assert.deepEqual(land(place, landing), { names: ['d'], problems: ['d/big: vanished', 'other: changing'] })
    assert.deepEqual(readdirSync(join(place.path, 'd')), ['small'])
    assert.deepEqual(readdirSync(place.staging), [])
  },

  'a file that another one interrupts is dropped, and asked for again'(place) {
    const landing = landingOf(place, [[root, [create('a', 'aaaa'), create('b', 'bbbb')]]])
    landing.receive(pack({ number: 0, text: 'aa', flags: flagFirst, sizeBytes: 4 }, { number: 1, text: 'bbbb' }))
    assert.deepEqual(landing.finishWriting(), [0])
    assert.equal(readdirSync(place.staging).length, 1)
    landing.wantAgain([0])
    landing.receive(pack({ number: 0, text: 'aaaa' }))
    assert.deepEqual(landing.finishWriting(), [])
    assert.deepEqual(land(place, landing), { names: ['a', 'b'], problems: [] })
  },

  'a further round numbers anew what is still wanted, and only that'(place) {
    const sections: Sections = [
      [root, [create('a', 'aaaa'), create('b', 'bbbb')]],
      [head('d', 'new'), [create('c', 'cccc'), create('e', 'eeee')]],
    ]
    const landing = landingOf(place, sections)
    const bad = digestOf(utf8('other'))
    landing.receive(
      pack({ number: 0, text: 'aaaa' }, { number: 1, text: 'bbbb', digest: bad }, { number: 2, text: 'cccc' }),
    )
    const again = landing.finishWriting()
    assert.deepEqual(again, [1, 3])
    landing.wantAgain(again)
    assert.deepEqual(landing.batch.namesOf(again), [
      { path: '', names: ['b'] },
      { path: 'd', names: ['e'] },
    ])
    unsolicited(() => landing.receive(pack({ number: 2, text: 'cccc' })))
    landing.receive(pack({ number: 0, text: 'bbbb' }, { number: 1, text: 'eeee' }))
    assert.deepEqual(landing.finishWriting(), [])
    assert.deepEqual(land(place, landing), { names: ['a', 'b', 'd'], problems: [] })
    assert.deepEqual(readdirSync(join(place.path, 'd')), ['c', 'e'])
  },

  'a disk that is full refuses that file alone, and it is not asked for again'(place) {
    for (const call of ['write', 'createFile', 'setTimes', 'setMode'] as readonly SysCall[]) {
      const sys = new FaultySys(real).on(call, { result: -errno.ENOSPC })
      const landing = landingOf(place, [[root, [create('a', 'aaaa', { mode: 0o666 }), create('b', 'bbbb')]]], {
        sys,
        umask: 0o022,
      })
      landing.receive(pack({ number: 0, text: 'aa', flags: flagFirst, sizeBytes: 4, mode: 0o666 }))
      landing.receive(
        pack({ number: 0, text: 'aa', flags: flagLast, whole: 'aaaa', mode: 0o666 }, { number: 1, text: 'bbbb' }),
      )
      assert.deepEqual(landing.finishWriting(), [])
      assert.deepEqual(
        landing.batch.problems().map(({ path, code }) => `${path}: ${code}`),
        ['a: no-space'],
        call,
      )
      assert.equal(readdirSync(place.staging).length, 1)
      for (const name of readdirSync(place.staging)) rmSync(join(place.staging, name))
    }
  },

  'a file that could not be synced never gets a name'(place) {
    const sys = new FaultySys(real).on('syncHandle', { nth: 2, result: -errno.EIO })
    const landing = landingOf(place, [[root, [create('a', 'aaaa'), create('b', 'bbbb'), create('c', 'cccc')]]], {
      sys,
      syncEach: true,
    })
    landing.receive(pack({ number: 0, text: 'aaaa' }, { number: 1, text: 'bbbb' }, { number: 2, text: 'cccc' }))
    assert.deepEqual(landing.finishWriting(), [])
    assert.deepEqual(land(place, landing), { names: ['a', 'c'], problems: ['b: write-failed'] })
    assert.equal(sys.trail.filter((line) => line === 'syncHandle').length, 3)
  },

  'a staging directory that refuses ends the run'(place) {
    const sys = new FaultySys(real).on('makeDirectory', { result: -errno.EROFS })
    assert.throws(
      () => landingOf(place, [[head('d', 'new'), [create('a', 'a')]]], { sys }),
      (error) => error instanceof Failure && error.code === 'target-not-writable',
    )
  },

  'only the permission bits of the job are ever set, whatever a peer asks for'(place) {
    const evil = 0o7777
    plant(place.path, { there: 'there' })
    const expected = new Uint32Array(statWidth)
    real.stat(place.handles.root, utf8('there'), expected, 0)
    const steps: Step[] = [create('full', 'full', { mode: evil }), create('empty', '', { mode: evil })]
    const attributes: Step = {
      action: 'attributes',
      entry: fileEntry('there', 5, { mode: evil }),
      from: undefined,
      digest: undefined,
    }
    const landing = landingOf(
      place,
      [
        [head('d', 'new', evil), steps],
        [root, [attributes]],
      ],
      { wanted: [0], modeMask: 0o755, notes: new Map([[2, { expected }]]) },
    )
    landing.receive(pack({ number: 0, text: 'full', mode: evil }))
    landing.finishWriting()
    assert.deepEqual(land(place, landing).problems, [])
    for (const name of ['d', 'd/full', 'd/empty', 'there']) {
      assert.equal((lstatSync(join(place.path, name)).mode & 0o7777).toString(8), '755', name)
    }
  },

  'a name that comes twice in a new directory is refused the second time'(place) {
    const landing = landingOf(place, [[head('d', 'new'), [create('a', 'one'), create('a', 'two')]]])
    landing.receive(pack({ number: 0, text: 'one' }, { number: 1, text: 'two' }))
    assert.deepEqual(landing.finishWriting(), [])
    assert.deepEqual(land(place, landing).problems, ['d/a: target-changed'])
    assert.equal(readFileSync(join(place.path, 'd/a'), 'utf8'), 'one')
  },

  'a hole is hashed and not written, wherever it lies, and no more of it is taken than was told'(place) {
    const zeros = 'x'.repeat(3).replaceAll('x', '\0'.repeat(4096))
    const whole = `${zeros}data${zeros}more${zeros}`
    const sizeBytes = whole.length
    const names = ['fine', 'longer', 'ends early'] as const
    const landing = landingOf(place, [[root, names.map((name) => create(name, whole))]])
    const hole = (number: number, holeBytes: number, first = false): Piece => {
      return { number, text: '', flags: flagHole | (first ? flagFirst : 0), sizeBytes, holeBytes }
    }
    const data = (number: number, text: string, flags = 0): Piece => ({ number, text, flags, sizeBytes, whole })
    const begins = (number: number): Piece[] => [hole(number, 12288, true), data(number, 'data'), hole(number, 12288)]
    landing.receive(
      pack(
        ...[...begins(0), data(0, 'more'), hole(0, 12288), data(0, '', flagLast)],
        ...[...begins(1), data(1, 'more'), hole(1, 12289)],
        ...[...begins(2), data(2, 'more'), hole(2, 12287), data(2, '', flagLast)],
      ),
    )
    assert.deepEqual(landing.finishWriting(), [1, 2])
    land(place, landing)
    assert.equal(readFileSync(join(place.path, 'fine'), 'latin1'), whole)
    assert.ok(lstatSync(join(place.path, 'fine')).blocks * 512 < whole.length)
  },

  'more holes than a pack may tell end the session'(place) {
    const sizeBytes = 2 ** 40
    const landing = landingOf(place, [[root, [create('huge', 'x', { sizeBytes })]]])
    const hole = (first: boolean): Piece => {
      return { number: 0, text: '', flags: flagHole | (first ? flagFirst : 0), sizeBytes, holeBytes: holeBytesMax }
    }
    landing.receive(pack(hole(true), hole(false), hole(false), hole(false)))
    landing.receive(pack(hole(false), hole(false), hole(false), hole(false)))
    const more = pack(...Array.from({ length: 5 }, () => hole(false)))
    assert.throws(() => landing.receive(more), { code: 'protocol-broken' })
    landing.close()
  },

  'what the tree does not know is not touched'(place) {
    const landing = landingOf(place, [[root, [create('a', 'aaaa')]]], {
      wanted: [],
      notes: new Map([[0, { refused: 'target-changed' }]]),
    })
    assert.deepEqual(landing.finishWriting(), [])
    assert.deepEqual(land(place, landing), { names: [], problems: ['a: target-changed'] })
  },
}

const donorCases: Readonly<Record<string, (place: Place) => void>> = {
  'content that is here is copied where its digest holds, else asked for'(place) {
    plant(place.path, { donor: 'right', liar: 'wrong' })
    const donor = (name: string, digest: Uint8Array | undefined): StepNote => ({
      donor: { directory: '' as RelPath, name: utf8(name), stats: new Uint32Array(statWidth), moves: false, digest },
    })
    const right = digestOf(utf8('right'))
    const notes = new Map([
      [0, donor('donor', right)],
      [1, donor('liar', right)],
      [2, donor('missing', right)],
      [3, donor('donor', undefined)],
    ])
    const steps = ['a', 'b', 'c', 'd'].map((name) => create(name, 'right'))
    const landing = landingOf(place, [[root, steps]], { wanted: [], notes })
    const again = landing.finishWriting()
    assert.deepEqual(again, [1, 2, 3])
    landing.wantAgain(again)
    landing.receive(pack(...again.map((_, number) => ({ number, text: 'right' }))))
    assert.deepEqual(landing.finishWriting(), [])
    assert.deepEqual(land(place, landing).problems, [])
    for (const name of ['a', 'b', 'c', 'd']) assert.equal(readFileSync(join(place.path, name), 'utf8'), 'right')
    assert.equal(readFileSync(join(place.path, 'liar'), 'utf8'), 'wrong')
    assert.equal(landing.copied, 1)
  },

  'a file that only moved is taken as it is, unless it is not the one that was seen'(place) {
    plant(place.path, { moves: 'right', edited: 'right', replaced: 'right', locked: 'right' })
    const notes = new Map<number, StepNote>()
    const names = ['moves', 'edited', 'replaced', 'locked']
    names.forEach((name, number) => {
      const stats = new Uint32Array(statWidth)
      real.stat(place.handles.root, utf8(name), stats, 0)
      const digest = digestOf(utf8('right'))
      notes.set(number, { donor: { directory: '' as RelPath, name: utf8(name), stats, moves: true, digest } })
    })
    // Other content under an unchanged size and mtime: only the ctime tells.
    const { atime, mtime } = lstatSync(join(place.path, 'edited'))
    writeFileSync(join(place.path, 'edited'), 'wrong')
    utimesSync(join(place.path, 'edited'), atime, mtime)
    rmSync(join(place.path, 'replaced'))
    plant(place.path, { replaced: 'wrong' })
    chmodSync(join(place.path, 'moves'), 0o600)
    chmodSync(join(place.path, 'moves'), 0o644)
    const stats = notes.get(0)?.donor?.stats as Uint32Array
    real.stat(place.handles.root, utf8('moves'), stats, 0)
    const sys = new FaultySys(real).on('openFile', { name: 'new locked', result: -errno.EACCES })
    const steps = names.map((name) => create(`new ${name}`, 'right'))
    const landing = landingOf(place, [[head('d', 'new'), steps]], { wanted: [], notes, sys })
    const again = landing.finishWriting()
    assert.ok(again.includes(1) && again.includes(2), again.join())
    landing.wantAgain(again)
    landing.receive(pack(...again.map((_, number) => ({ number, text: 'right' }))))
    assert.deepEqual([landing.finishWriting(), land(place, landing).problems], [[], []])
    for (const name of names) assert.equal(readFileSync(join(place.path, 'd', `new ${name}`), 'utf8'), 'right', name)
    assert.equal(lstatSync(join(place.path, 'd/new moves')).ino, lstatSync(join(place.path, 'moves')).ino)
    assert.equal(readFileSync(join(place.path, 'edited'), 'utf8'), 'wrong')
  },
}

describe('landing', () => {
  for (const [name, run] of Object.entries({ ...cases, ...donorCases }))
    it(name, () => {
      const place = freshPlace()
      try {
        run(place)
      } finally {
        place.close()
      }
    })
})
