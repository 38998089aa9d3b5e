// Campaigns of two-way runs (two-way-campaign.ts): some by number. `npm run test:simulate -- --two-way` plays thousands, of
// any seed.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { casesOf, isLeftOut, isWhole } from './options.ts'
import { TwoWayCampaign } from './two-way-campaign.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-bothways-'))
after(() => rmSync(home, { recursive: true, force: true }))

describe('a campaign of two-way runs', { skip: process.platform !== 'linux' && 'the disk is Linux' }, () => {
  const count = isWhole ? 1000 : 5
  it('undoes nothing, loses nothing and tells the truth, whatever both sides do and whatever it meets', {
    skip: isLeftOut('bothways'),
  }, async () => {
    for (const number of casesOf(count, count, 'bothways')) {
      const campaign = new TwoWayCampaign(number, join(home, `${number}`))
      try {
        await campaign.play()
      } finally {
        campaign.close()
      }
    }
  })
})
