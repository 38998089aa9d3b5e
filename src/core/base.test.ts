// What a base learns after a run, and never says; and that it is stored and read back as it is.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  check,
  type DirectoryItem,
  directory,
  entriesOf,
  entryOf,
  file,
  type Item,
  mutated,
  someDirectory,
  special,
  symlink,
  testDigest,
  unreadable,
} from '../../test/world/trees.ts'
import { Failure } from '../std/failure.ts'
import {
  advance,
  type BaseEntry,
  type BaseFacts,
  type BaseRules,
  baseFingerprint,
  changeSince,
  decodeBase,
  encodeBase,
  namesOf,
} from './base.ts'
import { damagedDigest } from './digests.ts'
import { type Entry, isCopied } from './entry.ts'

const rules: BaseRules = { timeGrainNs: 1, checksum: false }
const sized: BaseRules = { ...rules, sizes: { minBytes: 1, maxBytes: 2 } }

const [x, y] = [file('x'), file('y')]
const old = { seconds: 500 }
const touched = file('x', { seconds: 2000 })
const dir = directory({ a: x })

/** What is known of both contents: nothing, all, or that one is damaged. */
type Known = 'none' | 'left' | 'both' | 'damaged' | 'both damaged'
type Situation = { known?: Known; open?: boolean; below?: boolean; rules?: BaseRules }

function factsOf(
  left: Item | undefined,
  right: Item | undefined,
  { known = 'none', open = false, below = true }: Situation,
): BaseFacts {
  const digest = (item: Item | undefined): Uint8Array | undefined =>
    item?.kind === 'file' ? testDigest(item.text) : undefined
  return {
    digestsOf: () => ({
      left: known === 'none' ? undefined : known.endsWith('damaged') ? damagedDigest : digest(left),
      right:
        known === 'none' || known === 'left' ? undefined : known === 'both damaged' ? damagedDigest : digest(right),
    }),
    isOpen: () => open,
    isSettledBelow: () => below,
  }
}

function side(item: Item | undefined): Entry[] {
  return item === undefined ? [] : entriesOf(directory({ n: item }))
}

function baseOf(item: Item | undefined, digest?: string): BaseEntry[] {
  return side(item).map((entry) => (digest === undefined ? entry : { ...entry, digest: testDigest(digest) }))
}

/** What a base says of its one name, in words. */
function told(entry: BaseEntry | undefined): string {
  if (entry === undefined) return 'nothing'
  const { kind, mode, mtimeSeconds, sizeBytes, digest } = entry
  if (kind === 'file') {
    const known = ['x', 'y'].find(
      (text) => digest !== undefined && testDigest(text).every((byte, i) => byte === digest[i]),
    )
    return `file ${sizeBytes} ${mode.toString(8)} ${mtimeSeconds}${digest === undefined ? '' : ` of ${known}`}`
  }
  if (kind === 'symlink') return `symlink ${Buffer.from(entry.link ?? []).toString()} ${mtimeSeconds}`
  const below =
    baseFingerprint(entry, 'left') === undefined
      ? 'vague'
      : entry.rightFingerprint === undefined
        ? 'known'
        : 'known apart'
  return `${kind} ${mode.toString(8)} ${below}`
}

type Row = [
  what: string,
  left: Item | undefined,
  right: Item | undefined,
  base: BaseEntry[],
  said: string,
  isSettled: boolean,
  situation?: Situation,
]

