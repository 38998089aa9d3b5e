// The guard: what halts and what does not, at and around every limit, and how a limit is written.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check } from '../../test/world/trees.ts'
import { type GuardFacts, type GuardLimit, type HaltReason, haltText, inspect, parseGuardLimit } from './guard.ts'

const facts: GuardFacts = { leftEntries: 1000, rightEntries: 1000, deletes: 0, replaces: 0, hasBase: true }
const byDefault: GuardLimit = { kind: 'default' }
const count = (entries: number): GuardLimit => ({ kind: 'count', entries })
const percent = (value: number): GuardLimit => ({ kind: 'percent', percent: value })

type Row = [what: string, facts: Partial<GuardFacts>, limit: GuardLimit, reason: HaltReason | undefined]

const rows: Row[] = [
  ['nothing goes', {}, byDefault, undefined],
  ['nothing goes, without a base', { hasBase: false }, byDefault, undefined],
  ['nothing goes, from an empty left', { leftEntries: 0 }, byDefault, undefined],
  ['nothing goes, and nothing may', {}, count(0), undefined],
  ['nothing goes, of nothing', { leftEntries: 0, rightEntries: 0 }, percent(0), undefined],

  ['nothing goes after an undo: it is held all the same', { undone: true }, byDefault, 'undone'],
  ['nothing goes after an undo of a run without a base', { undone: true, hasBase: false }, percent(100), 'undone'],
  ['an emptied left after an undo', { undone: true, leftEntries: 0, deletes: 1 }, byDefault, 'emptied-root'],

  ['9 of 9 go', { rightEntries: 9, deletes: 9 }, byDefault, undefined],
  ['10 of 10 go', { rightEntries: 10, deletes: 10 }, byDefault, 'too-many'],
  ['9 of 18 go: too few to count', { rightEntries: 18, deletes: 9 }, byDefault, undefined],
  ['10 of 20 go: exactly half', { rightEntries: 20, deletes: 10 }, byDefault, undefined],
  ['10 of 19 go: more than half', { rightEntries: 19, deletes: 10 }, byDefault, 'too-many'],
  ['11 of 20 go', { rightEntries: 20, deletes: 11 }, byDefault, 'too-many'],
  ['500 of 1,000 go', { deletes: 500 }, byDefault, undefined],
  ['501 of 1,000 go', { deletes: 501 }, byDefault, 'too-many'],
  ['replaced counts as deleted does', { replaces: 501 }, byDefault, 'too-many'],
  ['both together count', { deletes: 250, replaces: 251 }, byDefault, 'too-many'],
  ['both together are half', { deletes: 250, replaces: 250 }, byDefault, undefined],
  ['5 deleted and 4 replaced of 9', { rightEntries: 9, deletes: 5, replaces: 4 }, byDefault, undefined],
  ['5 deleted and 5 replaced of 10', { rightEntries: 10, deletes: 5, replaces: 5 }, byDefault, 'too-many'],

  ['10,000 of a million go', { rightEntries: 1_000_000, deletes: 10_000 }, byDefault, undefined],
  ['10,001 of a million go', { rightEntries: 1_000_000, deletes: 10_001 }, byDefault, 'too-many'],
  ['10,001 in sum', { rightEntries: 1_000_000, deletes: 10_000, replaces: 1 }, byDefault, 'too-many'],

  ['a count holds at itself', { deletes: 7 }, count(7), undefined],
  ['a count halts above', { deletes: 7, replaces: 1 }, count(7), 'too-many'],
  ['a count of none halts at one', { deletes: 1 }, count(0), 'too-many'],
  ['a count replaces the default', { rightEntries: 20_000, deletes: 20_000 }, count(20_000), undefined],
  ['a percentage holds at itself', { rightEntries: 200, deletes: 50 }, percent(25), undefined],
  ['a percentage halts above', { rightEntries: 200, deletes: 51 }, percent(25), 'too-many'],
  ['a percentage counts few entries too', { rightEntries: 2, deletes: 1 }, percent(49), 'too-many'],
  ['a percentage of none halts at one', { deletes: 1 }, percent(0), 'too-many'],
  ['a percentage replaces the default', { rightEntries: 20_000, deletes: 20_000 }, percent(100), undefined],

  ['an emptied left halts at one', { leftEntries: 0, deletes: 1 }, byDefault, 'emptied-root'],
  ['an emptied left halts whatever the count', { leftEntries: 0, deletes: 1 }, count(999), 'emptied-root'],
  ['an emptied left halts whatever the percentage', { leftEntries: 0, deletes: 1 }, percent(100), 'emptied-root'],
  [
    'an emptied left is told before a missing base',
    { leftEntries: 0, deletes: 1, hasBase: false },
    byDefault,
    'emptied-root',
  ],
  ['a left with one entry is not emptied', { leftEntries: 1, deletes: 1 }, byDefault, undefined],

  ['without a base one deletion halts', { deletes: 1, hasBase: false }, byDefault, 'no-base'],
  ['without a base one replacement halts', { replaces: 1, hasBase: false }, byDefault, 'no-base'],
  ['without a base no count helps', { replaces: 1, hasBase: false }, count(100), 'no-base'],
  ['without a base no percentage helps', { replaces: 1, hasBase: false }, percent(100), 'no-base'],

  [
    'other rules than last time halt at one',
    { deletes: 1, hasBase: false, rulesChanged: true },
    byDefault,
    'rules-changed',
  ],
  ['under other rules no count helps', { replaces: 1, hasBase: false, rulesChanged: true }, count(9), 'rules-changed'],
  ['other rules under which nothing goes', { hasBase: false, rulesChanged: true }, byDefault, undefined],
  [
    'an emptied left, other rules',
    { leftEntries: 0, deletes: 1, hasBase: false, rulesChanged: true },
    byDefault,
    'emptied-root',
  ],
  ['a base under these rules', { deletes: 1, rulesChanged: true }, byDefault, undefined],
]

