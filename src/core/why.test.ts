// What is said of a path from what was gathered, the decisive thing first.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IgnoreRule } from './ignore.ts'
import type { Deed } from './trail.ts'
import { explain } from './why.ts'
import type { JobRun, Look, WhyFacts } from './why-facts.ts'

const telling = { when: (ms: number) => `at ${ms}`, whenLogged: (time: string) => `at ${time}`, self: 'laptop' }

function run(runId: string, state: JobRun['state'], more: Partial<JobRun> = {}): JobRun {
  return {
    runId,
    state,
    source: '/s',
    target: 'nas:t',
    mode: 'mirror',
    driver: undefined,
    epoch: 7,
    startedMs: 1,
    endedMs: 2,
    outcome: state,
    options: { dryRun: false },
    problems: [],
    problemCount: 0,
    failure: undefined,
    halt: undefined,
    ...more,
  }
}

function deed(kind: Deed['kind'], more: Partial<Deed> = {}): Deed {
  return {
    kind,
    time: 'T',
    runId: 'R1',
    epoch: 0,
    above: undefined,
    other: undefined,
    reason: undefined,
    planned: undefined,
    ...more,
  }
}

const there: Look = { kind: 'file', since: 'same' }
const usual: WhyFacts = {
  path: 'd/f',
  role: 'source',
  driver: undefined,
  source: there,
  target: undefined,
  ignored: { verdict: 'kept', rule: undefined, partly: false },
  hold: undefined,
  runs: [run('R1', 'done')],
  deeds: [],
  logReached: '2026-11-01',
}
const rule: IgnoreRule = { label: '.nightferryignore', directory: 'd', line: 3, pattern: '*.log', negated: false }
const problem = { path: 'd/f', code: 'changing', detail: '' }
const failure = { code: 'target-full', message: 'no space', hint: '' }

