// What every form of Sys says of holes: a form that can't tell says that all is data, and is slower, never wrong.

import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe } from 'node:test'
import { statWidth } from '../../src/core/stat.ts'
import { type Run, runAt } from '../../src/disk/holes.ts'
import { mayHaveHoles, namesOf } from '../../src/disk/sys.ts'
import { utf8 } from '../../src/std/bytes.ts'
import { allForms, fails, folderMaker, suiteOf, works } from '../world/sys-forms.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-sys-'))
after(() => rmSync(home, { recursive: true, force: true }))

const freshFolder = folderMaker(home)
const [sizeBytes, farAt] = [40 << 20, 32 << 20]

for (const open of allForms) {
  const sys = open()
  const { within, put } = suiteOf(sys, freshFolder)
  const row = new Uint32Array(statWidth)

  describe(`sys ${sys.form}: holes`, () => {
    within('a file without any has none', (root) => {
      put(root, utf8('dense'), 'x'.repeat(8192))
      const handle = works(sys.openFile(root, utf8('dense')))
      assert.equal(mayHaveHoles(sys.statFile(handle, row, 0)), false)
      assert.equal(namesOf(sys.statFile(handle, row, 0)), 1)
      works(sys.link(root, utf8('dense'), root, utf8('second')))
      assert.equal(namesOf(sys.statFile(handle, row, 0)), 2)
      assert.deepEqual(runAt(sys, handle, 0, 8192), { isHole: false, end: 8192 })
      assert.deepEqual(runAt(sys, handle, 5000, 8192), { isHole: false, end: 8192 })
      sys.close(handle)
      fails(sys.statFile(handle, row, 0), 'EBADF')
    })

    within('are told where the system can tell them', (root, path) => {
      writeFileSync(join(path, 'holed'), 'x'.repeat(4096))
      truncateSync(join(path, 'holed'), sizeBytes)
      const written = openSync(join(path, 'holed'), 'r+')
      writeSync(written, 'y', farAt)
      closeSync(written)
      const handle = works(sys.openFile(root, utf8('holed')))
      const plain = new Uint32Array(statWidth)
      works(sys.statHandle(handle, plain, 0))
      const isSparse = mayHaveHoles(sys.statFile(handle, row, 0))
      assert.deepEqual(row, plain)
      const runs: Run[] = []
      for (let at = 0; at < sizeBytes; at = (runs.at(-1) as Run).end) runs.push(runAt(sys, handle, at, sizeBytes))
      if (sys.form === 'portable') {
        assert.equal(isSparse, false)
        assert.deepEqual(runs, [{ isHole: false, end: sizeBytes }])
      } else {
        assert.equal(isSparse, true)
        assert.deepEqual(
          runs.map(({ isHole }) => isHole),
          [false, true, false, true],
        )
        const [, hole, data] = runs as [Run, Run, Run]
        assert.ok(hole.end <= farAt && data.end > farAt, JSON.stringify(runs))
        fails(sys.seek(handle, sizeBytes, 'data'), 'ENXIO')
      }
      sys.close(handle)
    })
  })
}
