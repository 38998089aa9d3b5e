// The seven tests of S3.13 between two daemons' worth of machines, pushed and pulled, and a renamed directory. Each leaves
// a main log and one log per side in a temporary folder, which is kept only when a test fails. Content is 1 MiB a file,
// so that what crossed the wire tells whether it was sent.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, copyFileSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { assertSameTree, contentOf, writeTree } from '../world/disk-trees.ts'
import { type LogLine, type Pair, pairedMachines, type Synced } from '../world/machines.ts'

const fileBytes = 1024 * 1024
/** Far below one file: names and digests, and no content. */
const nextToNothingBytes = 20_000

const start = {
  'add me later': '',
  'one.bin': contentOf('one', fileBytes),
  'two.bin': contentOf('two', fileBytes),
  'notes/three.bin': contentOf('three', fileBytes),
  'notes/deep/four.txt': 'four\n',
  'empty/': '',
}

/** What a run left behind: its result, and what the target's own log says of it. */
type Outcome = { readonly run: Synced; readonly targetLog: readonly LogLine[] }

type Case = {
  readonly name: string
  edit(source: string, target: string): void
  check(outcome: Outcome): void
}

const cases: readonly Case[] = [
  {
    name: '001 a file is added',
    edit: (source) => writeTree(source, { 'notes/five.bin': contentOf('five', fileBytes) }),
    check({ run }) {
      assert.deepEqual(run.changes, [{ action: 'create-file', path: 'notes/five.bin', sizeBytes: fileBytes }])
      assert.ok(run.wireBytes > fileBytes)
    },
  },
  {
    name: '002 a file is deleted',
    edit: (source) => rmSync(join(source, 'notes/five.bin')),
    check({ run, targetLog }) {
      assert.deepEqual(run.changes, [{ action: 'delete-file', path: 'notes/five.bin', sizeBytes: fileBytes }])
      assert.ok(targetLog.some(({ action, names }) => action === 'deleted' && names === 'five.bin'))
    },
  },
  {
    name: '003 a file is renamed: nothing is sent',
    edit: (source) => renameSync(join(source, 'one.bin'), join(source, 'notes/uno.bin')),
    check({ run, targetLog }) {
      assert.deepEqual(run.changes, [{ action: 'rename', path: 'notes/uno.bin', from: 'one.bin' }])
      assert.ok(run.wireBytes < nextToNothingBytes, `${run.wireBytes} bytes crossed the wire`)
      assert.ok(targetLog.some(({ action, names }) => action === 'renamed' && names === 'uno.bin'))
      assert.ok(!targetLog.some(({ action }) => action === 'file-received'))
    },
  },
  {
    name: '004 a file is modified',
    edit: (source) => writeFileSync(join(source, 'two.bin'), contentOf('two, edited', fileBytes)),
    check({ run }) {
      assert.deepEqual(run.changes, [{ action: 'replace-file', path: 'two.bin', sizeBytes: fileBytes }])
      assert.ok(run.wireBytes > fileBytes)
    },
  },
  {
    name: '005 the same content is added under a new name: nothing is sent',
    edit: (source) => copyFileSync(join(source, 'notes/three.bin'), join(source, 'empty/drei.bin')),
    check({ run, targetLog }) {
      assert.deepEqual(run.changes, [{ action: 'create-file', path: 'empty/drei.bin', sizeBytes: fileBytes }])
      assert.equal(run.counts.copied, 1)
      assert.ok(run.wireBytes < nextToNothingBytes, `${run.wireBytes} bytes crossed the wire`)
      assert.ok(targetLog.some(({ action, names }) => action === 'copied-locally' && names === 'drei.bin'))
      assert.ok(!targetLog.some(({ action }) => action === 'file-received'))
    },
  },
  {
    name: '006 a file that was added at the target is removed',
    edit: (_source, target) => writeTree(target, { 'notes/stranger.txt': 'not from the source' }),
    check({ run }) {
      assert.deepEqual(run.changes, [{ action: 'delete-file', path: 'notes/stranger.txt', sizeBytes: 19 }])
    },
  },
  {
    name: '007 a file that was deleted at the target is restored',
    edit: (_source, target) => rmSync(join(target, 'notes/deep/four.txt')),
    check({ run }) {
      assert.deepEqual(run.changes, [{ action: 'create-file', path: 'notes/deep/four.txt', sizeBytes: 5 }])
    },
  },
]

