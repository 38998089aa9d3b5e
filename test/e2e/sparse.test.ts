// Files with holes: they come over as they are, between machines and between folders, and what nobody wrote is neither sent
// nor written; also when such a file is copied there, comes back from the versions, or changes.

import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, lstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { digestFile } from '../../src/disk/content.ts'
import { systemSys } from '../../src/disk/system.ts'
import { hex, utf8 } from '../../src/std/bytes.ts'
import { chanceOf, contentOf } from '../world/disk-trees.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'

const MiB = 1 << 20

/** A file of this size with content at these places only. */
function plant(path: string, sizeBytes: number, content: Readonly<Record<number, string | Uint8Array>> = {}): void {
  mkdirSync(dirname(path), { recursive: true })
  const handle = openSync(path, 'w')
  for (const [at, bytes] of Object.entries(content)) writeSync(handle, Buffer.from(bytes), 0, undefined, Number(at))
  ftruncateSync(handle, sizeBytes)
  closeSync(handle)
}

function digest(path: string): string {
  const sys = systemSys()
  const root = sys.openRoot(dirname(path))
  const found = digestFile(sys, root, utf8(path.slice(dirname(path).length + 1)), lstatSync(path).size)
  sys.close(root)
  assert.ok(found, path)
  return hex(found)
}

function takes(path: string): number {
  return lstatSync(path).blocks * 512
}

/** Equal content, and no more room than the other takes and a little. */
function assertSame(actual: string, expected: string): void {
  assert.equal(lstatSync(actual).size, lstatSync(expected).size, actual)
  assert.equal(digest(actual), digest(expected), actual)
  assert.ok(takes(actual) <= takes(expected) + 64 * 1024, `${actual} takes ${takes(actual)}, not ${takes(expected)}`)
}

const files = {
  all: [64 * MiB, {}],
  begins: [64 * MiB, { 0: 'begins' }],
  ends: [64 * MiB, { [64 * MiB - 4]: 'ends' }],
  middle: [48 * MiB + 7, { 0: 'x', [5_000_001]: 'middle', [40 * MiB]: contentOf('m', 3 * MiB) }],
  small: [200_000, { 100000: 'in a small one' }],
  'tail of it': [9 * MiB, { 0: contentOf('t', 2 * MiB) }],
} as const

describe('files with holes', () => {
  let pair: Pair
  let source: string
  const names = Object.keys(files)

  before(async () => {
    pair = await pairedMachines()
    source = pair.world.folder('source')
    for (const [name, [sizeBytes, content]] of Object.entries(files)) plant(join(source, name), sizeBytes, content)
  })
  after(() => pair?.world.close())

  function assertAll(target: string): void {
    for (const name of names) assertSame(join(target, name), join(source, name))
  }

  it('come over as they are, and only what is in them is sent', async () => {
    const run = await pair.laptop.mustSync('done', source, 'nas:data/pushed')
    assertAll(join(pair.shared, 'pushed'))
    assert.ok(run.wireBytes < 6 * MiB, `${run.wireBytes} on the wire`)
    await pair.laptop.mustSync('unchanged', source, 'nas:data/pushed')
    const pulled = pair.world.folder('pulled')
    assert.ok((await pair.laptop.mustSync('done', 'nas:data/pushed', pulled)).wireBytes < 6 * MiB)
    assertAll(pulled)
  })

  it('of ten gibibytes take no room and send next to nothing', async () => {
    const huge = pair.world.folder('huge')
    plant(join(huge, 'empty'), 10 * 1024 * MiB)
    const run = await pair.laptop.mustSync('done', huge, 'nas:data/huge')
    assert.ok(run.wireBytes < 200_000, `${run.wireBytes} on the wire`)
    const { size } = lstatSync(join(pair.shared, 'huge/empty'))
    assert.deepEqual([size, takes(join(pair.shared, 'huge/empty'))], [10 * 1024 * MiB, 0])
    await pair.laptop.mustSync('unchanged', huge, 'nas:data/huge')
  })

  it('are kept between folders here, when a copy is made there, and when a version comes back', async () => {
    const target = pair.world.folder('here')
    const mine = pair.world.folder('mine')
    plant(join(mine, 'a'), ...files.middle)
    await pair.laptop.mustSync('done', mine, target)
    assertSame(join(target, 'a'), join(mine, 'a'))
    // The same content under another name and time is copied over there.
    plant(join(mine, 'again'), ...files.middle)
    const copied = await pair.laptop.mustSync('done', mine, target)
    assert.equal(copied.counts.copied, 1)
    assertSame(join(target, 'again'), join(mine, 'a'))
    renameSync(join(mine, 'again'), join(pair.world.directory, 'again'))
    await pair.laptop.mustSync('done', mine, target, '--max-delete', '100%')
    assert.equal((await pair.laptop.run('undelete', join(target, 'again'))).code, 0)
    assertSame(join(target, 'again'), join(mine, 'a'))
  })

  it('keep their holes when they change, and where something is written into them', async () => {
    const mine = pair.world.folder('changing')
    plant(join(mine, 'disk'), 64 * MiB, { 0: contentOf('d', 4 * MiB) })
    const send = async (): Promise<Synced> => await pair.laptop.mustSync('done', mine, 'nas:data/changing')
    await send()
    const handle = openSync(join(mine, 'disk'), 'r+')
    writeSync(handle, contentOf('new', 100_000), 0, undefined, 30 * MiB)
    closeSync(handle)
    await send()
    assertSame(join(pair.shared, 'changing/disk'), join(mine, 'disk'))
    plant(join(mine, 'disk'), 40 * MiB, { [30 * MiB]: contentOf('new', 100_000) })
    await send()
    assertSame(join(pair.shared, 'changing/disk'), join(mine, 'disk'))
  })

  it('a resumed one keeps the holes that it has not come to', async () => {
    const mine = pair.world.folder('resumed')
    const chance = chanceOf(7)
    plant(join(mine, 'f'), 96 * MiB, { 0: contentOf(`r${chance(9)}`, 24 * MiB), [60 * MiB]: contentOf('z', MiB) })
    const cut = pair.laptop.start('sync', '--json', '--bwlimit', '8M', mine, 'nas:data/resumed')
    await cut.printed(/"type":"progress".*"contentBytes":[1-9]/)
    cut.kill('SIGKILL')
    await cut.ended
    for (let tries = 0; tries < 100; tries++) {
      const run = await pair.laptop.sync(mine, 'nas:data/resumed')
      if (run.failure?.code === 'root-locked') continue
      assert.equal(run.code, 0, run.stdout + run.stderr)
      break
    }
    assertSame(join(pair.shared, 'resumed/f'), join(mine, 'f'))
    rmSync(join(mine, 'f'))
  })
})
