// Copies that are wanted no more end between two pieces, and leave nothing: no file aside, no handle.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { digestOf } from '../chunk/digest.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { Stop, stopOf } from '../std/stop.ts'
import { copyDonor } from './copied.ts'
import { sysUntilStopped } from './stoppable.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-stoppable-'))
after(() => rmSync(home, { recursive: true, force: true }))

function handlesNow(): number {
  return readdirSync('/proc/self/fd').length
}

it('a copy of what a target has ends between two pieces, and nothing of it stays', () => {
  const content = new Uint8Array(5 << 20).fill(7)
  mkdirSync(join(home, 'staging'))
  writeFileSync(join(home, 'donor'), content)
  const stop = new Stop()
  let reads = 0
  const real = systemSys()
  const counting: Sys = {
    ...real,
    // Where extents can be shared there is nothing to stop.
    clone: () => -errno.EOPNOTSUPP,
    read(...input) {
      if (++reads === 3) stop.set()
      return real.read(...input)
    },
  }
  const sys = sysUntilStopped(counting, stopOf(stop.memory))
  const [from, staging] = [sys.openRoot(home), sys.openRoot(join(home, 'staging'))]
  const before = handlesNow()
  const donor = { name: utf8('donor'), digest: digestOf(content) }
  const copy = (): unknown =>
    copyDonor(sys, from, donor, { directory: staging, name: utf8('f') }, { sizeBytes: content.length, mode: 0o600 })
  assert.throws(copy, (error) => error instanceof Failure && error.code === 'cancelled')
  assert.equal(reads, 3)
  assert.deepEqual([readdirSync(join(home, 'staging')), handlesNow()], [[], before])
  for (const handle of [from, staging]) real.close(handle)
})
