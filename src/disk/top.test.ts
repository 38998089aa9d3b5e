// The top folder itself: what it is given, what is told of that, and what it becomes again.

import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { dressOf, drop, set } from '../../test/world/dressed.ts'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { wantsOwner, wantsXattrs } from '../core/attributes.ts'
import type { Top } from '../core/top.ts'
import { errno } from './sys.ts'
import { systemSys } from './system.ts'
import { giveTop, lookAtTop, ownRights, topBefore, topChange, topRefused } from './top.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-top-'))
after(() => rmSync(home, { recursive: true, force: true }))
const sys = systemSys()
const isRoot = process.getuid?.() === 0
let made = 0

function folder(mode = 0o700): { path: string; root: number } {
  const path = join(home, `case-${++made}`)
  mkdirSync(path)
  chmodSync(path, mode)
  return { path, root: sys.openRoot(path) }
}

/** Whether extended attributes can be had here; a skip where not. */
function hasXattrs(t: TestContext, path: string): boolean {
  try {
    set(path, 'user.probe', 'x')
    drop(path, 'user.probe')
    return true
  } catch {
    t.skip('this file system has no extended attributes')
    return false
  }
}

const skip = process.platform !== 'linux' && 'attributes are looked at on Linux only'

describe('the top folder before a run', { skip }, () => {
  it('is what it becomes again, where the run changed it', () => {
    const { path, root } = folder(0o700)
    const change = topChange(sys, root, 0o755)
    assert.ok(change !== undefined)
    assert.equal(topBefore(sys, root, change), 'already')
    chmodSync(path, 0o755)
    const before = topBefore(sys, root, change)
    assert.ok(typeof before === 'object')
    assert.equal(before.mode, 0o700)
    assert.deepEqual(giveTop(sys, root, before, ownRights), { isChanged: true, code: 0 })
    assert.equal(statSync(path).mode & 0o7777, 0o700)
    assert.equal(topBefore(sys, root, change), 'already')
    sys.close(root)
  })

  it('does not come again over a mode that somebody gave it since', () => {
    const { path, root } = folder(0o700)
    const change = topChange(sys, root, 0o755)
    assert.ok(change !== undefined)
    chmodSync(path, 0o711)
    assert.equal(topBefore(sys, root, change), 'changed')
    // What a run could not give it, or was not let to, is nobody's change.
    chmodSync(path, 0o755)
    assert.ok(typeof topBefore(sys, root, { ...change, mode: 0o2755 }) === 'object')
    sys.close(root)
  })

  it('comes again as far as it is not back: attributes, and the owner', (t) => {
    const { path, root } = folder(0o700)
    if (!hasXattrs(t, path)) return
    set(path, 'user.kind', 'old')
    const change = topChange(sys, root, 0o755)
    assert.ok(change !== undefined)
    set(path, 'user.kind', 'new')
    // Its mode was given back by hand.
    const before = topBefore(sys, root, change)
    assert.ok(typeof before === 'object')
    giveTop(sys, root, before, ownRights)
    assert.equal(topBefore(sys, root, change), 'already')
    if (isRoot) {
      chownSync(path, 1001, 1002)
      const owned = topBefore(sys, root, change)
      assert.ok(typeof owned === 'object')
      giveTop(sys, root, owned, ownRights)
      assert.equal(statSync(path).uid, 0)
    }
    sys.close(root)
  })

  it('is not known where it can not be looked at: then nothing is told, and nothing given back', () => {
    const { root } = folder()
    const change = topChange(sys, root, 0o755)
    assert.ok(change !== undefined)
    const blind = new FaultySys(sys).on('statHandle', { sticky: true, result: -errno.EIO })
    assert.equal(topChange(blind, root, 0o755), undefined)
    assert.equal(topBefore(blind, root, change), 'changed')
    assert.equal(lookAtTop(blind, root, 0), -errno.EIO)
    sys.close(root)
  })
})

describe('what the top folder is given', { skip }, () => {
  const bare: Top = { mode: 0o750, attributes: undefined, set: new Uint8Array(0), mtimeSeconds: 1, mtimeNs: 0 }

  it('is told as a change where it was not that before', () => {
    const { root } = folder(0o700)
    const rights = { mask: 0, modeMask: 0o777 }
    assert.deepEqual(giveTop(sys, root, bare, rights), { isChanged: true, code: 0 })
    assert.deepEqual(giveTop(sys, root, bare, rights), { isChanged: false, code: 0 })
    sys.close(root)
  })

  it('is no mode where none is carried, and what it has goes where the other has nothing', (t) => {
    const { path, root } = folder(0o700)
    if (!hasXattrs(t, path)) return
    set(path, 'user.kind', 'mine')
    assert.deepEqual(giveTop(sys, root, bare, { mask: wantsXattrs, modeMask: 0 }), { isChanged: true, code: 0 })
    assert.equal(statSync(path).mode & 0o777, 0o700)
    assert.ok(!dressOf(path).includes('user.kind'), dressOf(path))
    sys.close(root)
  })

  it('is told where it was refused: the owner before the mode, and the mode', () => {
    const { root } = folder(0o700)
    const refusing = (call: 'setMode' | 'setOwner'): FaultySys =>
      new FaultySys(sys).on(call, { sticky: true, result: -errno.EPERM })
    const rights = { mask: 0, modeMask: 0o777 }
    assert.equal(giveTop(refusing('setMode'), root, bare, rights).code, -errno.EPERM)
    const owned = lookAtTop(sys, root, wantsOwner)
    assert.ok(typeof owned === 'object' && owned.attributes !== undefined)
    // The same block of another user.
    const attributes = owned.attributes.slice()
    const at = attributes.length - 1
    attributes[at] = (attributes[at] as number) ^ 1
    const given = giveTop(refusing('setOwner'), root, { ...owned, attributes }, { ...rights, mask: wantsOwner })
    assert.equal(given.code, -errno.EPERM)
    sys.close(root)
  })

  it('is a problem where it was refused, but for what was gone already', () => {
    assert.deepEqual([topRefused(0), topRefused(-errno.ENODATA)], [[], []])
    assert.deepEqual(topRefused(-errno.EPERM), [{ path: '', code: 'attributes-refused', detail: 'EPERM' }])
  })
})
