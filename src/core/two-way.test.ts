// The table of two-way decisions, row by row (the second part of docs/reconcile.md has the same rows). Each row is asked with
// the sides swapped too: who is left and who is right means nothing. two-way-trees.test.ts asks whole trees.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkRows } from '../../test/world/decision-rows.ts'
import {
  directory,
  entriesOf,
  entryOf,
  type FileItem,
  file,
  type Item,
  special,
  symlink,
  testDigest,
  unreadable,
} from '../../test/world/trees.ts'
import type { BaseEntry } from './base.ts'
import type { ConflictPolicy } from './conflict.ts'
import { damagedDigest } from './digests.ts'
import type { Entry } from './entry.ts'
import { rootPath } from './path.ts'
import { reconcileTwoWay, settleTwoWay, type TwoWay, type TwoWayRules } from './two-way.ts'

const plain: TwoWayRules = {
  timeGrainNs: 1,
  checksum: false,
  machines: { left: 'anna', right: 'ben' },
  policyFor: () => 'keep-both',
  linkDigest: (text) => testDigest(`link ${text.toString()}`),
}
const checked: TwoWayRules = { ...plain, checksum: true }
const sized: TwoWayRules = { ...plain, sizes: { minBytes: 1, maxBytes: 2 } }
const portable: TwoWayRules = { ...plain, links: 'portable' }
const bounded: TwoWayRules = { ...plain, times: { min: -600, max: 600 } }
const sizeOnly: TwoWayRules = { ...plain, sizeOnly: true }
/** Times up to 500 s apart are equal: `old` is 500 s older than any other. */
const wide: TwoWayRules = { ...plain, windowNs: 500e9 }
const by = (policy: ConflictPolicy): TwoWayRules => ({ ...plain, policyFor: () => policy })

/** A base that does not know a file's digest, or what was below a directory. */
type Vague = { readonly vague: Item }
type Present = Item | 'bad name' | undefined
type Row = [
  name: string,
  left: Present,
  right: Present,
  base: Item | Vague | undefined,
  said: string,
  rules?: TwoWayRules,
]

const old = { seconds: 500 }
const dir = directory({ a: file('x') })
const fuller = directory({ a: file('x'), b: file('y') })
const [x, y, longer] = [file('x'), file('y'), file('xx')]
const touched = file('x', { seconds: 2000 })
const vague = (item: Item): Vague => ({ vague: item })