const rows: Row[] = [
  ['is gone from both sides', undefined, undefined, baseOf(x), 'nothing', true],
  ['one side only has', x, undefined, [], 'nothing', false],
  ['one side has lost', x, undefined, baseOf(x, 'x'), 'file 1 644 1000 of x', false],
  ['both have, alike', x, x, [], 'file 1 644 1000', true],
  ['both have, alike, of known digests', x, x, [], 'file 1 644 1000 of x', true, { known: 'both' }],
  ['both have, alike, and only one digest is known', x, x, [], 'file 1 644 1000', true, { known: 'left' }],
  ['both have as the base has it', x, x, baseOf(x, 'x'), 'file 1 644 1000 of x', true],
  [
    'both have as the base has it, by checksum',
    x,
    x,
    baseOf(x, 'x'),
    'file 1 644 1000 of x',
    true,
    { rules: { ...rules, checksum: true } },
  ],
  ['both have, of a new digest', y, y, baseOf(x, 'x'), 'file 1 644 1000 of y', true, { known: 'both' }],
  ['both have, of a new time', touched, touched, baseOf(x, 'x'), 'file 1 644 2000', true],
  ['both have, alike, and of other content', x, y, [], 'nothing', false, { known: 'both' }],
  [
    'both have, alike, and of other content than before',
    x,
    y,
    baseOf(x, 'x'),
    'file 1 644 1000 of x',
    false,
    { known: 'both' },
  ],
  ['differs in size', x, file('xx'), baseOf(x, 'x'), 'file 1 644 1000 of x', false],
  ['differs in mode', x, file('x', { mode: 0o600 }), baseOf(x, 'x'), 'file 1 644 1000 of x', false, { known: 'both' }],
  ['differs in time', x, touched, [], 'nothing', false],
  ['differs in time alone', touched, file('x', old), [], 'file 1 644 2000 of x', true, { known: 'both' }],
  ['differs in time and is empty', file(''), file('', old), [], 'file 0 644 1000', true],
  ['was edited', file('x', { edits: 1 }), x, [], 'nothing', false],
  ['was edited and is the same', file('x', { edits: 1 }), x, [], 'file 1 644 1000 of x', true, { known: 'both' }],
  ['is damaged', x, x, baseOf(x, 'x'), 'file 1 644 1000 of x', false, { known: 'damaged' }],
  ['is damaged on both', x, x, baseOf(x, 'x'), 'file 1 644 1000 of x', false, { known: 'both damaged' }],
  ['had a problem', x, x, [], 'nothing', false, { open: true, known: 'both' }],
  [
    'had a problem, and the base knew',
    x,
    x,
    baseOf(y, 'y'),
    'file 1 644 1000 of y',
    false,
    { open: true, known: 'both' },
  ],
  ['was another kind', x, x, baseOf(dir), 'file 1 644 1000', true],
  ['is another kind', x, dir, baseOf(x, 'x'), 'file 1 644 1000 of x', false],
  ['is a symlink on both', symlink('a'), symlink('a', old), [], 'symlink a 1000', true],
  ['is another symlink', symlink('a'), symlink('b'), baseOf(symlink('c')), 'symlink c 1000', false],
  ['is special on both', special, special, baseOf(x), 'file 1 644 1000', true],
  ['is special on one', special, undefined, [], 'nothing', true],
  ['is special against a file', special, x, [], 'nothing', false],
  ['can not be read', unreadable, unreadable, baseOf(x), 'file 1 644 1000', false],
  ['is outside of the sizes', file('xxx'), file('xxx'), baseOf(x), 'file 1 644 1000', false, { rules: sized }],
  [
    'is outside of the sizes on one side',
    file('xxx'),
    undefined,
    baseOf(x),
    'file 1 644 1000',
    false,
    { rules: sized },
  ],

  ['is the same directory', dir, dir, [], 'directory 755 known', true],
  ['is a directory with another below', dir, directory(), [], 'directory 755 known apart', true],
  ['is a directory that is not settled', dir, dir, baseOf(dir), 'directory 755 vague', false, { below: false }],
  [
    'is a directory of another mode',
    dir,
    directory({ a: x }, 0o700),
    baseOf(directory({ b: y }, 0o750)),
    'directory 750 known',
    false,
  ],
  ['is a directory of another mode, and new', dir, directory({ a: x }, 0o700), baseOf(x), 'nothing', false],
  [
    'is a directory that had a problem',
    dir,
    dir,
    baseOf(directory({}, 0o700)),
    'directory 700 known',
    false,
    { open: true },
  ],
  ['is no directory any more on one side', dir, x, baseOf(directory()), 'directory 755 known', false],
]

