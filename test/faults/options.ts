// How the suites of this folder run: a short form within `npm test`, all of it by `npm run test:faults` (main.ts), which
// hands its options over in the environment. A case has a number; what fails says how to run it alone.

import { type Chance, chanceOf } from '../world/disk-trees.ts'

const { NIGHTFERRY_FAULTS, NIGHTFERRY_SEED = '20261126', NIGHTFERRY_ONLY, NIGHTFERRY_PARTS = '' } = process.env

/** Every case, and not only a sample of each suite. */
export const isWhole: boolean = NIGHTFERRY_FAULTS === 'whole'
export const seed: number = Number(NIGHTFERRY_SEED)
/** The one case that was asked for. */
export const only: number | undefined = NIGHTFERRY_ONLY === undefined ? undefined : Number(NIGHTFERRY_ONLY)
const parts = NIGHTFERRY_PARTS.split(' ').filter((part) => part !== '')

/** For the `skip` of a test: whether other parts were asked for. */
export function isLeftOut(part: string): string | false {
  const isAsked = parts.length === 0 || parts.some((one) => part === one || part.startsWith(`${one}-`))
  return isAsked ? false : 'another part was asked for'
}

/** The same sequence for the same seed and word. */
export function chanceFor(word: string): Chance {
  let mixed = seed
  for (const byte of Buffer.from(word)) mixed = Math.imul(mixed ^ byte, 0x01000193)
  return chanceOf(mixed)
}

/** Numbers from 1 to `count`: the one asked for, all of them, or as many as `sample`, spread and chosen by the seed. */
export function casesOf(count: number, sample: number, word: string): number[] {
  if (only !== undefined) {
    if (only < 1 || only > count) throw new Error(`${word} has cases 1 to ${count}, and no ${only}`)
    return [only]
  }
  if (isWhole || sample >= count) return Array.from({ length: count }, (_, index) => index + 1)
  const chance = chanceFor(word)
  const width = count / sample
  return Array.from({ length: sample }, (_, index) => {
    const from = Math.floor(index * width)
    return from + 1 + chance(Math.floor((index + 1) * width) - from)
  })
}

/** To be appended to what is said of a case that fails. */
export function replay(part: string, number: number): string {
  return `npm run test:faults -- ${part} --seed ${seed} --only ${number}`
}
