// The logs of both sides: one JSON line an action in a dated file, whose counts agree with each other and with what the
// run says; and what must never be in them: secrets, and names that could move a cursor or end a line.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { assertSameTree, writeTree } from '../world/disk-trees.ts'
import { type LogLine, type Machine, type Pair, pairedMachines } from '../world/machines.ts'

function countOf(lines: readonly LogLine[], action: string): number {
  return lines.filter((line) => line.action === action).reduce((sum, line) => sum + Number(line.count), 0)
}

const nasty = ['new\nline', '\u001b[31mred', 'bi\u202edi', 'c1\u009b31m', 'quote"s', 'back\\slash', 'line\u2028sep']

describe('logs', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  for (const direction of ['push', 'pull'] as const) {
    it(`agree on what was asked for, sent and received, ${direction}`, async () => {
      const { world, laptop, nas } = pair
      const here = world.folder(`here-${direction}`)
      const there = world.folder(`shared/${direction}`)
      const [source, target] = direction === 'push' ? [here, there] : [there, here]
      const remote = `nas:data/${direction}`
      const ends = direction === 'push' ? [here, remote] : [remote, here]
      const files = Array.from({ length: 40 }, (_, i): [string, string] => [
        `d${i % 4}/f${i}`,
        `content ${direction} ${i}`,
      ])
      writeTree(source, { ...Object.fromEntries(files), 'd0/empty': '' })
      const before = { sync: laptop.log('sync').length, serve: nas.log('serve').length }
      const run = await laptop.mustSync('done', ...ends)
      assertSameTree(target, source)
      await nas.logged('session-close', before.serve)
      const driver = laptop.log('sync').slice(before.sync)
      const daemon = nas.log('serve').slice(before.serve)
      const [sending, receiving] = direction === 'push' ? [driver, daemon] : [daemon, driver]

      const end = driver.find(({ action }) => action === 'run-end')
      assert.equal(end?.requested, 40)
      assert.equal(countOf(sending, 'file-sent'), 40)
      // The empty file is made at the target: nothing has to be sent for it.
      assert.equal(countOf(receiving, 'file-received'), 41)
      assert.equal(end?.created, run.counts.created)
      assert.equal(end?.outcome, 'done')
      assert.deepEqual(
        driver.filter(({ action }) => action.startsWith('run-')).map(({ action }) => action),
        ['run-start', 'run-end'],
      )
      assert.deepEqual(
        daemon.filter(({ action }) => action.startsWith('session-')).map(({ action, machine }) => [action, machine]),
        [
          ['session-open', 'laptop'],
          ['session-close', 'laptop'],
        ],
      )
    })
  }

  it('hold a failed run and a stranger', async () => {
    const { laptop, nas } = pair
    await laptop.sync('here-push', 'nas:nothing')
    const end = laptop.log('sync').at(-1)
    assert.deepEqual([end?.action, end?.code], ['run-failed', 'unknown-share'])
    await nas.must('machines', 'remove', 'laptop')
    assert.equal((await laptop.sync('here-push', 'nas:data')).code, 12)
    await nas.logged('stranger')
    await nas.pairWith(laptop)
  })

  it('stay lines whatever a file is called, and so does what a terminal gets', async () => {
    const { world, laptop, nas } = pair
    const source = world.folder('nasty')
    writeTree(source, Object.fromEntries(nasty.map((name) => [name, name])))
    const before = nas.log('serve').length
    const { stdout, code } = await laptop.run('sync', '-v', source, 'nas:data/nasty')
    assert.equal(code, 0)
    assert.equal(stdout.split('\n').filter((line) => line.startsWith('+ ')).length, nasty.length)
    for (const text of [stdout, laptop.logText('sync'), nas.logText('serve')]) {
      assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e]/u)
    }
    await nas.logged('file-received', before)
    const names = nas
      .log('serve')
      .slice(before)
      .find(({ action }) => action === 'file-received')?.names
    assert.deepEqual(String(names).split('/').sort(), [...nasty].sort())
  })

  it('hold no secret, and neither does anything but the key file', async () => {
    const { world, laptop, nas, daemon } = pair
    const other = world.machine('other')
    const offering = nas.start('pair')
    const code = await offering.printed(/code: (\S+)/)
    await other.must('pair', `${code}@127.0.0.1:${nas.port}`, '--name', 'other')
    await offering.ended
    await other.mustSync('done', 'nas:data/pull', 'copy')

    const secrets = [code, code.replaceAll('-', ''), ...[laptop, nas, other].flatMap(keyLines)]
    const texts = [laptop, nas, other].flatMap((machine) => filesIn(machine.state))
    for (const { path, text } of texts) {
      if (path.endsWith('identity.pem')) continue
      for (const secret of secrets) assert.ok(!text.includes(secret), `${path} holds a secret`)
    }
    const argv = readFileSync(`/proc/${daemon.pid}/cmdline`, 'latin1')
    for (const secret of secrets) assert.ok(!argv.includes(secret))
  })

  it("and keys are nobody else's to read", () => {
    for (const { state } of [pair.laptop, pair.nas]) {
      for (const name of ['config', 'state', 'state/logs'])
        assert.equal(statSync(join(state, name)).mode & 0o777, 0o700, name)
      for (const { path } of filesIn(state)) assert.equal(statSync(path).mode & 0o077, 0, `${path} is open to others`)
    }
  })

  it("and neither is the daemon's own socket: another user of this computer does not reach it", async (t) => {
    const { seteuid } = process
    if (process.getuid?.() !== 0 || seteuid === undefined) return t.skip('needs root, to be somebody else')
    const path = join(pair.nas.state, 'state', 'daemon.sock')
    const reach = (): Promise<string> =>
      new Promise((resolve) => {
        const connection = connect(path, () => {
          connection.destroy()
          resolve('reached')
        })
        connection.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)))
      })
    assert.equal(await reach(), 'reached')
    seteuid(65_534)
    try {
      assert.equal(await reach(), 'EACCES')
    } finally {
      seteuid(0)
    }
  })

  it('are one dated file a day and role, and may be deleted under a running daemon', async () => {
    const { laptop, nas } = pair
    const logs = join(nas.state, 'state/logs')
    assert.match(readdirSync(logs).join(), /^\d{4}-\d\d-\d\d-serve\.jsonl$/)
    rmSync(logs, { recursive: true })
    await laptop.sync('here-push', 'nas:data/push')
    await nas.logged('session-close')
  })
})

/** The lines of the private key, long enough to be no chance. */
function keyLines(machine: Machine): string[] {
  const pem = readFileSync(join(machine.state, 'config/identity.pem'), 'utf8')
  const key = /-----BEGIN [A-Z ]*PRIVATE KEY-----\n([\s\S]*?)-----END/.exec(pem)?.[1]
  assert.ok(key !== undefined, 'the identity file holds a private key')
  return key.split('\n').filter((line) => line.length > 20)
}

function filesIn(directory: string): { path: string; text: string }[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, text: readFileSync(path, 'latin1') }))
}