describe('a base, of a name that', () => {
  for (const [what, left, right, base, said, isSettled, situation = {}] of rows) {
    it(`${what}, says ${said}${isSettled ? '' : ', and more is to be done'}`, () => {
      const facts = factsOf(left, right, situation)
      const now = advance(side(left), side(right), base, facts, situation.rules ?? rules)
      const entries = decodeBase(now.bytes)
      assert.deepEqual([told(entries[0]), now.isSettled], [said, isSettled])
      assert.equal(now.isChanged, !isSame(entries[0], base[0]))
      assert.deepEqual(
        entries.map(({ edits }) => edits),
        entries.map(() => 0),
      )
      const again = advance(side(left), side(right), entries, facts, situation.rules ?? rules)
      assert.deepEqual([again.bytes, again.isChanged], [now.bytes, false], 'a second time it learns nothing')
    })
  }

  it('has attributes that only one side has, keeps those that it knew', () => {
    const with1 = { ...entryOf('n', x), attributes: Uint8Array.of(5, 2, 1, 1) }
    const with2 = { ...with1, attributes: Uint8Array.of(5, 2, 2, 2) }
    const none = factsOf(x, x, {})
    const attributesOf = (left: Entry, right: Entry, base: BaseEntry[]): unknown =>
      decodeBase(advance([left], [right], base, none, rules).bytes)[0]?.attributes
    assert.deepEqual(attributesOf(with1, with1, []), with1.attributes)
    assert.deepEqual(attributesOf(with1, with2, []), undefined)
    assert.deepEqual(attributesOf(with1, with2, [with2]), with2.attributes)
  })

  it('differs only where the job does not look is no agreement, and still nothing is left to do', () => {
    const sizeOnly: BaseRules = { ...rules, sizeOnly: true }
    const wide: BaseRules = { ...rules, windowNs: 2000e9 }
    const cases: readonly [
      left: Item | undefined,
      right: Item | undefined,
      base: Item,
      rules: BaseRules,
      isDone: boolean,
    ][] = [
      [touched, x, x, sizeOnly, true],
      [touched, x, x, wide, true],
      [touched, x, x, rules, false],
      [touched, file('x', { mode: 0o600 }), x, sizeOnly, false],
      [touched, file('xx'), x, sizeOnly, false],
      [file('xxx'), undefined, x, sized, true],
      [file('xxx'), file('xx'), x, sized, true],
      [file('xxx'), unreadable, x, sized, false],
      [x, undefined, x, sized, false],
    ]
    for (const [left, right, base, by, isDone] of cases) {
      const now = advance(side(left), side(right), baseOf(base, 'x'), factsOf(left, right, {}), by)
      assert.deepEqual([now.isSettled, now.isDone, now.isChanged], [false, isDone, false])
      const open = advance(side(left), side(right), baseOf(base, 'x'), factsOf(left, right, { open: true }), by)
      assert.equal(open.isDone, isDone && by === sized)
    }
    const below = advance(side(dir), side(dir), baseOf(dir), factsOf(dir, dir, { below: false }), rules)
    assert.deepEqual([below.isSettled, below.isDone], [false, true])
  })

  it('keeps a directory apart for each side: what only one has is no change for it', () => {
    const [left, right] = [entryOf('n', dir), entryOf('n', directory())]
    const [base] = decodeBase(advance([left], [right], [], factsOf(undefined, undefined, {}), rules).bytes)
    const changes = [left, right].flatMap((entry) => [
      changeSince(base, 'left', entry, rules),
      changeSince(base, 'right', entry, rules),
    ])
    assert.deepEqual(changes, ['same', 'changed', 'changed', 'same'])
    const another = entryOf('n', directory({ b: y }))
    const none = factsOf(undefined, undefined, {})
    assert.ok(advance([left], [another], base === undefined ? [] : [base], none, rules).isChanged)
  })
})

