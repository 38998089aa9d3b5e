// A session by ssh where ssh is a program of the test's: what it is started with, how long it is waited for, and that it
// ends with whoever wanted it. With a real ssh and sshd: test/e2e/ssh.test.ts.

import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { testClock, until } from '../../test/world/links.ts'
import { type Clock, systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { connectSsh } from './ssh.ts'

describe('a session by ssh', () => {
  const path = process.env['PATH'] ?? ''
  let directory = ''

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'nightferry-ssh-'))
    process.env['PATH'] = directory
  })
  after(() => {
    process.env['PATH'] = path
    rmSync(directory, { recursive: true, force: true })
  })

  /** What is found as `ssh` from now on; it notes its words and its process id. */
  function beSsh(text: string): void {
    const noted = `for word; do echo "$word"; done > '${directory}/words'; echo $$ > '${directory}/pid'`
    writeFileSync(join(directory, 'ssh'), `#!/bin/sh\nPATH='${path}'\n${noted}\n${text}\n`)
    chmodSync(join(directory, 'ssh'), 0o755)
    rmSync(join(directory, 'pid'), { force: true })
  }

  async function refused(change: { clock?: Clock; signal?: AbortSignal; isAttended?: boolean } = {}): Promise<Failure> {
    const { clock = systemClock, signal = new AbortController().signal, isAttended = false } = change
    const options = {
      machine: 'here',
      productVersion: '0',
      isAttended,
      clock,
      remoteCommand: undefined,
      tell: () => {},
    }
    const target = { host: 'nas', user: 'ann', port: undefined }
    const failure = await connectSsh(target, options, signal).then(
      () => assert.fail('no session comes about'),
      (error: unknown) => error,
    )
    assert.ok(failure instanceof Failure, String(failure))
    return failure
  }

  async function pidOf(): Promise<number> {
    await until(() => existsSync(join(directory, 'pid')) && readFileSync(join(directory, 'pid'), 'utf8') !== '', 'ssh')
    return Number(readFileSync(join(directory, 'pid'), 'utf8'))
  }

  async function ended(pid: number): Promise<void> {
    await until(() => isGone(pid), 'the end of ssh')
  }

  function isGone(pid: number): boolean {
    try {
      process.kill(pid, 0)
      return false
    } catch {
      return true
    }
  }

  it('is had with words for one host, and asks nobody where nobody is there', async () => {
    beSsh('exit 255')
    assert.equal((await refused()).code, 'unreachable')
    const words = readFileSync(join(directory, 'words'), 'utf8').trimEnd().split('\n')
    assert.deepEqual(words.slice(-5), ['-l', 'ann', '--', 'nas', 'nightferry serve --stdio'])
    assert.ok(words.includes('-oBatchMode=yes'))
    await refused({ isAttended: true })
    assert.ok(!readFileSync(join(directory, 'words'), 'utf8').includes('BatchMode'))
  })

  it('is sent nothing before Nightferry has spoken: what reads there may be a shell', async () => {
    beSsh(`timeout 1 head -c 1 > '${directory}/got'; exit 0`)
    assert.equal((await refused()).code, 'wrong-peer')
    assert.equal(readFileSync(join(directory, 'got'), 'utf8'), '')
  })

  it('needs an ssh program', async () => {
    rmSync(join(directory, 'ssh'), { force: true })
    const failure = await refused()
    assert.equal(failure.code, 'bad-config')
    assert.match(failure.message, /no ssh program/)
  })

  it('is waited for so long, longer where a person may be typing, and ssh ends then', async () => {
    for (const [isAttended, seconds] of [
      [false, 120],
      [true, 600],
    ] as const) {
      beSsh('exec sleep 1000')
      const clock = testClock()
      const failing = refused({ clock, isAttended })
      const pid = await pidOf()
      clock.advance(seconds * 1000 - 1)
      assert.ok(!isGone(pid))
      clock.advance(1)
      assert.equal((await failing).code, 'timed-out')
      await ended(pid)
    }
  })

  it('is cancelled at any time, and ssh ends', async () => {
    beSsh('exec sleep 1000')
    const stop = new AbortController()
    const failing = refused({ signal: stop.signal })
    const pid = await pidOf()
    stop.abort()
    assert.equal((await failing).code, 'cancelled')
    await ended(pid)
    assert.equal((await refused({ signal: stop.signal })).code, 'cancelled')
  })

  it('ends an ssh that will not go', async () => {
    beSsh('trap "" TERM; while :; do sleep 1; done')
    const stop = new AbortController()
    const failing = refused({ signal: stop.signal })
    const pid = await pidOf()
    stop.abort()
    await failing
    await ended(pid)
  })

  it('does not wait for a standard error that somebody else holds open', async () => {
    beSsh(`sleep 20 >/dev/null & echo $! > '${directory}/left'; echo said >&2; exit 255`)
    const failure = await refused()
    assert.match(failure.message, /\(said\)/)
    const left = Number(readFileSync(join(directory, 'left'), 'utf8'))
    assert.ok(!isGone(left), 'it was not waited for')
    process.kill(left)
  })
})
