// `npm run test:faults`: the suites of this folder as a whole, or a part of one.
//
//   npm run test:faults                                 every case: an hour or two on two processors
//   npm run test:faults -- --short                      the sample that `npm test` runs
//   npm run test:faults -- kills campaign               these suites, or the parts of them that begin so
//   npm run test:faults -- campaign --seed 7 --only 12  one case again, as a failure names it

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, only: { type: 'string' }, short: { type: 'boolean', default: false } },
})
for (const [name, text] of [
  ['seed', values.seed],
  ['only', values.only],
] as const) {
  if (text !== undefined && !/^\d{1,9}$/.test(text)) {
    console.error(`--${name} takes a whole number, not ${text}`)
    process.exit(2)
  }
}

const folder = import.meta.dirname
const suites = readdirSync(folder).flatMap((name) => /^(.*)\.test\.ts$/.exec(name)?.[1] ?? [])
const strange = parts.filter((part) => !suites.includes(part.split('-')[0] ?? ''))
if (strange.length > 0) {
  console.error(`no suite is called ${strange.join(', ')}; there are ${suites.join(', ')}`)
  process.exit(2)
}
const chosen = suites.filter((suite) => parts.length === 0 || parts.some((part) => part.split('-')[0] === suite))

const env: NodeJS.ProcessEnv = { ...process.env, NIGHTFERRY_PARTS: parts.join(' ') }
if (!values.short) env.NIGHTFERRY_FAULTS = 'whole'
if (values.seed !== undefined) env.NIGHTFERRY_SEED = values.seed
if (values.only !== undefined) env.NIGHTFERRY_ONLY = values.only
const ended = spawnSync(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    '--test-concurrency=2',
    `--test-reporter=${join(folder, '..', 'report.ts')}`,
    ...chosen.map((suite) => join(folder, `${suite}.test.ts`)),
  ],
  { env, stdio: 'inherit' },
)
process.exitCode = ended.status ?? 1
