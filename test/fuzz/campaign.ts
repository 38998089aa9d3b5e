// A campaign: each target is fed with damage to what is good, round after round. An input that is answered in a way that
// was not seen before joins the corpus of its target, so that damage builds up along the ways through the reader. One seed
// is one campaign, to the last byte. What is written to `mark` names the round that runs, for whoever finds that it never
// ended. For tests only.

import { Failure, isFailureCode } from '../../src/std/failure.ts'
import { chanceOf } from '../world/disk-trees.ts'
import { mutate, mutateJson, mutateText, pick } from './mutate.ts'
import type { Target } from './targets.ts'

export type Finding = {
  readonly target: string
  readonly seed: number
  readonly round: number
  readonly input: Uint8Array
  readonly error: unknown
}

/** Inputs that are kept a target, besides those it began with. */
const keptMax = 300

function seedOf(name: string, seed: number): number {
  let hash = seed
  for (const char of name) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  return hash >>> 0
}

/** How an answer looks, numbers aside: two inputs with the same look went the same way. */
function lookOf(error: unknown): string {
  if (!(error instanceof Failure)) return 'taken'
  return `${error.code} ${error.message.replace(/\d+/g, '#').slice(0, 120)}`
}

/** Feeds a target so many rounds. The first finding ends it. */
export async function feed(
  target: Target,
  options: { readonly seed: number; readonly rounds: number; mark(round: number): void },
): Promise<{ finding: Finding | undefined; looks: number }> {
  const { seed, mark } = options
  const rounds = Math.ceil(options.rounds / (target.weight ?? 1))
  const chance = chanceOf(seedOf(target.name, seed))
  const corpus = [...target.corpus]
  const looks = new Map<string, number>()
  for (let round = 0; round < rounds; round++) {
    const made = target.make !== undefined && chance(4) === 0 ? target.make(chance) : undefined
    const good = made ?? pick(chance, corpus)
    const isLeft = round < target.corpus.length || (made !== undefined && chance(3) === 0)
    const input = isLeft ? (target.corpus[round] ?? good) : bend(target, good, corpus, chance)
    mark(round)
    let error: unknown
    try {
      await target.run(input.slice())
    } catch (thrown) {
      error = thrown
    }
    if (error !== undefined && !(error instanceof Failure && isFailureCode(error.code)))
      return { finding: { target: target.name, seed, round, input, error }, looks: looks.size }
    const look = lookOf(error)
    const seen = looks.get(look) ?? 0
    looks.set(look, seen + 1)
    if (seen < 2 && corpus.length < target.corpus.length + keptMax) corpus.push(input)
  }
  return { finding: undefined, looks: looks.size }
}

function bend(
  target: Target,
  good: Uint8Array,
  corpus: readonly Uint8Array[],
  chance: ReturnType<typeof chanceOf>,
): Uint8Array {
  if (target.isText !== true || chance(5) === 0) return mutate(good, corpus, chance)
  const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
  const bent = chance(2) === 0 ? mutateJson(textOf(good), chance) : textOf(good)
  if (bent !== textOf(good) && chance(3) > 0) return new Uint8Array(Buffer.from(bent))
  return new Uint8Array(Buffer.from(mutateText(bent, [textOf(pick(chance, corpus))], chance)))
}
