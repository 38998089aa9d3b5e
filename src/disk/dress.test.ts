// A symlink that is made aside: with what it could not be given told, and there all the same.

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { fileEntry } from '../../test/world/steps.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { stageSymlink, Wardrobe } from './dress.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-dress-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()

it('a symlink that is given no time is there, and that is told', () => {
  const entry = fileEntry('link', 0, { kind: 'symlink', mode: 0, link: utf8('to') })
  const place = { directory: real.openRoot(home), name: utf8('link') }
  const rows = { rows: new Uint32Array(statWidth), row: 0 }
  const stage = (sys: Sys): unknown => stageSymlink(sys, place, entry, new Wardrobe(0, 0o777, undefined), rows)
  const refusing = new FaultySys(real).on('setTimesAt', { result: -errno.EPERM })
  assert.deepEqual(stage(refusing), { code: 0, lacks: -errno.EPERM })
  assert.deepEqual(readdirSync(home), ['link'])
  rmSync(join(home, 'link'))
  assert.deepEqual(stage(real), { code: 0, lacks: 0 })
  real.close(place.directory)
})
