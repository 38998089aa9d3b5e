// Looking back end to end: what `log`, `why`, `status` and `doctor` say on both machines after runs that went well, were
// held, failed, were killed, or left paths out.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { writeTree } from '../world/disk-trees.ts'
import { type Machine, type Pair, pairedMachines } from '../world/machines.ts'
import { noise } from '../world/noise.ts'

type Answer = {
  readonly role: string
  readonly driver: string | null
  readonly ignored: string
  readonly rule: { label: string; directory: string; line: number; pattern: string } | null
  readonly statements: readonly { kind: string; text: string; remedy?: string; runId?: string }[]
}
type RunLine = {
  readonly runId: string
  readonly state: string
  readonly exitCode: number | null
  readonly driver: string | null
  readonly epoch: number
  readonly failure: { code: string; remedy: string } | null
  readonly halt: { deletes: number; sample: string[] } | null
  readonly problems: readonly { path: string; code: string; remedy: string }[]
  readonly options: { release: boolean; limit: string } | null
  readonly isHeldNow?: boolean
}

/** The last run of a machine that did not merely look. */
async function runs(machine: Machine, ...args: readonly string[]): Promise<RunLine[]> {
  return (JSON.parse(await machine.must('log', '--json', ...args)) as { runs: RunLine[] }).runs
}

async function answers(machine: Machine, ...args: readonly string[]): Promise<Answer[]> {
  return (JSON.parse(await machine.must('why', '--json', ...args)) as { jobs: Answer[] }).jobs
}

async function why(machine: Machine, ...args: readonly string[]): Promise<Answer> {
  const found = await answers(machine, ...args)
  const [first] = found
  assert.ok(first !== undefined && found.length === 1, `${args.join(' ')}: ${JSON.stringify(found)}`)
  return first
}

function kinds(answer: Answer): string {
  return answer.statements.map(({ kind }) => kind).join(' ')
}

function textOf(answer: Answer): string {
  return answer.statements.map(({ text }) => text).join('\n')
}

