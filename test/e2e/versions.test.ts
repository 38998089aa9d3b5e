// Old versions with real processes: what a run replaces and deletes is kept, listed, brought back, undone and pruned;
// here and on another machine.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type Machine, type Pair, pairedMachines, World } from '../world/machines.ts'
import { ordinaryUser } from '../world/ordinary-user.ts'
import { contents, facts, plant } from '../world/planted.ts'

const before = {
  'dir/deep/moves': 'in a folder that moves',
  moves: 'it moves',
  'a file': 'old',
  'd/below': 'older',
  'gone/deep/file': 'deleted',
  link: { link: 'to' },
}

const runsOf = (target: string): string[] => readdirSync(join(target, '.nightferry/versions')).sort()

/** Mirrors `before`, then a source in which something was replaced, deleted and added. */
async function twice(machine: Machine, source: string, target: string, ...more: string[]): Promise<string> {
  if (!existsSync(source) || readdirSync(source).length === 0) {
    plant(source, before)
    await machine.mustSync('done', source, target)
  }
  writeFileSync(join(source, 'a file'), 'the new version')
  rmSync(join(source, 'gone'), { recursive: true })
  plant(source, { 'new/file': 'n' })
  renameSync(join(source, 'dir'), join(source, 'dir moved'))
  renameSync(join(source, 'moves'), join(source, 'new/moved'))
  const run = await machine.mustSync('done', source, target, ...more)
  return String(run.lines[0]?.['runId'])
}

/** Writes what a run says of itself, as whoever wrote it would: under a new name, in a place that was renamed. */
function rewriteRun(target: string, run: string, text: string | Uint8Array): void {
  const place = join(target, '.nightferry/versions', run)
  const file = join(place, 'run.json')
  rmSync(file)
  writeFileSync(file, text)
  renameSync(place, `${place}.moved`)
  renameSync(`${place}.moved`, place)
}

