// A batch with large files that are told, from a reading worker to a writing one: what a peer lies about costs its own path
// and no other, what was not asked for ends the session, and what a break or a full disk leaves is what it should be.

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { noise } from '../../test/world/noise.ts'
import { batchBytes, fileEntry, head } from '../../test/world/steps.ts'
import type { RelPath } from '../core/path.ts'
import type { Step } from '../core/plan.ts'
import { Failure } from '../std/failure.ts'
import { Apply } from './apply.ts'
import type { DeltaOrder } from './assemblies.ts'
import { Landing } from './landing.ts'
import { emptyRecord, flagEntries, flagFirst, flagLast, type PackRecord, putRecordHead, takeRecord } from './pack.ts'
import { partialName } from './partials.ts'
import { RecipesAtHand } from './recipes-at-hand.ts'
import { Supply } from './supply.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const real = systemSys()
const home = mkdtempSync(join(tmpdir(), 'nf-assemblies-'))
after(() => rmSync(home, { recursive: true, force: true }))
const mib = 1024 * 1024

let place = ''
let made = 0
beforeEach(() => {
  place = mkdtempSync(join(home, `${made++}-`))
  for (const name of ['source', 'target', 'staging', 'partials']) mkdirSync(join(place, name))
})

/** The batch: these files are created, those named in `told` in portions. */
function landingOf(files: readonly string[], told: readonly string[], sys: Sys = real): Landing {
  const steps: Step[] = files.map((name) => {
    const entry = fileEntry(name, statSync(join(place, 'source', name)).size)
    return { action: 'create', entry, from: undefined, digest: undefined }
  })
  const order = {
    batch: 0,
    bytes: batchBytes([[head(''), steps]]),
    wanted: new Uint8Array(files.length).fill(1),
    notes: new Map(),
    modeMask: 0o777,
    syncEach: false,
  }
  const deltas: DeltaOrder[] = told.map((name) => {
    return { number: files.indexOf(name), grain: 17, path: name as RelPath, old: undefined, isKnown: false }
  })
  const [root, staging, partials] = ['target', 'staging', 'partials'].map((name) => real.openRoot(join(place, name)))
  const handles = { root: root as number, staging: staging as number, partials: partials as number }
  const landing = new Landing(sys, handles, order, process.umask(), { deltas, basis: undefined })
  landing.begin()
  return landing
}

type Meddle = (name: string, record: PackRecord, pack: Uint8Array) => void

const atHand = new RecipesAtHand()

/** What the source answers to these wants. */
function supplyOf(landing: Landing, files: readonly string[], numbers: readonly number[]): Supply {
  const names = numbers.map((number) => files[number] as string)
  const portions = { list: landing.large.portionsOf(numbers), atHand, scope: place }
  const source = real.openRoot(join(place, 'source'))
  return new Supply(real, source, [{ path: '' as RelPath, names }], Date.now, portions)
}

function receiveAll(
  landing: Landing,
  supply: Supply,
  see: (record: PackRecord, pack: Uint8Array) => void = () => {},
): void {
  for (let done = false; !done; ) {
    const slab = new Uint8Array(256 * 1024)
    const filled = supply.fill(slab)
    done = filled.done
    const pack = slab.subarray(0, filled.length)
    const record = emptyRecord()
    const view = new DataView(pack.buffer)
    for (let at = 0; at < pack.length; ) {
      at = takeRecord(view, at, pack.length, record)
      see(record, pack)
    }
    landing.receive(pack)
  }
}

/** Carries the batch out as a driver does; what is wrong in the end, by path. */
function carryOut(landing: Landing, files: readonly string[], meddle: Meddle = () => {}): string[] {
  let numbers: number[] = files.map((_, number) => number)
  for (let round = 1; round <= 8 && numbers.length > 0; round++) {
    receiveAll(landing, supplyOf(landing, files, numbers), (record, pack) =>
      meddle(files[numbers[record.number] as number] as string, record, pack),
    )
    numbers = landing.finishWriting()
    if (numbers.length > 0 && round < 8) landing.wantAgain(numbers)
  }
  const handles = { root: real.openRoot(join(place, 'target')), staging: real.openRoot(join(place, 'staging')) }
  const landed = new Apply(real, handles, landing, Date.now).land()
  return landed.problems.map(({ path, code }) => `${path}: ${code}`)
}

function write(name: string, content: Uint8Array): void {
  writeFileSync(join(place, 'source', name), content)
}

function isSame(name: string): boolean {
  return readFileSync(join(place, 'target', name)).equals(readFileSync(join(place, 'source', name)))
}

const files = ['a', 'b', 'small', 'z']

