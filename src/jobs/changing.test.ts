// Large files that change between the rounds in which they are told: what lands is one version of them, with the time of
// that version, so that the next run sees that there is another by now.

import assert from 'node:assert/strict'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { noise } from '../../test/world/noise.ts'
import { type Trial, trialIn } from '../../test/world/trial.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-changing-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

const mib = 1024 * 1024

/** Writes there, in the file's place, and gives it this time. */
function write({ source }: Trial, at: number, text: string, seconds: number): void {
  const path = join(source, 'large')
  const handle = openSync(path, 'r+')
  writeSync(handle, text, at)
  closeSync(handle)
  utimesSync(path, seconds, seconds)
}

for (const round of [2, 3]) {
  test(`a large file that is edited in front of round ${round} has the time of what it holds`, async () => {
    const one = trialIn(join(home, `${++made}`))
    for (const folder of [one.source, one.target]) mkdirSync(folder, { recursive: true })
    writeFileSync(join(one.source, 'large'), noise(1, 4 * mib))
    await one.run()
    write(one, 100_000, 'an edit', 1_600_000_000)
    let edits = 0
    // Elsewhere, where nothing is asked for any more: what comes is the version of before, whole.
    const before = (): void => {
      edits++
      write(one, 3 * mib, 'another edit', 1_700_000_000)
    }
    await one.run([{ task: 'openSupply', nth: round, before }])
    assert.equal(edits, 1)
    await one.run()
    assert.ok(readFileSync(join(one.target, 'large')).equals(readFileSync(join(one.source, 'large'))))
    assert.equal((await one.run()).outcome, 'unchanged')
  })
}