describe('looking back', () => {
  let pair: Pair
  let number = 0
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  type Ends = { readonly here: string; readonly there: string; readonly ends: readonly [string, string] }

  function freshEnds(direction: 'push' | 'pull' = 'push'): Ends {
    number += 1
    const here = pair.world.folder(`here-${number}`)
    const there = pair.world.folder(`shared/there-${number}`)
    const remote = `nas:data/there-${number}`
    return { here, there, ends: direction === 'push' ? [here, remote] : [remote, here] }
  }

  const stays = { s1: '1', s2: '2', s3: '3', s4: '4', s5: '5', s6: '6' }

  for (const direction of ['push', 'pull'] as const) {
    it(`why tells what was done to a path, on both machines, ${direction}`, async () => {
      const { laptop, nas } = pair
      const { here, there, ends } = freshEnds(direction)
      const [source, target] = direction === 'push' ? [here, there] : [there, here]
      writeTree(source, { ...stays, edited: 'a', gone: 'g', 'old/x': 'x', 'goes/deep/y': 'y', moved: 'some content' })
      await laptop.mustSync('done', ...ends)
      writeTree(source, { edited: 'another', 'd/new': 'n' })
      rmSync(join(source, 'gone'))
      rmSync(join(source, 'goes'), { recursive: true })
      renameSync(join(source, 'old'), join(source, 'fresh'))
      renameSync(join(source, 'moved'), join(source, 'elsewhere'))
      const before = nas.log('serve').length
      await laptop.mustSync('done', ...ends)
      await nas.logged('session-close', before)
      const [last] = await runs(laptop)
      assert.ok(last !== undefined && last.epoch > 0)

      const targetSide = direction === 'push' ? nas : laptop
      for (const [path, what] of [
        ['edited', /new content on the target/],
        ['gone', /It was deleted on the target because the source had it no more/],
        ['goes/deep/y', /With goes it was deleted/],
        ['fresh/x', /With fresh it was renamed on the target, from old\/x/],
        ['old/x', /renamed on the target, to fresh\/x/],
        ['elsewhere', /from moved \(the content was equal/],
        ['moved', /renamed on the target, to elsewhere/],
        ['d/new', /came to the target/],
      ] as const) {
        const answer = await why(targetSide, join(target, path))
        const [deed] = answer.statements.filter(({ kind }) => kind === 'deed')
        assert.equal(answer.role, 'target')
        assert.equal(answer.driver, targetSide === nas ? 'laptop' : null)
        assert.match(deed?.text ?? '', what, `${path}: ${JSON.stringify(answer)}`)
        assert.match(deed?.text ?? '', new RegExp(`by run ${last.runId} of laptop \\(epoch ${last.epoch}\\)`))
      }
      // The driver knows it too, by either end's name.
      if (direction === 'push') {
        for (const path of ['edited', 'gone', 'goes/deep/y', 'old/x', 'fresh/x', 'elsewhere', 'moved']) {
          for (const name of [join(source, path), `${ends[1]}/${path}`]) {
            const answer = await why(laptop, name)
            assert.equal(answer.statements.find(({ kind }) => kind === 'deed')?.runId, last.runId, name)
          }
        }
      }
      const untouched = await why(laptop, join(here, 's1'))
      assert.match(textOf(untouched), /Both ends had it equal at the end of run/)
      const only = await why(laptop, join(here, 's1'), '--run', last.runId)
      assert.equal(only.statements.filter(({ kind }) => kind === 'deed').length, 0)
      // The machine that serves has the run in its history too.
      const [served] = await runs(nas)
      assert.deepEqual([served?.runId, served?.driver, served?.state], [last.runId, 'laptop', 'done'])
    })
  }

  it('why names the rule that ignores a path, with its file and line', async () => {
    const { laptop } = pair
    const { here, ends } = freshEnds()
    writeTree(here, {
      a: 'a',
      'd/.nightferryignore': '# ours\n\n*.log\n!keep.log\n',
      'd/e/x.log': 'x',
      'd/e/keep.log': 'k',
      'b.tmp': 'b',
    })
    await laptop.mustSync('done', ...ends, '--exclude', '*.bak', '--exclude', '*.tmp')
    const nested = await why(laptop, join(here, 'd/e/x.log'))
    assert.equal(nested.ignored, 'ignored')
    assert.deepEqual(
      [nested.rule?.directory, nested.rule?.label, nested.rule?.line, nested.rule?.pattern],
      ['d', '.nightferryignore', 3, '*.log'],
    )
    assert.match(textOf(nested), /line 3 of d\/\.nightferryignore/)
    assert.match(textOf(await why(laptop, join(here, 'b.tmp'))), /"\*\.tmp", number 2 of --exclude/)
    assert.match(
      textOf(await why(laptop, join(here, 'd/e/keep.log'))),
      /takes it back in[\s\S]*Both ends had it equal/i,
    )
    // A path that is gone, or never was, is judged all the same; and so is one of the other end.
    assert.equal((await why(laptop, join(here, 'd/never/y.log'))).ignored, 'ignored')
    assert.equal((await why(laptop, `${ends[1]}/d/e/x.log`)).ignored, 'ignored')
    assert.equal(kinds(await why(pair.nas, join(pair.shared, `there-${number}`, 'd/e/x.log'))), 'missing rules-unknown')
    assert.deepEqual(await answers(laptop, '/etc/hostname'), [])
    assert.equal(kinds(await why(laptop, join(here, '.nightferry'))), 'own')
  })

  it('problems are told with their remedy, by log, why and status', async () => {
    const { laptop } = pair
    const { here, ends } = freshEnds()
    writeTree(here, { a: 'a', fifo: 'a file' })
    await laptop.mustSync('done', ...ends)
    rmSync(join(here, 'fifo'))
    for (const name of ['fifo', 'other']) spawnSync('mkfifo', [join(here, name)])
    assert.equal((await laptop.sync(...ends)).code, 3)
    const [run] = await runs(laptop)
    const remedy = 'look at what the target has in its place, and delete that by hand; or exclude it'
    assert.deepEqual(run?.problems, [{ path: 'fifo', code: 'special', detail: '', remedy }])
    assert.match(kinds(await why(laptop, join(here, 'fifo'))), /never-copied.*problem/)
    assert.match(kinds(await why(laptop, join(here, 'other'))), /never-copied/)
    assert.match(await laptop.must('log', run?.runId ?? ''), /fifo is a device[\s\S]*special \(1\): look at what/)
    const status = await laptop.run('status')
    assert.equal(status.code, 3)
    assert.match(status.stdout, /PROBLEMS +.*here[\s\S]*look at what the target has/)
    assert.deepEqual((await runs(laptop, '--failed')).map(({ runId }) => runId).includes(run?.runId ?? ''), true)
    for (const name of ['fifo', 'other']) rmSync(join(here, name))
    await laptop.mustSync('done', ...ends, '--max-delete', '100%')
    assert.equal((await laptop.run('status')).code, 0)
    // A new file since, and one that went.
    writeTree(here, { later: 'l' })
    rmSync(join(here, 'a'))
    assert.equal(kinds(await why(laptop, join(here, 'later'))), 'new-since')
    assert.match(kinds(await why(laptop, join(here, 'a'))), /missing/)
  })

  it('a hold is shown with its sample, and ends', async () => {
    const { laptop } = pair
    const { here, ends } = freshEnds()
    writeTree(here, Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, `${i}`])))
    await laptop.mustSync('done', ...ends)
    for (let i = 0; i < 25; i++) rmSync(join(here, `f${i}`))
    assert.equal((await laptop.sync(...ends)).code, 15)
    const [held] = await runs(laptop)
    assert.deepEqual([held?.state, held?.halt?.deletes, held?.halt?.sample.length], ['halted', 25, 20])
    const text = await laptop.must('log', held?.runId.slice(20) ?? '')
    assert.match(text, /halt +more would be deleted[\s\S]*f0\n[\s\S]*Still held: .*--release/)
    const status = await laptop.run('status')
    assert.deepEqual([status.code, /HELD/.test(status.stdout)], [15, true])
    const answer = await why(laptop, join(here, 'f0'))
    assert.match(textOf(answer), /held by a guard since .*among what it would delete/)
    await laptop.mustSync('done', ...ends, '--release')
    assert.match(await laptop.must('log', held?.runId ?? ''), /held no more/)
    const [released] = await runs(laptop)
    assert.deepEqual([released?.options?.release, released?.state], [true, 'done'])
    assert.equal((await laptop.run('status')).code, 0)
  })

  it('a run that failed is in the history with its code and what to do, and so is one that was killed', async () => {
    const { laptop, nas, shared } = pair
    const { here, there, ends } = freshEnds()
    writeTree(here, { a: 'a', b: 'b' })
    await laptop.mustSync('done', ...ends)
    writeTree(here, { a: 'changed' })
    await nas.stop('SIGKILL')
    assert.equal((await laptop.sync(...ends)).code, 13)
    const [failed] = await runs(laptop)
    assert.deepEqual([failed?.state, failed?.exitCode, failed?.failure?.code], ['failed', 13, 'unreachable'])
    assert.match(failed?.failure?.remedy ?? '', /nightferry serve/)
    assert.match(kinds(await why(laptop, join(here, 'a'))), /^failed /)
    const doctor = await laptop.run('doctor')
    assert.equal(doctor.code, 1)
    assert.match(doctor.stdout, /PROBLEM +machine +nas: cannot reach/)
    await nas.serve()

    // Killed while it sends: the target holds what it had, and both machines say that the run was cut off.
    writeFileSync(join(here, 'large'), noise(1, 20_000_000))
    const killed = laptop.start('sync', '--json', '--bwlimit', '2M', ...ends)
    await killed.printed(/"type":"progress"/)
    killed.kill('SIGKILL')
    await killed.ended
    const [cut] = await runs(laptop)
    assert.equal(cut?.state, 'cut-off')
    assert.match((await laptop.run('status')).stdout, /CUT OFF/)
    assert.match(textOf(await why(laptop, join(here, 'large'))), /was cut off before its end/)
    await nas.logged(
      'session-close',
      nas.log('serve').findLastIndex(({ action }) => action === 'session-open'),
    )
    const [served] = await runs(nas)
    assert.deepEqual([served?.runId, served?.state, served?.failure?.code], [cut?.runId, 'failed', 'connection-lost'])
    rmSync(join(here, 'large'))
    await laptop.mustSync('done', ...ends)
    assert.equal((await laptop.run('status')).code, 0)
    assert.ok(there.startsWith(shared))
  })

  it('what a broken run was to do is told as not known', async () => {
    const { laptop, nas } = pair
    const { here, ends } = freshEnds()
    writeTree(here, { ...stays, edited: 'a', gone: 'g' })
    await laptop.mustSync('done', ...ends)
    writeTree(here, { edited: 'another' })
    rmSync(join(here, 'gone'))
    writeFileSync(join(here, 'large'), noise(1, 20_000_000))
    const broken = laptop.start('sync', '--json', '--bwlimit', '2M', ...ends)
    await broken.printed(/"type":"progress"/)
    await nas.stop('SIGKILL')
    assert.equal((await broken.ended).code, 13)
    assert.match(textOf(await why(laptop, join(here, 'gone'))), /was to be deleted on the target when the run broke/)
    await nas.serve()
    rmSync(join(here, 'large'))
    await laptop.mustSync('done', ...ends)
    const answer = await why(laptop, join(here, 'gone'))
    assert.match(answer.statements[0]?.text ?? '', /^It was deleted on the target/)
  })

  it('status asks the daemon, and doctor looks at everything', async () => {
    const { laptop, nas, world } = pair
    const status = JSON.parse(await nas.must('status', '--json')) as {
      daemon: { port: number; shares: { name: string }[] }
    }
    assert.deepEqual([status.daemon.port, status.daemon.shares.map(({ name }) => name)], [nas.port, ['data']])
    const report = JSON.parse((await laptop.run('doctor', '--json')).stdout) as {
      versions: Record<string, string>
      findings: { check: string; level: string; text: string }[]
    }
    for (const check of [
      'node',
      'parts',
      'state',
      'files',
      'settings',
      'source',
      'clock',
      'limits',
      'daemon',
      'machine',
    ])
      assert.ok(
        report.findings.some((one) => one.check === check),
        check,
      )
    assert.match(report.findings.find(({ check }) => check === 'machine')?.text ?? '', /^nas answers at 127\.0\.0\.1/)
    for (const name of ['nightferry', 'node', 'sqlite', 'openssl', 'kernel', 'commander'])
      assert.ok(report.versions[name], name)

    const lone = world.machine('lone')
    assert.equal((await lone.run('doctor')).code, 0)
    mkdirSync(join(lone.state, 'config'), { recursive: true })
    writeFileSync(join(lone.state, 'config', 'machine.json'), '{}')
    writeFileSync(join(lone.state, 'state', 'state.db'), 'no database at all')
    const sick = await lone.run('doctor')
    assert.equal(sick.code, 1)
    assert.match(sick.stdout, /PROBLEM +settings +.*machine\.json is damaged/)
    assert.match(sick.stdout, /note +state +.*set aside/)
  })

  it('log tells the options that shaped a run, and where those of a peer are kept', async () => {
    const { laptop, nas } = pair
    const { here, ends } = freshEnds()
    writeTree(here, { a: 'a' })
    const args = [
      '--verify',
      '--bwlimit',
      '1M',
      '--compress',
      '9',
      '--keep-versions',
      '40',
      '--size-only',
      '--checksum',
    ]
    const also = ['--hard-links', '--durability', 'none', '--min-size', '1', '--max-delete', '7', '--exclude', '*.tmp']
    const wanted = [...args.slice(0, -1), ...also]
    await laptop.mustSync('done', ...ends, ...wanted)
    const [run] = await runs(laptop)
    const text = await laptop.must('log', run?.runId ?? '')
    for (const option of [
      'limit 7',
      '--size-only',
      '--min-size 1',
      '--verify',
      '--bwlimit 1048576',
      '--compress 9',
      '--keep-versions 40',
      '*.tmp',
    ])
      assert.ok(text.includes(option), `${option}: ${text}`)
    const told = JSON.parse(await laptop.must('log', run?.runId ?? '', '--json')) as {
      run: { options: { asked: string[]; narrowed: string[] } }
    }
    assert.deepEqual(told.run.options.asked, [
      '--hard-links',
      '--verify',
      '--bwlimit 1048576',
      '--compress 9',
      '--keep-versions 40',
      '--durability none',
    ])
    assert.deepEqual(told.run.options.narrowed, ['--size-only', '--min-size 1'])
    assert.match(await nas.must('log', run?.runId ?? ''), /options +those of laptop: see nightferry log/)
    await laptop.mustSync('done', here, pair.world.folder('plain-target'))
    const [plain] = await runs(laptop)
    assert.doesNotMatch(await laptop.must('log', plain?.runId ?? ''), /--/)
  })

  it('log keeps to what was asked for, and refuses what it does not know', async () => {
    const { laptop, world } = pair
    const { here } = freshEnds()
    writeTree(here, { a: 'a' })
    const local = world.folder('local-target')
    await laptop.mustSync('done', here, local)
    await laptop.mustSync('planned', here, local, '--dry-run', '--checksum')
    assert.equal((await runs(laptop, '--job', local)).length, 2)
    assert.equal((await runs(laptop, '--job', here, '--limit', '1')).length, 1)
    assert.equal((await runs(laptop, '--job', `${here}-none`)).length, 0)
    for (const args of [
      ['log', 'nothing'],
      ['log', '20'],
      ['log', '--limit', 'x'],
      ['why', here, '--run', 'nothing'],
      ['why', ''],
      ['log', '--limit', '0'],
    ]) {
      const { code, stderr } = await laptop.run(...args)
      assert.equal(code, 2, stderr)
      assert.notEqual(stderr, '')
    }
    // What lies outside of a share, or is no path at all, is nobody's.
    for (const path of ['nas:data/../x', 'nas:data/./x', 'nas:data//x'])
      assert.deepEqual(await answers(laptop, path), [])
    // A dry run changes nothing of how the job stands.
    const status = await laptop.must('status')
    assert.match(status, /ok +.*local-target/)
  })
})