function fourFiles(): void {
  write('a', noise(1, 3 * mib))
  write('b', noise(2, 2 * mib + 5))
  write('small', noise(3, 1000))
  write('z', noise(4, 2 * mib))
}

describe('a batch with large files that are told', () => {
  it('lands whole, told and sent side by side', () => {
    fourFiles()
    const landing = landingOf(files, ['a', 'z'])
    assert.deepEqual(carryOut(landing, files), [])
    for (const name of files) assert.ok(isSame(name), name)
    assert.deepEqual(readdirSync(join(place, 'partials')), [])
    assert.equal(landing.large.recipes.length, 2)
  })

  for (const [what, isMeant] of [
    ['content', (record: PackRecord) => (record.flags & flagEntries) === 0],
    ['entries', (record: PackRecord) => (record.flags & flagEntries) !== 0],
  ] as const) {
    it(`that are lied about in their ${what} cost a problem of that path, or nothing, and never a wrong byte`, () => {
      fourFiles()
      const landing = landingOf(files, ['a', 'z'])
      const problems = carryOut(landing, files, (name, record, pack) => {
        if (name !== 'a' || !isMeant(record) || record.contentEnd === record.contentStart) return
        const last = record.contentEnd - 1
        pack[last] = (pack[last] as number) ^ 1
      })
      assert.deepEqual(problems, what === 'content' ? ['a: damaged-in-transit'] : [])
      assert.equal(existsSync(join(place, 'target', 'a')), what === 'entries')
      if (what === 'entries') assert.ok(isSame('a'))
      // What the file is made of, as it was told, is not believed later.
      assert.equal(landing.large.recipes.length, 1)
      for (const name of ['b', 'small', 'z']) assert.ok(isSame(name), name)
    })
  }

  it('that are rewritten in front of every round are told as changing, never as damaged, and the others come', () => {
    fourFiles()
    let version = 10
    const problems = carryOut(landingOf(files, ['a', 'z']), files, (name) => {
      if (name !== 'a') return
      write('a', noise(++version, 3 * mib))
      utimesSync(join(place, 'source', 'a'), version, version)
    })
    assert.deepEqual(problems, ['a: changing'])
    assert.ok(version > 13, 'it was asked for again and again')
    assert.ok(!existsSync(join(place, 'target', 'a')))
    for (const name of ['b', 'small', 'z']) assert.ok(isSame(name), name)
  })

  for (const [what, text, seconds, problem] of [
    ['another content at another time is changing', noise(2, 3 * mib), 20, 'changing'],
    ['another length at the same time is changing', noise(1, 3 * mib + 1), 10, 'changing'],
    ['another time alone has the time that its outline came with', noise(1, 3 * mib), 20, undefined],
  ] as const) {
    it(`that turn out between two rounds to be of two versions are of none: ${what}`, () => {
      const [path, landed] = [join(place, 'source', 'a'), join(place, 'target', 'a')]
      write('a', noise(1, 3 * mib))
      utimesSync(path, 10, 10)
      const landing = landingOf(['a'], ['a'])
      receiveAll(landing, supplyOf(landing, ['a'], [0]))
      assert.deepEqual(landing.finishWriting(), [0])
      writeFileSync(path, text)
      utimesSync(path, seconds, seconds)
      for (let isOpen = true; isOpen; ) {
        landing.wantAgain([0])
        receiveAll(landing, supplyOf(landing, ['a'], [0]))
        isOpen = landing.finishWriting().length > 0 && landing.batch.step(0).problem === undefined
      }
      assert.equal(landing.batch.step(0).problem?.code, problem)
      const handles = { root: real.openRoot(join(place, 'target')), staging: real.openRoot(join(place, 'staging')) }
      new Apply(real, handles, landing, Date.now).land()
      assert.equal(existsSync(landed), problem === undefined)
      if (problem === undefined) assert.equal(statSync(landed).mtimeMs, 10_000)
    })
  }

  it('stand where they are when it is asked twice in a round how far they are', () => {
    fourFiles()
    const landing = landingOf(['a'], ['a'])
    const supply = supplyOf(landing, ['a'], [0])
    receiveAll(landing, supply)
    const first = landing.finishWriting()
    for (let times = 0; times < 5; times++) assert.deepEqual(landing.finishWriting(), first)
    landing.wantAgain([0])
    const [portion] = landing.large.portionsOf([0])
    const length = portion?.ranges.reduce((sum, range) => sum + range.length, 0)
    assert.deepEqual([portion?.level, length], ['content', 3 * mib])
    receiveAll(landing, supplyOf(landing, ['a'], [0]))
    assert.deepEqual(landing.finishWriting(), [])
  })

  it('of an absurd size takes no space, and costs a problem of that path', () => {
    fourFiles()
    const problems = carryOut(landingOf(files, ['a', 'z']), files, (name, record, pack) => {
      if (name !== 'a') return
      const head = { ...record, sizeBytes: 2 ** 50, length: record.contentEnd - record.contentStart }
      putRecordHead(new DataView(pack.buffer), record.contentStart - 64, head)
    })
    assert.deepEqual(problems, ['a: changing'])
    assert.deepEqual(readdirSync(join(place, 'partials')), [])
  })
})