describe('versions of a target on this machine', () => {
  const world = new World()
  const machine = world.machine('one')
  after(() => world.close())
  let made = 0
  const folders = (): { source: string; target: string } => {
    const path = world.folder(`case-${++made}`)
    return { source: join(path, 'source'), target: join(path, 'target') }
  }

  it('lists what was replaced and deleted, and brings it back without overwriting', async () => {
    const { source, target } = folders()
    const run = await twice(machine, source, target)
    const listed = JSON.parse(await machine.must('versions', target, '--json')) as { versions: { path: string }[] }
    assert.deepEqual(
      listed.versions.map(({ path }) => path),
      ['a file', 'gone/deep/file'],
    )
    assert.match(await machine.must('versions', join(target, 'gone')), new RegExp(`${run}  deleted .* gone/deep/file`))
    assert.match(await machine.must('versions', join(target, 'new')), /no old versions/)

    const refused = await machine.run('undelete', join(target, 'a file'))
    assert.equal(refused.code, 3)
    assert.match(refused.stderr, /is there, and was left alone: a file\n.*--to DIR/)
    assert.equal(readFileSync(join(target, 'a file'), 'utf8'), 'the new version')

    assert.match(
      await machine.must('undelete', join(target, 'gone')),
      /brought back 1 version.*\nThe next mirror .* again/,
    )
    assert.equal(contents(target)['gone/deep/file'], 'deleted')
    const elsewhere = world.folder(`elsewhere-${made}`)
    const told = await machine.must('undelete', join(target, 'a file'), '--to', elsewhere)
    assert.ok(told.includes(`brought back 1 version, 3 B, to ${elsewhere}\n`), told)
    assert.deepEqual(contents(elsewhere), { 'a file': 'old' })
    // It stays a version, and the next mirror deletes again what came back.
    assert.equal((await machine.mustSync('done', source, target)).counts['deleted'], 1)
    assert.deepEqual(facts(target), facts(source))
  })

  it('undoes a run, halts the next one, and undoes the undo', async () => {
    const { source, target } = folders()
    plant(source, before)
    await machine.mustSync('done', source, target)
    const was = facts(target)
    const run = await twice(machine, source, target)
    const done = facts(target)
    assert.match(await machine.must('undo', run, '--dry-run'), /can be undone; nothing was changed/)
    assert.deepEqual(facts(target), done)
    const told = (await machine.must('undo', run, '--json')).trimEnd().split('\n')
    const undone = JSON.parse(told.at(-1) ?? '') as { runId: string; outcome: string }
    assert.equal(undone.outcome, 'done')
    assert.deepEqual(facts(target), was)
    assert.match(await machine.must('undo', run), /nothing to undo/)

    const halted = await machine.sync(source, target)
    assert.equal(halted.code, 15)
    assert.match(String(halted.halt?.['reason']), /was undone/)
    assert.deepEqual(facts(target), was)
    assert.match(await machine.must('undo', undone.runId), /undone/)
    assert.deepEqual(facts(target), done)
    await machine.mustSync('unchanged', source, target)
    await machine.mustSync('unchanged', source, target)
  })

  it('refuses an undo as a whole where one path was changed since', async () => {
    const { source, target } = folders()
    const run = await twice(machine, source, target)
    writeFileSync(join(target, 'a file'), 'a person wrote this')
    const now = facts(target)
    const { code, stderr } = await machine.run('undo', run)
    assert.equal(code, 15)
    assert.match(stderr, /nothing was changed.*\n {2}a file was changed since\n/)
    assert.deepEqual(facts(target), now)
    assert.equal((await machine.run('undo', 'nonsense')).code, 2)
    assert.match((await machine.run('undo', '2')).stderr, /more than one run/)
  })

  it('keeps nothing with none, remembers the policy, and keeps elsewhere', async () => {
    const { source, target } = folders()
    await twice(machine, source, target, '--keep-versions', 'none')
    assert.equal(runsOf(target).length, 1)
    writeFileSync(join(source, 'a file'), 'again')
    await machine.mustSync('done', source, target)
    assert.equal(runsOf(target).length, 1)

    const elsewhere = join(world.folder(`apart-${made}`), 'kept here')
    writeFileSync(join(source, 'a file'), 'and again')
    await machine.mustSync('done', source, target, '--keep-versions', '7', '--versions', elsewhere)
    assert.deepEqual(runsOf(target), [])
    const [store = ''] = readdirSync(elsewhere)
    assert.equal(readdirSync(join(elsewhere, store)).length, 2)
    writeFileSync(join(source, 'a file'), 'and again, later')
    await machine.mustSync('done', source, target)
    assert.match(await machine.must('versions', target), /2 versions, kept in .*kept here/)
    rmSync(join(target, 'a file'))
    await machine.must('undelete', join(target, 'a file'))
    assert.equal(contents(target)['a file'], 'and again')
  })

  it('refuses places and times that are none', async () => {
    const { source, target } = folders()
    plant(source, before)
    for (const [option, value, text] of [
      ['--keep-versions', '0', /a number of days/],
      ['--keep-versions', 'a week', /a number of days/],
      ['--versions', join(target, 'd'), /in the target itself/],
      ['--versions', join(target, '.nightferry/staging'), /in the target itself/],
      ['--versions', '/nowhere/at/all', /can't be made/],
      ...(existsSync('/proc/self') ? ([['--versions', '/proc', /another file system/]] as const) : []),
    ] as const) {
      const run = await machine.sync(source, target, option, value)
      assert.equal(run.code, 2, `${option} ${value}: ${run.stdout}`)
      assert.match(run.failure?.message ?? run.stdout, text)
      assert.ok(!existsSync(join(target, 'a file')))
    }
    for (const args of [
      ['versions', world.directory],
      ['undelete', source],
      ['undelete', join(target, 'never was')],
    ]) {
      assert.equal((await machine.run(...args)).code, 1, args.join(' '))
    }
  })

  it('finds and brings back what was kept under an older name, through several renames', async () => {
    const { source, target } = folders()
    plant(source, {
      'one/sub/file': { text: 'first', mtimeMs: 1e12 },
      'one/other': 'o',
      'one/sub/gone': 'gone',
      x: 'x',
    })
    await machine.mustSync('done', source, target)
    plant(source, { 'one/sub/file': { text: 'second', mtimeMs: 1.1e12 } })
    await machine.mustSync('done', source, target)
    rmSync(join(source, 'one/sub/gone'))
    await machine.mustSync('done', source, target)
    renameSync(join(source, 'one'), join(source, 'two'))
    assert.equal((await machine.mustSync('done', source, target)).counts['renamed'], 1)
    plant(source, { 'two/sub/file': { text: 'third', mtimeMs: 1.2e12 } })
    await machine.mustSync('done', source, target)
    renameSync(join(source, 'two/sub'), join(source, 'three'))
    assert.equal((await machine.mustSync('done', source, target)).counts['renamed'], 1)
    // Another thing under the first name: its versions are its own.
    plant(source, { 'one/sub/file': 'another' })
    await machine.mustSync('done', source, target)
    rmSync(join(source, 'one'), { recursive: true })
    await machine.mustSync('done', source, target)

    const listed = async (path: string): Promise<string[]> => {
      const text = await machine.must('versions', join(target, path), '--json')
      const { versions } = JSON.parse(text) as { versions: { path: string; was?: string; why: string }[] }
      return versions.map(({ path: now, was, why }) => `${why} ${now}${was === undefined ? '' : ` was ${was}`}`)
    }
    const names = ['replaced three/file was two/sub/file', 'replaced three/file was one/sub/file']
    assert.deepEqual(await listed('three/file'), names)
    const all = [names[0], 'deleted three/gone was one/sub/gone', names[1]]
    assert.deepEqual(await listed('three'), all)
    assert.deepEqual(await listed('three/gone'), ['deleted three/gone was one/sub/gone'])
    assert.deepEqual(await listed('two/other'), [])
    assert.deepEqual(await listed('one/sub/file'), ['deleted one/sub/file', 'replaced one/sub/file'])
    assert.match(await machine.must('versions', join(target, 'three/gone')), /three\/gone \(then one\/sub\/gone\)\n/)
    // The index is a convenience: without it, and with one of another time, the store says the same.
    const state = join(machine.state, 'state')
    for (const name of readdirSync(state).filter((one) => one.startsWith('state.db'))) rmSync(join(state, name))
    assert.deepEqual(await listed('three'), all)

    assert.match(await machine.must('undelete', join(target, 'three/gone')), /brought back 1 version, 4 B/)
    assert.equal(contents(target)['three/gone'], 'gone')
    const elsewhere = world.folder(`elsewhere-${made}`)
    rmSync(join(target, 'three/gone'))
    await machine.must('undelete', join(target, 'three'), '--to', elsewhere)
    assert.deepEqual(contents(elsewhere), { three: '/', 'three/file': 'second', 'three/gone': 'gone' })
  })

  it('removes what is older than the policy before a run, and nothing of an unchanged one', async () => {
    const { source, target } = folders()
    const run = await twice(machine, source, target)
    const file = join(target, '.nightferry/versions', run, 'run.json')
    const old = JSON.parse(readFileSync(file, 'utf8')) as { atMs: number }
    rewriteRun(target, run, JSON.stringify({ ...old, atMs: old.atMs - 31 * 86_400_000 }))
    const kept = runsOf(target)
    await machine.mustSync('unchanged', source, target)
    assert.deepEqual(runsOf(target), kept)
    writeFileSync(join(source, 'a file'), 'again')
    const next = await machine.mustSync('done', source, target)
    assert.ok(!runsOf(target).includes(run))
    assert.ok(runsOf(target).includes(String(next.lines[0]?.['runId'])))
  })

  it('refuses versions of a newer format, and writes nothing', async () => {
    const { source, target } = folders()
    const run = await twice(machine, source, target)
    writeFileSync(join(source, 'a file'), 'again')
    const now = facts(target)
    for (const [path, write] of [
      [join(target, '.nightferry/versions', run, 'run.json'), (text) => rewriteRun(target, run, text)],
      [
        join(target, '.nightferry/versions.json'),
        (text) => writeFileSync(join(target, '.nightferry/versions.json'), text),
      ],
    ] as readonly (readonly [string, (text: string | Uint8Array) => void])[]) {
      const text = '{"version":2}'
      const was = readFileSync(path)
      write(text)
      const { failure, code } = await machine.sync(source, target)
      assert.equal(code, 1)
      assert.equal(failure?.code, 'format-too-new')
      assert.deepEqual(facts(target), now)
      assert.equal(readFileSync(path, 'utf8'), text)
      write(was)
    }
    await machine.mustSync('done', source, target)
  })

  it('makes room on a full disk and says what it cost', { skip: mayMount() }, async () => {
    const path = world.folder(`full-${++made}`)
    const source = world.folder(`full-source-${made}`)
    assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=755', 'tmpfs', path]).status, 0)
    try {
      const target = join(path, 'target')
      plant(source, { big: 'x'.repeat(700_000), small: 's' })
      await machine.mustSync('done', source, target)
      rmSync(join(source, 'big'))
      await machine.mustSync('done', source, target)
      assert.equal((await machine.run('versions', join(target, 'big'))).code, 0)
      // More than a tenth of the volume: it goes before the next run, and that is told.
      plant(source, { large: 'z'.repeat(1_000_000) })
      await machine.mustSync('done', source, target)
      rmSync(join(source, 'large'))
      await machine.mustSync('done', source, target)
      plant(source, { tiny: 't' })
      const told = await machine.mustSync('done', source, target)
      assert.ok(
        told.lines.some(({ type, text }) => type === 'notice' && /lost protection/.test(String(text))),
        told.stdout,
      )
      plant(source, { big: 'x'.repeat(700_000) })
      await machine.mustSync('done', source, target)
      rmSync(join(source, 'big'))
      await machine.mustSync('done', source, target)
      assert.match(await machine.must('versions', target), /1 version,/)
      plant(source, { huge: 'y'.repeat(7_900_000) })
      const run = await machine.mustSync('done', source, target)
      assert.ok(
        run.lines.some(({ type, text }) => type === 'notice' && /lost protection/.test(String(text))),
        run.stdout,
      )
      assert.deepEqual(facts(target), facts(source))
      assert.match(await machine.must('versions', target), /no old versions/)
    } finally {
      spawnSync('umount', [path])
    }
  })
})

function mayMount(): string | false {
  return process.platform === 'linux' && process.getuid?.() === 0 && canMount() ? false : 'needs root and tmpfs'
}

function canMount(): boolean {
  const world = new World()
  const path = world.folder('try')
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path]).status === 0
  if (mounted) spawnSync('umount', [path])
  void world.close()
  return mounted
}

