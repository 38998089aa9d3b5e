// Campaigns (campaign.ts): some hundred by number, and one twice. `npm run test:simulate` plays thousands, of any seed.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Campaign } from './campaign.ts'
import { casesOf, isLeftOut, isWhole, replay } from './options.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-campaign-'))
after(() => rmSync(home, { recursive: true, force: true }))

describe('a campaign', { skip: process.platform !== 'linux' && 'the disk is Linux' }, () => {
  const count = isWhole ? 2000 : 8
  it('of edits, deaths, cuts, stalls and jumps loses nothing, tells the truth, and comes to an end', {
    skip: isLeftOut('campaign-once'),
  }, async () => {
    for (const number of casesOf(count, count, 'campaign-once')) {
      const campaign = new Campaign(number, join(home, `${number}`))
      try {
        await campaign.play()
      } finally {
        campaign.close()
      }
    }
  })

  it('is the same when it is made again', { skip: isLeftOut('campaign-again') }, async () => {
    for (const number of casesOf(isWhole ? 20 : 1, 1, 'campaign-again')) {
      const stories: string[][] = []
      for (const name of ['once', 'again']) {
        const campaign = new Campaign(number, join(home, name))
        await campaign.play()
        campaign.close()
        stories.push(campaign.story)
      }
      assert.deepEqual(stories[1], stories[0], replay('campaign-again', number))
    }
  })
})