type Direction = {
  readonly source: string
  readonly target: string
  /** How the ends are written on the laptop. */
  readonly ends: readonly [string, string]
  readonly targetRole: 'sync' | 'serve'
}

/** The two directions: the laptop always types the command. */
function directionOf(name: string, { world, shared }: Pair): Direction {
  const local = world.folder(`local-${name}`)
  if (name === 'push') return { source: local, target: shared, ends: [local, 'nas:data'], targetRole: 'serve' }
  return { source: shared, target: local, ends: ['nas:data', local], targetRole: 'sync' }
}

for (const name of ['push', 'pull']) {
  describe(`the seven tests, ${name}`, () => {
    let pair: Pair
    let direction: Direction
    let logs: string
    let isFailed = false

    before(async () => {
      logs = mkdtempSync(join(tmpdir(), 'nightferry-seven-'))
      pair = await pairedMachines()
      direction = directionOf(name, pair)
      writeTree(direction.source, start)
      await pair.laptop.mustSync('done', ...direction.ends)
      assertSameTree(direction.target, direction.source)
    })

    after(async () => {
      await pair?.world.close()
      if (!isFailed) rmSync(logs, { recursive: true, force: true })
    })

    /** Runs once and keeps what both sides logged meanwhile. */
    async function runLogged(test: string): Promise<Outcome> {
      const { laptop, nas } = pair
      const sides = [
        { side: 'laptop', read: () => laptop.log('sync'), before: laptop.log('sync').length },
        { side: 'nas', read: () => nas.log('serve'), before: nas.log('serve').length },
      ]
      const run = await laptop.sync(...direction.ends)
      const [laptopLog = [], nasLog = []] = await Promise.all(
        sides.map(async ({ side, read, before }) => {
          if (side === 'nas') await nas.logged('session-close', before)
          const lines = read().slice(before)
          const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
          writeFileSync(join(logs, `${name}-${test.slice(0, 3)}-${side}.jsonl`), text)
          return lines
        }),
      )
      appendFileSync(join(logs, `${name}-main.jsonl`), `${JSON.stringify({ test })}\n${run.stdout}`)
      return { run, targetLog: direction.targetRole === 'sync' ? laptopLog : nasLog }
    }

    /** Runs a test; where it fails the logs stay, and are told of. */
    async function keepLogs(t: TestContext, body: () => Promise<void>): Promise<void> {
      try {
        await body()
      } catch (error) {
        isFailed = true
        t.diagnostic(`logs are in ${logs}`)
        throw error
      }
    }

    for (const { name: test, edit, check } of cases) {
      it(test, (t) =>
        keepLogs(t, async () => {
          edit(direction.source, direction.target)
          const outcome = await runLogged(test)
          assert.equal(outcome.run.outcome, 'done', outcome.run.stdout + outcome.run.stderr)
          assertSameTree(direction.target, direction.source)
          check(outcome)
        }),
      )
    }

    it('008 a renamed directory is one rename', (t) =>
      keepLogs(t, async () => {
        const { source, target } = direction
        const { ino } = statSync(join(target, 'notes'))
        renameSync(join(source, 'notes'), join(source, 'empty/papers'))
        const { run, targetLog } = await runLogged('008')
        assert.equal(run.outcome, 'done', run.stdout + run.stderr)
        assert.deepEqual(run.changes, [{ action: 'rename', path: 'empty/papers', from: 'notes' }])
        assert.equal(statSync(join(target, 'empty/papers')).ino, ino)
        assert.ok(run.wireBytes < nextToNothingBytes, `${run.wireBytes} bytes crossed the wire`)
        assert.ok(
          targetLog.some(({ action, from, to }) => action === 'renamed' && from === 'notes' && to === 'empty/papers'),
        )
        assertSameTree(target, source)
      }))

    it('is equal by rsync too, and unchanged from then on', async (t) => {
      const { source, target, ends } = direction
      // A slash at the end means nothing.
      const run = await pair.laptop.mustSync('unchanged', ...ends.map((end) => `${end}/`))
      assert.ok(run.wireBytes < 1024, `${run.wireBytes} bytes`)
      const args = ['-anci', '--delete', '--exclude=/.nightferry', `${source}/`, `${target}/`]
      const rsync = spawnSync('rsync', args, { encoding: 'utf8' })
      if (rsync.error !== undefined) return t.skip('rsync is not installed')
      const differs = rsync.stdout.split('\n').filter((line) => line !== '' && !line.startsWith('.d..t'))
      assert.deepEqual(differs, [])
    })
  })
}
