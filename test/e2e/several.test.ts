// Several machines and several folders at once on one daemon, nothing sent twice; and what can't be copied (FIFOs, names
// that are no text, sockets), which is reported, ends with code 3 and never causes a deletion.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { utf8 } from '../../src/std/bytes.ts'
import { assertSameTree, contentOf, readTree, writeTree } from '../world/disk-trees.ts'
import { type Machine, noticesOf, type Pair, pairedMachines, type Synced } from '../world/machines.ts'

const filesPerFolder = 30
const fileBytes = 100_000

describe('several machines', () => {
  let pair: Pair
  let machines: Machine[]

  before(async () => {
    pair = await pairedMachines()
    const desktop = pair.world.machine('desktop')
    const studio = pair.world.machine('studio')
    // One code is open at a time.
    await pair.nas.pairWith(desktop)
    await pair.nas.pairWith(studio)
    machines = [pair.laptop, desktop, studio]
  })
  after(() => pair?.world.close())

  it('mirror their folders at once, and no content is sent twice', async () => {
    const { world, nas, shared } = pair
    const jobs = machines.flatMap((machine) =>
      ['one', 'two'].map((name) => ({ machine, folder: `${machine.name}-${name}` })),
    )
    for (const { folder } of jobs) {
      const files = Array.from({ length: filesPerFolder }, (_, i) => [
        `d${i % 3}/f${i}`,
        contentOf(`${folder} ${i}`, fileBytes),
      ])
      writeTree(world.folder(folder), Object.fromEntries(files))
    }
    const before = nas.log('serve').filter(({ action }) => action === 'session-close').length
    const runs = await Promise.all(jobs.map(({ machine, folder }) => machine.sync(folder, `nas:data/${folder}`)))
    runs.forEach((run, i) => {
      const { folder } = jobs[i] as { folder: string }
      assert.equal(run.outcome, 'done', run.stdout + run.stderr)
      const content = filesPerFolder * fileBytes
      assert.ok(run.wireBytes > content && run.wireBytes < content * 1.05, `${run.wireBytes} bytes for ${content}`)
      assertSameTree(join(shared, folder), join(world.directory, folder))
    })
    // Each session writes its lines when it ends, which is after its run did.
    await nas.loggedTimes('session-close', before + jobs.length)
    const received = nas.log('serve').filter(({ action }) => action === 'file-received')
    const count = received.reduce((sum, line) => sum + Number(line.count), 0)
    assert.equal(count, jobs.length * filesPerFolder)
  })

  it('read one folder at once', async () => {
    const { world, shared } = pair
    writeTree(shared, { 'read/a': contentOf('a', fileBytes), 'read/b/c': 'c' })
    const runs = await Promise.all(machines.map((machine) => machine.sync('nas:data/read', `read-${machine.name}`)))
    for (const run of runs) assert.equal(run.outcome, 'done', run.stdout + run.stderr)
    for (const { name } of machines) assertSameTree(join(world.directory, `read-${name}`), join(shared, 'read'))
  })

  it('know each other by name, and their shares', async () => {
    const { world, nas } = pair
    writeTree(world.folder('for-studio'), { secret: 's' })
    await nas.must('share', 'add', 'studio', join(world.directory, 'for-studio'), '--for', 'studio')
    const [laptop, , studio] = machines as [Machine, Machine, Machine]
    assert.equal((await laptop.sync('nas:studio', 'stolen')).code, 12)
    await studio.mustSync('done', 'nas:studio', 'mine')
    const { shares } = JSON.parse(await nas.must('share', 'list', '--json')) as { shares: { name: string }[] }
    assert.deepEqual(
      shares.map(({ name }) => name),
      ['data', 'studio'],
    )
    const known = JSON.parse(await nas.must('machines', '--json')) as { machines: { name: string }[] }
    assert.deepEqual(known.machines.map(({ name }) => name).sort(), ['desktop', 'laptop', 'studio'])
  })
})

/** Makes a FIFO whose name a spawned process can not be given as a word. */
function fifoOf(path: string): string {
  return `mkfifo "$(printf '${[...utf8(path)].map((byte) => `\\${byte.toString(8)}`).join('')}')"`
}