const rows: Row[] = [
  ['both-gone', undefined, undefined, x, 'forget'],
  ['both-gone', undefined, undefined, dir, 'forget'],

  ['special', special, undefined, undefined, 'skip left'],
  ['special', special, special, undefined, 'skip left'],
  ['special', special, undefined, x, 'skip left'],
  ['uncopied', special, x, undefined, 'special'],
  ['uncopied', special, dir, dir, 'special'],
  ['uncopied', unreadable, undefined, undefined, 'unreadable'],
  ['uncopied', unreadable, undefined, x, 'unreadable'],
  ['uncopied', unreadable, x, x, 'unreadable'],
  ['uncopied', unreadable, special, undefined, 'unreadable'],
  ['uncopied', unreadable, dir, undefined, 'unreadable'],
  ['uncopied', 'bad name', undefined, undefined, 'name-too-long'],
  ['uncopied', 'bad name', 'bad name', undefined, 'name-too-long'],
  ['outside', file('xxx'), undefined, undefined, '', sized],
  ['outside', file('xxx'), undefined, x, '', sized],
  ['outside', file(''), x, x, '', sized],
  ['outside', file('xxx'), dir, undefined, '', sized],
  ['link-outside', symlink('/x'), undefined, undefined, 'link-outside', portable],
  ['link-outside', symlink('../x'), undefined, symlink('../x'), 'link-outside', portable],
  ['link-outside', symlink('..'), x, x, 'link-outside', portable],
  ['link-outside', symlink('a'), symlink('/a'), symlink('a'), 'link-outside', portable],

  ['new', x, undefined, undefined, 'create right'],
  ['new', file(''), undefined, undefined, 'create right', checked],
  ['new', symlink('/x'), undefined, undefined, 'create right'],
  ['new', symlink('x'), undefined, undefined, 'create right', portable],
  ['new', dir, undefined, undefined, 'create right'],
  ['deleted-directory', dir, undefined, dir, 'delete left'],
  ['deleted-directory', directory({ a: x }, 0o700), undefined, dir, 'delete left'],
  ['deleted-directory-changed', fuller, undefined, dir, 'enter-deleted left'],
  ['deleted-directory-changed', dir, undefined, vague(dir), 'enter-deleted left'],
  ['deleted-directory-checksum', dir, undefined, dir, 'enter-deleted left', checked],
  ['deleted', x, undefined, x, 'delete left'],
  ['deleted', x, undefined, vague(x), 'delete left'],
  ['deleted', file('', old), undefined, file(''), 'delete left'],
  ['deleted', symlink('a', old), undefined, symlink('a'), 'delete left'],
  ['deleted', touched, undefined, x, 'delete left', sizeOnly],
  ['deleted', file('x', old), undefined, x, 'delete left', wide],
  ['deleted-doubt', touched, undefined, x, 'digests'],
  ['deleted-doubt', file('x', { edits: 1 }), undefined, x, 'digests'],
  ['deleted-doubt', x, undefined, x, 'digests', checked],
  ['deleted-doubt', file('x', { seconds: 700 }), undefined, file('x', { seconds: 600 }), 'digests', bounded],
  ['deleted-mode', file('x', { mode: 0o600 }), undefined, x, 'create right restored'],
  ['deleted-changed', longer, undefined, x, 'create right restored'],
  ['deleted-changed', symlink('b'), undefined, symlink('a'), 'create right restored'],
  ['deleted-changed', dir, undefined, x, 'create right restored'],
  ['deleted-changed', x, undefined, dir, 'create right restored'],

  ['kind-one-side', x, dir, x, 'retype left'],
  ['kind-one-side', symlink('a'), x, symlink('a'), 'retype left'],
  ['kind-one-side', dir, x, dir, 'retype left'],
  ['kind-one-side', dir, symlink('a'), dir, 'retype left', checked],
  ['kind-one-side', file('x', { mode: 0o600 }), dir, x, 'retype left'],
  ['kind-doubt', touched, dir, x, 'digests'],
  ['kind-doubt', longer, symlink('a'), x, 'digests'],
  ['kind-doubt', x, symlink('a'), undefined, 'digests'],
  ['kind-doubt', x, fuller, dir, 'digests'],
  ['kind-doubt', x, dir, vague(dir), 'digests'],
  ['kind-clash clash-directory', symlink('a'), dir, undefined, 'conflict left as n.conflict-anna-3637a0d8'],
  ['kind-clash clash-directory', symlink('a'), fuller, dir, 'conflict left as n.conflict-anna-3637a0d8'],
  [
    'kind-clash clash-directory',
    symlink('a'),
    dir,
    undefined,
    'conflict left as n.conflict-anna-3637a0d8',
    by('prefer-left'),
  ],

  ['directory-mode', directory({}, 0o700), directory(), directory(), 'attributes right 700'],
  [
    'directory-mode',
    directory({}, 0o711),
    directory({}, 0o750),
    directory(),
    'attributes left 710, attributes right 710',
  ],
  [
    'directory-mode',
    directory({}, 0o711),
    directory({}, 0o750),
    undefined,
    'attributes left 710, attributes right 710, enter',
  ],
  ['directory-new', directory(), directory(), undefined, 'agree, enter'],
  ['directory-new', directory({}, 0o700), directory({}, 0o700), directory(), 'agree'],
  ['directory-new', directory(), directory(), x, 'agree, enter'],
  ['directory-differs', dir, fuller, dir, 'enter'],
  ['directory-differs', fuller, fuller, dir, 'enter'],
  ['directory-differs', dir, dir, vague(dir), 'enter'],
  ['directory-checksum', dir, dir, dir, 'enter', checked],
  ['directory-same', dir, dir, dir, ''],

  ['equal', symlink('a'), symlink('a'), symlink('a'), ''],
  ['equal-new', symlink('a'), symlink('a'), symlink('b'), 'agree'],
  ['equal-attributes', symlink('a'), symlink('a', old), symlink('a', old), 'attributes right 0 at 1000'],
  ['symlink-one-side', symlink('a'), symlink('b'), symlink('a'), 'replace left'],
  ['symlink-one-side', symlink('a'), symlink('b', old), symlink('a'), 'replace left'],
  ['symlink-clash clash-kept', symlink('a'), symlink('b'), undefined, 'conflict left as n.conflict-anna-3637a0d8'],
  ['symlink-clash clash-kept', symlink('a'), symlink('b'), symlink('c'), 'conflict left as n.conflict-anna-3637a0d8'],

  ['equal', x, x, x, ''],
  ['equal', x, x, vague(x), ''],
  ['equal-attributes', file(''), file('', { mode: 0o600 }), undefined, 'attributes left 600 at 1000'],
  ['equal-attributes', file('', old), file(''), x, 'attributes left 644 at 1000'],
  ['file-one-side', x, longer, x, 'replace left'],
  ['file-one-side', x, file('xx', old), x, 'replace left'],
  ['file-one-side', file('x', { mode: 0o600 }), longer, x, 'replace left 600, attributes right 600 at 1000'],
  ['file-one-side', file(''), longer, file('', old), 'replace left'],
  ['file-doubt', x, touched, x, 'digests'],
  ['file-doubt', x, file('y', { edits: 1 }), x, 'digests'],
  ['file-doubt', x, x, x, 'digests', checked],
  ['file-doubt', touched, longer, x, 'digests'],
  ['file-doubt', touched, touched, x, 'digests'],
  ['file-both-changed', x, x, undefined, 'digests'],
  ['file-both-changed', x, longer, undefined, 'digests'],
  ['file-both-changed', x, longer, symlink('x'), 'digests'],
  ['file-both-changed', longer, file('xxx'), x, 'digests'],
  ['file-both-changed', file(''), longer, x, 'digests'],
  ['file-both-changed', longer, file('xxx'), x, 'digests', by('prefer-left')],

  ['equal-attributes', x, file('x', { mode: 0o600 }), x, 'attributes left 600 at 1000'],
  [
    'equal-attributes',
    file('x', { mode: 0o640 }),
    file('x', { mode: 0o604 }),
    x,
    'attributes left 600 at 1000, attributes right 600 at 1000',
  ],
  [
    'equal-attributes',
    file('x', { mode: 0o755 }),
    file('x', { mode: 0o600 }),
    x,
    'attributes left 711 at 1000, attributes right 711 at 1000',
  ],
  ['equal-attributes', file(''), file('', old), file(''), 'attributes right 644 at 1000'],
  ['equal-new', file(''), file(''), undefined, 'agree'],
  ['equal-new', file('x', { mode: 0o600 }), file('x', { mode: 0o600 }), x, 'agree'],
  ['equal', file('', { seconds: 700 }), file('', { seconds: 600 }), file('', { seconds: 700 }), '', bounded],
  ['equal', touched, x, file('x', { seconds: 1700 }), '', sizeOnly],
  ['equal', file('x', old), x, x, '', wide],
]

