// How a job stands: the worst thing decides, and what a person does next. With it what came of a run, and ages.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endedWell, endsOf, isUnderWay, outcomeOf, outcomeText, type RunFacts } from './outcome.ts'
import { type JobStanding, type StandingFacts, standingOf, statusCode } from './standing.ts'
import { showAge } from './when.ts'

function run(
  state: StandingFacts['runs'][number]['state'],
  more: Partial<RunFacts> = {},
): StandingFacts['runs'][number] {
  return {
    runId: state,
    state,
    source: '/s',
    target: '/t',
    mode: 'mirror',
    driver: undefined,
    epoch: 1,
    startedMs: 1,
    endedMs: 2,
    outcome: state,
    options: undefined,
    problems: [],
    problemCount: 0,
    failure: undefined,
    halt: undefined,
    ...more,
  }
}

const hold = { reason: 'emptied-root' }
const away = { code: 'unreachable', message: 'cannot reach it', hint: 'Nothing listens.' }
const full = { code: 'target-full', message: 'no space', hint: 'free some' }
const special = { path: 'f', code: 'special', detail: '' }

const cases: readonly (readonly [string, StandingFacts, JobStanding['state'], RegExp, RegExp, boolean])[] = [
  [
    'undone',
    { runs: [run('done', { mode: 'undo' }), run('done')], hold: undefined },
    'held',
    /was undone/,
    /mend the source/,
    true,
  ],
  [
    'undone for a peer',
    { runs: [run('done', { mode: 'undo', source: '' })], hold: undefined },
    'served',
    /undone here/,
    /^$/,
    false,
  ],
  [
    'done after an undo',
    { runs: [run('done'), run('done', { mode: 'undo' })], hold: undefined },
    'in-sync',
    /in sync/,
    /^$/,
    false,
  ],
  ['unchanged', { runs: [run('unchanged')], hold: undefined }, 'in-sync', /^in sync$/, /^$/, false],
  ['done', { runs: [run('done'), run('failed')], hold: undefined }, 'in-sync', /in sync/, /^$/, false],
  [
    'an update leaves no two folders in sync for sure',
    { runs: [run('done', { mode: 'update' })], hold: undefined },
    'in-sync',
    /^done, an update$/,
    /^$/,
    false,
  ],
  [
    'nor does a narrowed run',
    { runs: [run('unchanged', { options: { dryRun: false, narrowed: ['--max-size 10'] } })], hold: undefined },
    'in-sync',
    /^done, with --max-size 10$/,
    /^$/,
    false,
  ],
  ['running', { runs: [run('running'), run('failed')], hold }, 'running', /running/, /^$/, false],
  ['held', { runs: [run('halted'), run('done')], hold }, 'held', /the source is empty/, /--release/, true],
  [
    'held and then failed',
    { runs: [run('failed', { failure: full }), run('halted')], hold },
    'held',
    /source is empty/,
    /--release/,
    true,
  ],
  ['a first run that is held', { runs: [run('halted')], hold }, 'held', /held/, /--release/, true],
  ['a hold that went', { runs: [run('halted'), run('done')], hold: undefined }, 'in-sync', /in sync/, /^$/, false],
  [
    'failed',
    { runs: [run('failed', { failure: full }), run('done')], hold: undefined },
    'failed',
    /failed: no space$/,
    /^free some$/,
    true,
  ],
  [
    'away',
    { runs: [run('failed', { failure: away }), run('done')], hold: undefined },
    'failed',
    /cannot reach it: Nothing listens$/,
    /is it on/,
    true,
  ],
  [
    'failed, nobody knows how',
    { runs: [run('failed'), run('done')], hold: undefined },
    'failed',
    /^the last run failed$/,
    /again/,
    true,
  ],
  [
    'never came to anything',
    { runs: [run('failed', { failure: full })], hold: undefined },
    'never',
    /no space/,
    /free/,
    false,
  ],
  [
    'one that gave way says nothing',
    { runs: [run('failed', { failure: { ...full, code: 'root-locked' } }), run('done')], hold: undefined },
    'in-sync',
    /in sync/,
    /^$/,
    false,
  ],
  [
    'one that gave way to nothing known',
    { runs: [run('failed', { failure: { ...full, code: 'root-locked' } })], hold: undefined },
    'never',
    /no space/,
    /free/,
    false,
  ],
  [
    'cancelled',
    { runs: [run('failed', { failure: { ...full, code: 'cancelled' } }), run('done')], hold: undefined },
    'cut-off',
    /was cancelled/,
    /free/,
    true,
  ],
  ['cut off', { runs: [run('cut-off'), run('done')], hold: undefined }, 'cut-off', /cut off/, /run it again/, true],
  ['nobody can tell', { runs: [run('open')], hold: undefined }, 'cut-off', /cut off/, /run it again/, true],
  [
    'one problem',
    { runs: [run('partial', { problems: [special], problemCount: 1 })], hold: undefined },
    'problems',
    /^one path had a problem$/,
    /^look at what the target has in its place/,
    true,
  ],
  [
    'many problems',
    {
      runs: [run('partial', { problems: [special, { ...special, code: 'no-space' }], problemCount: 2000 })],
      hold: undefined,
    },
    'problems',
    /^2000 paths had problems$/,
    /^see nightferry log partial$/,
    true,
  ],
  [
    'served',
    { runs: [run('failed', { driver: 'pc', failure: full })], hold: undefined },
    'served',
    /^failed$/,
    /^$/,
    false,
  ],
]

