// Ends by ssh, with a real sshd: both directions, what guards and versions do, names of every kind, and everything that can
// be wrong with a login, a shell, a command and a line. What is never true afterwards: a torn file, a folder that stays
// locked, a failure without a word on what to do, a command of a person's that became more than one.

import assert from 'node:assert/strict'
import { existsSync, linkSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSameTree, contentOf, readTree, writeTree } from '../world/disk-trees.ts'
import { partitionOf } from '../world/link-trees.ts'
import { type Machine, type Started, type Synced, World } from '../world/machines.ts'
import { noSshd, Sshd } from '../world/sshd.ts'

const missing = noSshd()

describe('ssh', { skip: missing }, () => {
  let world: World
  let laptop: Machine
  let sshd: Sshd
  let number = 0

  before(async () => {
    world = new World()
    laptop = world.machine('laptop')
    sshd = await Sshd.start(world)
  })
  after(async () => {
    await sshd?.close()
    await world?.close()
  })

  type Ends = { readonly source: string; readonly target: string; readonly ends: readonly [string, string] }

  /** A source with something in it and a target, on either side of ssh. */
  function fresh(direction: 'push' | 'pull', name = 'folder'): Ends {
    number += 1
    const [here, there] = [world.folder(`here-${number}`), world.folder(`there-${number}/${name}`)]
    const remote = `ssh://nas${there}`
    return direction === 'push'
      ? { source: here, target: there, ends: [here, remote] }
      : { source: there, target: here, ends: [remote, here] }
  }

  const few = { a: 'one', 'sub/b': 'two', 'sub/deep/c': 'three' }

  for (const direction of ['push', 'pull'] as const) {
    it(`${direction}: goes both ways, and keeps both values of a conflict`, async () => {
      const { source, target, ends } = fresh(direction)
      writeTree(source, few)
      writeTree(target, { there: 'only there' })
      const both = ['--mode', 'two-way', ...ends]
      await laptop.mustSync('done', ...both)
      assertSameTree(target, source)
      await laptop.mustSync('unchanged', ...both)
      writeTree(source, { a: 'of one side' })
      writeTree(target, { a: 'of the other', new: 'n' })
      rmSync(join(source, 'sub'), { recursive: true })
      await laptop.mustSync('done', ...both)
      assertSameTree(target, source)
      assert.equal(readTree(source).filter((line) => /^a(\.conflict-\S+)? file/.test(line)).length, 2)
      await laptop.mustSync('unchanged', ...both)
    })

    it(`${direction}: a first run, an unchanged one, a change, all as between paired machines`, async () => {
      const { source, target, ends } = fresh(direction)
      writeTree(source, few)
      const first = await laptop.mustSync('done', ...ends)
      assert.equal(first.counts['created'], 5)
      assertSameTree(target, source)
      const second = await laptop.mustSync('unchanged', ...ends)
      assert.ok(second.wireBytes < 4000, `${second.wireBytes} bytes`)
      writeTree(source, { a: 'other' })
      const planned = await laptop.mustSync('planned', ...ends, '--dry-run')
      assert.deepEqual(
        planned.changes.map(({ path }) => path),
        ['a'],
      )
      assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'one')
      await laptop.mustSync('done', ...ends)
      assertSameTree(target, source)
    })
  }

  for (const direction of ['push', 'pull'] as const) {
    it(`${direction}: names that are one file stay one, and their content travels once`, async () => {
      const { source, target, ends } = fresh(direction)
      writeTree(source, { a: contentOf('a', 300_000), 'd/x': 'two' })
      const add = (from: string, to: string): void => linkSync(join(source, from), join(source, to))
      for (const [from, to] of [
        ['a', 'b'],
        ['a', 'd/c'],
      ] as const)
        add(from, to)
      const first = await laptop.mustSync('done', ...ends, '--hard-links')
      assert.ok(first.wireBytes < 400_000, `${first.wireBytes} bytes`)
      assert.deepEqual([first.problems, partitionOf(target)], [[], 'a = b = d/c'])
      await laptop.mustSync('unchanged', ...ends, '--hard-links')
      rmSync(join(source, 'b'))
      add('d/x', 'b')
      const run = await laptop.mustSync('done', ...ends, '--hard-links')
      assert.deepEqual([run.problems, partitionOf(target)], [[], 'a = d/c\nb = d/x'])
      assertSameTree(target, source)
      await laptop.must('undo', String(run.lines[0]?.runId))
      assert.equal(partitionOf(target), 'a = b = d/c')
    })
  }

  it('paths are what is typed, whatever a shell would make of them', async () => {
    const names = ['a b', "it's", '"q"', '$HOME', '`id`', ';x', 'ü 漢', '100%20', '*', "\\'", '~x', '-n', 'a@b:c']
    const { source, target, ends } = fresh('push', names.join('/'))
    writeTree(source, Object.fromEntries(names.map((name) => [name, name])))
    await laptop.mustSync('done', ...ends)
    assertSameTree(target, source)
    const { source: back, target: here, ends: other } = fresh('pull', names.join('/'))
    writeTree(back, few)
    await laptop.mustSync('done', ...other)
    assertSameTree(here, back)
  })

  it('/~/path is below the home of who logs in, and the target there is made', async () => {
    const { source } = fresh('push')
    writeTree(source, few)
    await laptop.mustSync('done', source, 'ssh://nas/~/my photos')
    assertSameTree(join(sshd.home, 'my photos'), source)
    await laptop.mustSync('unchanged', source, 'ssh://nas/~/my photos/')
  })

  it('guards hold there, --release lets go, and nothing is lost: versions, undelete, undo', async () => {
    const { source, target, ends } = fresh('push')
    writeTree(target, { mine: 'precious' })
    writeTree(source, few)
    const held = await laptop.sync(...ends)
    assert.equal(held.code, 15, held.stdout + held.stderr)
    assert.ok(held.halt)
    assert.equal(readFileSync(join(target, 'mine'), 'utf8'), 'precious')
    const released = await laptop.mustSync('done', ...ends, '--release')
    assertSameTree(target, source)
    const listed = await laptop.must('versions', ends[1])
    assert.match(listed, /mine\n1 version, kept in the versions of ssh:\/\/nas\//)
    assert.match(await laptop.must('undelete', `${ends[1]}/mine`, '--to', 'back'), /brought back 1 version/)
    assert.equal(readFileSync(join(target, 'back/mine'), 'utf8'), 'precious')
    const run = String(released.lines[0]?.runId)
    assert.match(await laptop.must('undo', run), /^undone/)
    assert.deepEqual(
      readTree(target).filter((line) => / file \d/.test(line)).length,
      2,
      'what was there before, and what undelete brought',
    )
    assert.equal(readFileSync(join(target, 'mine'), 'utf8'), 'precious')
    await laptop.must('undelete', `${ends[1]}/a`)
    assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'one')
    assert.match(await laptop.must('why', `${ends[1]}/mine`), /on the target of/)
  })

  it('old versions lie in another folder there where a run says so, and come back from it', async () => {
    const { source, target, ends } = fresh('push')
    const elsewhere = join(target, '..', 'old')
    writeTree(source, few)
    await laptop.mustSync('done', ...ends)
    writeTree(source, { a: 'other' })
    const wrong = await laptop.sync(...ends, '--versions', 'old')
    assert.match(
      `${wrong.failure?.message} ${wrong.failure?.hint}`,
      /no folder of nas: "old" write its path there, from the top/,
    )
    for (const [folder, said] of [
      [target, /in the target itself/],
      ['/nowhere/at/all', /can't be made/],
      ['/proc', /another file system/],
    ] as const) {
      const refused = await laptop.sync(...ends, '--versions', folder)
      assert.match(String(refused.failure?.message), said)
      assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'one')
    }
    const run = await laptop.mustSync('done', ...ends, '--versions', elsewhere)
    assert.ok(existsSync(elsewhere))
    assert.deepEqual(readdirSync(join(target, '.nightferry/versions')), [])
    // It is remembered there.
    writeTree(source, { a: 'third' })
    await laptop.mustSync('done', ...ends)
    assert.match(await laptop.must('versions', `${ends[1]}/a`), /2 versions/)
    await laptop.must('undo', String(run.lines[0]?.runId)).then(assert.fail, () => {})
    await laptop.must('undelete', `${ends[1]}/a`, '--to', 'back', '--run', String(run.lines[0]?.runId))
    assert.equal(readFileSync(join(target, 'back/a'), 'utf8'), 'one')
    await laptop.mustSync('done', ...ends, '--versions', '~/kept-at-home', '--release')
    assert.ok(existsSync(join(sshd.home, 'kept-at-home')))
  })

  it('how Nightferry is started there is remembered with the run, and undo starts it so again', async () => {
    const { source, target, ends } = fresh('push')
    const marker = join(world.directory, `started-${number}`)
    writeTree(source, few)
    const command = `sh -c 'touch ${marker}; exec nightferry "$@"' x`
    const run = await laptop.mustSync('done', ...ends, '--remote-command', command)
    const id = String(run.lines[0]?.runId)
    assert.match(await laptop.must('log', id), /--remote-command sh -c/)
    rmSync(marker)
    await laptop.must('undo', id)
    assert.ok(existsSync(marker))
    assert.deepEqual(
      readdirSync(target).filter((name) => name !== '.nightferry'),
      [],
    )
  })

  it('one command at a time works on a folder, over ssh too', async () => {
    const { source, ends } = fresh('push')
    writeTree(source, { big: contentOf('big', 4_000_000) })
    const first = laptop.start('sync', '--json', '--bwlimit', '1M', ...ends)
    await first.printed(/"type":"progress"/)
    // It stands still meanwhile, however long the second one takes to log in.
    first.kill('SIGSTOP')
    const second = await world.machine('other').sync(...ends)
    first.kill('SIGCONT')
    assert.equal(second.code, 11, second.stdout + second.stderr)
    assert.equal((await first.ended).code, 0)
  })

  describe('trouble', () => {
    let ends: readonly [string, string] = ['', '']

    before(() => {
      const made = fresh('push')
      writeTree(made.source, few)
      ends = made.ends
    })

    async function failed(code: string, exit: number, ...args: readonly string[]): Promise<Synced> {
      const run = await laptop.sync(...args)
      assert.equal(run.failure?.code, code, run.stdout + run.stderr)
      assert.equal(run.code, exit)
      return run
    }

    /** A command of the other side's shell, as a program with its words. */
    const shell = (text: string): readonly string[] => [
      '--remote-command',
      `sh -c '${text.replaceAll("'", `'\\''`)}' x`,
    ]

    it('a machine that has no Nightferry, or something else under that name', async () => {
      const none = await failed('wrong-peer', 12, ...ends, '--remote-command', '/nowhere/nightferry')
      assert.match(none.failure?.message ?? '', /finds no program \/nowhere\/nightferry/)
      assert.match(none.failure?.hint ?? '', /--remote-command/)
      await failed('wrong-peer', 12, ...ends, '--remote-command', 'true')
      const other = await failed('peer-failed', 1, ...ends, ...shell('echo broken there >&2; exit 3'))
      assert.match(other.failure?.message ?? '', /code 3 \(broken there\)/)
    })

    it('a command is one command, whatever stands in it', async () => {
      const proof = join(world.directory, 'proof')
      for (const text of [
        `true; touch ${proof}`,
        `$(touch ${proof})`,
        `true && touch ${proof}`,
        `true | touch ${proof}`,
      ])
        assert.notEqual((await laptop.sync(...ends, '--remote-command', text)).code, 0)
      assert.ok(!existsSync(proof))
    })

    it('a login that is not had, a host that is not the known one, a host that is not there: no question is asked', async () => {
      const locked = await failed('wrong-peer', 12, ends[0], ends[1].replace('nas', 'locked'))
      assert.match(locked.failure?.message ?? '', /may not log in to locked/)
      await failed('wrong-peer', 12, ends[0], ends[1].replace('nas', 'stranger'))
      const away = await failed('unreachable', 13, ends[0], 'ssh://127.0.0.1:1/x')
      assert.match(away.failure?.message ?? '', /cannot reach 127.0.0.1/)
    })

    it('a shell that greets everybody costs a notice, and nothing else', async () => {
      const { source, target, ends: own } = fresh('push')
      writeTree(source, few)
      const run = await laptop.mustSync('done', ...own, ...shell('echo "Welcome!"; exec nightferry "$@"'))
      assertSameTree(target, source)
      const notices = run.lines.filter(({ type }) => type === 'notice').map(({ text }) => String(text))
      assert.ok(
        notices.some((text) => text.includes('Welcome!')),
        notices.join('\n'),
      )
      assert.equal(new Set(run.lines.map(({ runId }) => runId)).size, 1)
    })

    it('output without an end is not read without an end', async () => {
      const run = await failed('wrong-peer', 12, ...ends, ...shell('exec yes'))
      assert.match(run.failure?.message ?? '', /not Nightferry/)
      const flood = await laptop.sync(...ends, ...shell('yes "$(printf "\\033[2J")boo" | head -c 3000000 >&2; exit 9'))
      assert.equal(flood.failure?.code, 'peer-failed', flood.stdout.slice(0, 2000))
      assert.ok(flood.lines.length < 250, `${flood.lines.length} lines`)
      assert.ok(
        !flood.stdout.includes('\x1b') && !flood.stdout.includes('\\u001b'),
        'no control character is passed on',
      )
    })

    it('a greeting of another time, and frames that are none', async () => {
      await failed('version-mismatch', 1, ...ends, ...shell('printf "\\000nightferry/9 stdio\\n"; sleep 5'))
      await failed('protocol-broken', 1, ...ends, ...shell('printf "\\000nightferry/1 stdio\\n"; exec yes'))
      const gone = await failed('peer-failed', 1, ...ends, ...shell('printf "\\000nightferry/1 stdio\\n"; exit 4'))
      assert.match(gone.failure?.message ?? '', /code 4/)
    })

    it('--remote-command is for ends by ssh only, and serve --stdio is for no terminal of ours and no port', async () => {
      await failed('bad-usage', 2, ends[0], world.folder('plain'), '--remote-command', 'x')
      assert.equal((await laptop.run('serve', '--stdio', '--listen', ':5001')).code, 2)
      // Its input ends at once here.
      const alone = await laptop.run('serve', '--stdio')
      assert.notEqual(alone.code, 0)
    })
  })

  describe('cut off', () => {
    const files = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [i % 2 === 0 ? `f${i}` : `sub/f${i}`, contentOf(`file ${i}`, 1_000_000)]),
    )

    /** Starts a slow run, whose other side notes its process id, and waits until content flows. */
    async function flowing({ ends }: Ends): Promise<{ run: Started; there: number; ssh: number }> {
      const noted = join(world.directory, `pid-${number}`)
      const note = `sh -c 'echo $$ > ${noted}; exec nightferry "$@"' x`
      const run = laptop.start('sync', '--json', '--bwlimit', '2M', ...ends, '--remote-command', note)
      await run.printed(/"type":"progress"/)
      return { run, there: Number(readFileSync(noted, 'utf8')), ssh: sshBelow(run.pid) }
    }

    /** The ssh that a run has started: a process whose parent it is, or is below it. */
    function sshBelow(pid: number): number {
      for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
        try {
          const words = readFileSync(`/proc/${name}/cmdline`, 'latin1')
          const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'latin1'))?.[1]
          if (Number(parent) === pid && /^\S*ssh\0/.test(words)) return Number(name)
        } catch {
          // It has ended meanwhile.
        }
      }
      return assert.fail('the run has started an ssh')
    }

    async function assertConverges({ source, target, ends }: Ends): Promise<void> {
      const whole = new Set(readTree(source))
      const torn = readTree(target).filter((line) => / file \d/.test(line) && !whole.has(line))
      assert.deepEqual(torn, [], 'only whole files have names')
      let run = await laptop.sync(...ends)
      // The other side may still be closing the end of the run that died.
      for (let tries = 0; run.code === 11 && tries < 100; tries++) {
        await sleep(100)
        run = await laptop.sync(...ends)
      }
      assert.equal(run.code, 0, run.stdout + run.stderr)
      assertSameTree(target, source)
      assert.deepEqual(readdirSync(join(target, '.nightferry/staging')), [])
    }

    const ways: readonly (readonly [
      what: string,
      cut: (pids: { run: number; there: number; ssh: number }) => readonly [number, NodeJS.Signals],
      code: number | undefined,
      failure: string | undefined,
      told: RegExp,
    ])[] = [
      [
        'the other side is killed',
        ({ there }) => [there, 'SIGKILL'],
        13,
        'connection-lost',
        /connection to nas broke: ssh ended with code/,
      ],
      ['the other side is told to end', ({ there }) => [there, 'SIGTERM'], 13, 'connection-lost', /was told to end/],
      [
        'ssh is killed',
        ({ ssh }) => [ssh, 'SIGKILL'],
        13,
        'connection-lost',
        /connection to nas broke: ssh was ended by SIGKILL/,
      ],
      ['ctrl-C', ({ run }) => [run, 'SIGINT'], 130, 'cancelled', /the run was cancelled/],
      ['this side is killed', ({ run }) => [run, 'SIGKILL'], undefined, undefined, /progress/],
    ]
    for (const [what, cut, code, failure, told] of ways) {
      for (const direction of ['push', 'pull'] as const) {
        it(`${what}, ${direction}: told, nothing torn, and the next run goes on`, async () => {
          const place = fresh(direction)
          writeTree(place.source, files)
          const { run, ...pids } = await flowing(place)
          const [pid, signal] = cut({ ...pids, run: run.pid })
          process.kill(pid, signal)
          const ended = await run.ended
          assert.equal(ended.code, code, ended.stdout + ended.stderr)
          if (failure !== undefined) assert.match(ended.stdout, new RegExp(`"code":"${failure}"`))
          assert.match(ended.stdout, told)
          await assertConverges(place)
        })
      }
    }
  })
})
