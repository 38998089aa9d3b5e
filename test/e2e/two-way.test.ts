// Two-way runs with real processes: changes go both ways, conflicts keep both, nothing is lost; between two folders here,
// and with another machine on either side.

import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Machine, noticesOf, type Pair, pairedMachines, type Synced, World } from '../world/machines.ts'
import { contents, plant } from '../world/planted.ts'

/** How one of the two ends is named, and where it lies. */
type End = { readonly name: string; readonly path: string }
type Both = { readonly machine: Machine; readonly left: End; readonly right: End }

async function twoWay({ machine, left, right }: Both, ...more: string[]): Promise<Synced> {
  return await machine.sync('--mode', 'two-way', left.name, right.name, ...more)
}

/** A run that leaves both sides equal, and after which there is nothing to do. */
async function agreed(both: Both, ...more: string[]): Promise<Synced> {
  const run = await twoWay(both, ...more)
  assert.equal(run.code, 0, run.stdout + run.stderr)
  assert.deepEqual(contents(both.left.path), contents(both.right.path))
  const again = await twoWay(both, ...more)
  assert.deepEqual([again.outcome, again.changes], ['unchanged', []], again.stdout + again.stderr)
  return run
}

const conflictsOf = (run: Synced): unknown[] =>
  run.lines.filter(({ type }) => type === 'conflict').map(({ path, kept, copy }) => ({ path, kept, copy }))

function write(path: string, text: string, mtimeSeconds?: number): void {
  writeFileSync(path, text)
  if (mtimeSeconds !== undefined) utimesSync(path, mtimeSeconds, mtimeSeconds)
}

const tree = {
  'one.txt': 'one',
  'two.txt': 'two',
  'dir/deep/three': 'three',
  'dir/four': 'four',
  'gone/a': 'a',
  'gone/sub/b': 'b',
  link: { link: 'one.txt' },
  'empty/': {},
}