describe('versions of a share', () => {
  let pair: Pair
  const ready = pairedMachines().then((opened) => {
    pair = opened
  })
  after(async () => {
    await ready
    await pair.world.close()
  })

  it('are listed, brought back and undone from the other machine', async () => {
    await ready
    const { laptop, world, shared } = pair
    const source = world.folder('source')
    plant(source, before)
    await laptop.mustSync('done', source, 'nas:data')
    const was = facts(shared)
    const run = await twice(laptop, source, 'nas:data')
    const done = facts(shared)
    const listed = JSON.parse(await laptop.must('versions', 'nas:data', '--json')) as { versions: { path: string }[] }
    assert.deepEqual(
      listed.versions.map(({ path }) => path),
      ['a file', 'gone/deep/file'],
    )
    await laptop.must('undelete', 'nas:data/gone/deep/file')
    assert.equal(contents(shared)['gone/deep/file'], 'deleted')
    assert.equal((await laptop.run('undo', run)).code, 0)
    assert.deepEqual(facts(shared), was)
    // Its version came back with the undo; the one that the undo displaced is of the new file.
    assert.equal((await laptop.run('undelete', 'nas:data/a file', '--run', run)).code, 1)
    const told = await laptop.must('undelete', 'nas:data/a file', '--to', 'recovered/')
    assert.match(told, /to nas:data\/recovered\n/, 'a folder inside of the share')
    assert.equal(contents(shared)['recovered/a file'], 'the new version')
    rmSync(join(shared, 'recovered'), { recursive: true })
    for (const to of ['../out', join(shared, 'out'), '~/out', './out', '']) {
      const refused = await laptop.run('undelete', 'nas:data/a file', '--to', to)
      assert.equal(refused.code, 2, `${to}: ${refused.stdout}`)
    }
    assert.equal((await laptop.sync(source, 'nas:data')).code, 15)
    const released = await laptop.sync(source, 'nas:data', '--release')
    assert.equal(released.outcome, 'done', released.stdout)
    assert.deepEqual(facts(shared), done)
  })

  it('are undone by the owner of a share too, which holds the next run of the driver', async () => {
    await ready
    const { laptop, nas, world } = pair
    const folder = world.folder('owned')
    await nas.must('share', 'add', 'owned', folder)
    const source = world.folder('source-owned')
    plant(source, before)
    await laptop.mustSync('done', source, 'nas:owned')
    const was = facts(folder)
    const run = await twice(laptop, source, 'nas:owned')
    const done = facts(folder)
    assert.match(await nas.must('undo', run), /The next run of laptop would do the same again; it is held/)
    assert.deepEqual(facts(folder), was)
    const held = await laptop.sync(source, 'nas:owned')
    assert.equal(held.code, 15)
    assert.match(String(held.halt?.['reason']), /was undone/)
    assert.deepEqual(facts(folder), was)
    await laptop.mustSync('done', source, 'nas:owned', '--release')
    assert.deepEqual(facts(folder), done)
  })

  it('are kept at least as long as the share says, wherever it says', async () => {
    await ready
    const { laptop, nas, world } = pair
    const folder = world.folder('long')
    const store = join(world.folder('store'), 'here')
    await nas.must('share', 'add', 'long', folder, '--keep-versions', '90', '--versions', store)
    assert.match(await nas.must('share', 'list'), /long\t.*keeps versions: 90 days\tversions in .*here/)
    const source = world.folder('source-long')
    plant(source, before)
    const run = await laptop.mustSync('done', source, 'nas:long', '--keep-versions', 'none')
    assert.ok(
      run.lines.some(({ text }) => /for 90 days, as its share says/.test(String(text))),
      run.stdout,
    )
    writeFileSync(join(source, 'a file'), 'the new version')
    await laptop.mustSync('done', source, 'nas:long', '--keep-versions', '100')
    assert.equal(JSON.parse(readFileSync(join(folder, '.nightferry/versions.json'), 'utf8')).keep, '100')
    assert.match(await laptop.must('versions', 'nas:long'), /replaced .* a file/)
    assert.ok(!existsSync(join(folder, '.nightferry/versions')))
    const refused = await laptop.sync(source, 'nas:long', '--versions', '/tmp')
    assert.equal(refused.code, 2)
    assert.match(refused.failure?.hint ?? '', /share add long FOLDER --versions/)
  })

  it('are undone within the limit of the share, whoever asks', async () => {
    await ready
    const { laptop, nas, world } = pair
    const folder = world.folder('limited')
    await nas.must('share', 'add', 'limited', folder, '--max-delete', '3')
    const source = world.folder('source-limited')
    plant(source, before)
    const run = String((await laptop.mustSync('done', source, 'nas:limited')).lines[0]?.['runId'])
    const refused = await laptop.run('undo', run)
    assert.equal(refused.code, 15)
    assert.match(refused.stderr, /lets a run delete and replace 3 of its/)
    assert.deepEqual(facts(folder), facts(source))
    await nas.must('share', 'limit', 'limited', 'none')
    await laptop.must('undo', run)
    assert.deepEqual(contents(folder), {})
  })

  it('are shown but not touched where the share is read-only or not given', async () => {
    await ready
    const { laptop, nas, world } = pair
    const folder = world.folder('sealed')
    const source = world.folder('source-sealed')
    const run = await twice(nas, source, folder)
    await nas.must('share', 'add', 'sealed', folder, '--read-only')
    await nas.must('share', 'add', 'others', folder, '--for', 'somebody')
    assert.match(await laptop.must('versions', 'nas:sealed'), /2 versions/)
    const now = facts(folder)
    assert.equal((await laptop.run('undelete', 'nas:sealed/gone')).code, 12)
    for (const args of [
      ['versions', 'nas:others'],
      ['undelete', 'nas:others/gone'],
    ]) {
      assert.equal((await laptop.run(...args)).code, 12)
    }
    assert.deepEqual(facts(folder), now)
    assert.match(await nas.must('undo', run), /undone/)
    const outside = world.folder('outside')
    await twice(nas, world.folder('source-outside'), outside)
    spawnSync('ln', ['-s', outside, join(folder, 'way out')])
    assert.match((await laptop.run('versions', 'nas:sealed/way out')).stdout, /no old versions/)
  })
})

