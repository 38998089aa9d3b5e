import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { statWidth } from '../../src/core/stat.ts'
import { EntryTable, errnoName, type Sys } from '../../src/disk/sys.ts'
import { utf8 } from '../../src/std/bytes.ts'
import { allForms, fails, folderMaker, suiteOf, works } from '../world/sys-forms.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-sys-'))
after(() => rmSync(home, { recursive: true, force: true }))

const freshFolder = folderMaker(home)
let made = 0

for (const open of allForms) {
  const sys = open()
  const { within, namesIn, put } = suiteOf(sys, freshFolder)
  const row = new Uint32Array(statWidth)
  describe(`sys ${sys.form}: nothing outside is reached`, () => {
    const outsideOf = (path: string): string => {
      const outside = join(path, '..', `outside-${++made}`)
      mkdirSync(join(outside, 'sub'), { recursive: true })
      writeFileSync(join(outside, 'sub', 'canary'), 'canary')
      return outside
    }
    /** Every name, kind, mode, time and content below. */
    const pictureOf = (path: string): string[] =>
      readdirSync(path, { recursive: true, withFileTypes: true })
        .map((entry) => {
          const at = join(entry.parentPath, entry.name)
          const facts = lstatSync(at)
          return `${at} ${facts.mode} ${facts.mtimeMs} ${facts.ino} ${entry.isFile() ? readFileSync(at, 'utf8') : ''}`
        })
        .sort()

    within('a symlink is never followed, at the last step or before', (root, path) => {
      const outside = outsideOf(path)
      symlinkSync(outside, join(path, 'l'))
      symlinkSync(join(outside, 'sub', 'canary'), join(path, 'lf'))
      symlinkSync(join(outside, 'new'), join(path, 'dangling'))
      const before = pictureOf(outside)
      const refusals = ['ELOOP', 'ENOTDIR', 'EXDEV']
      for (const place of ['l', 'l/sub', 'lf', '..', '../..', 'l/..', '/', '/etc', `${outside}/sub`]) {
        const code = sys.openDirectory(root, utf8(place))
        const told = code < 0 ? errnoName(code) : 'opened'
        // An absolute path may also be looked for below the directory.
        assert.ok(
          refusals.includes(told) ||
            (place.startsWith('/') && told === 'ENOENT') ||
            (place === '/' && told === 'opened'),
          `${place}: ${told}`,
        )
        if (code >= 0) {
          assert.deepEqual(namesIn(code), ['dangling', 'l', 'lf'])
          sys.close(code)
        }
      }
      for (const name of ['l', 'lf']) fails(sys.openFile(root, utf8(name)), 'ELOOP')
      for (const name of ['l', 'lf', 'dangling']) {
        fails(sys.createFile(root, utf8(name), 0o600), 'EEXIST')
        fails(sys.makeDirectory(root, utf8(name), 0o700), 'EEXIST')
        works(sys.setTimesAt(root, utf8(name), 1, 0))
        assert.equal(Math.floor(lstatSync(join(path, name)).mtimeMs), 1000)
        assert.ok(lstatSync(join(path, name)).isSymbolicLink())
        works(sys.link(root, utf8(name), root, utf8('second')))
        works(sys.unlink(root, utf8('second')))
        fails(sys.removeDirectory(root, utf8(name)), 'ENOTDIR')
        works(sys.renameNoReplace(root, utf8(name), root, utf8('moved')))
        put(root, utf8(name), 'mine')
        works(sys.renameOver(root, utf8('moved'), root, utf8(name)))
        works(sys.unlink(root, utf8(name)))
      }
      assert.deepEqual(pictureOf(outside), before)
    })

    it('a directory that is swapped for a symlink all the time redirects no call', async () => {
      const path = freshFolder()
      const outside = outsideOf(path)
      const before = pictureOf(outside)
      mkdirSync(join(path, 'in', 'sub'), { recursive: true })
      writeFileSync(join(path, 'in', 'sub', 'canary'), 'mine')
      const root = works(sys.openRoot(path))
      const flipper = await startFlipper(path, outside)
      try {
        const reached = flipAgainst(sys, root)
        assert.ok(reached.opened > 0 && reached.refused > 0, JSON.stringify(reached))
      } finally {
        flipper.kill('SIGKILL')
        await once(flipper, 'close')
        sys.close(root)
      }
      assert.deepEqual(pictureOf(outside), before)
    })
  })

  /** Every kind of call at `in/sub`, for about a second (longer on a slow machine), while `in` is now this and now that. */
  function flipAgainst(sys: Sys, root: number): { opened: number; refused: number } {
    const start = performance.now()
    const table = new EntryTable()
    let opened = 0
    let refused = 0
    for (let turn = 0; ; turn++) {
      const ms = performance.now() - start
      if (ms > 20_000 || (ms > 1000 && opened > 50 && refused > 50)) break
      const handle = sys.openDirectory(root, utf8('in/sub'))
      if (handle < 0) {
        refused++
        continue
      }
      opened++
      const name = utf8(`n${turn}`)
      const file = sys.openFile(handle, utf8('canary'))
      const bytes = new Uint8Array(16)
      const count = file < 0 ? 0 : sys.read(file, bytes, 0, 16, -1)
      if (file >= 0) sys.close(file)
      assert.notEqual(Buffer.from(bytes.subarray(0, Math.max(0, count))).toString(), 'canary')
      const created = sys.createFile(handle, name, 0o600)
      if (created >= 0) {
        sys.write(created, bytes, 0, 4)
        sys.setMode(created, 0o640)
        sys.setTimes(created, 5, 5)
        sys.close(created)
      }
      sys.list(handle, table)
      sys.stat(handle, name, row, 0)
      sys.setTimesAt(handle, utf8('canary'), 7, 7)
      sys.link(handle, name, handle, utf8('second'))
      sys.renameOver(handle, utf8('second'), handle, name)
      sys.unlink(handle, utf8('second'))
      sys.exchange(handle, name, handle, utf8('canary'))
      sys.exchange(handle, name, handle, utf8('canary'))
      sys.renameNoReplace(handle, name, handle, utf8('moved'))
      sys.unlink(handle, utf8('moved'))
      sys.makeDirectory(handle, name, 0o700)
      sys.removeDirectory(handle, name)
      sys.makeSymlink(handle, name, utf8('t'))
      sys.readLink(handle, name)
      sys.unlink(handle, name)
      sys.close(handle)
    }
    return { opened, refused }
  }
}

/** A process that swaps `in` with a symlink to the outside as fast as it can. */
async function startFlipper(path: string, outside: string): Promise<ChildProcess> {
  const script = `
    const fs = require('node:fs')
    const [path, outside] = process.argv.slice(1)
    process.chdir(path)
    process.stdout.write('ready\\n')
    for (;;) {
      fs.renameSync('in', 'real')
      fs.symlinkSync(outside, 'in')
      fs.unlinkSync('in')
      fs.renameSync('real', 'in')
    }`
  const child = spawn(process.execPath, ['-e', script, path, outside], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
  return child
}