/** What is gathered, and what must be said of it: kinds in order, and parts of the text. */
const cases: readonly (readonly [string, Partial<WhyFacts>, readonly string[], RegExp])[] = [
  ['nothing happened', {}, ['equal'], /^Nothing was to be done: both ends had it equal at the end of run R1, at 2, /],
  [
    'an update proves no equality',
    { runs: [run('R1', 'done', { mode: 'update' })] },
    ['equal'],
    /both ends were compared/,
  ],
  [
    'a narrowed run proves none either',
    { runs: [run('R1', 'done', { options: { dryRun: false, narrowed: ['--existing', '--max-size 10'] } })] },
    ['nothing-known'],
    /went with --existing --max-size 10, which may have left it out .* whether the other end has it equal is not known/,
  ],
  [
    'what a narrowed run brought is equal',
    {
      runs: [run('R1', 'done', { options: { dryRun: false, narrowed: ['--existing'] } })],
      deeds: [deed('replaced')],
    },
    ['deed', 'equal'],
    /Both ends had it equal/,
  ],
  [
    'what a narrowed run left out is promised by none',
    {
      role: 'target',
      target: { kind: 'missing', since: 'unknown' },
      runs: [run('R1', 'done', { options: { dryRun: false, narrowed: ['--max-size 10'] } })],
    },
    ['missing'],
    /not on the target yet: it is on the source, and the last run went with --max-size 10, which may leave it out/,
  ],
  [
    'a further name, and of which file',
    { deeds: [deed('further', { other: 'd/e' })] },
    ['deed', 'equal'],
    /^It was made a further name of d\/e on the target, at T, by run R1/,
  ],
  [
    'a further name, as older logs tell it',
    { deeds: [deed('further')] },
    ['deed', 'equal'],
    /further name of a file on/,
  ],
  [
    'a further name that was to be made',
    { deeds: [deed('begun', { planned: 'hard-linked', other: 'd/e' })] },
    ['deed', 'equal'],
    /was to be made a further name of d\/e on the target/,
  ],
  ['our own', { path: 'd/.Nightferry/x' }, ['own'], /Nightferry's own/],
  [
    'ignored, with file and line',
    { ignored: { verdict: 'ignored', rule, partly: false } },
    ['ignored'],
    /by "\*\.log", line 3 of d\/\.nightferryignore\./,
  ],
  [
    'ignored by the command line',
    { ignored: { verdict: 'ignored', rule: { ...rule, label: 'command line', directory: '', line: 2 }, partly: true } },
    ['ignored'],
    /number 2 of --exclude and --include/,
  ],
  [
    'ignored by --no-dotfiles',
    { ignored: { verdict: 'ignored', rule: { ...rule, label: '--no-dotfiles', directory: '' }, partly: false } },
    ['ignored'],
    /by the option --no-dotfiles\./,
  ],
  [
    'taken back in',
    { ignored: { verdict: 'kept', rule: { ...rule, pattern: '!f', negated: true }, partly: false } },
    ['kept-by-rule', 'equal'],
    /"!f", line 3 of .* takes it back in/,
  ],
  [
    'unknown rules come last',
    { ignored: { verdict: 'unknown', because: 'Nobody knows.' } },
    ['equal', 'rules-unknown'],
    /Nobody/,
  ],
  [
    'a FIFO',
    { source: { kind: 'special', since: 'same' } },
    ['never-copied'],
    /device, FIFO or socket, which are not copied/,
  ],
  [
    'unreadable on the target',
    { target: { kind: 'unreadable', since: 'unknown' } },
    ['never-copied', 'equal'],
    /On the target it could not be read/,
  ],
  [
    'the folder is gone',
    { source: { kind: 'no-root', since: 'unknown' } },
    ['no-root'],
    /source folder of the job is not there/,
  ],
  [
    'held, and among what was shown',
    { hold: { reason: 'too much', atMs: 5, sample: ['d'] }, runs: [run('R2', 'halted'), run('R1', 'done')] },
    ['held', 'equal'],
    /since at 5: too much.*This path is among.*--release/s,
  ],
  [
    'held, and not shown',
    { hold: { reason: 'too much', atMs: 5, sample: ['e'] }, runs: [run('R2', 'halted'), run('R1', 'done')] },
    ['held', 'equal'],
    /a person lets it\.\n/,
  ],
  [
    'the last run failed',
    { runs: [run('R2', 'failed', { failure }), run('R1', 'done')] },
    ['failed', 'equal'],
    /The last run, at 2, failed: no space \(target-full\)\.\n.*free some space/,
  ],
  [
    'cut off',
    { runs: [run('R2', 'cut-off', { endedMs: undefined }), run('R1', 'done')] },
    ['failed', 'equal'],
    /was cut off/,
  ],
  ['at work', { runs: [run('R2', 'running'), run('R1', 'done')] }, ['running', 'equal'], /at work since at 1/],
  [
    'a problem',
    { runs: [run('R1', 'partial', { problems: [problem], problemCount: 1 })] },
    ['problem'],
    /it kept changing while it was read\.\n.*the next run takes it/,
  ],
  [
    'a problem of a folder above',
    {
      runs: [
        run('R1', 'partial', {
          problems: [{ ...problem, path: 'd', code: 'unreadable', detail: 'EACCES' }],
          problemCount: 1,
        }),
      ],
    },
    ['problem'],
    /d could not be read \(EACCES\)/,
  ],
  [
    'a problem of the failed run before does not count',
    { runs: [run('R2', 'done'), run('R1', 'partial', { problems: [problem], problemCount: 1 })] },
    ['equal'],
    /run R2/,
  ],
  [
    'problems below',
    {
      path: 'd',
      source: { kind: 'directory', since: 'same' },
      runs: [run('R1', 'partial', { problems: [problem], problemCount: 1 })],
    },
    ['problems-below'],
    /1 of the paths below it had problems, first d\/f/,
  ],
  [
    'more problems than are kept',
    { runs: [run('R1', 'partial', { problems: [{ ...problem, path: 'x' }], problemCount: 2 })] },
    ['nothing-known'],
    /whether this path had one is not known/,
  ],
  [
    'deleted on the target, gone from the source',
    { source: { kind: 'missing', since: 'unseen' }, deeds: [deed('deleted', { epoch: 9 })] },
    ['deed', 'missing'],
    /It was deleted on the target because the source had it no more, at T, by run R1 of laptop \(epoch 9\)\.\n.*not on the source now, and was not when run R1/,
  ],
  [
    'deleted with a folder, by a peer',
    { driver: 'pc', runs: [run('R1', 'done', { driver: 'pc', mode: '' })], deeds: [deed('deleted', { above: 'd' })] },
    ['deed', 'nothing-known'],
    /With d it was deleted .* by run R1 of pc \(epoch 7\)/,
  ],
  [
    'renamed',
    { deeds: [deed('came', { other: 'e/f', above: 'd', reason: 'same-directory' })] },
    ['deed', 'equal'],
    /With d it was renamed on the target, from e\/f \(on the source that very folder has the new name/,
  ],
  [
    'renamed away',
    { deeds: [deed('went', { other: 'g', reason: 'same-content' })] },
    ['deed', 'equal'],
    /to g \(the content was equal, by its digest\)/,
  ],
  [
    'replaced by an update',
    { runs: [run('R1', 'done', { mode: 'update' })], deeds: [deed('replaced')] },
    ['deed', 'equal'],
    /because the source's was newer/,
  ],
  [
    'begun by a run that broke',
    { runs: [run('R1', 'failed', { failure })], deeds: [deed('begun', { planned: 'replaced' })] },
    ['failed', 'deed', 'nothing-known'],
    /was to be replaced on the target when the run broke: whether that happened, only that machine's log knows/,
  ],
  [
    'put back',
    { deeds: [deed('put-back', { reason: 'not-empty' })] },
    ['deed', 'equal'],
    /put back on the target \(holds content/,
  ],
  [
    'brought back by a person',
    {
      role: 'target',
      target: { kind: 'file', since: 'unseen' },
      deeds: [deed('undeleted', { runId: '', version: 'V', by: 'nas' }), deed('deleted')],
    },
    ['deed', 'deed', 'new-since'],
    /from its version of run V, at T, by nightferry undelete, asked by nas.*\n.*\n.*next mirror deletes or replaces it again/,
  ],
  [
    'put back by an undo',
    {
      role: 'target',
      target: { kind: 'file', since: 'changed' },
      runs: [run('U', 'done', { mode: 'undo', counts: { replaced: 1 } }), run('R1', 'done')],
      deeds: [deed('replaced', { runId: 'U', undoes: 'R1' }), deed('replaced')],
    },
    ['deed', 'deed', 'undone'],
    /It was put back on the target to what it was before, from its version of run R1, which was undone, at T, by run U of laptop/,
  ],
  [
    'left alone by an undo that did nothing',
    { runs: [run('U', 'failed', { mode: 'undo', failure, counts: {} }), run('R1', 'done')] },
    ['failed', 'equal'],
    /Both ends had it equal|both ends had it equal/,
  ],
  [
    'done anew after an undo',
    { runs: [run('R2', 'done'), run('U', 'done', { mode: 'undo', counts: { created: 1 } }), run('R1', 'done')] },
    ['equal'],
    /both ends had it equal at the end of run R2/,
  ],
  [
    'changed since',
    { source: { kind: 'file', since: 'changed' } },
    ['changed-since'],
    /changed on the source after run R1.* next run looks/,
  ],
  [
    'changed on the target since',
    { role: 'target', target: { kind: 'file', since: 'changed' } },
    ['changed-since'],
    /changed on the target .* makes it equal to the source again/,
  ],
  ['came since', { source: { kind: 'file', since: 'unseen' } }, ['new-since'], /came to the source after run R1/],
  [
    'went since',
    { source: { kind: 'missing', since: 'changed' } },
    ['missing'],
    /went from the source .* takes it away/,
  ],
  [
    'not on the target yet',
    { role: 'target', target: { kind: 'missing', since: 'unseen' } },
    ['missing'],
    /not on the target yet: it is on the source, and the next run puts it there/,
  ],
  [
    'gone from the target',
    { role: 'target', target: { kind: 'missing', since: 'changed' } },
    ['missing'],
    /went from the target .* it is on the source, and the next run puts it there/,
  ],
  [
    'never heard of',
    { source: { kind: 'missing', since: 'unseen' } },
    ['missing'],
    /Nothing is known of it: no run told of it, and the log here was read back to 2026-11-01/,
  ],
  [
    'a held run changes nothing of what was equal before',
    { runs: [run('R2', 'halted'), run('R1', 'done')] },
    ['equal'],
    /equal at the end of run R1/,
  ],
  [
    'a peer that only looked',
    { driver: 'pc', runs: [run('R2', 'looked', { driver: 'pc' }), run('R1', 'done', { driver: 'pc' })] },
    ['nothing-known'],
    /as run R2.* left it; whether the other end has it equal, pc knows/,
  ],
  [
    'no run that ended',
    { runs: [run('R1', 'failed', { failure })] },
    ['failed', 'nothing-known'],
    /nothing of it is in sync for sure/,
  ],
  [
    'the top folder of a run that carries none of it',
    { path: '', source: { kind: 'directory', since: 'unknown' } },
    ['top-folder'],
    /^Its own owner, mode and attributes are not carried: the last run went with none of --owner, /,
  ],
  [
    'the top folder, given what it shall be',
    {
      path: '',
      source: { kind: 'directory', since: 'unknown' },
      runs: [run('R1', 'done', { options: { dryRun: false, asked: ['--owner', '--hard-links', '--acls'] } })],
      deeds: [deed('attributes')],
    },
    ['deed', 'top-folder'],
    /It got another mode, time or attributes .* by run R1.*\n.* are carried: the last run went with --owner --acls\.$/,
  ],
  [
    'the top folder of an update',
    {
      path: '',
      source: { kind: 'directory', since: 'unknown' },
      runs: [run('R1', 'done', { mode: 'update', options: { dryRun: false, asked: ['--owner'] } })],
    },
    ['top-folder'],
    /an update leaves them as they are/,
  ],
  [
    'the top folder of a share',
    {
      path: '',
      role: 'target',
      driver: 'pc',
      source: undefined,
      ignored: { verdict: 'unknown', because: 'pc knows' },
      runs: [run('R1', 'done', { driver: 'pc' })],
    },
    ['top-folder'],
    /where pc asks for it and the share allows it/,
  ],
  ['no record of the tree', { source: { kind: 'file', since: 'unknown' } }, ['nothing-known'], /Nothing is known/],
  [
    'no record, and gone',
    { source: { kind: 'missing', since: 'unknown' } },
    ['missing'],
    /^It is not on the source now\.$/,
  ],
]

for (const [what, facts, kinds, text] of cases) {
  test(what, () => {
    const statements = explain({ ...usual, ...facts }, telling)
    assert.deepEqual(
      statements.map(({ kind }) => kind),
      kinds,
    )
    assert.match(
      statements.map((one) => `${one.text}${one.remedy === undefined ? '' : `\n  ${one.remedy}`}`).join('\n'),
      text,
    )
  })
}
