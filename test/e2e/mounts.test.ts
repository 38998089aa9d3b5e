// Disks that come, go, fill up and turn read-only under a run, and file systems within folders. Each test has a mount
// namespace of its own, so nothing here is seen by the rest of the machine, and all of it ends with the test. Needs root
// and the right to mount; skipped without.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { assertSameTree, contentOf, readTree, writeTree } from '../world/disk-trees.ts'
import { type Machine, World } from '../world/machines.ts'

const canMount =
  process.getuid?.() === 0 &&
  spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt && nsenter --help']).status === 0
const skip = canMount ? false : 'mounting needs root, unshare, nsenter and the right to mount'

describe('mounts', { skip }, () => {
  let world: World
  let laptop: Machine
  let namespace: ChildProcess
  let number = 0
  const home = mkdtempSync(join(tmpdir(), 'nightferry-mounts-'))

  before(async () => {
    // Private, so that nothing mounted in it is ever seen, or removed, outside.
    namespace = spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-c', 'echo ready; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(namespace.stdout as NonNullable<typeof namespace.stdout>, 'data')
    const launcher = join(home, 'launcher')
    const real = join(import.meta.dirname, '..', '..', 'nightferry')
    spawnSync(real, ['--version'])
    writeFileSync(
      launcher,
      `#!/bin/sh
exec nsenter -t ${namespace.pid} -m ${real} "$@"
`,
    )
    chmodSync(launcher, 0o755)
    world = new World({ launcher })
    laptop = world.machine('laptop')
  })
  after(async () => {
    if (namespace !== undefined) {
      const closed = once(namespace, 'close')
      namespace.kill('SIGKILL')
      await closed
    }
    await world?.close()
    rmSync(home, { recursive: true, force: true })
  })

  function command(name: string, ...args: readonly string[]): void {
    const ended = spawnSync('nsenter', ['-t', String(namespace.pid), '-m', name, ...args], { encoding: 'utf8' })
    assert.equal(ended.status, 0, `${name} ${args.join(' ')}: ${ended.stderr}`)
  }
  const mountSmall = (path: string, options: string): void =>
    command('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', path)
  /** The path as the namespace sees it. */
  const inside = (path: string): string => `/proc/${namespace.pid}/root${path}`

  function fresh(files: Record<string, string | Uint8Array>): { source: string; target: string } {
    number += 1
    const source = world.folder(`source-${number}`)
    const target = world.folder(`target-${number}`)
    writeTree(source, files)
    return { source, target }
  }

  it('a disk without room for more names ends the run; what is complete stays, and the next run goes on', async () => {
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`d${i % 4}/f${i}`, `${i}`]))
    const { source, target } = fresh(many)
    mountSmall(target, 'size=4m,nr_inodes=40')
    const full = await laptop.run('sync', source, target)
    assert.equal(full.code, 1, full.stdout + full.stderr)
    assert.match(full.stderr, /no space/)
    const whole = new Set(readTree(source))
    for (const line of readTree(inside(target))) {
      if (!/ directory /.test(line)) assert.ok(whole.has(line), `${line} is not complete`)
    }
    command('mount', '-o', 'remount,nr_inodes=1000', target)
    await laptop.mustSync('done', source, target)
    assertSameTree(inside(target), source)
    assert.deepEqual(readdirSync(join(inside(target), '.nightferry/staging')), [])
  })

  it('a full disk keeps the old version of what it has no room for', async () => {
    const { source, target } = fresh({ large: contentOf('old', 1_500_000), small: 'old' })
    mountSmall(target, 'size=2m')
    await laptop.mustSync('done', source, target)
    const before = readTree(inside(target)).find((line) => line.startsWith('large'))
    writeTree(source, { large: contentOf('new', 1_600_000), small: 'new and small' })
    const full = await laptop.sync(source, target)
    assert.equal(full.failure?.code, 'target-full', full.stdout)
    assert.equal(
      readTree(inside(target)).find((line) => line.startsWith('large')),
      before,
    )
    command('mount', '-o', 'remount,size=9m', target)
    await laptop.mustSync('done', source, target)
    assertSameTree(inside(target), source)
  })

  it('a disk that turned read-only is refused, and nothing is lost', async () => {
    const { source, target } = fresh({ a: 'a', 'd/b': 'b' })
    mountSmall(target, 'size=2m')
    await laptop.mustSync('done', source, target)
    const before = readTree(inside(target))
    writeTree(source, { a: 'changed' })
    command('mount', '-o', 'remount,ro', target)
    const refused = await laptop.sync(source, target)
    assert.deepEqual([refused.code, refused.failure?.code], [1, 'target-not-writable'], refused.stdout)
    assert.deepEqual(readTree(inside(target)), before)
    command('mount', '-o', 'remount,rw', target)
    await laptop.mustSync('done', source, target)
    assertSameTree(inside(target), source)
  })

  it('a disk that is taken away while a run works on it: the run ends, and neither side loses anything', async () => {
    const { source, target } = fresh({})
    for (let i = 0; i < 20; i++) writeTree(source, { [`d${i % 3}/f${i}`]: contentOf(`${i}`, 2_000_000) })
    const seen = readTree(source)
    for (const gone of ['target', 'source'] as const) {
      const disk = world.folder(`disk-${number}-${gone}`)
      const ends = gone === 'target' ? [source, disk] : [disk, target]
      if (gone === 'target') mountSmall(disk, 'size=99m')
      else command('mount', '--bind', source, disk)
      const run = laptop.start('sync', '--json', ...(ends as [string, string]))
      await run.printed(/"type":"progress"/)
      command('umount', '-l', disk)
      const { code, stdout, stderr } = await run.ended
      // Handles that are open keep the disk alive until they are closed: then the run may even end well.
      assert.ok(code === 0 || code === 1 || code === 3, stdout + stderr)
      assert.deepEqual(readTree(inside(disk)), [])
      const again = await laptop.sync(...(ends as [string, string]))
      if (gone === 'target') assert.equal(again.failure?.code, 'root-replaced', again.stdout)
      else assert.equal(again.outcome, 'halted', again.stdout)
      assert.deepEqual(readTree(inside(disk)), [])
      assert.deepEqual(readTree(source), seen)
    }
  })

  it('another disk at the place of the source is not mirrored over what the last one left', async () => {
    const { source, target } = fresh({ a: 'a', b: 'b', 'd/c': 'c' })
    await laptop.mustSync('done', source, target)
    const before = readTree(target)
    mountSmall(source, 'size=1m')
    const empty = await laptop.sync(source, target)
    assert.equal(empty.outcome, 'halted', empty.stdout)
    writeTree(inside(source), { stranger: 'not what was there' })
    const other = await laptop.sync(source, target)
    assert.equal(other.outcome, 'halted', other.stdout)
    assert.deepEqual(readTree(target), before)
    command('umount', source)
    await laptop.mustSync('unchanged', source, target)
  })

  it('a disk that is mounted within the target is not written to, and what it hides is not lost', async () => {
    const { source, target } = fresh({ 'in/a': 'a', 'in/b': 'b', out: 'out', 'moves/x': contentOf('x', 5000) })
    await laptop.mustSync('done', source, target)
    mountSmall(join(target, 'in'), 'size=1m')
    writeTree(inside(join(target, 'in')), { theirs: 'on the other disk' })
    writeTree(source, { 'in/a': 'changed', out: 'changed' })
    const run = await laptop.sync(source, target, '--release')
    assert.ok(run.code === 3 || run.code === 15, run.stdout + run.stderr)
    const there = readTree(inside(join(target, 'in')))
    assert.ok(
      there.some((line) => line.startsWith('theirs ')),
      there.join('\n'),
    )
    command('umount', join(target, 'in'))
    await laptop.sync(source, target)
    await laptop.sync(source, target, '--release')
    assertSameTree(target, source)
  })

  it('disks that are mounted within the source are read like folders, each bind of one by itself', async () => {
    const { source, target } = fresh({ plain: 'plain', 'one/': '', 'two/': '' })
    const other = world.folder(`other-${number}`)
    writeTree(other, { x: 'x', 'y/z': 'z' })
    command('mount', '--bind', other, join(source, 'one'))
    command('mount', '--bind', other, join(source, 'two'))
    await laptop.mustSync('done', source, target)
    assertSameTree(target, inside(source))
    await laptop.mustSync('unchanged', source, target)
    // A file that is mounted over another is read as what it shows.
    command('mount', '--bind', join(other, 'x'), join(source, 'plain'))
    await laptop.mustSync('done', source, target)
    assertSameTree(target, inside(source))
    // One disk less, and few entries: only the guard's numbers stand before their deletion (docs/threats.md).
    command('umount', join(source, 'two'))
    const less = await laptop.sync(source, target, '--max-delete', '0')
    assert.equal(less.outcome, 'halted', less.stdout)
  })

  it('a file system with times of whole seconds is not synced again and again', async (t) => {
    const { source, target } = fresh({ a: 'a', 'd/b': 'b' })
    const image = join(world.directory, 'image')
    writeFileSync(image, new Uint8Array(4 << 20))
    const made = spawnSync('/sbin/mkfs.ext4', ['-q', '-I', '128', '-O', '^has_journal', image], { encoding: 'utf8' })
    const looped =
      made.status === 0 &&
      spawnSync('nsenter', ['-t', String(namespace.pid), '-m', 'mount', '-o', 'loop', image, target]).status === 0
    if (!looped) return t.skip('no mkfs.ext4, or no loop devices')
    command('rmdir', join(target, 'lost+found'))
    await laptop.mustSync('done', source, target)
    await laptop.mustSync('unchanged', source, target)
    writeTree(source, { a: 'changed' })
    await laptop.mustSync('done', source, target)
    await laptop.mustSync('unchanged', source, target)
    // Nor where nothing is remembered.
    rmSync(join(laptop.state, 'state'), { recursive: true })
    await laptop.mustSync('unchanged', source, target)
    assert.equal(readFileSync(join(inside(target), 'a'), 'utf8'), 'changed')
  })
})
