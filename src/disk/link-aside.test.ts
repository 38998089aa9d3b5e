// A second name is one of the file that was seen, or there is none: whatever takes its place before the link, or after.

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { plant } from '../../test/world/planted.ts'
import type { RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { linkAside } from './link-aside.ts'
import { errno } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-link-aside-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()

describe('a second name', () => {
  for (const [what, change, isMade] of [
    ['is made of the file that was seen', () => {}, true],
    [
      'is none of another file that took its name at the last moment',
      (path: string) => {
        writeFileSync(join(path, 'other'), 'text')
        renameSync(join(path, 'other'), join(path, 'from/file'))
      },
      false,
    ],
    ['is none of a file that is gone', (path: string) => rmSync(join(path, 'from/file')), false],
  ] as const) {
    it(what, () => {
      const path = mkdtempSync(join(home, 'case-'))
      plant(path, { 'from/file': 'text', to: {} })
      const [from, to] = ['from', 'to'].map((name) => real.openRoot(join(path, name))) as [number, number]
      const stats = new Uint32Array(statWidth)
      assert.equal(real.stat(from, utf8('file'), stats, 0), 0)
      const donor = { directory: '' as RelPath, name: utf8('file'), stats, moves: true, digest: undefined }
      const sys = new FaultySys(real).on('link', { before: () => change(path) })
      const code = linkAside(
        sys,
        donor,
        from,
        { directory: to, name: utf8('slot') },
        { rows: new Uint32Array(statWidth) },
        0,
      )
      assert.deepEqual([code < 0, readdirSync(join(path, 'to'))], isMade ? [false, ['slot']] : [true, []])
      if (code < 0) assert.ok([-errno.ESTALE, -errno.ENOENT].includes(code), `${code}`)
      for (const handle of [from, to]) real.close(handle)
    })
  }
})
