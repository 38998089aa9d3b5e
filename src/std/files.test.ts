// Our own files: whole or not at all, never through a link.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
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
import { fromUtf8, utf8 } from './bytes.ts'
import { Failure } from './failure.ts'
import {
  appendOwnFile,
  createOwnFile,
  ensureOwnDirectory,
  makeDirectories,
  moveOwnFile,
  ownFileMode,
  readOwnFile,
  removeOwnFile,
  removeOwnTree,
  writeOwnFile,
} from './files.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-files-'))
after(() => rmSync(home, { recursive: true, force: true }))

let made = 0
function fresh(): string {
  const path = join(home, `case-${++made}`)
  mkdirSync(path)
  return path
}

function refused(call: () => unknown): void {
  assert.throws(call, (error) => error instanceof Failure && error.code === 'bad-config')
}

describe('our own files', () => {
  it('are read whole, within their bound, and only when they are files', () => {
    const path = fresh()
    assert.equal(readOwnFile(join(path, 'missing'), { maxBytes: 10 }), undefined)
    assert.equal(readOwnFile(join(path, 'no', 'such'), { maxBytes: 10 }), undefined)
    writeFileSync(join(path, 'f'), '0123456789')
    assert.equal(fromUtf8(readOwnFile(join(path, 'f'), { maxBytes: 10 }) ?? new Uint8Array()), '0123456789')
    refused(() => readOwnFile(join(path, 'f'), { maxBytes: 9 }))
    symlinkSync('f', join(path, 'link'))
    symlinkSync('/dev/zero', join(path, 'zero'))
    execFileSync('mkfifo', [join(path, 'fifo')])
    for (const name of ['link', 'zero', 'fifo', '.']) refused(() => readOwnFile(join(path, name), { maxBytes: 10 }))
    refused(() => readOwnFile(join(path, 'f', 'below'), { maxBytes: 10 }))
  })

  it('are put whole, with their mode, over what was there, and nothing is left behind', () => {
    const path = fresh()
    const file = join(path, 'f')
    writeOwnFile(file, utf8('first'), { mode: 0o600 })
    assert.equal(lstatSync(file).mode & 0o777, 0o600)
    chmodSync(file, 0o644)
    const inode = lstatSync(file).ino
    writeOwnFile(file, utf8('second'), { mode: 0o600 })
    assert.equal(readFileSync(file, 'utf8'), 'second')
    assert.notEqual(lstatSync(file).ino, inode)
    assert.equal(ownFileMode(file), 0o600)
    writeOwnFile(file, new Uint8Array(0), { mode: 0o600 })
    assert.deepEqual(readdirSync(path), ['f'])
    assert.equal(lstatSync(file).size, 0)
  })

  it('take the place of a symlink, and never write through one', () => {
    const path = fresh()
    writeFileSync(join(path, 'victim'), 'untouched')
    symlinkSync('victim', join(path, 'f'))
    writeOwnFile(join(path, 'f'), utf8('mine'), { mode: 0o600 })
    assert.equal(readFileSync(join(path, 'victim'), 'utf8'), 'untouched')
    assert.ok(lstatSync(join(path, 'f')).isFile())
  })

  it('leave the old content, and no temporary file, where they can not be put', () => {
    const path = fresh()
    mkdirSync(join(path, 'f', 'full'), { recursive: true })
    assert.throws(() => writeOwnFile(join(path, 'f'), utf8('x'), { mode: 0o600 }))
    assert.deepEqual(readdirSync(path), ['f'])
    assert.throws(() => writeOwnFile(join(path, 'no', 'such'), utf8('x'), { mode: 0o600 }))
  })

  it('are made only where nothing is, and then whole', () => {
    const path = fresh()
    assert.equal(createOwnFile(join(path, 'f'), utf8('first'), { mode: 0o600 }), true)
    assert.equal(createOwnFile(join(path, 'f'), utf8('second'), { mode: 0o600 }), false)
    symlinkSync('nowhere', join(path, 'l'))
    assert.equal(createOwnFile(join(path, 'l'), utf8('x'), { mode: 0o600 }), false)
    assert.equal(readFileSync(join(path, 'f'), 'utf8'), 'first')
    assert.deepEqual(readdirSync(path).sort(), ['f', 'l'])
  })

  it('are appended to, moved and removed; one that is missing is as good as removed', () => {
    const path = fresh()
    appendOwnFile(join(path, 'log'), 'a\n')
    appendOwnFile(join(path, 'log'), 'b\n')
    assert.equal(readFileSync(join(path, 'log'), 'utf8'), 'a\nb\n')
    assert.equal(lstatSync(join(path, 'log')).mode & 0o777, 0o600)
    moveOwnFile(join(path, 'log'), join(path, 'moved'))
    removeOwnFile(join(path, 'moved'))
    removeOwnFile(join(path, 'moved'))
    assert.equal(ownFileMode(join(path, 'moved')), undefined)
    ensureOwnDirectory(join(path, 'd', 'e'), 0o700)
    ensureOwnDirectory(join(path, 'd', 'e'), 0o700)
    assert.equal(lstatSync(join(path, 'd', 'e')).mode & 0o777, 0o700)
    const outside = fresh()
    writeFileSync(join(outside, 'f'), 'untouched')
    symlinkSync(outside, join(path, 'd', 'link'))
    removeOwnTree(join(path, 'd'))
    removeOwnTree(join(path, 'd'))
    assert.deepEqual([existsSync(join(path, 'd')), existsSync(join(outside, 'f'))], [false, true])
  })

  it('have their directories made, or are told what the system says of the first that can not be', (t) => {
    const path = fresh()
    for (let round = 0; round < 2; round++) makeDirectories(join(path, 'a', 'b', 'c'))
    symlinkSync(join(path, 'a'), join(path, 'link'))
    makeDirectories(join(path, 'link', 'b', 'd'))
    assert.deepEqual(readdirSync(join(path, 'a', 'b')), ['c', 'd'])
    writeFileSync(join(path, 'file'), '')
    symlinkSync('nowhere', join(path, 'dangling'))
    for (const [place, code] of [
      [join(path, 'file'), 'EEXIST'],
      [join(path, 'file', 'x', 'y'), 'ENOTDIR'],
      [join(path, 'dangling'), 'EEXIST'],
    ] as const)
      assert.throws(() => makeDirectories(place), { code })
    if (!existsSync('/proc/self')) return t.skip('no /proc here')
    // A file system without a place for it. Node's own way never comes back from there.
    for (const place of ['/proc/nightferry', '/proc/nightferry/deep'])
      assert.throws(() => makeDirectories(place), { code: 'ENOENT' })
    assert.throws(
      () => ensureOwnDirectory('/proc/nightferry/state', 0o700),
      (error: unknown) => error instanceof Failure && error.code === 'bad-config',
    )
  })
})
