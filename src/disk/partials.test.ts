// What is left of unfinished files: found by path, bounded in age, number and space, and nothing but ours.

import assert from 'node:assert/strict'
import {
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import type { RelPath } from '../core/path.ts'
import { openPartials, partialName, sweepPartials } from './partials.ts'
import { systemSys } from './system.ts'

const sys = systemSys()
const home = mkdtempSync(join(tmpdir(), 'nf-partials-'))
after(() => rmSync(home, { recursive: true, force: true }))
const nowMs = 1_795_000_000_000
const huge = 1e15

let own = ''
let made = 0
beforeEach(() => {
  own = join(home, `own-${made++}`)
  mkdirSync(join(own, 'partials'), { recursive: true })
})

/** An unfinished file of so many bytes, last written so many hours ago. */
function leave(path: string, bytes: number, hours: number): string {
  const name = partialName(path as RelPath)
  const place = join(own, 'partials', name)
  writeFileSync(place, new Uint8Array(bytes))
  const seconds = nowMs / 1000 - hours * 3600
  utimesSync(place, seconds, seconds)
  return name
}

function sweep(volumeBytes = huge, spare?: ReadonlySet<string>): string[] {
  const handle = sys.openRoot(join(own, 'partials'))
  const kept = sweepPartials(sys, handle, { nowMs, volumeBytes, ...(spare && { spare }) })
  sys.close(handle)
  assert.deepEqual(readdirSync(join(own, 'partials')).sort(), kept.toSorted(), 'it says what is left')
  return kept
}

describe('partials', () => {
  it('are made and found where they are, by paths and by nothing else', () => {
    rmSync(join(own, 'partials'), { recursive: true })
    const root = sys.openRoot(own)
    for (let times = 0; times < 2; times++) {
      const { handle, names } = openPartials(sys, root, { path: own, nowMs: Date.now() })
      assert.ok(handle >= 0)
      assert.equal(lstatSync(join(own, 'partials')).mode & 0o777, 0o700)
      assert.deepEqual(names, times === 0 ? [] : [partialName('a/b' as RelPath)])
      sys.close(handle)
      writeFileSync(join(own, 'partials', partialName('a/b' as RelPath)), 'x')
    }
    sys.close(root)
    assert.match(partialName('a/b' as RelPath), /^[0-9a-f]{32}$/)
    assert.notEqual(partialName('a/b' as RelPath), partialName('a/c' as RelPath))
  })

  it('go after seven days, and where they are from a time to come', () => {
    const young = leave('young', 10, 7 * 24 - 1)
    leave('old', 10, 7 * 24 + 1)
    leave('future', 10, -8 * 24)
    assert.deepEqual(sweep(), [young])
  })

  it('keep within a tenth of the volume, the youngest first, which may be as large as it is', () => {
    const names = [1, 2, 3, 4].map((hours) => leave(`${hours}`, 400, hours))
    assert.deepEqual(sweep(10_000), names.slice(0, 2))
    assert.deepEqual(sweep(1000), names.slice(0, 1))
  })

  it('are 64 at most', () => {
    for (let i = 0; i < 70; i++) leave(`${i}`, 1, i / 100)
    assert.equal(sweep().length, 64)
  })

  it('make room where the disk is full, but for those that are gone on with', () => {
    const [one, other] = [leave('one', 10, 1), leave('other', 10, 30 * 24)]
    assert.deepEqual(sweep(huge, new Set([other])), [other])
    assert.notEqual(one, other)
  })

  it('are files of ours: what else lies there goes, and no link is followed', () => {
    writeFileSync(join(own, 'outside'), 'kept')
    symlinkSync('../outside', join(own, 'partials', partialName('link' as RelPath)))
    writeFileSync(join(own, 'partials', 'stray'), 'x')
    // Neither is too old: what it is decides.
    lutimesSync(join(own, 'partials', partialName('link' as RelPath)), nowMs / 1000, nowMs / 1000)
    utimesSync(join(own, 'partials', 'stray'), nowMs / 1000, nowMs / 1000)
    assert.deepEqual(sweep(), [])
    assert.deepEqual(readdirSync(own).sort(), ['outside', 'partials'])
  })
})
