// A large file that is hashed and told next is read once for both; one that changed meanwhile is read again.

import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { later } from '../../test/world/one-mirror.ts'
import { type Scanned, scanned } from '../../test/world/one-scan.ts'
import { digestOf } from '../chunk/digest.ts'
import { grainFor } from '../chunk/split.ts'
import type { RelPath } from '../core/path.ts'
import { hex, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { type Asking, digestsOf } from './digests.ts'
import { recipesAtHand } from './recipes-at-hand.ts'
import { Supply } from './supply.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-digests-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
const big = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 2654435761) >>> 13)
const files = [{ path: '' as RelPath, names: ['big', 'small'] }]
let made = 0

describe('digests of files that are told next', () => {
  let folder: Scanned
  let root = -1
  let scope = 0
  let reads = 0
  const counting = new FaultySys(real).on('read', { sticky: true, before: () => void reads++ })

  beforeEach(() => {
    scope = ++made
    folder = scanned(join(home, `${scope}`), { big: Buffer.from(big).toString('latin1'), small: 's' })
    folder.scan()
    root = real.openRoot(folder.path)
    reads = 0
  })

  const plain = { fresh: false, scope: undefined, nowMs: later, isStopped: () => false }
  const ask = (how: Partial<Asking>) => digestsOf(counting, root, folder.tree, files, { ...plain, ...how })

  /** Tells the outline of the large file; how often that read. */
  function tell(): number {
    const before = reads
    const portion = { want: 0, level: 'outline', grain: grainFor(big.length), ranges: [] } as const
    const portions = { list: [portion], atHand: recipesAtHand, scope: String(scope) }
    const wants = [{ path: '' as RelPath, names: ['big'] }]
    const supply = new Supply(counting, root, wants, later, portions)
    while (!supply.fill(new Uint8Array(1 << 20)).done);
    return reads - before
  }

  it('teach what they are made of: nothing is read again', () => {
    const told = ask({ scope }).map((digest) => hex(digest as Uint8Array))
    assert.deepEqual(told, [hex(digestOf(readFileSync(join(folder.path, 'big')))), hex(digestOf(utf8('s')))])
    assert.ok(reads > 3)
    assert.equal(tell(), 0)
  })

  it('teach nothing that has changed since', () => {
    ask({ scope })
    appendFileSync(join(folder.path, 'big'), 'more')
    assert.ok(tell() > 3)
  })

  it('teach nothing while a write could look like what was read', () => {
    ask({ scope, nowMs: () => statSync(join(folder.path, 'big')).ctimeMs + 5 })
    assert.ok(tell() > 3)
  })

  it('teach nothing where nobody will ask, nor where everything is read anew', () => {
    ask({})
    assert.ok(tell() > 3)
    recipesAtHand.forget(`${scope}\0`)
    ask({ fresh: true, scope })
    assert.ok(tell() > 3)
  })

  it('end when they are wanted no more', () => {
    assert.throws(
      () => ask({ scope, isStopped: () => reads > 0 }),
      (error) => error instanceof Failure && error.code === 'cancelled',
    )
  })
})