/** What both sides do, and what comes of it: the same wherever the ends are. */
const scenes: Readonly<Record<string, (both: Both) => Promise<void>>> = {
  async 'brings what each side alone has'(both) {
    plant(both.left.path, { 'from left': 'l', 'd/left': 'l' })
    plant(both.right.path, { 'from right': 'r', 'd/right': 'r', 'e/': {} })
    await agreed(both)
    assert.deepEqual(contents(both.left.path), {
      'from left': 'l',
      'from right': 'r',
      d: '/',
      'd/left': 'l',
      'd/right': 'r',
      e: '/',
    })
  },
  async 'takes edits, new names and deletions from both sides in one run'(both) {
    plant(both.left.path, tree)
    await agreed(both)
    appendFileSync(join(both.left.path, 'one.txt'), ' left')
    rmSync(join(both.left.path, 'gone'), { recursive: true })
    symlinkSync('two.txt', join(both.left.path, 'new link'))
    appendFileSync(join(both.right.path, 'two.txt'), ' right')
    rmSync(join(both.right.path, 'dir/four'))
    chmodSync(join(both.right.path, 'dir/deep/three'), 0o600)
    mkdirSync(join(both.right.path, 'made/there'), { recursive: true })
    await agreed(both)
    const now = contents(both.left.path)
    assert.deepEqual(
      [now['one.txt'], now['two.txt'], now['gone'], now['dir/four'], now['made/there'], now['new link']],
      ['one left', 'two right', undefined, undefined, '/', '-> two.txt'],
    )
    assert.equal(statSync(join(both.left.path, 'dir/deep/three')).mode & 0o777, 0o600)
  },
  async 'keeps both where both changed a name'(both) {
    plant(both.left.path, tree)
    await agreed(both)
    write(join(both.left.path, 'one.txt'), 'what the left wrote')
    write(join(both.right.path, 'one.txt'), 'what the right wrote')
    write(join(both.left.path, 'new'), 'new on the left')
    write(join(both.right.path, 'new'), 'new on the right')
    const run = await agreed(both)
    const conflicts = conflictsOf(run)
    assert.deepEqual(conflicts.length, 2)
    const now = contents(both.left.path)
    const ofOne = Object.keys(now).filter((name) => name.startsWith('one.'))
    const ofNew = Object.keys(now).filter((name) => name.startsWith('new'))
    assert.deepEqual(ofOne.map((name) => now[name]).sort(), ['what the left wrote', 'what the right wrote'])
    assert.deepEqual(ofNew.map((name) => now[name]).sort(), ['new on the left', 'new on the right'])
    assert.ok(
      ofOne.some((name) => /^one\.conflict-[A-Za-z0-9-]+-[0-9a-f]{8}\.txt$/.test(name)),
      ofOne.join(),
    )
  },
  async 'lets content win against deletion'(both) {
    plant(both.left.path, tree)
    await agreed(both)
    rmSync(join(both.left.path, 'dir'), { recursive: true })
    rmSync(join(both.right.path, 'one.txt'))
    appendFileSync(join(both.right.path, 'dir/deep/three'), ' edited')
    appendFileSync(join(both.left.path, 'one.txt'), ' edited')
    const run = await agreed(both)
    const comesBack = 'was deleted on one side and changed on the other: it comes back'
    assert.ok(
      noticesOf(run).some((text) => text.endsWith(` and 1 more ${comesBack}`)),
      run.stdout,
    )
    const now = contents(both.right.path)
    assert.deepEqual(
      [now['one.txt'], now['dir/deep/three'], now['dir/four']],
      ['one edited', 'three edited', undefined],
    )
  },
  async 'merges what became equal, and takes a touch for none'(both) {
    plant(both.left.path, tree)
    await agreed(both)
    for (const { path } of [both.left, both.right]) write(join(path, 'one.txt'), 'the same on both')
    utimesSync(join(both.left.path, 'two.txt'), 1_700_000_000, 1_700_000_000)
    write(join(both.right.path, 'two.txt'), 'edited on the right')
    const run = await agreed(both)
    assert.deepEqual(conflictsOf(run), [])
    assert.equal(contents(both.left.path)['two.txt'], 'edited on the right')
  },
  async 'settles a change of kind on both sides'(both) {
    plant(both.left.path, tree)
    await agreed(both)
    rmSync(join(both.left.path, 'one.txt'))
    plant(both.left.path, { 'one.txt/inside': 'a folder now' })
    rmSync(join(both.right.path, 'gone'), { recursive: true })
    write(join(both.right.path, 'gone'), 'a file now')
    write(join(both.left.path, 'two.txt'), 'edited')
    rmSync(join(both.right.path, 'two.txt'))
    plant(both.right.path, { 'two.txt/there': 'a folder there' })
    await agreed(both)
    const now = contents(both.left.path)
    assert.deepEqual(
      [now['one.txt/inside'], now['gone'], now['two.txt/there']],
      ['a folder now', 'a file now', 'a folder there'],
    )
    assert.ok(Object.entries(now).some(([name, text]) => name.startsWith('two.conflict-') && text === 'edited'))
  },
  async 'does as it was told with conflicts'(both) {
    plant(both.left.path, { a: 'a', b: 'b', 'c.log': 'c', d: 'd' })
    await agreed(both)
    const texts: readonly (readonly [string, string, string])[] = [
      ['a', 'left', 'right'],
      ['b', 'longer left', 'right'],
      ['c.log', 'older', 'newer'],
    ]
    for (const [name, left, right] of texts) {
      write(join(both.left.path, name), left, 1_700_000_000)
      write(join(both.right.path, name), right, 1_700_000_100)
    }
    const rules = ['--conflict', 'prefer-right', '--conflict-for', 'b=larger', '--conflict-for', '*.log=newest']
    const run = await agreed(both, ...rules)
    assert.equal(conflictsOf(run).length, 3)
    assert.deepEqual(contents(both.left.path), { a: 'right', b: 'longer left', 'c.log': 'newer', d: 'd' })
  },
  async 'halts where one side was emptied, and goes on when it is released'(both) {
    plant(both.left.path, tree)
    await agreed(both)
    for (const name of readdirSync(both.left.path).filter((one) => one !== '.nightferry'))
      rmSync(join(both.left.path, name), { recursive: true })
    const held = await twoWay(both)
    assert.deepEqual([held.code, held.outcome], [15, 'halted'], held.stdout)
    assert.equal(contents(both.right.path)['one.txt'], 'one')
    const run = await twoWay(both, '--release')
    assert.equal(run.code, 0, run.stdout + run.stderr)
    assert.deepEqual(contents(both.right.path), {})
  },
  async 'deletes nothing when the state is lost'(both) {
    plant(both.left.path, tree)
    await agreed(both)
    rmSync(join(both.left.path, 'two.txt'))
    write(join(both.left.path, 'one.txt'), 'edited')
    rmSync(join(both.machine.state, 'state', 'state.db'))
    await agreed(both)
    const now = contents(both.left.path)
    assert.equal(now['two.txt'], 'two')
    assert.deepEqual(
      Object.values(now)
        .filter((text) => text === 'one' || text === 'edited')
        .sort(),
      ['edited', 'one'],
    )
  },
  async 'leaves alone what either side ignores'(both) {
    plant(both.left.path, { kept: 'k', 'd/build/out': 'built here', '.nightferryignore': 'build\n' })
    plant(both.right.path, { 'd/build/out': 'built there', 'd/src': 's' })
    await agreedBut(both, ['d/build/out'])
    rmSync(join(both.left.path, 'd/src'))
    await agreedBut(both, ['d/build/out'])
    assert.equal(readFileSync(join(both.left.path, 'd/build/out'), 'utf8'), 'built here')
    assert.equal(readFileSync(join(both.right.path, 'd/build/out'), 'utf8'), 'built there')
  },
  async 'knows the same two folders in the other order'(both) {
    plant(both.left.path, tree)
    await agreed(both)
    rmSync(join(both.left.path, 'one.txt'))
    write(join(both.right.path, 'two.txt'), 'edited')
    await agreed({ ...both, left: both.right, right: both.left })
    assert.deepEqual([contents(both.right.path)['one.txt'], contents(both.left.path)['two.txt']], [undefined, 'edited'])
  },
  async 'follows a folder that was renamed'(both) {
    plant(both.left.path, tree)
    await agreed(both)
    renameSync(join(both.left.path, 'dir'), join(both.left.path, 'renamed'))
    appendFileSync(join(both.right.path, 'one.txt'), ' right')
    await agreed(both)
    assert.equal(contents(both.right.path)['renamed/deep/three'], 'three')
  },
  async 'is undone side by side, and then held'(both) {
    plant(both.left.path, { a: 'a', b: 'b' })
    await agreed(both)
    write(join(both.left.path, 'a'), 'edited on the left')
    rmSync(join(both.right.path, 'b'))
    const run = await agreed(both)
    const id = String(run.lines.find(({ runId }) => runId !== '')?.['runId'])
    const { machine } = both
    assert.equal((await machine.run('undo', id)).code, 2)
    await machine.must('undo', id, '--side', 'right')
    assert.equal(contents(both.right.path)['a'], 'a')
    assert.equal(contents(both.left.path)['a'], 'edited on the left')
    const held = await twoWay(both)
    assert.deepEqual([held.code, held.outcome], [15, 'halted'], held.stdout)
    await machine.must('undo', id, '--side', 'left')
    assert.deepEqual(contents(both.left.path), { a: 'edited on the left', b: 'b' })
  },
  async 'is held after an undo, whatever was chosen since'(both) {
    const { machine } = both
    plant(both.left.path, { a: 'a' })
    await agreed(both)
    write(join(both.left.path, 'c'), 'left c')
    write(join(both.right.path, 'c'), "the right's c")
    await agreed(both)
    write(join(both.right.path, 'a'), 'edited on the right')
    const run = await agreed(both)
    const id = String(run.lines.find(({ runId }) => runId !== '')?.['runId'])
    await machine.must('undo', id, '--side', 'left')
    await machine.must('conflicts', 'c', '--keep', 'left')
    const held = await twoWay(both)
    assert.deepEqual([held.code, held.outcome], [15, 'halted'], held.stdout)
  },
  async 'settles nothing in a folder that is another one'(both) {
    const { machine } = both
    for (const { path } of [both.left, both.right]) write(join(path, 'q'), `of ${path}`)
    await agreed(both)
    renameSync(both.left.path, `${both.left.path} away`)
    mkdirSync(both.left.path)
    for (const name of readdirSync(`${both.left.path} away`).filter((one) => one !== '.nightferry'))
      write(join(both.left.path, name), 'of somebody else')
    const settling = await machine.run('conflicts', 'q', '--keep', 'left')
    assert.match(settling.stderr, /is not the folder that the last run wrote to/)
    assert.deepEqual(new Set(Object.values(contents(both.left.path))), new Set(['of somebody else']))
    assert.ok(!readdirSync(both.left.path).includes('.nightferry'))
  },
  async 'lists its conflicts until they are settled, and settles them'(both) {
    const { machine } = both
    const names = ['a.txt', 'b.txt', 'c.txt', 'd.txt', 'e.txt']
    plant(both.left.path, Object.fromEntries(names.map((name) => [name, `base of ${name}`])))
    await agreed(both)
    for (const name of names) {
      write(join(both.left.path, name), `left ${name}`)
      write(join(both.right.path, name), `the right's ${name}`)
    }
    await agreed(both)
    const open = async (): Promise<{ path: string; copyPath: string; baseSeconds?: number; values?: unknown }[]> =>
      JSON.parse(await machine.must('conflicts', '[a-e].txt', '--json')).conflicts
    const first = await open()
    assert.deepEqual(
      first.map(({ path }) => path),
      names,
    )
    assert.ok(first.every(({ values, baseSeconds }) => values !== undefined && baseSeconds === 1_600_000_000))
    await machine.must('conflicts', 'a.txt', 'b.txt', '--keep', 'left')
    await machine.must('conflicts', '/c.txt', '--keep', 'right')
    await machine.must('conflicts', 'd.*', '--keep', 'both')
    const local = [both.left, both.right].find(({ name }) => name.startsWith('/')) as End
    rmSync(join(local.path, first[4]?.copyPath as string))
    assert.deepEqual(await open(), [])
    assert.equal((await machine.run('conflicts', 'a.txt', '--keep', 'left')).code, 2)
    await agreed(both)
    const now = contents(both.right.path)
    assert.deepEqual([now['a.txt'], now['b.txt'], now['c.txt']], ['left a.txt', 'left b.txt', "the right's c.txt"])
    assert.equal(Object.keys(now).length, 6)
    // What went is a version still.
    const versions = await machine.must('versions', local.path)
    assert.match(versions, /[abc]\.conflict-|[abc]\.txt/)
  },
  async 'lists in a dry run what the run then does'(both) {
    plant(both.left.path, { a: 'a', b: 'b' })
    await agreed(both)
    write(join(both.left.path, 'a'), 'left')
    write(join(both.right.path, 'a'), 'right')
    write(join(both.right.path, 'new'), 'n')
    rmSync(join(both.left.path, 'b'))
    const [left, right] = [contents(both.left.path), contents(both.right.path)]
    const planned = await twoWay(both, '--dry-run')
    assert.deepEqual([planned.code, planned.outcome], [0, 'planned'])
    assert.deepEqual([contents(both.left.path), contents(both.right.path)], [left, right])
    const run = await twoWay(both)
    assert.deepEqual(run.changes, planned.changes)
    assert.deepEqual(conflictsOf(run), conflictsOf(planned))
  },
}