function isSame(a: BaseEntry | undefined, b: BaseEntry | undefined): boolean {
  const one = (entry: BaseEntry | undefined): Uint8Array =>
    encodeBase(entry === undefined ? [] : [{ ...entry, edits: 0 }])
  return Buffer.compare(one(a), one(b)) === 0
}

// ---- stored --------------------------------------------------------------------------------------------------------

/** Bases of all shapes: digests known or not, directories known, apart or not at all. */
const someBase = fc
  .tuple(someDirectory({}, 2), fc.infiniteStream(fc.integer({ min: 0, max: 2 })))
  .map(([root, choices]) =>
    entriesOf(root as DirectoryItem)
      .filter(({ kind }) => isCopied(kind))
      .map((entry): BaseEntry => {
        const choice = choices.next().value
        if (entry.kind === 'file') return choice === 0 ? entry : { ...entry, digest: testDigest(entry.name) }
        if (entry.kind === 'symlink') return entry
        const summary = choice === 0 ? undefined : entry.summary
        return { ...entry, summary, rightFingerprint: choice === 2 ? testDigest('other') : undefined }
      }),
  )

describe('a base as it is stored', () => {
  it('is read back as it was', () => {
    check(
      fc.property(someBase, (base) => {
        const plain = (entries: readonly BaseEntry[]): unknown => JSON.parse(JSON.stringify(entries))
        assert.deepEqual(plain(decodeBase(encodeBase(base))), plain(base))
      }),
      500,
    )
  })

  it('is read, or is damaged: nothing else comes of any bytes', () => {
    check(
      fc.property(mutated(someBase.map(encodeBase)), (bytes) => {
        try {
          assert.deepEqual(decodeBase(encodeBase(decodeBase(bytes))), decodeBase(bytes))
        } catch (error) {
          assert.ok(
            error instanceof Failure && error.code === 'state-broken' && error.cause === undefined,
            String(error),
          )
        }
      }),
      3000,
    )
  })

  it('refuses what no base holds', () => {
    const broken = (bytes: Uint8Array): void => assert.throws(() => decodeBase(bytes), { code: 'state-broken' })
    const [a, b] = [entryOf('a', x), entryOf('b', x)]
    broken(new Uint8Array(0))
    broken(Uint8Array.of(2))
    broken(encodeBase([b, a]))
    broken(encodeBase([a, a]))
    broken(encodeBase([entryOf('a', special)]))
    broken(encodeBase([entryOf('a', unreadable)]))
    broken(encodeBase([{ ...entryOf('a', dir), summary: undefined, rightFingerprint: testDigest('x') }]))
    broken(encodeBase([a]).subarray(0, -1))
    broken(Uint8Array.of(...encodeBase([a]).subarray(0, -1), 2))
  })
})

describe('three listings side by side', () => {
  it('give every name once, in order, with what each has of it', () => {
    const trees = [someDirectory({ uncopied: true }), someDirectory({ uncopied: true }), someDirectory()] as const
    check(
      fc.property(...trees, (one, other, third) => {
        const [left, right, base] = [entriesOf(one), entriesOf(other), entriesOf(third)]
        const names = [...namesOf(left, right, base)]
        assert.deepEqual(
          names.flatMap((name) => name.left ?? []),
          left,
        )
        assert.deepEqual(
          names.flatMap((name) => name.right ?? []),
          right,
        )
        assert.deepEqual(
          names.flatMap((name) => name.base ?? []),
          base,
        )
        const all = names.map(
          (name) => new Set([name.left, name.right, name.base].flatMap((entry) => entry?.name ?? [])),
        )
        assert.ok(all.every(({ size }) => size === 1))
        assert.equal(new Set(all.flatMap((some) => [...some])).size, names.length)
      }),
      300,
    )
  })
})