/** What is known of a file's content. */
type Known = 'read' | 'unknown' | 'damaged' | 'none'
type DigestRow = [
  name: string,
  left: Item | undefined,
  right: Item | undefined,
  base: Item | Vague | undefined,
  known: [Known, Known],
  said: string,
  rules?: TwoWayRules,
]
const both: [Known, Known] = ['read', 'read']
const onlyLeft: [Known, Known] = ['read', 'none']

const digestRows: DigestRow[] = [
  ['digest-unknown', x, touched, x, ['unknown', 'read'], 'changing'],
  ['digest-unknown', touched, undefined, x, ['unknown', 'none'], 'changing'],
  ['digest-unknown', touched, dir, x, ['unknown', 'none'], 'changing'],
  ['digest-unknown', x, y, undefined, ['damaged', 'unknown'], 'changing'],
  ['digest-damaged', x, touched, vague(x), ['read', 'damaged'], 'damaged-on-disk'],
  ['digest-damaged', x, y, x, ['damaged', 'read'], 'damaged-on-disk', checked],
  ['digest-damaged', x, y, undefined, ['read', 'damaged'], 'damaged-on-disk'],
  ['digest-damaged', x, x, x, ['damaged', 'damaged'], 'damaged-on-disk', checked],
  ['digest-damaged', x, undefined, x, ['damaged', 'none'], 'damaged-on-disk', checked],
  ['digest-damaged', x, dir, x, ['damaged', 'none'], 'damaged-on-disk', checked],
  ['digest-mended', x, y, x, ['read', 'damaged'], 'replace right', checked],

  ['digest-deleted', touched, undefined, x, onlyLeft, 'delete left'],
  ['digest-deleted', file('x', { edits: 2 }), undefined, x, onlyLeft, 'delete left'],
  ['digest-restored', file('y', { edits: 2 }), undefined, x, onlyLeft, 'create right restored'],
  ['digest-restored', touched, undefined, vague(x), onlyLeft, 'create right restored'],
  ['digest-restored', file('x', { seconds: 2000, mode: 0o600 }), undefined, x, onlyLeft, 'create right restored'],

  ['digest-kind-one-side', touched, dir, x, onlyLeft, 'retype left'],
  ['digest-kind-one-side', touched, symlink('a'), x, onlyLeft, 'retype left'],
  ['digest-kind-clash clash-directory', touched, dir, vague(x), onlyLeft, 'conflict left as n.conflict-anna-2d711642'],
  ['digest-kind-clash clash-directory', y, dir, x, onlyLeft, 'conflict left as n.conflict-anna-a1fce436'],
  [
    'digest-kind-clash clash-directory',
    y,
    dir,
    x,
    onlyLeft,
    'conflict left as n.conflict-anna-a1fce436',
    by('prefer-left'),
  ],
  ['digest-kind-clash clash-kept', y, symlink('a'), undefined, onlyLeft, 'conflict right as n.conflict-ben-3637a0d8'],
  ['digest-kind-clash clash-kept', x, symlink('a'), undefined, onlyLeft, 'conflict left as n.conflict-anna-2d711642'],
  [
    'digest-kind-clash clash-chosen',
    x,
    symlink('a', old),
    undefined,
    onlyLeft,
    'conflict right, retype right',
    by('newest'),
  ],

  ['equal', touched, touched, touched, both, '', checked],
  ['equal-new', touched, touched, x, both, 'agree'],
  ['equal-new', touched, touched, vague(touched), both, 'agree'],
  ['equal-new', x, x, undefined, both, 'agree'],
  ['equal-attributes', touched, x, x, both, 'attributes right 644 at 2000'],
  ['equal-attributes', touched, x, undefined, both, 'attributes right 644 at 2000'],
  ['equal-attributes', x, file('x', { mode: 0o600 }), undefined, both, 'attributes left 600 at 1000'],
  [
    'equal-attributes',
    file('x', old),
    file('x', { mode: 0o600, ...old, seconds: 400 }),
    x,
    both,
    'attributes left 600 at 500, attributes right 600 at 500',
  ],

  ['digest-one-side', touched, y, x, both, 'replace left'],
  ['digest-one-side', x, file('y', { edits: 1 }), x, both, 'replace left'],
  ['digest-one-side', x, file('y', { edits: 1 }), vague(x), both, 'replace left'],
  ['digest-one-side', y, touched, x, both, 'replace right'],
  ['digest-one-side', touched, longer, x, both, 'replace left'],
  ['digest-one-side', touched, file('xx', { mode: 0o600 }), x, both, 'replace left 600'],
  ['digest-clash clash-kept', file('y', old), file('z', old), x, both, 'conflict right as n.conflict-ben-594e519a'],
  ['digest-clash clash-kept', x, y, undefined, both, 'conflict left as n.conflict-anna-2d711642'],
  ['digest-clash clash-kept', x, longer, undefined, both, 'conflict left as n.conflict-anna-2d711642'],
  ['digest-clash clash-kept', x, y, vague(x), both, 'conflict left as n.conflict-anna-2d711642', checked],
  ['digest-clash clash-kept', x, y, vague(x), both, 'conflict left as n.conflict-anna-2d711642'],
  [
    'digest-clash clash-chosen',
    file('x', { seconds: 1001 }),
    y,
    undefined,
    both,
    'conflict right, replace right',
    by('newest'),
  ],
  ['digest-clash clash-chosen', x, y, undefined, both, 'conflict left, replace left', by('newest')],
  [
    'digest-clash clash-chosen',
    file('x', { seconds: 1001 }),
    y,
    undefined,
    both,
    'conflict left, replace left',
    { ...wide, ...by('newest'), windowNs: 500e9 },
  ],
  ['digest-clash clash-chosen', x, longer, undefined, both, 'conflict left, replace left', by('larger')],
  ['digest-clash clash-chosen', file('xxx'), longer, undefined, both, 'conflict right, replace right', by('larger')],
  ['digest-clash clash-chosen', x, y, undefined, both, 'conflict left, replace left', by('larger')],
  ['digest-clash clash-chosen', x, y, undefined, both, 'conflict right, replace right', by('prefer-left')],
  ['digest-clash clash-chosen', x, y, undefined, both, 'conflict left, replace left', by('prefer-right')],
  [
    'digest-clash clash-chosen',
    file('y', { mode: 0o600 }),
    file('z', { mode: 0o755 }),
    x,
    both,
    'conflict right, replace right 711, attributes left 711 at 1000',
    by('larger'),
  ],
]