describe('what was not asked for', () => {
  function record(flags: number, number = 0): Uint8Array {
    const pack = new Uint8Array(64)
    const facts = { number, flags, code: undefined, mode: 0o644, sizeBytes: 3 * mib, mtimeSeconds: 1, mtimeNs: 0 }
    putRecordHead(new DataView(pack.buffer), 0, { ...facts, length: 0 })
    return pack
  }

  it('ends the session: entries of a file that was to come whole, and a told one gone on with before it began', () => {
    fourFiles()
    for (const [flags, number] of [
      [flagFirst | flagEntries, 1],
      [flagEntries, 0],
      [0, 0],
    ] as const) {
      const landing = landingOf(files, ['a'])
      assert.throws(
        () => landing.receive(record(flags, number)),
        (error) => error instanceof Failure && error.code === 'unsolicited',
      )
      landing.close()
    }
  })

  it('is no outline: a whole file in place of one comes to nothing', () => {
    fourFiles()
    const landing = landingOf(['a'], ['a'])
    landing.receive(record(flagFirst | flagLast))
    assert.deepEqual(landing.finishWriting(), [0])
    landing.wantAgain([0])
    assert.deepEqual(landing.large.portionsOf([0]), [], 'it is asked for whole')
    landing.close()
  })
})

describe('what is left of a large file', () => {
  it('stays after a break, and is gone on with', () => {
    write('a', noise(5, 3 * mib))
    const left = join(place, 'partials', partialName('a' as RelPath))
    const cut = landingOf(['a'], [])
    const source = real.openRoot(join(place, 'source'))
    const supply = new Supply(real, source, [{ path: '' as RelPath, names: ['a'] }])
    for (let packs = 0; packs < 6; packs++) {
      const slab = new Uint8Array(256 * 1024)
      cut.receive(slab.subarray(0, supply.fill(slab).length))
    }
    supply.close()
    cut.close()
    assert.ok(statSync(left).size > mib)
    const there = statSync(left).size
    const landing = landingOf(['a'], ['a'])
    assert.deepEqual(carryOut(landing, ['a']), [])
    assert.ok(isSame('a'))
    assert.ok(landing.contentBytes <= 3 * mib - there + 65_536, `${landing.contentBytes} came`)
    assert.ok(!existsSync(left))
  })

  it('is begun anew where nobody can say how long it is', () => {
    // Zeros are not written where nothing was: taken for empty, what lies there would stay in their place.
    write('a', Buffer.concat([noise(7, mib), Buffer.alloc(mib), noise(8, mib)]))
    writeFileSync(join(place, 'partials', partialName('a' as RelPath)), noise(9, 2 * mib))
    const sys = new FaultySys(real).on('statHandle', { result: -errno.EIO })
    const landing = landingOf(['a'], ['a'], sys)
    const levels: string[] = []
    assert.deepEqual(
      carryOut(landing, ['a'], (_, { flags }) => levels.push((flags & flagEntries) === 0 ? 'bytes' : 'entries')),
      [],
    )
    assert.ok(isSame('a'))
    assert.equal(levels[0], 'entries')
    assert.ok(landing.contentBytes <= 3 * mib, `${landing.contentBytes} came: it was right at once`)
  })

  it('goes where the disk is full, told or not, and where it is damaged', () => {
    write('a', noise(6, 3 * mib))
    for (const told of [[], ['a']]) {
      const sys = new FaultySys(real).on('write', { nth: 2, sticky: true, result: -errno.ENOSPC })
      const landing = landingOf(['a'], told, sys)
      carryOut(landing, ['a'])
      assert.deepEqual(landing.batch.problems(), [{ path: 'a', code: 'no-space', detail: 'ENOSPC' }])
      assert.deepEqual(readdirSync(join(place, 'partials')), [])
      assert.deepEqual(readdirSync(join(place, 'target')), [])
    }
    const problems = carryOut(landingOf(['a'], []), ['a'], (_, record, pack) => {
      pack[record.contentStart] = (pack[record.contentStart] as number) ^ 1
    })
    assert.deepEqual(problems, ['a: damaged-in-transit'])
    assert.deepEqual(readdirSync(join(place, 'partials')), [])
  })
})
