// `npm run test:simulate`: campaigns (campaign.ts) by the thousand, without real time and from one seed. The first that fails
// ends it, and the command that plays that one again is printed.
//
//   npm run test:simulate                             1,000 campaigns of today's seed
//   npm run test:simulate -- --seed 7 --runs 5000     these
//   npm run test:simulate -- --seed 7 --only 12       one of them, with its story

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, runs: { type: 'string', default: '1000' }, only: { type: 'string' } },
})
for (const [name, text] of Object.entries(values)) {
  if (/^\d{1,9}$/.test(text)) continue
  console.error(`--${name} takes a whole number, not ${text}`)
  process.exit(2)
}
const seed = values.seed ?? new Date().toISOString().slice(0, 10).replaceAll('-', '')
process.env.NIGHTFERRY_SEED = seed
// Reads the seed when it is loaded.
const { Campaign } = await import('./campaign.ts')

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-simulate-'))
process.once('exit', () => rmSync(home, { recursive: true, force: true }))

async function play(number: number): Promise<boolean> {
  const campaign = new Campaign(number, join(home, `${number}`))
  try {
    await campaign.play()
    if (values.only !== undefined) console.log(campaign.story.join('\n'))
    return true
  } catch (error) {
    console.error(error)
    console.error(`\ncampaign ${number} failed; again: npm run test:simulate -- --seed ${seed} --only ${number}`)
    return false
  } finally {
    campaign.close()
  }
}

const numbers =
  values.only === undefined ? Array.from({ length: Number(values.runs) }, (_, i) => i + 1) : [Number(values.only)]
for (const number of numbers) {
  if (!(await play(number))) process.exit(1)
  if (number % 100 === 0) console.log(`${number} campaigns of seed ${seed}`)
}
console.log(`all ${numbers.length} campaigns of seed ${seed} lost nothing, told the truth and came to an end`)
