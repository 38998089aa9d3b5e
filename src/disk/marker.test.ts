// Markers: where a target was seen last, what is told when it lies elsewhere, and what is refused.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fails, picture, target, visit } from '../../test/world/open-roots.ts'
import { isOneFolder } from './marker.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-marker-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

function fresh(): string {
  return join(home, `case-${++made}`)
}

describe('the marker of a target', () => {
  const marker = (path: string): Record<string, string> =>
    JSON.parse(readFileSync(join(path, '.nightferry/root.json'), 'utf8')) as Record<string, string>
  const copy = (path: string): string => {
    cpSync(path, `${path} copy`, { recursive: true })
    return `${path} copy`
  }

  it('is bound to where the target lies, and is told and bound anew when that moved', () => {
    const path = fresh()
    const { id, rebound } = visit(path)
    assert.deepEqual(rebound, [])
    const { dev, ino } = lstatSync(path, { bigint: true })
    const bound = marker(path)
    assert.deepEqual([bound.path, bound.device, bound.inode], [path, String(dev), String(ino)])
    renameSync(path, `${path} moved`)
    assert.deepEqual(
      visit(`${path} moved`, { create: false }).rebound,
      ['root-moved'],
      'a dry run tells and writes nothing',
    )
    assert.equal(marker(`${path} moved`).path, path)
    const moved = visit(`${path} moved`, { expectedId: id })
    assert.deepEqual([moved.id, moved.rebound], [id, ['root-moved']])
    assert.deepEqual(visit(`${path} moved`).rebound, [])
    assert.equal(marker(`${path} moved`).path, `${path} moved`)
  })

  it('tells of another disk under the right marker', () => {
    const path = fresh()
    const { id } = visit(path)
    renameSync(path, `${path} old`)
    cpSync(`${path} old`, path, { recursive: true })
    rmSync(`${path} old`, { recursive: true })
    const back = visit(path, { expectedId: id })
    assert.deepEqual([back.id, back.rebound], [id, ['root-other-disk']])
    assert.deepEqual(visit(path).rebound, [])
  })

  it('in two places at once is refused in the second, in a dry run too, and changes nothing', () => {
    const path = fresh()
    const { id } = visit(path)
    const second = copy(path)
    const before = picture(second)
    for (const create of [true, false]) {
      fails('root-replaced', () => target(second, { create }))
      fails('root-replaced', () => target(second, { create, expectedId: id }))
    }
    assert.deepEqual(picture(second), before)
    assert.deepEqual([visit(path, { expectedId: id }).id, visit(path).rebound], [id, []], 'the first one goes on')
    // A person says that it is another one: then it has an id of its own.
    const own = visit(second, { isNew: true })
    assert.notEqual(own.id, id)
    assert.deepEqual(own.rebound, [])
    assert.equal(visit(second, { expectedId: own.id }).id, own.id)
  })

  it('is taken for a copy while the first can not be looked at, and for the only one when that is no target any more', () => {
    const path = fresh()
    visit(path)
    const second = copy(path)
    writeFileSync(join(path, '.nightferry/root.json'), 'damaged')
    fails('root-replaced', () => target(second))
    rmSync(join(path, '.nightferry'), { recursive: true })
    assert.deepEqual(visit(second).rebound, ['root-moved'])
  })

  it('is one by whatever path the folder is reached', (t) => {
    const path = fresh()
    const { id } = visit(path)
    symlinkSync(path, `${path} link`)
    assert.deepEqual([visit(`${path} link`).id, visit(`${path} link`).rebound], [id, []])
    mkdirSync(`${path} bound`)
    const mounted = spawnSync('mount', ['--bind', path, `${path} bound`])
    if (mounted.status !== 0) return t.skip('mounts are not allowed here')
    try {
      assert.deepEqual([visit(`${path} bound`).id, visit(`${path} bound`).rebound], [id, []])
      assert.equal(marker(path).path, path)
      assert.ok(isOneFolder(path, `${path} bound`) && !isOneFolder(path, home))
    } finally {
      spawnSync('umount', [`${path} bound`])
    }
  })

  it('is no copy where another target lies at its old place, and is bound anew by another machine', () => {
    const path = fresh()
    const { id } = visit(path)
    renameSync(path, `${path} moved`)
    const second = visit(path)
    assert.notEqual(second.id, id)
    const moved = visit(`${path} moved`, { expectedId: id })
    assert.deepEqual([moved.id, moved.rebound], [id, ['root-moved']])
    assert.equal(marker(path).machine, 'here')
    assert.deepEqual([visit(path, { machine: 'there' }).rebound, marker(path).machine], [[], 'there'])
  })

  it('tells of another disk where only that is another one', () => {
    const path = fresh()
    visit(path)
    writeFileSync(join(path, '.nightferry/root.json'), JSON.stringify({ ...marker(path), device: '1' }))
    assert.deepEqual([visit(path).rebound, visit(path).rebound], [['root-other-disk'], []])
  })

  it('of a marker that says less than today is completed without a word', () => {
    const path = fresh()
    const { id } = visit(path)
    const { device: _, inode: __, ...old } = marker(path)
    writeFileSync(join(path, '.nightferry/root.json'), JSON.stringify(old))
    assert.deepEqual([visit(path).id, visit(path).rebound], [id, []])
    assert.equal(marker(path).inode, String(lstatSync(path).ino))
  })

  it('is one folder only on one disk, and what leads nowhere is none', () => {
    // Both have the first inode of their file systems.
    const roots = ['/proc', '/sys'].filter((path) => existsSync(path))
    if (new Set(roots.map((path) => lstatSync(path).ino)).size === 1 && roots.length === 2)
      assert.ok(!isOneFolder('/proc', '/sys'))
    const circle = `${fresh()} circle`
    symlinkSync(circle, circle)
    assert.ok(!isOneFolder(circle, home) && isOneFolder(home, home))
  })

  it('is believed about how names are stored only as it may have been written', () => {
    const path = fresh()
    visit(path)
    const known = marker(path)
    for (const [code, change] of [
      ['format-too-new', { version: 3 }],
      ['format-too-new', { version: 2, stores: 64 }],
      ['root-replaced', { version: 2 }],
      ['root-replaced', { version: 2, stores: 0 }],
      ['root-replaced', { version: 2, stores: -1 }],
      ['root-replaced', { version: 2, stores: 1.5 }],
      ['root-replaced', { version: 2, stores: '1' }],
      ['root-replaced', { version: 1, stores: 1 }],
      ['root-replaced', { version: 0 }],
    ] as const) {
      writeFileSync(join(path, '.nightferry/root.json'), JSON.stringify({ ...known, ...change }))
      for (const isNew of [false, true]) fails(code, () => target(path, { isNew }))
    }
  })

  it('keeps others out of what lies below, unless a person says so', () => {
    const path = fresh()
    visit(path)
    mkdirSync(join(path, 'a/b'), { recursive: true })
    symlinkSync(join(path, 'a'), `${path} link`)
    const before = picture(path)
    for (const inner of [join(path, 'a'), join(path, 'a/b'), join(path, 'new'), join(`${path} link`, 'b')]) {
      for (const create of [true, false]) fails('nested-ends', () => target(inner, { create }))
    }
    assert.deepEqual(picture(path), before)
    const { id } = visit(join(path, 'a'), { isNew: true })
    assert.equal(visit(join(path, 'a'), { expectedId: id }).id, id, 'what is a target already goes on')
    rmSync(join(path, '.nightferry'), { recursive: true })
    rmSync(join(path, 'a/.nightferry'), { recursive: true })
    visit(join(path, 'a/b'))
  })
})