/** Of a copy that is to get a name: which names are taken, and what becomes of it. */
const takenRows: [name: string, isTaken: (name: string) => boolean, said: string][] = [
  ['clash-kept', (name) => name === 'n.conflict-anna-2d711642', 'conflict left as n.conflict-anna-2d711642b726b044'],
  ['clash-unnamed', () => true, 'target-occupied'],
]

// ---- asking --------------------------------------------------------------------------------------------------------

const free = (): boolean => false

function entriesOfSide(present: Present): Entry[] {
  if (present === undefined) return []
  return entriesOf(present === 'bad name' ? directory({ ['x'.repeat(256)]: x }) : directory({ n: present }))
}

function baseOf(base: Item | Vague | undefined): BaseEntry[] {
  if (base === undefined) return []
  const isVague = 'vague' in base
  const item = isVague ? base.vague : base
  const entry = entryOf('n', item)
  if (isVague) return [{ ...entry, summary: undefined }]
  return [item.kind === 'file' ? { ...entry, digest: testDigest(item.text) } : entry]
}

/** What a decision says; modes and times where they are not those that the other side has anyway. */
function said(one: TwoWay): string {
  switch (one.kind) {
    case 'bring': {
      const { action, to, entry, there, restores } = one
      const isDress = action === 'attributes'
      const mode = isDress || (there?.kind === 'file' && entry.mode !== 0o644) ? ` ${entry.mode.toString(8)}` : ''
      const time = isDress && entry.kind !== 'directory' ? ` at ${entry.mtimeSeconds}` : ''
      return `${action} ${to}${restores ? ' restored' : ''}${action === 'create' || action === 'retype' ? '' : mode}${time}`
    }
    case 'delete':
    case 'enter-deleted':
      return `${one.kind} ${one.on}`
    case 'conflict':
      return `conflict ${one.loser}${one.copyAs === undefined ? '' : ` as ${one.copyAs}`}`
    case 'problem':
      return one.code
    case 'skip':
      return `skip ${one.side}`
    default:
      return one.kind
  }
}

