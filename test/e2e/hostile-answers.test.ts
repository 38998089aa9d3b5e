// A paired machine that answers a real driver by chance, as a source and as a target. Whatever it says: the command ends by
// itself once the line is cut, without a stack; nothing outside of the target's folder is touched, what a target holds and the
// source did not name stays, and a file that was left out is never sent. A seed is a pair of runs.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { chanceAnswers } from '../fuzz/answers.ts'
import { chanceOf, readTree, writeTree } from '../world/disk-trees.ts'
import { type EvilSource, evilSource, politeTarget } from '../world/hostile.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'

let pair: Pair
let evil: EvilSource
before(async () => {
  pair = await pairedMachines()
  await pair.nas.stop()
  evil = await evilSource(pair)
})
after(async () => {
  evil?.close()
  await pair?.world.close()
})

/** Who waits for what never comes waits as long as the line holds. */
const patienceMs = 4000

it('gets a driver to end, and to nothing else', { timeout: 110_000 }, async () => {
  const outside = pair.world.folder('outside')
  writeTree(outside, { x: 'canary' })
  for (let seed = 1; seed <= 14; seed++) {
    const chance = chanceOf(seed)
    const isSource = seed % 2 === 0
    const folder = pair.world.folder(`folder-${seed}`)
    writeTree(folder, { mine: 'mine', 'd/offered': 'offered', '.env': 'canary' })
    const usual = isSource ? evil.honest : { ...evil.honest, ...politeTarget }
    evil.answer(chanceAnswers(chance, usual, evil))
    const ends = isSource ? ['nas:data', folder] : [folder, 'nas:data']
    const options = isSource ? ['--mode', 'update'] : ['--exclude', '.env', '--release']
    const started = pair.laptop.start('sync', ...ends, ...options)
    const cut = setInterval(() => evil.hangUp(), patienceMs)
    const { code, signal, stdout, stderr } = await started.ended
    clearInterval(cut)
    const what = `seed ${seed}: code ${code}, signal ${signal}\n${stdout}${stderr}`
    assert.ok(signal === undefined && code !== undefined && code < 20, what)
    assert.doesNotMatch(stderr, /\n {4}at /, what)
    assert.equal(readFileSync(join(outside, 'x'), 'utf8'), 'canary', what)
    assert.equal(readTree(outside).length, 1, what)
    assert.equal(readFileSync(join(folder, '.env'), 'utf8'), 'canary', what)
    assert.doesNotMatch(evil.received(), /canary/, what)
  }
})