describe('versions of an ordinary user', () => {
  const own = ordinaryUser()
  const world = new World({ launcher: own.launcher, ...(own.user && { user: own.user }) })
  after(async () => {
    await world.close()
    own.close()
  })

  it('keep, bring back and prune what lies in folders without write permission', async () => {
    const machine = world.machine('one')
    const [source, target] = [world.folder('source'), world.folder('target')]
    plant(source, { 'locked/file': 'in there', 'locked/deep/file': 'deeper', stays: 's' })
    const seal = (mode: number): void => {
      chmodSync(join(source, 'locked'), 0o755)
      chmodSync(join(source, 'locked/deep'), mode)
      chmodSync(join(source, 'locked'), mode)
    }
    seal(0o555)
    if (own.user !== undefined) spawnSync('chown', ['-R', `${own.user.uid}:${own.user.gid}`, source])
    await machine.mustSync('done', source, target)
    const was = facts(target)
    seal(0o755)
    rmSync(join(source, 'locked'), { recursive: true })
    const gone = await machine.mustSync('done', source, target)
    assert.deepEqual(Object.keys(contents(target)), ['stays'])
    const run = String(gone.lines[0]?.['runId'])
    assert.equal((await machine.run('undo', run)).code, 0)
    assert.deepEqual(facts(target), was)
    const again = await machine.sync(source, target)
    assert.equal(again.code, 15)
    const released = await machine.sync(source, target, '--release')
    assert.equal(released.outcome, 'done', released.stdout)
    const last = String(released.lines[0]?.['runId'])
    rewriteRun(target, last, '{"version":1,"atMs":1,"sizeBytes":1}')
    plant(source, { more: 'm' })
    if (own.user !== undefined) spawnSync('chown', ['-R', `${own.user.uid}:${own.user.gid}`, source])
    await machine.mustSync('done', source, target)
    assert.ok(!runsOf(target).some((name) => name.includes(last)))
  })
})
