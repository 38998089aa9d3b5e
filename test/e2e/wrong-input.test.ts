// What a person gets wrong, and what a machine can meet: each has an exit code and a message that names the value, and
// nothing of theirs is lost. Every tree is the same before and after, byte for byte.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { assertSameTree, contentOf, readTree, writeTree } from '../world/disk-trees.ts'
import { type Ended, type Pair, pairedMachines } from '../world/machines.ts'

const clone = join(import.meta.dirname, '..', '..')
const mark = join('.nightferry', 'root.json')

describe('wrong input', () => {
  let pair: Pair
  let source: string
  let fixed: string

  before(async () => {
    pair = await pairedMachines()
    const { world, nas, laptop, shared } = pair
    source = world.folder('source')
    fixed = world.folder('fixed')
    writeTree(source, { 'a.txt': 'a', 'sub/b.txt': 'b', 'sub/deeper/': '' })
    writeTree(fixed, { 'dear.txt': 'dear to me' })
    writeTree(shared, { 'inside/c.txt': 'c' })
    symlinkSync(source, join(world.directory, 'link'))
    symlinkSync(fixed, join(shared, 'out'))
    symlinkSync('round', join(world.folder('links'), 'round'))
    symlinkSync('no-such', join(world.directory, 'links/nowhere'))
    await Promise.all([
      nas
        .must('share', 'add', 'fixed', fixed, '--read-only')
        .then(() => nas.must('share', 'add', 'theirs', fixed, '--for', 'somebody')),
      laptop.mustSync('done', source, 'target'),
    ])
  })
  after(() => pair?.world.close())

  /** The whole world but the machines' own state. */
  function everything(): string[] {
    const { directory } = pair.world
    const names = readdirSync(directory).filter((name) => !name.startsWith('state-'))
    return names.sort().flatMap((name) => {
      const path = join(directory, name)
      return [name, ...(statSync(path).isDirectory() ? readTree(path) : [readFileSync(path, 'latin1')])]
    })
  }

  async function refused(args: readonly string[], code: number, text: RegExp): Promise<Ended> {
    const before = everything()
    const ended = await pair.laptop.run(...args)
    assert.equal(ended.code, code, `${args.join(' ')}: ${ended.stdout}${ended.stderr}`)
    assert.match(ended.stderr, text)
    assert.doesNotMatch(ended.stderr, /\n {4}at /, 'no stack is shown')
    assert.deepEqual(everything(), before)
    return ended
  }

  for (const [name, args, code, text] of [
    ['a source that is missing', ['sync', 'no-such', 'nas:data'], 1, /no-such/],
    ['a source that is missing on the other machine', ['sync', 'nas:data/no-such', 'new'], 1, /no-such/],
    ['a file as source', ['sync', 'source/a.txt', 'nas:data'], 1, /source\/a\.txt/],
    ['a file as target', ['sync', 'source', 'fixed/dear.txt'], 1, /fixed\/dear\.txt/],
    ['a file as target there', ['sync', 'source', 'nas:data/inside/c.txt'], 1, /c\.txt/],
    ['a target in a missing folder', ['sync', 'source', 'no-such/new'], 1, /no-such/],
    ['a target in a missing folder there', ['sync', 'source', 'nas:data/no-such/new'], 1, /no-such/],
    ['a target inside the source', ['sync', 'source', 'source/sub/new'], 2, /source\/sub\/new/],
    ['a target inside the source, by a link', ['sync', 'source', 'link/new'], 2, /source\/new/],
    ['a source inside the target', ['sync', 'source/sub', 'source'], 2, /source\/sub/],
    ['equal ends', ['sync', 'source', 'source/'], 2, /source/],
    ['equal ends, by a link', ['sync', 'link', './source'], 2, /source/],
    ['two remote ends', ['sync', 'nas:data', 'nas:fixed'], 2, /both on nas;.*\n.*type it on nas/],
    ['a machine without a share', ['sync', 'source', 'nas'], 2, /nas is a paired machine.*\n.*nas:SHARE/],
    ['an empty end', ['sync', 'source', ''], 2, /empty/],
    ['an unknown machine', ['sync', 'source', 'nobody:data'], 2, /nobody/],
    ['an unknown share', ['sync', 'source', 'nas:nothing'], 12, /nothing/],
    ['a share that is for others', ['sync', 'nas:theirs', 'new'], 12, /theirs/],
    ['a read-only share as target', ['sync', 'source', 'nas:fixed'], 12, /fixed/],
    ['a share with no name', ['sync', 'source', 'nas:'], 2, /nas:/],
    ['a way out of a share', ['sync', 'nas:data/../fixed', 'new'], 2, /nas:data\/\.\.\/fixed/],
    ['a link that leads out of a share', ['sync', 'nas:data/out', 'new'], 12, /data\/out/],
    ['a link out of a share as target', ['sync', 'source', 'nas:data/out'], 12, /data\/out/],
    ['our own directory as an end', ['sync', 'source', 'nas:data/.nightferry'], 2, /\.nightferry/],
    ['an unknown mode', ['sync', 'source', 'new', '--mode', 'sideways'], 2, /sideways/],
    ['a limit that is no number', ['sync', 'source', 'new', '--max-delete', 'lots'], 2, /lots/],
    ['a limit above all', ['sync', 'source', 'new', '--max-delete', '101%'], 2, /101%/],
    ['a negative limit', ['sync', 'source', 'new', '--max-delete=-1'], 2, /-1/],
    ['an ignore file that is missing', ['sync', 'source', 'new', '--ignore-file', 'no-rules'], 2, /no-rules/],
    ['an unknown option', ['sync', 'source', 'new', '--wings'], 2, /--wings/],
    ['a missing target', ['sync', 'source'], 2, /target/],
    ['an end too many', ['sync', 'source', 'new', 'newer'], 2, /argument/],
    ['an unknown verb', ['sink', 'source', 'new'], 2, /sink/],
    ['the help of an unknown verb', ['help', 'verions'], 2, /unknown command 'verions'\n\(Did you mean versions\?\)/],
    ['the help of an unknown verb of share', ['help', 'share', 'ad'], 2, /unknown command 'ad'\n.*mean add/],
    ['the help of an unknown verb, as an option', ['verions', '--help'], 2, /unknown command 'verions'/],
    ['the same the other way round', ['share', 'help', 'ad'], 2, /unknown command 'ad'/],
    ['versions inside the source', ['sync', 'source', 'new', '--versions', 'source/sub/old'], 2, /inside the source/],
    [
      'versions in the source itself, by a link',
      ['sync', 'source', 'new', '--versions', 'link'],
      2,
      /inside the source/,
    ],
    ['no folder for versions', ['sync', 'source', 'new', '--versions', ''], 2, /--versions names no folder/],
    ['no folder for the state', ['--state', '', 'status'], 2, /--state names no folder/],
    ['a circle of links as source', ['sync', 'links/round', 'new'], 1, /round can't be looked at \(ELOOP\)/],
    ['a circle of links as target', ['sync', 'source', 'links/round'], 1, /round can't be looked at \(ELOOP\)/],
    [
      'a link that leads nowhere as target',
      ['sync', 'source', 'links/nowhere'],
      1,
      /nowhere is a link that leads nowhere/,
    ],
    [
      'a target that the system does not make',
      ['sync', 'source', '/proc/new'],
      1,
      /\/proc\/new can't be made \(ENOENT\)/,
    ],
    ['a port that is none', ['serve', '--listen', '127.0.0.1:70000'], 2, /70000/],
    [
      'an address of no machine here',
      ['serve', '--listen', '192.0.2.1:0'],
      2,
      /192\.0\.2\.1:0.*\n.*0\.0\.0\.0 listens/,
    ],
    ['an address that is none', ['serve', '--listen', 'a:b:c'], 2, /a:b:c/],
    ['a name that no machine may have', ['serve', '--name', 'a/b', '--listen', '127.0.0.1:0'], 2, /a\/b/],
    ['a share of what is missing', ['share', 'add', 'x', 'no-such'], 1, /no-such/],
    ['a share of a file', ['share', 'add', 'x', 'fixed/dear.txt'], 1, /dear\.txt/],
    ['a share name that is none', ['share', 'add', 'a b', 'fixed'], 2, /a b/],
    ['removing a share that is none', ['share', 'remove', 'nothing'], 12, /nothing/],
    ['removing a machine that is none', ['machines', 'remove', 'nobody'], 2, /nobody/],
  ] as const) {
    it(`refuses ${name}`, async () => void (await refused(args, code, text)))
  }

  it('shows the help that is asked for, at any depth', async () => {
    for (const [args, text] of [
      [['help'], /Usage: nightferry \[options\] \[command\]/],
      [['help', 'help'], /Usage: nightferry help/],
      [['help', 'undo', 'some-run'], /Usage: nightferry undo/],
      [['help', 'share', 'add'], /Usage: nightferry share add/],
      [['share', 'help', 'limit'], /Usage: nightferry share limit/],
      [['help', 'machines', 'remove'], /Usage: nightferry machines remove/],
      [['help', 'machines'], /Usage: nightferry machines \[options\]/],
      [['--help'], /Usage: nightferry \[options\] \[command\]/],
      [['share', '--help'], /Usage: nightferry share/],
      [['share', 'add', '--help'], /Usage: nightferry share add/],
    ] as const)
      assert.match(await pair.laptop.must(...args), text)
  })

  it('refuses a port that is taken', async () => {
    await refused(['serve', '--listen', `127.0.0.1:${pair.nas.port}`], 1, new RegExp(String(pair.nas.port)))
  })

  it('says what to do where a process may open few files', async () => {
    const { laptop, world } = pair
    let told = 0
    for (let files = 24; files <= 44; files += 2) {
      const command = `ulimit -n ${files}; exec "$0" --state "$1" sync source new --dry-run`
      const args = ['-c', command, join(clone, 'nightferry'), laptop.state]
      const { status, stderr } = spawnSync('sh', args, { cwd: world.directory, encoding: 'utf8' })
      // With very few Node itself does not start.
      if (status === 0 || /^Segmentation|node::|^sh:/m.test(stderr) || stderr === '') continue
      assert.match(stderr, /ulimit -n/, `${files}: ${stderr}`)
      told++
    }
    assert.ok(told > 0)
  })

  it('refuses a second daemon with the same state; one that was killed is no obstacle', async () => {
    const { nas } = pair
    const second = await nas.run('serve', '--listen', '127.0.0.1:0')
    assert.equal(second.code, 11, second.stdout + second.stderr)
    assert.match(second.stderr, /another daemon/)
    await nas.stop('SIGKILL')
    await nas.serve()
  })

  it('reads a read-only share', async () => {
    await pair.laptop.mustSync('done', 'nas:fixed', 'copy-of-fixed')
    assertSameTree(join(pair.world.directory, 'copy-of-fixed'), fixed)
  })

  it('keeps no run of what was typed wrong', async () => {
    const { laptop } = pair
    const known = await laptop.must('log', '--json')
    for (const args of [
      ['source', 'target', '--remote-command', 'x'],
      ['source', 'nas:data', '--remote-command', 'x'],
      ['source', 'ssh://127.0.0.1:1/x', '--remote-command', 'A=b nightferry'],
    ])
      await refused(['sync', ...args], 2, /remote.command/)
    assert.equal(await laptop.must('log', '--json'), known)
  })

  it('takes a pattern that is empty for no rule', async () => {
    const { laptop, world } = pair
    const blank = world.folder('blank')
    writeTree(blank, { a: 'a', b: 'b' })
    await laptop.mustSync('done', blank, 'blanked')
    assert.equal((await laptop.sync(blank, 'blanked', '--exclude', '')).outcome, 'unchanged')
    rmSync(join(blank, 'b'))
    await laptop.mustSync('done', blank, 'blanked')
    for (const folder of ['blank', 'blanked']) rmSync(join(world.directory, folder), { recursive: true })
  })

  it('says failures as JSON too', async () => {
    const { failure, code } = await pair.laptop.sync('source', 'nas:nothing')
    assert.equal(code, 12)
    assert.equal(failure?.code, 'unknown-share')
    assert.match(String(failure?.message), /nothing/)
  })

  it('halts where the target lost its marker: emptied, replaced or not mounted', async () => {
    const { world, laptop } = pair
    const target = join(world.directory, 'target')
    const away = join(world.directory, 'away')
    renameSync(target, away)
    await refused(['sync', 'source', 'target'], 15, /target/)
    assert.ok(!existsSync(target), 'the missing target was not made again')
    world.folder('target')
    await refused(['sync', 'source', 'target'], 15, /target.*marker/)
    await refused(['sync', 'source', 'target', '--release'], 15, /target/)
    rmSync(target, { recursive: true })
    renameSync(away, target)
    unlinkSync(join(target, mark))
    await refused(['sync', 'source', 'target'], 15, /--new-target/)
    await laptop.mustSync('unchanged', 'source', 'target', '--new-target')
    await laptop.mustSync('unchanged', 'source', 'target')
  })

  it('halts where another folder with a marker of its own lies in the place of the target', async () => {
    const { world, laptop } = pair
    await laptop.mustSync('done', 'source', 'other')
    const target = join(world.directory, 'target')
    renameSync(target, `${target}-1`)
    renameSync(join(world.directory, 'other'), target)
    await refused(['sync', 'source', 'target'], 15, /target/)
    renameSync(target, join(world.directory, 'other'))
    renameSync(`${target}-1`, target)
  })

  it('refuses a target of a newer format without writing', async () => {
    const target = join(pair.world.directory, 'target')
    const marker = readFileSync(join(target, mark), 'utf8')
    const newer = marker.replace('"version":1', '"version":99')
    assert.notEqual(newer, marker)
    writeFileSync(join(target, mark), newer)
    const own = readTree(join(target, '.nightferry'))
    await refused(['sync', 'source', 'target'], 1, /newer Nightferry/)
    assert.deepEqual(readTree(join(target, '.nightferry')), own)
    writeFileSync(join(target, mark), marker)
  })

  it('says so when the machine does not answer', async () => {
    const { nas } = pair
    await nas.stop()
    await refused(
      ['sync', 'source', 'nas:data'],
      13,
      /127\.0\.0\.1.*\n.*If nas has another address or port now, pair it again/,
    )
    await nas.serve()
  })

  it('refuses a machine that ended the pairing', async () => {
    const { nas, laptop } = pair
    await nas.must('machines', 'remove', 'laptop')
    await refused(['sync', 'source', 'nas:data'], 12, /Pair the two machines again/)
    await nas.pairWith(laptop)
    await pair.laptop.mustSync('planned', 'source', 'nas:data', '--dry-run')
  })

  it('keeps what is complete when the disk is full, goes on when it is not, and writes nothing without the disk', async (t) => {
    const small = pair.world.folder('small')
    if (!mounted(t, small, 'size=3m')) return
    try {
      const large = pair.world.folder('large')
      writeTree(large, { first: contentOf('first', 1e6), second: contentOf('second', 3e6), 'x/third': 'third' })
      const full = await pair.laptop.run('sync', 'large', 'small')
      assert.equal(full.code, 1, full.stdout + full.stderr)
      assert.match(full.stderr, /no space.*small/)
      for (const line of readTree(small)) assert.ok(readTree(large).includes(line), `${line} is not complete`)
      spawnSync('mount', ['-o', 'remount,size=9m', small])
      await pair.laptop.mustSync('done', 'large', 'small')
      assertSameTree(small, large)
    } finally {
      spawnSync('umount', [small])
    }
    await refused(['sync', 'large', 'small'], 15, /small.*marker/)
    assert.deepEqual(readdirSync(small), [])
  })
})

/** Mounts a small file system; where that can't be done the test is skipped. */
function mounted(t: TestContext, path: string, options: string): boolean {
  const isMounted =
    process.getuid?.() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).status === 0
  if (!isMounted) t.skip('mounting a small file system needs root and the right to mount')
  return isMounted
}
