// What a two-way run leaves known, by the real engine in this thread: where both sides are equal, the next run compares nothing.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { plant } from '../../test/world/planted.ts'
import { trialIn } from '../../test/world/trial.ts'
import { digestOf } from '../chunk/digest.ts'
import { compareBytes, utf8 } from '../std/bytes.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-divergence-'))
after(() => rmSync(home, { recursive: true, force: true }))

describe('what both sides agree on', { skip: process.platform !== 'linux' && 'change times are Linux' }, () => {
  it('is known of a file whose edit only its change time told, whatever else happens around it', async () => {
    const trial = trialIn(home)
    const { source, target } = trial
    plant(source, { 'd/unseen': 'one', 'd/other': 'o' })
    plant(target, {})
    const run = (): Promise<{ outcome: string }> => trial.run([], { mode: 'two-way' })
    assert.equal((await run()).outcome, 'done')
    writeFileSync(join(source, 'd/unseen'), 'two')
    utimesSync(join(source, 'd/unseen'), 1_600_000_000, 1_600_000_000)
    for (const text of ['once', 'twice']) {
      assert.equal((await run()).outcome, 'done')
      assert.equal(readFileSync(join(target, 'd/unseen'), 'utf8'), 'two')
      assert.equal((await run()).outcome, 'unchanged')
      const phases = trial.events.flatMap((event) => (event.type === 'phase' ? [event.phase] : []))
      assert.deepEqual(phases, ['scan'], `before it was edited ${text}`)
      writeFileSync(join(source, 'd/other'), text)
    }
  })
})

describe('a conflict copy', () => {
  it('gets no name that both sides once had, and one of them may have deleted', async () => {
    const trial = trialIn(home)
    const { source, target } = trial
    const run = (): Promise<{ outcome: string }> => trial.run([], { mode: 'two-way' })
    const copyOf = (): string =>
      trial.events.flatMap((event) => (event.type === 'conflict' ? [event.copy ?? ''] : []))[0] ?? ''
    // The greater digest keeps the name: of these the first is always the loser.
    const [lost, kept, other] = ['1', '2', '3'].map(utf8).sort((a, b) => compareBytes(digestOf(a), digestOf(b))) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    plant(source, { keep: 'k' })
    plant(target, {})
    writeFileSync(join(source, 'a'), kept)
    writeFileSync(join(target, 'a'), lost)
    assert.equal((await run()).outcome, 'done')
    const first = copyOf()
    assert.match(first, /^a\.conflict-/)
    rmSync(join(source, first))
    writeFileSync(join(source, 'a'), other)
    renameSync(join(target, first), join(target, 'a'))
    assert.equal((await run()).outcome, 'done')
    assert.match(copyOf(), /^a\.conflict-/)
    assert.notEqual(copyOf(), first)
    assert.deepEqual(readFileSync(join(source, copyOf())), Buffer.from(lost))
  })
})
