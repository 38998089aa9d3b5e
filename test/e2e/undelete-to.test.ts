// `undelete --to`: the folder is made where it is missing, here as in a share, and a crash leaves nothing behind that the next
// opening of the target does not clear away.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Machine, World } from '../world/machines.ts'
import { contents, plant } from '../world/planted.ts'

describe('undelete --to', () => {
  let world: World
  let machine: Machine
  let made = 0
  before(() => {
    world = new World()
    machine = world.machine('here')
  })
  after(() => world?.close())

  /** A target that had `files` deleted by its last run. */
  async function target(files: Record<string, string>): Promise<string> {
    const [source, to] = ['source', 'target'].map((name) => join(world.directory, `${name}-${++made}`)) as [
      string,
      string,
    ]
    plant(source, { stays: 'stays', ...files })
    await machine.mustSync('done', source, to)
    for (const name of Object.keys(files))
      rmSync(join(source, name.split('/')[0] as string), { recursive: true, force: true })
    await machine.mustSync('done', source, to, '--max-delete', '100%')
    return to
  }

  it('makes the folder with its parents, and nothing where nothing comes', async () => {
    const from = await target({ 'd/a': 'a', 'd/b': 'b' })
    const into = join(world.directory, 'new', 'and', 'deep')
    const none = await machine.run('undelete', join(from, 'nothing'), '--to', into)
    assert.equal(none.code, 1, none.stderr)
    assert.ok(!existsSync(join(world.directory, 'new')))
    const told = await machine.must('undelete', join(from, 'd'), '--to', into)
    assert.match(told, /brought back 2 versions.*deep\n$/)
    assert.deepEqual(contents(into), { d: '/', 'd/a': 'a', 'd/b': 'b' })
    assert.deepEqual(readdirSync(into), ['d'])
  })

  it('brings what comes into a folder of the same target under its lock, and says what the next mirror does', async () => {
    const from = await target({ a: 'a' })
    assert.match(
      await machine.must('undelete', join(from, 'a'), '--to', join(from, 'back')),
      /next mirror .* deletes it/,
    )
    assert.equal(readFileSync(join(from, 'back', 'a'), 'utf8'), 'a')
    assert.match(await machine.must('undelete', join(from, 'a'), '--to', from), /brought back 1 version/)
    assert.equal(readFileSync(join(from, 'a'), 'utf8'), 'a')
  })

  it('refuses a file, and the working files of a target', async () => {
    const from = await target({ a: 'a' })
    for (const [to, code, text] of [
      [join(from, 'stays'), 1, /is not a folder/],
      [join(from, 'stays', 'below'), 1, /is not a folder/],
      [join(from, '.nightferry', 'x'), 2, /working files/],
      ['', 2, /--to names no folder/],
    ] as const) {
      const refused = await machine.run('undelete', join(from, 'a'), '--to', to)
      assert.equal(refused.code, code, refused.stdout + refused.stderr)
      assert.match(refused.stderr, text)
    }
    assert.deepEqual(Object.keys(contents(from)), ['stays'])
  })

  it('leaves nothing behind after a crash once the target is opened again', async () => {
    const from = await target({ large: '' })
    const runs = readdirSync(join(from, '.nightferry/versions'))
    const run = runs.find((name) => existsSync(join(from, '.nightferry/versions', name, 'files/large')))
    truncateSync(join(from, '.nightferry/versions', String(run), 'files/large'), 1_200_000_000)
    const into = join(world.directory, 'crashed')
    mkdirSync(into)
    writeFileSync(join(into, 'mine'), 'mine')
    const undelete = machine.start('undelete', join(from, 'large'), '--to', into)
    const left = (): string[] => readdirSync(into).filter((name) => name.startsWith('.nightferry-undelete-'))
    let hasEnded = false
    void undelete.ended.then(() => (hasEnded = true))
    while (left().length === 0) {
      assert.ok(!hasEnded, 'it ended before it was caught')
      await sleep(1)
    }
    undelete.kill('SIGKILL')
    await undelete.ended
    assert.equal(left().length, 1)
    await machine.run('undelete', join(from, 'no-such'))
    assert.deepEqual(readdirSync(into), ['mine'])
    assert.ok(!existsSync(join(from, '.nightferry/outside.json')))
  })
})
