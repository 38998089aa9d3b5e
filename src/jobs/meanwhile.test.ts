// What somebody does on the target while a run works on it, in directories that the run changes too: nothing of it is taken
// for agreed. The run leaves it alone, and the next one brings the target to what the source is.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { contents, type Folder, facts, plant } from '../../test/world/planted.ts'
import { trialIn } from '../../test/world/trial.ts'
import { Failure } from '../std/failure.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-meanwhile-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

for (const [what, written] of [
  ['a file that is made', { 'd/mine': 'mine' }],
  ['a directory that is made', { 'd/mine/': {} }],
  ['a file that is written to', { 'd/stays': 'a person wrote this' }],
] as const satisfies [string, Folder][]) {
  test(`${what} on the target while a run works there is not taken for agreed`, async () => {
    const one = trialIn(join(home, `${++made}`))
    plant(one.source, { 'd/a': 'a', 'd/stays': 'stays' })
    await one.run()
    plant(one.source, { 'd/b': 'b' })
    const busy = await one.run([{ task: 'settleTree', nth: 1, before: () => plant(one.target, written) }])
    assert.equal(busy.outcome, 'done')
    assert.equal((await one.run()).outcome, 'done')
    assert.deepEqual(facts(one.target), facts(one.source))
    assert.equal((await one.run()).outcome, 'unchanged')
  })
}

test('a target that is taken away before a run has ended is told by a failure with a name', async () => {
  const one = trialIn(join(home, `${++made}`))
  plant(one.source, { a: 'a' })
  await one.run()
  plant(one.source, { b: 'b' })
  const before = (): void => rmSync(one.target, { recursive: true })
  const away: unknown = await one.run([{ task: 'settleTree', nth: 1, before }]).catch((error: unknown) => error)
  assert.ok(away instanceof Failure, `${away}`)
  assert.deepEqual([away.code, /\(ENOENT\)/.test(away.message)], ['target-not-writable', true])
  assert.deepEqual(contents(one.source), { a: 'a', b: 'b' })
})
