// `npm run test:faults`: the suites of this folder, as a whole or in part. All cases together take two processors some hours,
// so a call plays an eighth of them, which one goes by the day; eight days, or eight slices, are every case. Each suite is
// dealt out to several processes; they say what they play and how far they are. The last line says what was played, how long
// that took, and how it went.
//
//   npm run test:faults                                 the day's eighth of the cases
//   npm run test:faults -- --slice 2/6                  every sixth case; the six slices together are every case
//   npm run test:faults -- --slice 1/1                  every case
//   npm run test:faults -- --short                      the sample that `npm test` runs
//   npm run test:faults -- kills campaign               these suites, or the parts of them that begin so: every case of them
//   npm run test:faults -- campaign-once --seed 7 --only 12    one case again, as a failure names it
//
// NIGHTFERRY_SLICE=2/6 stands for --slice 2/6, for a matrix of jobs.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { systemClock } from '../../src/std/clock.ts'
import { leftOut } from './options.ts'

const daySlices = 8

const { values, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    only: { type: 'string' },
    slice: { type: 'string' },
    short: { type: 'boolean', default: false },
  },
})
for (const name of ['seed', 'only'] as const) {
  const text = values[name]
  if (text !== undefined && !/^\d{1,9}$/.test(text)) refuse(`--${name} takes a whole number, not ${text}`)
}
const isAll = values.short || values.only !== undefined || parts.length > 0
const today = (Math.floor(systemClock.nowMs() / 86_400_000) % daySlices) + 1
const asked = values.slice ?? process.env.NIGHTFERRY_SLICE ?? (isAll ? '1/1' : `${today}/${daySlices}`)
const [slice = 0, slices = 0] = (/^(\d{1,4})\/(\d{1,4})$/.exec(asked) ?? []).slice(1).map(Number)
if (slice < 1 || slice > slices) refuse(`--slice takes a part of the whole, as 2/6, not ${asked}`)

const folder = import.meta.dirname
const suites = readdirSync(folder).flatMap((name) => /^(.*)\.test\.ts$/.exec(name)?.[1] ?? [])
const strange = parts.filter((part) => !suites.includes(part.split('-')[0] ?? ''))
if (strange.length > 0) refuse(`no suite is called ${strange.join(', ')}; there are ${suites.join(', ')}`)

function refuse(why: string): never {
  console.error(why)
  process.exit(2)
}

/** The longest first: nothing long is begun when the rest has ended. */
const order = ['kills', 'refusals', 'campaign', 'power', 'disks']
const rank = (suite: string): number => (order.includes(suite) ? order.indexOf(suite) : order.length)
const chosen = suites
  .filter((suite) => parts.length === 0 || parts.some((part) => part.split('-')[0] === suite))
  .sort((a, b) => rank(a) - rank(b))
/** Suites without numbered cases are not dealt out. */
const undealt = ['driver']
const hands = values.short || values.only !== undefined ? 1 : availableParallelism()
const waiting = Array.from({ length: hands }, (_, hand) => hand).flatMap((hand) =>
  chosen.filter((suite) => hand === 0 || !undealt.includes(suite)).map((suite) => ({ suite, hand })),
)
/** Half of what the simulated ones do is to wait for a tick of the clock. */
const atOnce = 2 * availableParallelism()

const sums = { cases: 0, passed: 0, failed: 0 }
/** Each once, whichever process tells it; not what nobody asked for. */
const skips = new Set<string>()
const startMs = systemClock.monotonicMs()

/** Plays of a suite what a hand was dealt. */
async function play({ suite, hand }: (typeof waiting)[number]): Promise<void> {
  const env: NodeJS.ProcessEnv = { ...process.env, NIGHTFERRY_PARTS: parts.join(' ') }
  env.NIGHTFERRY_SLICE = `${slice + slices * hand}/${slices * hands}`
  if (!values.short) env.NIGHTFERRY_FAULTS = 'whole'
  if (values.seed !== undefined) env.NIGHTFERRY_SEED = values.seed
  if (values.only !== undefined) env.NIGHTFERRY_ONLY = values.only
  const reporter = `--test-reporter=${join(folder, '..', 'report.ts')}`
  const file = join(folder, `${suite}.test.ts`)
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--test', reporter, file], {
    env,
    stdio: ['inherit', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const label = hands === 1 ? '' : `[${hand + 1}/${hands}] `
  let failed = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [, done, all] = /: (\d+) of (\d+) cases, \d+ s$/.exec(line) ?? []
    if (done === all) sums.cases += Number(done ?? 0)
    if (line.startsWith('skipped: ')) {
      skips.add(line)
      continue
    }
    const counts = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(line)
    if (counts === null) console.log(`${label}${line}`)
    else failed = add(counts.slice(1).map(Number))
  }
  const [code] = (await ended) as [number | null]
  if (code !== 0 && failed === 0) sums.failed++
}

/** How many failed. */
function add([passed = 0, failed = 0]: readonly number[]): number {
  sums.passed += passed
  sums.failed += failed
  return failed
}

async function playAll(): Promise<void> {
  for (let unit = waiting.shift(); unit !== undefined; unit = waiting.shift()) await play(unit)
}

const share = slices === 1 ? 'every case' : `slice ${slice} of ${slices}`
const what = values.short ? 'a sample' : values.only === undefined ? share : `case ${values.only}`
console.log(
  `${what} of ${parts.length === 0 ? `${suites.length} suites` : parts.join(', ')}, ${atOnce} processes at once`,
)
await Promise.all(Array.from({ length: atOnce }, playAll))
const minutes = ((systemClock.monotonicMs() - startMs) / 60_000).toFixed(1)
const { cases, passed, failed } = sums
const skipped = [...skips].filter((line) => !line.endsWith(leftOut))
for (const line of skipped) console.log(line)
const played = values.short ? '' : `${cases} cases, `
console.log(`${what}: ${played}${minutes} min; ${passed} passed, ${failed} failed, ${skipped.length} skipped`)
if (passed + failed === 0) console.log('nothing was played: is the part called otherwise?')
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