/** What is decided and not carried: the same wherever the ends are. */
const decided: readonly (keyof typeof scenes)[] = [
  'merges what became equal, and takes a touch for none',
  'settles a change of kind on both sides',
  'deletes nothing when the state is lost',
  'follows a folder that was renamed',
  'is held after an undo, whatever was chosen since',
  'settles nothing in a folder that is another one',
]

const sided: readonly (keyof typeof scenes)[] = [
  'takes edits, new names and deletions from both sides in one run',
  'keeps both where both changed a name',
  'does as it was told with conflicts',
  'lists its conflicts until they are settled, and settles them',
  'knows the same two folders in the other order',
]

async function agreedBut(both: Both, names: readonly string[]): Promise<void> {
  const run = await twoWay(both)
  assert.equal(run.code, 0, run.stdout + run.stderr)
  const [left, right] = [contents(both.left.path), contents(both.right.path)]
  for (const name of names) {
    delete left[name]
    delete right[name]
  }
  assert.deepEqual(left, right)
}

describe('a two-way run between two folders here', () => {
  const world = new World()
  after(() => world.close())
  let made = 0
  for (const [what, scene] of Object.entries(scenes)) {
    it(what, async () => {
      const path = world.folder(`case-${++made}`)
      const end = (name: string): End => ({ name: join(path, name), path: join(path, name) })
      mkdirSync(end('left').path)
      mkdirSync(end('right').path)
      await scene({ machine: world.machine(`here-${made}`), left: end('left'), right: end('right') })
    })
  }
})

for (const there of ['right', 'left'] as const) {
  describe(`a two-way run with another machine on the ${there}`, () => {
    let pair: Pair
    before(async () => {
      pair = await pairedMachines()
    })
    after(() => pair.world.close())
    let made = 0
    // With the other machine where it mostly is all that goes over the line; on the left what tells the sides apart.
    const some = Object.entries(scenes).filter(([what]) =>
      there === 'right' ? !decided.includes(what) : sided.includes(what),
    )
    for (const [what, scene] of some) {
      it(what, async () => {
        const name = `case-${++made}`
        mkdirSync(join(pair.shared, name))
        const here = pair.world.folder(`here-${name}`)
        const mine: End = { name: here, path: here }
        const theirs: End = { name: `nas:data/${name}`, path: join(pair.shared, name) }
        const [left, right] = there === 'right' ? [mine, theirs] : [theirs, mine]
        await scene({ machine: pair.laptop, left, right })
      })
    }
  })
}
