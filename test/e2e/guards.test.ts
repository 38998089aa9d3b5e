// The brakes, from the outside: what a run would lose is shown and nothing is changed, until a person releases exactly
// that. A halt ends with code 15; the hold ends by itself when there is nothing to hold any more.

import assert from 'node:assert/strict'
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { assertSameTree, readTree, writeTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'

function files(count: number, text = ''): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, `${text}${i}\n`]))
}

describe('guards', () => {
  let pair: Pair
  let source: string
  let target: string
  let ends: [string, string]
  let number = 0

  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())
  beforeEach(() => {
    number += 1
    source = pair.world.folder(`source-${number}`)
    target = join(pair.shared, `sub-${number}`)
    writeTree(target, { 'x/': '' })
    rmSync(join(target, 'x'), { recursive: true })
    ends = [source, `nas:data/sub-${number}`]
  })

  /** A run that must halt: code 15, and the target stays as it is, byte for byte. */
  async function mustHalt(...options: readonly string[]): Promise<Synced> {
    const before = readTree(target)
    const run = await pair.laptop.sync(...ends, ...options)
    assert.equal(run.outcome, 'halted', run.stdout + run.stderr)
    assert.equal(run.code, 15)
    assert.ok(run.halt)
    assert.deepEqual(readTree(target), before)
    return run
  }

  async function mustDo(...options: readonly string[]): Promise<Synced> {
    const run = await pair.laptop.mustSync('done', ...ends, ...options)
    assertSameTree(target, source)
    return run
  }

  it('a first run into a folder that holds something else is held, and released with exactly what was shown', async () => {
    writeTree(source, { 'mine.txt': 'mine', both: 'from the source' })
    writeTree(target, { 'old/photo.jpg': 'dear to me', both: 'from the target!' })
    const { halt } = await mustHalt()
    assert.deepEqual([halt?.deletes, halt?.replaces], [2, 1])
    assert.deepEqual(halt?.sample, ['both', 'old'])

    writeTree(target, { 'old/second.jpg': 'came meanwhile' })
    const again = await mustHalt('--release')
    assert.notEqual(again.halt?.digest, halt?.digest)
    // The second halt showed the new set: this is now what a release covers.
    await mustDo('--release')
  })

  it('a halt says in plain words what would be lost and what to do', async () => {
    writeTree(source, { 'mine.txt': 'mine' })
    writeTree(target, { 'photo.jpg': 'dear to me' })
    const { code, stderr } = await pair.laptop.run('sync', ...ends)
    assert.equal(code, 15)
    assert.match(stderr, /halted: .*never brought together/)
    assert.match(stderr, /^ {2}photo\.jpg$/m)
    assert.match(stderr, /--release/)
  })

  it('a first run into a folder that only lacks something goes on', async () => {
    writeTree(source, { a: 'a', 'sub/b': 'b' })
    await mustDo()
    const kept = await pair.laptop.sync(...ends, '--mode', 'update')
    assert.equal(kept.outcome, 'unchanged')
  })

  it('a release without a halt before covers nothing', async () => {
    writeTree(source, { a: 'a' })
    writeTree(target, { b: 'b' })
    await mustHalt('--release')
  })

  it('a dry run shows the halt and neither holds nor releases', async () => {
    writeTree(source, { a: 'a' })
    writeTree(target, { b: 'b' })
    const planned = await pair.laptop.sync(...ends, '--dry-run')
    assert.equal(planned.outcome, 'planned')
    assert.ok(planned.halt)
    // The set was shown by a dry run only: no hold, so nothing to release.
    await mustHalt('--release')
  })

  it('an emptied source is never mirrored, base or not', async () => {
    writeTree(source, files(3))
    await mustDo()
    renameSync(source, `${source}-away`)
    pair.world.folder(`source-${number}`)
    const { halt } = await mustHalt()
    assert.match(String(halt?.reason), /the source is empty/)
    await mustHalt('--max-delete', '100%')
    // The disk is back: the hold ends by itself.
    rmSync(source, { recursive: true })
    renameSync(`${source}-away`, source)
    const back = await pair.laptop.sync(...ends)
    assert.equal(back.outcome, 'unchanged', back.stdout)
  })

  it('more than half of ten or more is held; the hold ends by itself and is forgotten', async () => {
    writeTree(source, files(20))
    await mustDo()
    for (let i = 0; i < 6; i++) rmSync(join(source, `f${i}`))
    for (let i = 6; i < 11; i++) writeFileSync(join(source, `f${i}`), `other content ${i}`)
    const { halt } = await mustHalt()
    assert.deepEqual([halt?.deletes, halt?.replaces], [6, 5])

    writeTree(source, { f0: '0\n', f1: '1\n' })
    const { counts } = await mustDo()
    assert.deepEqual([counts.deleted, counts.replaced], [4, 5])
    // What was held and not released is not released later either.
    for (let i = 0; i < 15; i++) rmSync(join(source, `f${i}`), { force: true })
    await mustHalt('--release')
    await mustDo('--release')
  })

  it('few deletions, renames and modes are no reason to halt', async () => {
    writeTree(source, files(8))
    await mustDo()
    for (let i = 0; i < 7; i++) rmSync(join(source, `f${i}`))
    await mustDo()
    writeTree(source, files(15, 'again '))
    await mustDo()
    for (let i = 0; i < 15; i++) {
      renameSync(join(source, `f${i}`), join(source, `g${i}`))
      chmodSync(join(source, `g${i}`), 0o600)
    }
    const { counts } = await mustDo()
    assert.deepEqual([counts.deleted, counts.replaced], [0, 0], JSON.stringify(counts))
  })

  it('a rule that is gone deletes nothing that it hid, wherever it stood, until a person says so', async () => {
    writeTree(source, {
      'a.txt': 'a',
      '.nightferryignore': 'hidden.txt\n',
      'sub/.nightferryignore': '*.raw\n',
      'sub/b': 'b',
    })
    writeTree(target, { 'hidden.txt': 'dear to me', 'sub/c.raw': 'dear too', 'd.log': 'and this' })
    const exclude = ['--exclude', '*.log']
    assert.equal((await pair.laptop.sync(...ends, ...exclude)).outcome, 'done')
    const changes: readonly (readonly [what: string, edit: () => void, options: readonly string[], sample: string])[] =
      [
        ['an option left out', () => {}, [], 'd.log'],
        ['a line taken out', () => writeTree(source, { '.nightferryignore': '# nothing\n' }), exclude, 'hidden.txt'],
        ['a file deleted', () => rmSync(join(source, 'sub/.nightferryignore')), exclude, 'sub/c.raw'],
      ]
    for (const [what, edit, options, sample] of changes) {
      edit()
      const { halt } = await mustHalt(...options)
      assert.match(String(halt?.reason), /ignore rules or other options are not those of the last run/, what)
      assert.ok(JSON.stringify(halt?.sample).includes(`"${sample}"`), `${what}: ${JSON.stringify(halt)}`)
    }
    // A run under rules that hide it again goes on, and is the base from then on.
    writeTree(source, { '.nightferryignore': 'hidden.txt\n*.raw\n' })
    assert.equal(
      (await pair.laptop.sync(...ends, ...exclude)).outcome,
      'halted',
      'the deleted file of rules is one entry',
    )
    assert.equal((await pair.laptop.sync(...ends, ...exclude, '--release')).outcome, 'done')
    for (const name of ['hidden.txt', 'sub/c.raw', 'd.log'])
      assert.ok(readTree(target).some((line) => line.includes(name)))
  })

  it('an option that says what is carried besides holds no edit, and lets nothing through that a rule or a limit holds', async () => {
    const everything = files(20)
    writeTree(source, { ...everything, '.nightferryignore': 'hidden.txt\n' })
    writeTree(target, { 'hidden.txt': 'dear to me' })
    assert.equal((await pair.laptop.sync(...ends)).outcome, 'done')
    // What this disk can not hold, or this user may not set, is told as a problem: nothing here is about that.
    for (const [i, options] of [['--hard-links'], ['--xattrs'], ['--acls'], ['--set-id'], ['--owner'], []].entries()) {
      rmSync(join(source, `f${2 * i}`))
      writeFileSync(join(source, `f${2 * i + 1}`), `edited for ${options}`)
      const { halt, outcome, counts, stdout } = await pair.laptop.sync(...ends, ...options)
      assert.equal(halt, undefined, `${options}: ${JSON.stringify(halt)}`)
      assert.ok(outcome === 'done' || outcome === 'partial', stdout)
      assert.deepEqual([counts.deleted, counts.replaced], [1, 1], String(options))
      const again = await pair.laptop.sync(...ends, ...options)
      assert.equal(again.outcome, outcome === 'done' ? 'unchanged' : 'partial', again.stdout)
    }
    for (const name of Object.keys(everything)) rmSync(join(source, name), { force: true })
    writeTree(source, { left: 'x' })
    const many = await mustHalt('--hard-links')
    assert.match(String(many.halt?.reason), /more would be deleted or replaced than the limit allows/)
    assert.equal((await pair.laptop.sync(...ends, '--hard-links', '--release')).outcome, 'done')
    writeTree(source, { '.nightferryignore': '# nothing\n' })
    const ruled = await mustHalt('--xattrs')
    assert.match(String(ruled.halt?.reason), /ignore rules or other options are not those of the last run/)
    assert.ok(JSON.stringify(ruled.halt?.sample).includes('"hidden.txt"'))
  })

  it('an update that becomes a mirror deletes nothing that it kept, until a person says so', async () => {
    writeTree(source, { a: 'a' })
    writeTree(target, { b: 'b' })
    assert.equal((await pair.laptop.sync(...ends, '--mode', 'update')).outcome, 'done')
    await mustHalt()
    await mustDo('--release')
  })

  it('--max-delete sets the limit, as a number and as a share', async () => {
    writeTree(source, files(20))
    await mustDo()
    for (let i = 0; i < 4; i++) rmSync(join(source, `f${i}`))
    await mustHalt('--max-delete', '3')
    await mustHalt('--max-delete', '0')
    await mustHalt('--max-delete', '19%')
    await mustDo('--max-delete', '20%')
    rmSync(join(source, 'f4'))
    await mustDo('--max-delete', '1')
    for (let i = 5; i < 19; i++) rmSync(join(source, `f${i}`))
    await mustDo('--max-delete', '100%')
  })
})