function saidAll(all: Iterable<TwoWay>): string {
  return [...all].map(said).join(', ')
}

/** The same said of the other side, in the order in which the sides come. */
function turned(text: string): string {
  const parts = text.replace(/\b(left|right)\b/g, (side) => (side === 'left' ? 'right' : 'left')).split(', ')
  const isPair = parts.length > 1 && parts[0]?.startsWith('attributes ') && parts[1]?.startsWith('attributes ')
  return (isPair ? [parts[1], parts[0], ...parts.slice(2)] : parts).join(', ')
}

function turnedRules(rules: TwoWayRules): TwoWayRules {
  const policy = rules.policyFor(rootPath)
  const other = policy === 'prefer-left' ? 'prefer-right' : policy === 'prefer-right' ? 'prefer-left' : policy
  return { ...rules, machines: { left: rules.machines.right, right: rules.machines.left }, policyFor: () => other }
}

function show(present: Present | Vague): string {
  if (present === undefined || present === 'bad name') return present ?? 'nothing'
  if ('vague' in present) return `${show(present.vague)}, vague`
  if (present.kind === 'file')
    return `file ${present.text} ${present.seconds} ${present.mode.toString(8)} ${present.edits}`
  return present.kind === 'symlink' ? `symlink ${present.to} ${present.seconds}` : present.kind
}