describe('what can not be copied', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  for (const direction of ['push', 'pull'] as const) {
    it(`is a problem with code 3, and no reason to delete, ${direction}`, async () => {
      const here = pair.world.folder(`here-${direction}`)
      const there = pair.world.folder(`shared/${direction}`)
      const [source, target] = direction === 'push' ? [here, there] : [there, here]
      const remote = `nas:data/${direction}`
      const ends = direction === 'push' ? [here, remote] : [remote, here]
      writeTree(source, { good: 'good', 'was-file': 'a file', 'was-folder/inside': 'inside', 'gone/with': 'with' })
      await pair.laptop.mustSync('done', ...ends)

      // What was a file and a folder are FIFOs now; more of them come in a folder of their own, and in an old one.
      for (const name of ['was-file', 'was-folder']) {
        renameSync(join(source, name), join(pair.world.directory, `${direction}-${name}`))
        assert.equal(spawnSync('mkfifo', [join(source, name)]).status, 0)
      }
      mkdirSync(join(source, 'new'))
      for (const name of ['pipe-\udcff\udcfe', 'new/\udcc3'])
        assert.equal(spawnSync('sh', ['-c', fifoOf(join(source, name))]).status, 0)
      rmSync(join(source, 'gone'), { recursive: true })
      writeTree(source, { 'new/good': 'good too' })

      for (const round of [1, 2]) {
        const run = await pair.laptop.sync(...ends)
        assert.equal(run.code, 3, run.stdout + run.stderr)
        assert.equal(run.outcome, 'partial')
        // Only those are problems that stand for what the target has; all are told once, together.
        const codes = run.problems.map(({ path, code }) => `${code} ${path}`).sort()
        assert.deepEqual(codes, ['special was-file', 'special was-folder'])
        const told = noticesOf(run).filter((text) => text.startsWith('left out 4 devices, FIFOs or sockets'))
        assert.equal(told.length, 1, run.stdout)
        for (const name of ['was-file', 'pipe-', 'new/']) assert.ok((told[0] ?? '').includes(name), told.join())
        const lines = readTree(target).map((line) => line.split(' ')[0])
        assert.deepEqual(
          lines,
          ['good', 'new', 'new/good', 'was-file', 'was-folder', 'was-folder/inside'],
          `round ${round}`,
        )
      }
      const plain = await pair.laptop.run('sync', ...ends)
      assert.equal(plain.code, 3)
      assert.match(plain.stderr, /was-file is a device, FIFO or socket/)
      assert.match(plain.stdout + plain.stderr, /left out 4 .*pipe-\\xff\\xfe/)

      for (const name of ['was-file', 'was-folder']) rmSync(join(source, name))
      for (const name of ['was-file', 'was-folder']) {
        renameSync(join(pair.world.directory, `${direction}-${name}`), join(source, name))
      }
      spawnSync('sh', ['-c', 'rm -- "$0"/pipe-* "$0"/new/[!g]*', source], { env: { LC_ALL: 'C' } })
      await pair.laptop.sync(...ends)
      assertSameTree(target, source)
    })
  }

  it("that stands in nobody's way is told once a run, and costs no exit code", async () => {
    const source = pair.world.folder('with-fifos')
    writeTree(source, { good: 'good', '.nightferryignore': 'hidden' })
    for (const name of ['a', 'b', 'hidden']) assert.equal(spawnSync('mkfifo', [join(source, name)]).status, 0)
    const told = (run: Synced): string[] => noticesOf(run).filter((text) => text.includes('never copied'))
    for (const outcome of ['done', 'unchanged', 'unchanged']) {
      const run = await pair.laptop.mustSync(outcome, source, 'nas:data/with-fifos')
      assert.deepEqual(told(run), ['left out 2 devices, FIFOs or sockets, never copied: a, b'])
    }
    const away = pair.world.folder('shared/served-fifos')
    assert.equal(spawnSync('mkfifo', [join(away, 'a')]).status, 0)
    const pulled = await pair.laptop.mustSync('unchanged', 'nas:data/served-fifos', pair.world.folder('from-fifos'))
    assert.deepEqual(told(pulled), ['left out 1 device, FIFO or socket, never copied: a'])
  })

  it('on the target is neither deleted nor replaced', async () => {
    const source = pair.world.folder('plain')
    const target = pair.world.folder('shared/odd')
    writeTree(source, { fifo: 'a file', 'd/x': 'x' })
    mkdirSync(join(target, 'd'))
    for (const name of ['fifo', 'other', 'd/third']) assert.equal(spawnSync('mkfifo', [join(target, name)]).status, 0)
    const run = await pair.laptop.sync(source, 'nas:data/odd')
    assert.equal(run.code, 3, run.stdout + run.stderr)
    assert.deepEqual(
      run.problems.map(({ path, code }) => `${path} ${code}`),
      ['fifo target-occupied'],
    )
    const alone = 'left alone 2 devices, FIFOs or sockets on the target: '
    assert.equal(noticesOf(run).filter((text) => text.startsWith(alone)).length, 1, run.stdout)
    assert.deepEqual(readTree(target).filter((line) => line.includes('special')).length, 3)
    // A folder that goes is kept where it holds one.
    rmSync(join(source, 'd'), { recursive: true })
    const next = await pair.laptop.sync(source, 'nas:data/odd')
    assert.equal(next.code, 3, next.stdout + next.stderr)
    assert.ok(readTree(target).some((line) => line.startsWith('d/third special')))
  })
})
