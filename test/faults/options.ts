// How the suites of this folder run: a short form within `npm test`, all of it by `npm run test:faults` (main.ts), which
// hands its options over in the environment. A case has a number; what fails says how to run it alone. Where every case is
// played, a suite says how far it is, and a case that comes to no end ends the suite, and is named.

import { systemClock } from '../../src/std/clock.ts'
import { type Chance, chanceOf } from '../world/disk-trees.ts'

const {
  NIGHTFERRY_FAULTS,
  NIGHTFERRY_SEED = '20261126',
  NIGHTFERRY_ONLY,
  NIGHTFERRY_PARTS = '',
  NIGHTFERRY_SLICE = '1/1',
} = process.env

/** Every case, and not only a sample of each suite. */
export const isWhole: boolean = NIGHTFERRY_FAULTS === 'whole'
export const seed: number = Number(NIGHTFERRY_SEED)
/** The one case that was asked for. */
export const only: number | undefined = NIGHTFERRY_ONLY === undefined ? undefined : Number(NIGHTFERRY_ONLY)
const parts = NIGHTFERRY_PARTS.split(' ').filter((part) => part !== '')
/** Of so many slices of all cases this one is played; together they are all. */
const [slice = 1, slices = 1] = NIGHTFERRY_SLICE.split('/').map(Number)

/** A case takes seconds. */
const hangMs = 10 * 60_000
const tellEveryMs = 60_000

export const leftOut = 'another part was asked for'

/** For the `skip` of a test: whether other parts were asked for. A case alone is one of the very part that is named. */
export function isLeftOut(part: string): string | false {
  const isIn = (one: string): boolean => part === one || (only === undefined && part.startsWith(`${one}-`))
  const isAsked = parts.length === 0 || parts.some(isIn)
  return isAsked ? false : leftOut
}

/** The same sequence for the same seed and word. */
export function chanceFor(word: string): Chance {
  let mixed = seed
  for (const byte of Buffer.from(word)) mixed = Math.imul(mixed ^ byte, 0x01000193)
  return chanceOf(mixed)
}

/** Numbers from 1 to `count`: the one asked for, all of the slice, or as many as `sample`, spread and chosen by the seed. */
export function casesOf(count: number, sample: number, word: string): Iterable<number> {
  if (only !== undefined) {
    if (only < 1 || only > count) throw new Error(`${word} has cases 1 to ${count}, and no ${only}`)
    return playing([only], word)
  }
  if (isWhole) return playing(sliceOf(Array.from({ length: count }, (_, index) => index + 1)), word)
  if (sample >= count) return Array.from({ length: count }, (_, index) => index + 1)
  const chance = chanceFor(word)
  const width = count / sample
  return Array.from({ length: sample }, (_, index) => {
    const from = Math.floor(index * width)
    return from + 1 + chance(Math.floor((index + 1) * width) - from)
  })
}

/** Every so manieth of them: each slice goes through the whole of what is tried. */
export function sliceOf(cases: readonly number[]): number[] {
  return cases.filter((_, index) => index % slices === slice - 1)
}

/** The same cases, of which each is watched, and told now and then. */
export function* playing(cases: readonly number[], word: string): Generator<number> {
  const startMs = systemClock.monotonicMs()
  let toldMs = startMs
  let done = 0
  for (const number of cases) {
    const watch = setTimeout(() => {
      console.log(`${word}: case ${number} comes to no end: ${replay(word, number)}`)
      process.exit(1)
    }, hangMs)
    try {
      yield number
    } finally {
      clearTimeout(watch)
    }
    done++
    const nowMs = systemClock.monotonicMs()
    if (nowMs - toldMs < tellEveryMs && done < cases.length) continue
    toldMs = nowMs
    console.log(`${word}: ${done} of ${cases.length} cases, ${Math.round((nowMs - startMs) / 1000)} s`)
  }
}

/** To be appended to what is said of a case that fails. */
export function replay(part: string, number: number): string {
  return `npm run test:faults -- ${part} --seed ${seed} --only ${number}`
}