function digestOf(item: Item | undefined, known: Known): Uint8Array | undefined {
  if (known === 'damaged') return damagedDigest
  return known === 'read' ? testDigest((item as FileItem).text) : undefined
}

function settled(
  [, left, right, base, [ofLeft, ofRight], , rules = plain]: DigestRow,
  isTaken: (name: string) => boolean = free,
): string {
  const names = {
    left: left && entryOf('n', left),
    right: right && entryOf('n', right),
    base: baseOf(base)[0],
  }
  const digests = { left: digestOf(left, ofLeft), right: digestOf(right, ofRight) }
  return saidAll(settleTwoWay(names, digests, rootPath, rules, isTaken))
}

describe('two-way, the table', () => {
  for (const [name, left, right, base, decision, rules = plain] of rows) {
    it(`${name}: ${show(left)} | ${show(right)} | base ${show(base)} => ${decision || 'nothing'}`, () => {
      const [one, other, known] = [entriesOfSide(left), entriesOfSide(right), baseOf(base)]
      assert.equal(saidAll(reconcileTwoWay(one, other, known, rootPath, rules, free)), decision)
      if (left === right) return
      const again = reconcileTwoWay(other, one, known, rootPath, turnedRules(rules), free)
      assert.equal(saidAll(again), turned(decision), 'with the sides swapped')
    })
  }

  for (const row of digestRows) {
    const [name, left, right, base, [ofLeft, ofRight], decision, rules = plain] = row
    it(`${name}: ${show(left)}, ${ofLeft} | ${show(right)}, ${ofRight} | base ${show(base)} => ${decision || 'nothing'}`, () => {
      assert.equal(settled(row), decision)
      const other: DigestRow = [name, right, left, base, [ofRight, ofLeft], '', turnedRules(rules)]
      assert.equal(settled(other), turned(decision), 'with the sides swapped')
    })
  }

  for (const [name, isTaken, decision] of takenRows) {
    it(`${name} => ${decision}`, () => {
      assert.equal(settled(['', x, y, undefined, both, ''], isTaken), decision)
    })
  }

  it('has the same rows here, in the code and in docs/reconcile.md', () => {
    const names = [...rows, ...digestRows, ...takenRows].flatMap(([name]) => name.split(' '))
    checkRows('two-way', 'src/core/two-way.ts', names)
  })
})
