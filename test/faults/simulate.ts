// `npm run test:simulate`: campaigns (campaign.ts) by the thousand, without real time and from one seed. The first that fails
// ends it, and the command that plays that one again is printed. One of a hundred is played twice, and must come to the same.
//
//   npm run test:simulate                             1,000 campaigns of today's seed
//   npm run test:simulate -- --seed 7 --runs 5000     these
//   npm run test:simulate -- --seed 7 --from 900      those of them from here on
//   npm run test:simulate -- --seed 7 --only 12       one of them, with its story
//   npm run test:simulate -- --two-way                campaigns of two-way runs (two-way-campaign.ts), with the same options

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    only: { type: 'string' },
    'two-way': { type: 'boolean', default: false },
  },
})
for (const [name, text] of Object.entries(values)) {
  if (typeof text === 'boolean' || /^\d{1,9}$/.test(text)) continue
  console.error(`--${name} takes a whole number, not ${text}`)
  process.exit(2)
}
const seed = values.seed ?? new Date().toISOString().slice(0, 10).replaceAll('-', '')
process.env.NIGHTFERRY_SEED = seed
// Reads the seed when it is loaded.
const { Campaign } = await import('./campaign.ts')
const { TwoWayCampaign } = await import('./two-way-campaign.ts')

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-simulate-'))
process.once('exit', () => rmSync(home, { recursive: true, force: true }))

/** Plays it; its story. */
async function play(number: number): Promise<readonly string[]> {
  const campaign = new (values['two-way'] ? TwoWayCampaign : Campaign)(number, join(home, `${number}`))
  try {
    await campaign.play()
    return campaign.story
  } finally {
    campaign.close()
  }
}

const { only } = values
const first = Number(only ?? values.from)
const count = only === undefined ? Number(values.runs) : 1
for (let number = first; number < first + count; number++) {
  try {
    const story = await play(number)
    if (only !== undefined) console.log(story.join('\n'))
    if (number % 100 === 0) assert.deepEqual(await play(number), story, 'played again it is another one')
  } catch (error) {
    console.error(error)
    console.error(
      `\ncampaign ${number} failed; again: npm run test:simulate -- ${values['two-way'] ? '--two-way ' : ''}--seed ${seed} --only ${number}`,
    )
    process.exit(1)
  }
  if (number % 100 === 0) console.log(`${number} campaigns of seed ${seed}`)
}
console.log(`all ${count} campaigns of seed ${seed} lost nothing, told the truth and came to an end`)
