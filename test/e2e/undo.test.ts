// Undo end to end, with real processes: what a dry run lists, what holds the next run afterwards and on which machine,
// how it is stopped and goes on, and what the log and `why` say of it on both machines.

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Line, type Machine, type Pair, pairedMachines } from '../world/machines.ts'
import { contents, facts, plant } from '../world/planted.ts'

type RunRow = {
  readonly runId: string
  readonly state: string
  readonly mode: string
  readonly driver: string | null
  readonly counts: Readonly<Record<string, number>>
  readonly failure: { readonly code: string } | null
}

const first = { 'a file': 'old', 'gone/deep': 'deleted', moves: 'it moves', 'dir/in': 'in a folder', stays: 's' }

/** Mirrors twice, with a change of each kind in between. The second run, and how the target was before it. */
async function twice(
  machine: Machine,
  source: string,
  end: string,
  target: string,
): Promise<{ run: string; was: Record<string, string>; done: Record<string, string> }> {
  plant(source, first)
  await machine.mustSync('done', source, end)
  const was = facts(target)
  writeFileSync(join(source, 'a file'), 'the new version')
  rmSync(join(source, 'gone'), { recursive: true })
  plant(source, { 'new/file': 'n' })
  renameSync(join(source, 'moves'), join(source, 'moved'))
  renameSync(join(source, 'dir'), join(source, 'dir moved'))
  const run = await machine.mustSync('done', source, end)
  return { run: String(run.lines[0]?.runId), was, done: facts(target) }
}