for (const [what, facts, state, text, next, needsPerson] of cases) {
  test(what, () => {
    const standing = standingOf(facts)
    assert.deepEqual([standing.state, standing.needsPerson], [state, needsPerson])
    assert.match(standing.text, text)
    assert.match(standing.next, next)
  })
}

test('the exit code of status is that of the worst job', () => {
  const of = (...all: (readonly [StandingFacts['runs'][number], typeof hold | undefined])[]): number =>
    statusCode(all.map(([one, held]) => standingOf({ runs: [one, run('done')], hold: held })))
  assert.equal(of(), 0)
  assert.equal(of([run('done'), undefined], [run('running'), undefined]), 0)
  assert.equal(of([run('done'), undefined], [run('failed'), undefined]), 3)
  assert.equal(of([run('failed'), undefined], [run('halted'), hold]), 15)
})

test('what came of a run', () => {
  const of = (outcome: string | undefined, isAlive: boolean | undefined): string =>
    outcomeOf({ ...run('done'), outcome }, isAlive)
  assert.deepEqual(
    [
      of('done', undefined),
      of('interrupted', true),
      of(undefined, true),
      of(undefined, false),
      of(undefined, undefined),
    ],
    ['done', 'cut-off', 'running', 'cut-off', 'open'],
  )
  assert.equal(of('a word of a later version', true), 'running')
  const served = { ...run('done'), driver: 'pc' }
  const here = [{ runId: served.runId }]
  for (const [one, isAlive, sessions, answer] of [
    [served, true, here, true],
    [served, true, [], undefined],
    [served, true, [{}], undefined],
    [served, true, undefined, true],
    [served, false, here, false],
    [served, undefined, here, undefined],
    [run('done'), true, [], true],
  ] as const)
    assert.equal(isUnderWay(one, isAlive, sessions), answer)
  const good = (
    [
      'unchanged',
      'done',
      'partial',
      'halted',
      'failed',
      'planned',
      'looked',
      'left',
      'running',
      'cut-off',
      'open',
    ] as const
  ).filter(endedWell)
  assert.deepEqual(good, ['unchanged', 'done', 'partial'])
  assert.match(outcomeText('halted'), /nothing was changed/)
  assert.deepEqual(endsOf({ source: '', target: '/t', driver: 'pc' }), { source: '(a folder of pc)', target: '/t' })
})

for (const [age, text] of [
  [-120_000, 'in the future, by this clock'],
  [0, 'just now'],
  [59_000, 'just now'],
  [60_000, '1 min ago'],
  [119 * 60_000, '119 min ago'],
  [120 * 60_000, '2 h ago'],
  [47 * 3_600_000, '47 h ago'],
  [48 * 3_600_000, '2 days ago'],
] as const) {
  test(`${age} ms are told as ${text}`, () => assert.equal(showAge(1e12 - age, 1e12), text))
}
