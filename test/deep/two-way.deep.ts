// The same questions as in src/core/two-way-trees.test.ts, of so many triples that it takes minutes, from another seed each
// time: it is printed. `npm run test:deep`.

import { randomInt } from 'node:crypto'
import { describe, it } from 'node:test'
import { checkTriples, questions } from '../world/two-way-triples.ts'

const seed = Number(process.env.NIGHTFERRY_SEED ?? randomInt(2 ** 31))
const triples = 50_000

describe('two-way runs, at length', () => {
  for (const question of Object.keys(questions) as (keyof typeof questions)[]) {
    it(`${question}: ${triples} triples of the seed ${seed}`, () => checkTriples(seed, triples, question))
  }
})