function linesOf(stdout: string): Line[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

async function rows(machine: Machine): Promise<RunRow[]> {
  return (JSON.parse(await machine.must('log', '--json')) as { runs: RunRow[] }).runs
}

async function why(machine: Machine, path: string, ...args: string[]): Promise<string> {
  const { jobs } = JSON.parse(await machine.must('why', path, '--json', ...args)) as {
    jobs: { statements: { text: string }[] }[]
  }
  assert.equal(jobs.length, 1, `one job knows of ${path}`)
  return (jobs[0]?.statements ?? []).map(({ text }) => text).join('\n')
}

describe('undo', () => {
  let pair: Pair
  let made = 0
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  type Ends = { readonly source: string; readonly end: string; readonly target: string }

  const ends = (where: 'here' | 'there'): Ends => {
    const { world } = pair
    const name = `case-${++made}`
    const source = world.folder(`source-${made}`)
    if (where === 'here') return { source, end: join(world.directory, name), target: join(world.directory, name) }
    return { source, end: `nas:data/${name}`, target: world.folder(`shared/${name}`) }
  }

  for (const where of ['here', 'there'] as const) {
    it(`lists what it would do, a line a path, and does nothing: target ${where}`, async () => {
      const { laptop } = pair
      const { source, end, target } = ends(where)
      const { run, done } = await twice(laptop, source, end, target)
      const text = await laptop.must('undo', run, '--dry-run')
      const listed = text.split('\n').slice(0, -2).sort()
      assert.deepEqual(listed, [
        '+ gone/',
        '+ gone/deep',
        '- new/',
        '> a file',
        'r dir moved -> dir',
        'r moved -> moves',
      ])
      assert.match(text, /can be undone; nothing was changed\n$/)
      const events = linesOf(await laptop.must('undo', run, '-n', '--json'))
      assert.deepEqual(
        events.slice(0, -1).map(({ type }) => type),
        Array.from({ length: 6 }, () => 'change'),
      )
      assert.deepEqual([events.at(-1)?.type, events.at(-1)?.outcome], ['undo-end', 'planned'])
      assert.deepEqual(facts(target), done)
      await laptop.mustSync('unchanged', source, end)
    })

    it(`is told by why and log, path by path, and so is an undelete: target ${where}`, async () => {
      const { laptop, nas } = pair
      const { source, end, target } = ends(where)
      const { run } = await twice(laptop, source, end, target)
      await laptop.must('undelete', `${end}/gone`)
      const machines =
        where === 'here'
          ? [[laptop, end]]
          : ([
              [laptop, end],
              [nas, target],
            ] as const)
      for (const [machine, place] of machines as readonly (readonly [Machine, string])[]) {
        const asked = machine === nas ? ', asked by laptop' : ''
        const told = await why(machine, `${place}/gone/deep`)
        assert.match(
          told,
          new RegExp(`brought back on the target, from its version of run ${run}, .*by nightferry undelete${asked}\\.`),
        )
        assert.doesNotMatch(told, /came to the target after/)
        assert.match(told, /deleted on the target because the source had it no more/)
      }
      assert.match(
        await why(laptop, `${end}/gone/deep`),
        where === 'here' ? /next mirror deletes or replaces it again/ : /brought back/,
      )

      rmSync(join(target, 'gone'), { recursive: true })
      const undone = linesOf(await laptop.must('undo', run, '--json')).at(-1)
      const id = String(undone?.runId)
      for (const [machine, place] of machines as readonly (readonly [Machine, string])[]) {
        for (const [path, text] of [
          ['gone/deep', `brought back on the target, from its version of run ${run}`],
          ['a file', `put back on the target to what it was before, from its version of run ${run}`],
          ['new/file', `with new it was taken away again on the target, because run ${run}`],
          ['moves', 'renamed back on the target, from moved'],
          ['moved', 'renamed back on the target, to moves'],
          ['dir/in', 'renamed back on the target, from dir moved/in'],
        ] as const) {
          const told = await why(machine, `${place}/${path}`)
          const isTold = told
            .split('\n')
            .some((line) => line.toLowerCase().includes(text.toLowerCase()) && line.includes(`by run ${id} of laptop`))
          assert.ok(isTold, `${machine.name} ${path}: ${told}`)
        }
        assert.match(
          await why(machine, `${place}/stays`),
          /undid a run of the job: whether both ends have it equal is not known/,
        )
        const log = JSON.parse(await machine.must('log', id, '--json')) as {
          changes: { action: string; path: string }[]
        }
        assert.ok(log.changes.some(({ action, path }) => action === 'replaced' && path === 'a file'))
      }
    })

    it(`holds the next run, whatever that would do, until it is released: target ${where}`, async () => {
      const { laptop } = pair
      const { source, end, target } = ends(where)
      const { run, was, done } = await twice(laptop, source, end, target)
      await laptop.must('undo', run)
      const dry = await laptop.sync(source, end, '--dry-run')
      assert.match(String(dry.halt?.reason), /was undone/)
      for (let times = 0; times < 2; times++) {
        const held = await laptop.sync(source, end)
        assert.equal(held.code, 15, held.stdout)
        assert.match(String(held.halt?.reason), /was undone/)
        assert.ok(
          held.lines.some(
            ({ type, text }) => type === 'notice' && String(text).includes(`${run} was undone on laptop`),
          ),
        )
      }
      assert.deepEqual(facts(target), was)
      await laptop.mustSync('done', source, end, '--release')
      assert.deepEqual(facts(target), done)
      writeFileSync(join(source, 'later'), 'l')
      await laptop.mustSync('done', source, end)
      // A run that had only brought something.
      const only = String((await rows(laptop))[0]?.runId)
      await laptop.must('undo', only)
      const held = await laptop.sync(source, end)
      assert.deepEqual([held.code, held.halt?.deletes, held.halt?.replaces], [15, 0, 0])
      await laptop.mustSync('done', source, end, '--release')
      // An undo that emptied the target.
      const { source: other, end: otherEnd, target: otherTarget } = ends(where)
      plant(other, first)
      const begun = await laptop.mustSync('done', other, otherEnd)
      await laptop.must('undo', String(begun.lines[0]?.runId))
      assert.deepEqual(contents(otherTarget), {})
      assert.equal((await laptop.sync(other, otherEnd)).code, 15)
      assert.deepEqual(contents(otherTarget), {})
      await laptop.mustSync('done', other, otherEnd, '--release')
      assert.deepEqual(facts(otherTarget), facts(other))
    })
  }

  it('of an owner holds the next run of the driver, and his undo of it lets it go', async () => {
    const { laptop, nas } = pair
    const { source, end, target } = ends('there')
    const { run, was, done } = await twice(laptop, source, end, target)
    await nas.must('undo', run)
    assert.match(await why(nas, join(target, 'a file')), /put back on the target to what it was before/)
    const held = await laptop.sync(source, end)
    assert.equal(held.code, 15)
    assert.ok(
      held.lines.some(({ text }) => String(text).includes(`${run} was undone on nas`)),
      held.stdout,
    )
    assert.equal((await laptop.run('status')).code, 15)
    assert.deepEqual(facts(target), was)
    const [undo] = (await rows(nas)).filter(({ mode }) => mode === 'undo')
    await nas.must('undo', String(undo?.runId))
    assert.deepEqual(facts(target), done)
    await laptop.mustSync('unchanged', source, end)
    // What was held is held no more, and a change goes over as ever.
    writeFileSync(join(source, 'a file'), 'once more')
    await laptop.mustSync('done', source, end)
  })

  it('is not lost with the state of the driver, and a note that can not be read holds too', async () => {
    const { laptop, world } = pair
    const { source, end, target } = ends('here')
    const { run, was } = await twice(laptop, source, end, target)
    await laptop.must('undo', run)
    const note = join(target, '.nightferry', 'undone.json')
    writeFileSync(note, 'damaged')
    const held = await laptop.sync(source, end)
    assert.equal(held.code, 15)
    assert.deepEqual(facts(target), was)
    assert.ok(world.directory.length > 0)
    await laptop.mustSync('done', source, end, '--release')
    writeFileSync(join(source, 'later'), 'l')
    await laptop.mustSync('done', source, end)
  })

  const many = 16_000

  /** A run that brought many files into a folder that was there. */
  async function brought(machine: Machine, { source, end, target }: Ends): Promise<{ run: string; was: string[] }> {
    mkdirSync(join(source, 'd'))
    plant(source, { 'd/first': '1', stays: 's' })
    await machine.mustSync('done', source, end)
    for (let i = 0; i < many; i++) writeFileSync(join(source, 'd', `f${i}`), '')
    const run = await machine.mustSync('done', source, end)
    return { run: String(run.lines[0]?.runId), was: Object.keys(contents(target)) }
  }

  for (const where of ['here', 'there'] as const) {
    it(`stops where the target is whole when it is asked to, and goes on: target ${where}`, async () => {
      const { laptop, nas } = pair
      const one = ends(where)
      const { run } = await brought(laptop, one)
      const undoing = laptop.start('undo', run, '--json')
      await undoing.printed(/"type":"change"/)
      undoing.kill('SIGINT')
      const { code, stdout } = await undoing.ended
      const last = linesOf(stdout).at(-1)
      assert.deepEqual([code, last?.outcome], [130, 'stopped'], stdout.slice(-2000))
      const left = readdirSync(join(one.target, 'd')).length
      assert.ok(left > 1 && left < many, `${left} are left`)
      assert.equal((last?.counts as Record<string, number> | undefined)?.deleted, many + 1 - left)
      const id = String(last?.runId)
      for (const machine of where === 'here' ? [laptop] : [laptop, nas]) {
        const row = (await rows(machine)).find(({ runId }) => runId === id)
        assert.deepEqual([row?.state, row?.failure?.code], ['failed', 'cancelled'])
        assert.equal(row?.counts.deleted, many + 1 - left)
      }
      assert.equal((await laptop.sync(one.source, one.end)).code, 15)
      // What was done is a run, and so is the rest.
      await laptop.must('undo', id)
      assert.equal(readdirSync(join(one.target, 'd')).length, many + 1)
      const rest = linesOf(await laptop.must('undo', run, '--json')).at(-1)
      assert.deepEqual([rest?.outcome, readdirSync(join(one.target, 'd')).length], ['done', 1])
      assert.match(await laptop.must('undo', run), /nothing to undo/)
    })
  }

  it('comes to a whole target when the driver is killed, says so, and goes on', async () => {
    const { laptop, nas } = pair
    const one = ends('there')
    const { run } = await brought(laptop, one)
    const undoing = laptop.start('undo', run, '--json')
    await undoing.printed(/"type":"change"/)
    const before = nas.log('serve').length
    undoing.kill('SIGKILL')
    await undoing.ended
    await nas.logged('session-close', before)
    const [row] = (await rows(nas)).filter(({ mode }) => mode === 'undo')
    const left = readdirSync(join(one.target, 'd')).length
    assert.ok(left > 1 && left <= many, `${left} are left`)
    assert.deepEqual(
      [row?.state, row?.failure?.code, row?.driver, row?.counts.deleted],
      ['failed', 'connection-lost', 'laptop', many + 1 - left],
    )
    assert.deepEqual(readdirSync(join(one.target, '.nightferry', 'staging')), [])
    assert.equal((await laptop.sync(one.source, one.end)).code, 15)
    assert.equal(linesOf(await laptop.must('undo', run, '--json')).at(-1)?.outcome, 'done')
    assert.equal(readdirSync(join(one.target, 'd')).length, 1)
  })

  it('that is stopped before it changed anything changed nothing', async () => {
    const { laptop } = pair
    const one = ends('here')
    const { run } = await twice(laptop, one.source, one.end, one.target)
    const undoing = laptop.start('undo', run)
    undoing.kill('SIGINT')
    await undoing.ended
    const again = await laptop.run('undo', run)
    assert.equal(again.code, 0, again.stderr)
  })
})