describe('guard', () => {
  for (const [what, changes, limit, reason] of rows) {
    it(`${what}: ${reason ?? 'goes on'}`, () => {
      const all = { ...facts, ...changes }
      const { deletes, replaces } = all
      assert.deepEqual(inspect(all, limit), reason === undefined ? undefined : { reason, deletes, replaces })
    })
  }

  const small = fc.integer({ min: 0, max: 30 })
  const someFacts = fc.record({
    leftEntries: small,
    rightEntries: small,
    deletes: small,
    replaces: small,
    hasBase: fc.boolean(),
  })
  const someLimit = fc.oneof(fc.constant(byDefault), small.map(count), fc.integer({ min: 0, max: 100 }).map(percent))

  it('never lets pass more where it halted at less', () => {
    check(
      fc.property(someFacts, someLimit, small, (some, limit, more) => {
        if (inspect(some, limit) === undefined) return
        assert.notEqual(inspect({ ...some, deletes: some.deletes + more }, limit), undefined)
        assert.notEqual(inspect({ ...some, replaces: some.replaces + more }, limit), undefined)
        assert.notEqual(inspect({ ...some, hasBase: false }, limit), undefined)
      }),
      1000,
    )
  })

  it('halts whatever empties the target of an empty source, or touches what is not ours', () => {
    check(
      fc.property(someFacts, someLimit, (some, limit) => {
        const reason = inspect(some, limit)?.reason
        if (some.leftEntries === 0 && some.deletes > 0) assert.equal(reason, 'emptied-root')
        else if (!some.hasBase && some.deletes + some.replaces > 0) assert.equal(reason, 'no-base')
        if (some.deletes + some.replaces === 0) assert.equal(reason, undefined)
      }),
      1000,
    )
  })

  it('reads a limit', () => {
    for (const [text, limit] of [
      ['0', count(0)],
      ['1', count(1)],
      ['10000', count(10_000)],
      ['999999999', count(999_999_999)],
      [' 5 ', count(5)],
      ['007', count(7)],
      ['0%', percent(0)],
      ['50%', percent(50)],
      ['100%', percent(100)],
    ] as const) {
      assert.deepEqual(parseGuardLimit(text), limit, text)
    }
    const refused = [
      '',
      ' ',
      '%',
      '-1',
      '+1',
      '1.5',
      '1e3',
      '0x10',
      '1,000',
      '1 000',
      '5 %',
      '%5',
      '5%%',
      '101%',
      '999%',
    ]
    refused.push('1000000000', 'ten', 'default', 'none', '٣', '５', '5\n6', 'NaN', 'Infinity', '50%x', '5\0')
    for (const text of refused) assert.equal(parseGuardLimit(text), undefined, JSON.stringify(text))
  })

  it('reads back every limit that it can write', () => {
    check(
      fc.property(fc.nat(999_999_999), fc.integer({ min: 0, max: 100 }), (entries, value) => {
        assert.deepEqual(parseGuardLimit(String(entries)), count(entries))
        assert.deepEqual(parseGuardLimit(`${value}%`), percent(value))
      }),
    )
  })

  it('has words for every halt', () => {
    const texts = (['emptied-root', 'no-base', 'rules-changed', 'too-many'] as const).map(haltText)
    assert.equal(new Set(texts).size, 4)
    for (const text of texts) assert.match(text, /target|limit|rules/)
  })
})
