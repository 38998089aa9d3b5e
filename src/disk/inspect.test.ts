// One path looked at: what stands there, whether it is what was seen, ignore files on the way; and a root's checkup.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openTestDigester } from '../../test/world/trees.ts'
import type { RelPath } from '../core/path.ts'
import { Tree } from '../core/tree.ts'
import { checkRoot } from './checkup.ts'
import { ignoreTextsOn, lookBelow, placeOfPath, sinceRecord } from './inspect.ts'
import { openTarget } from './root.ts'
import { scanRoot } from './scan.ts'
import { systemSys } from './system.ts'

const sys = systemSys()
const home = realpathSync(mkdtempSync(join(tmpdir(), 'nf-inspect-')))
after(() => rmSync(home, { recursive: true, force: true }))

const rel = (text: string): RelPath => text as RelPath
let made = 0
function folder(files: Readonly<Record<string, string>>): string {
  const root = join(home, `r${++made}`)
  mkdirSync(root)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

test('what stands at a path', () => {
  const root = folder({ f: 'f', 'd/g': 'g' })
  symlinkSync('d', join(root, 'l'))
  spawnSync('mkfifo', [join(root, 'p')])
  const kinds = ['', 'f', 'd', 'd/g', 'l', 'p', 'none', 'none/x', 'f/x', 'l/g'].map(
    (path) => lookBelow(sys, root, rel(path)).kind,
  )
  // A link is never followed below a root.
  const expected = 'directory file directory file symlink special missing missing missing missing'
  assert.deepEqual(kinds, expected.split(' '))
  assert.equal(lookBelow(sys, join(root, 'nowhere'), rel('x')).kind, 'no-root')
})

test('what stands there is what was seen, or is not', () => {
  const root = folder({ same: 's', edited: 'e', gone: 'g', 'd/in': 'i' })
  const handle = sys.openRoot(root)
  const tree = new Tree([], '', openTestDigester)
  scanRoot(sys, handle, tree, { overrides: [], ignoreFiles: [] }, Date.now)
  sys.close(handle)
  writeFileSync(join(root, 'edited'), 'another text')
  writeFileSync(join(root, 'later'), 'l')
  writeFileSync(join(root, 'd/also'), 'l')
  rmSync(join(root, 'gone'))
  const since = (path: string): string =>
    sinceRecord(lookBelow(sys, root, rel(path)), rel(path), tree.record(rel(path.includes('/') ? 'd' : '')))
  assert.deepEqual(['same', 'edited', 'gone', 'later', 'd', 'd/in', 'd/also', 'never'].map(since), [
    'same',
    'changed',
    'changed',
    'unseen',
    'same',
    'same',
    'unseen',
    'unseen',
  ])
  assert.equal(sinceRecord(lookBelow(sys, root, rel('x/y')), rel('x/y'), undefined), 'unknown')
})

test('ignore files on the way to a path, and one that is no text', () => {
  const root = folder({ '.i': 'top', 'a/.i': 'a', 'a/b/.i': 'b', 'a/b/f': 'f', 'other/.i': 'other' })
  const labels = (path: string): string[] => ignoreTextsOn(sys, root, rel(path), ['.i']).texts.map(({ text }) => text)
  assert.deepEqual(labels('a/b/f'), ['top', 'a', 'b'])
  assert.deepEqual(labels('a/gone/f'), ['top', 'a'])
  assert.deepEqual(labels('f'), ['top'])
  mkdirSync(join(root, 'c/.i'), { recursive: true })
  assert.deepEqual(labels('c/f'), ['top'], 'a directory of that name is no ignore file')
  writeFileSync(join(root, 'a/.i'), new Uint8Array([0xff, 0xfe]))
  assert.equal(ignoreTextsOn(sys, root, rel('a/b/f'), ['.i']).unreadable, 'a/.i')
  assert.equal(ignoreTextsOn(sys, join(root, 'none'), rel('f'), ['.i']).unreadable, join(root, 'none'))
})

test('a path is resolved but for its own name, also where it is gone', () => {
  const root = folder({ 'd/f': 'f' })
  symlinkSync(join(root, 'd'), join(root, 'l'))
  assert.equal(placeOfPath(join(root, 'l/f')), join(root, 'd/f'))
  assert.equal(placeOfPath(join(root, 'l')), join(root, 'l'))
  assert.equal(placeOfPath(join(root, 'l/none/../gone/x')), join(root, 'd/gone/x'))
  assert.equal(placeOfPath('/'), '/')
})

test('a root is checked up, and what runs left in it is counted', () => {
  const root = folder({})
  assert.equal(checkRoot(sys, root, 'target').own, undefined)
  assert.deepEqual([checkRoot(sys, join(root, 'x'), 'source').trouble], ['ENOENT'])
  writeFileSync(join(root, 'file'), '')
  assert.equal(checkRoot(sys, join(root, 'file'), 'source').trouble, 'ENOTDIR')
  const open = openTarget(sys, root, { create: true, machine: 'm', expectedId: undefined })
  assert.equal(checkRoot(sys, root, 'target').own?.isLocked, true)
  assert.equal(checkRoot(sys, root, 'target').own?.traits, undefined, 'nothing is tried out beside a run')
  open.close()
  for (const name of ['staging/abc', 'staging/kept-aside', 'journal'])
    writeFileSync(join(root, '.nightferry', name), '')
  mkdirSync(join(root, '.nightferry/kept'))
  writeFileSync(join(root, '.nightferry/kept/one'), '')
  const { own, trouble, freeBytes } = checkRoot(sys, root, 'target')
  assert.ok(trouble === '' && freeBytes > 0)
  assert.deepEqual([own?.isLocked, own?.staged, own?.hasJournal, own?.kept, own?.trouble], [false, 1, true, 2, ''])
  assert.equal(own?.traits?.modeMask, 0o777)
  assert.deepEqual(lookBelow(sys, root, rel('.nightferry/staging/abc')).kind, 'file', 'nothing of it was cleared away')
  writeFileSync(join(root, '.nightferry/root.json'), 'damaged')
  assert.match(checkRoot(sys, root, 'target').own?.trouble ?? '', /marker .* is damaged/)
})

test('a folder that may not be written is told', {
  skip: process.getuid?.() === 0 && 'root may write anywhere',
}, () => {
  const root = folder({})
  chmodSync(root, 0o500)
  assert.equal(checkRoot(sys, root, 'target').trouble, 'EACCES')
})
