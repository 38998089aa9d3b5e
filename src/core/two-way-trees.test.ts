// What must hold of two-way runs over whole trees, by chance (test/world/two-way-triples.ts has what is asked). A failure names
// its seed and its number; with these in the environment it is asked alone. `npm run test:deep` asks many more.

import { describe, it } from 'node:test'
import { checkTriples, questions } from '../../test/world/two-way-triples.ts'

const seed = Number(process.env.NIGHTFERRY_SEED ?? 20261127)
const triples = 7_500

describe('two-way runs', () => {
  for (const question of Object.keys(questions) as (keyof typeof questions)[]) {
    it(`end equal within three, keep what one side changed and all that was written, and ${question}: ${triples} triples of the seed ${seed}`, () =>
      checkTriples(seed, triples, question))
  }
})
