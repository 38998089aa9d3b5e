// What could come next on a command line.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Argument, Command, Option } from 'commander'
import { completionLines, placeOf, type Sources } from './complete.ts'

function program(): Command {
  const root = new Command('nightferry').option('--state <dir>', 'where. And more')
  const sync = root
    .command('sync <source> <target>')
    .description('Make a copy. Really.')
    .option('--state <dir>', 'where')
  sync.addOption(new Option('--mode <mode>', 'how').choices(['mirror', 'update']))
  sync.addOption(new Option('--xattrs [which]', 'more').choices(['user', 'all']))
  sync.option('-n, --dry-run', 'only look').option('--ignore-file <file>', 'rules')
  root.command('log [run]').description('The history')
  const share = root.command('share').description('Folders')
  share.command('add <name> <folder>').option('--for <machine>', 'whom')
  share.command('remove <name>')
  share.command('allow <name> <what...>')
  root.command('why <path>').option('--job <job>', 'whose')
  const machines = root.command('machines').option('--json', 'as JSON')
  machines.command('remove <name>')
  root.command('completion').addArgument(new Argument('<shell>').choices(['bash', 'zsh']))
  root.command('complete [words...]', { hidden: true })
  return root
}

const sources: Sources = {
  machines: () => ['nas', 'nas-2', 'tv'],
  shares: () => ['photos'],
  runs: () => [
    { runId: 'ab12', source: '/home/a b', target: 'nas:photos' },
    { runId: 'cd34', source: 'nas:docs/2024', target: '/x' },
    { runId: '$(rm)', source: 'nas:$(rm)', target: '/x' },
  ],
}

/** The words before the cursor, and what is offered. */
const cases: readonly (readonly [string, string])[] = [
  ['', '- sync log share why machines completion help'],
  ['sy', '- sync'],
  ['--', '- --state --help?'],
  ['sync ', 'folder nas: nas-2: tv:'],
  ['sync nas', 'folder nas: nas-2:'],
  ['sync nas:', '- nas:photos nas:docs/2024'],
  ['sync nas:d', '- nas:docs/2024'],
  ['sync ./x', 'folder'],
  ['sync a ', 'folder nas: nas-2: tv:'],
  ['sync a b ', '-'],
  ['sync -', '- --state --mode --xattrs --dry-run --ignore-file --help?'],
  ['sync --xattrs ', 'folder user all nas: nas-2: tv:'],
  ['sync --xattrs a', 'folder all'],
  ['sync --xattrs=', '- --xattrs=user --xattrs=all'],
  ['sync --xattrs -n', '- --dry-run?'],
  ['sync --xattrs all a t', 'folder tv:'],
  ['sync --xattrs a b ', '-'],
  ['sync --mode ', '- mirror update'],
  ['sync --mode u', '- update'],
  ['sync --mode=', '- --mode=mirror --mode=update'],
  ['sync --mode=m', '- --mode=mirror'],
  ['sync --mode update n', 'folder nas: nas-2:'],
  ['sync -n a t', 'folder tv:'],
  ['sync --ignore-file ', 'file'],
  ['sync --state ', 'folder'],
  ['--state x sync --m', '- --mode'],
  ['sync -- -', 'folder'],
  ['log ', '- ab12 cd34'],
  ['share ', '- add remove allow help'],
  ['share add photos ', 'folder'],
  ['share add --for ', '- nas nas-2 tv'],
  ['share remove ', '- photos'],
  ['share allow ', '- photos'],
  ['share allow photos ', '- owner set-id system-xattrs top no-sync none'],
  ['share allow photos top no', '- no-sync none'],
  ['why ', 'file nas: nas-2: tv:'],
  ['why nas:', '- nas:photos nas:docs/2024'],
  ['why ./x', 'file'],
  ['why --job nas:p', '- nas:photos'],
  ['machines ', '- remove help'],
  ['machines remove t', '- tv'],
  ['completion b', '- bash'],
  ['unknown words ', '-'],
]

test('verbs, options, choices and what this machine knows', () => {
  for (const [line, wanted] of cases) {
    const [hint, ...lines] = completionLines(placeOf(program(), line.split(' ')), sources)
    const values = [hint, ...lines.map((one) => one.split('\t')[0])]
    const must = wanted.split(' ').filter((one) => !one.endsWith('?'))
    const may = wanted.split(' ').map((one) => one.replace('?', ''))
    assert.deepEqual(
      values.filter((one) => may.includes(one ?? '')).filter((one) => must.includes(one ?? '')),
      must,
      `"${line}": ${values}`,
    )
    assert.deepEqual(
      values.filter((one) => !may.includes(one ?? '')),
      [],
      `"${line}"`,
    )
  }
})

test('where the state lies is taken from the line, and descriptions are one sentence', () => {
  assert.equal(placeOf(program(), ['sync', '--state', '/x', '']).state, '/x')
  assert.equal(placeOf(program(), ['--state=/y', 'sync', '']).state, '/y')
  assert.deepEqual(completionLines(placeOf(program(), ['sy']), sources), ['-', 'sync\tMake a copy.'])
})

test('what cannot be looked up is not there', () => {
  const broken = (): never => {
    throw new Error('no')
  }
  const none = { machines: broken, shares: broken, runs: broken }
  for (const [line] of cases) assert.ok(completionLines(placeOf(program(), line.split(' ')), none).length > 0, line)
})
