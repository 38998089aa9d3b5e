// The decision table, row by row (docs/reconcile.md has the same rows), and what must hold of whole trees: a mirror makes
// the right the left and then rests, an update loses nothing, and what is never copied is never touched.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { checkRows } from '../../test/world/decision-rows.ts'
import { narrowedRows, type Row, type Side } from '../../test/world/narrowed-rows.ts'
import {
  bring,
  check,
  type DirectoryItem,
  directory,
  entriesOf,
  entryOf,
  type FileItem,
  file,
  type Item,
  isBadName,
  itemAt,
  plainView,
  someDirectory,
  special,
  symlink,
  testDigest,
  unreadable,
} from '../../test/world/trees.ts'
import { compareBytes } from '../std/bytes.ts'
import { damagedDigest } from './digests.ts'
import { compareTimes, isCopied } from './entry.ts'
import { entryNameBytes } from './listing.ts'
import { type Decision, type Mode, type Rules, reconcile, settleDigests } from './reconcile.ts'
import { selectionText } from './selection.ts'
import type { View } from './view.ts'

const mirror: Rules = { mode: 'mirror', timeGrainNs: 1, checksum: false }
const update: Rules = { ...mirror, mode: 'update' }
const bounded: Rules = { ...mirror, times: { min: -600, max: 600 } }
const portable: Rules = { ...mirror, links: 'portable' }
const [checkedMirror, checkedUpdate] = [mirror, update].map((rules) => ({ ...rules, checksum: true })) as [Rules, Rules]

// ---- the table -----------------------------------------------------------------------------------------------------

const old = { seconds: 500 }
const dir = directory({ a: file('x') })

const rows: Row[] = [
  ['right-only', mirror, undefined, file('x'), 'delete'],
  ['right-only', mirror, undefined, symlink('x'), 'delete'],
  ['right-only', mirror, undefined, dir, 'delete'],
  ['right-only-special', mirror, undefined, special, 'skip right'],
  ['right-only-uncopied', mirror, undefined, unreadable, 'target-occupied'],
  ['right-only-uncopied', mirror, undefined, 'bad name', 'target-occupied'],
  ['update-right-only', update, undefined, file('x'), ''],
  ['update-right-only', checkedUpdate, undefined, dir, ''],
  ['update-right-only', update, undefined, special, ''],
  ...[mirror, update].flatMap((rules): Row[] => [
    ['left-special', rules, special, undefined, 'skip left'],
    ['left-special', rules, special, special, 'skip left'],
    ['left-uncopied', rules, special, file('x'), 'special'],
    ['left-uncopied', rules, special, dir, 'special'],
    ['left-uncopied', rules, special, unreadable, 'special'],
    ['left-uncopied', rules, unreadable, undefined, 'unreadable'],
    ['left-uncopied', rules, unreadable, dir, 'unreadable'],
    ['left-uncopied', rules, 'bad name', undefined, 'name-too-long'],
    ['left-uncopied', rules, 'bad name', 'bad name', 'name-too-long'],
    ['left-only', rules, file('x'), undefined, 'create'],
    ['left-only', rules, file(''), undefined, 'create'],
    ['left-only', rules, symlink('x'), undefined, 'create'],
    ['left-only', rules, dir, undefined, 'create'],
    ['right-uncopied', rules, file('x'), special, 'target-occupied'],
    ['right-uncopied', rules, dir, unreadable, 'target-occupied'],
    ['right-uncopied', rules, symlink('x'), special, 'target-occupied'],
    ['directory-differs', rules, dir, directory(), 'enter'],
    ['directory-same', rules, dir, dir, ''],
    ['directory-checksum', { ...rules, checksum: true }, dir, dir, 'enter'],
  ]),
  ['kinds-differ', mirror, file('x'), dir, 'retype'],
  ['kinds-differ', mirror, dir, file('x'), 'retype'],
  ['kinds-differ', mirror, symlink('x'), dir, 'retype'],
  ['kinds-differ', mirror, file('x'), symlink('x'), 'retype'],
  ['update-kinds-differ', update, file('x'), dir, 'type-clash'],
  ['update-kinds-differ', update, dir, file('x', old), 'type-clash'],
  ['update-kinds-differ', update, file('x'), symlink('x', old), 'type-clash'],
  ['directory-mode', mirror, directory({}, 0o700), directory({}, 0o755), 'attributes'],
  ['directory-mode', mirror, directory({}, 0o700), dir, 'attributes enter'],
  ['update-directory-mode', update, directory({}, 0o700), directory({}, 0o755), ''],

  ['file-size', mirror, file('x'), file('xx'), 'replace'],
  ['file-size', mirror, file('x', old), file('xx'), 'replace'],
  ['file-size', checkedMirror, file(''), file('xx'), 'replace'],
  ['file-doubt', mirror, file('x'), file('x', old), 'digests'],
  ['file-doubt', mirror, file('x', old), file('y'), 'digests'],
  ['file-doubt', mirror, file('x', { edits: 1 }), file('x'), 'digests'],
  ['file-doubt', mirror, file('x'), file('x', { edits: 2 }), 'digests'],
  ['file-doubt', checkedMirror, file('x'), file('x'), 'digests'],
  ['file-attributes', mirror, file('x'), file('x', { mode: 0o600 }), 'attributes'],
  ['file-attributes', mirror, file(''), file('', old), 'attributes'],
  ['file-attributes', checkedMirror, file(''), file('', { mode: 0o600 }), 'attributes'],
  ['file-doubt', bounded, file('x', { seconds: 700 }), file('x', { seconds: 600 }), 'digests'],
  ['file-doubt', bounded, file('x', { seconds: 700 }), file('x', { seconds: 599 }), 'digests'],
  ['file-attributes', bounded, file('', { seconds: 700 }), file('', { seconds: 599 }), 'attributes'],
  ['file-same', bounded, file('', { seconds: 700 }), file('', { seconds: 600 }), ''],
  ['file-same', bounded, file('', { seconds: -700 }), file('', { seconds: -600 }), ''],
  ['file-same', mirror, file('x'), file('x'), ''],
  ['file-same', checkedMirror, file(''), file('', { edits: 1 }), ''],

  ['update-older', update, file('x', old), file('y'), ''],
  ['update-older', checkedUpdate, file('x', old), file('xx'), ''],
  ['update-newer-size', update, file('x'), file('xx', old), 'replace'],
  ['update-newer-size', update, file(''), file('xx', old), 'replace'],
  ['update-newer-empty', update, file(''), file('', old), 'attributes'],
  ['update-newer-doubt', update, file('x'), file('y', old), 'digests'],
  ['update-same-time-size', update, file('x'), file('xx'), 'same-time'],
  ['update-same-time-doubt', update, file('x', { edits: 1 }), file('x'), 'digests'],
  ['update-same-time-doubt', checkedUpdate, file('x'), file('y'), 'digests'],
  ['update-same', update, file('x'), file('x', { mode: 0o600 }), ''],
  ['update-same', checkedUpdate, file(''), file(''), ''],

  ...narrowedRows,
  ...[portable, { ...portable, mode: 'update' as const }].flatMap((rules): Row[] => [
    ['left-link-outside', rules, symlink('/x'), undefined, 'link-outside'],
    ['left-link-outside', rules, symlink('../x'), symlink('../x'), 'link-outside'],
    ['left-link-outside', rules, symlink('..'), file('x', old), 'link-outside'],
    ['left-link-outside', rules, symlink('..'), special, 'link-outside'],
    ['left-only', rules, symlink('x'), undefined, 'create'],
  ]),
  ['right-only', portable, undefined, symlink('/x'), 'delete'],
  ['kinds-differ', portable, file('x'), symlink('/x'), 'retype'],
  ['symlink-text', mirror, symlink('x'), symlink('y'), 'replace'],
  ['symlink-text', mirror, symlink('x', old), symlink('y'), 'replace'],
  ['symlink-time', mirror, symlink('x'), symlink('x', old), 'attributes'],
  ['symlink-same', bounded, symlink('x', { seconds: 700 }), symlink('x', { seconds: 600 }), ''],
  ['symlink-same', checkedMirror, symlink('x'), symlink('x'), ''],
  ['update-symlink-same', update, symlink('x'), symlink('x', old), ''],
  ['update-symlink-older', update, symlink('x', old), symlink('y'), ''],
  ['update-symlink-newer', update, symlink('x'), symlink('y', old), 'replace'],
  ['update-symlink-same-time', update, symlink('x'), symlink('y'), 'same-time'],
]

/** What is known of a file's content. */
type Known = 'read' | 'unknown' | 'damaged'
type DigestRow = [name: string, rules: Rules, left: FileItem, right: FileItem, known: [Known, Known], decision: string]
const both: [Known, Known] = ['read', 'read']

const digestRows: DigestRow[] = [
  ['digest-unknown', mirror, file('x'), file('x', old), ['unknown', 'read'], 'changing'],
  ['digest-unknown', mirror, file('x'), file('x', old), ['read', 'unknown'], 'changing'],
  ['digest-unknown', update, file('x'), file('y', old), ['unknown', 'unknown'], 'changing'],
  ['digest-damaged', checkedMirror, file('x'), file('x'), ['damaged', 'read'], 'damaged-on-disk'],
  ['digest-damaged', mirror, file('x'), file('x', old), ['damaged', 'damaged'], 'damaged-on-disk'],
  ['digest-damaged', update, file('x'), file('y', old), ['damaged', 'read'], 'damaged-on-disk'],
  ['digest-unknown', mirror, file('x'), file('x', old), ['damaged', 'unknown'], 'changing'],
  ['digest-equal', mirror, file('x'), file('x', { edits: 1 }), both, ''],
  ['digest-equal', bounded, file('x', { seconds: 700 }), file('x', { seconds: 600 }), both, ''],
  ['digest-equal-attributes', bounded, file('x', { seconds: 700 }), file('x', { seconds: 599 }), both, 'attributes'],
  ['digest-equal', checkedUpdate, file('x'), file('x'), both, ''],
  ['digest-equal', checkedUpdate, file('x'), file('x', { mode: 0o600 }), both, ''],
  ['digest-equal-attributes', mirror, file('x'), file('x', old), both, 'attributes'],
  ['digest-equal-attributes', checkedMirror, file('x'), file('x', { mode: 0o600 }), both, 'attributes'],
  ['digest-equal-attributes', update, file('x'), file('x', old), both, 'attributes'],
  ['digest-differs', mirror, file('x', old), file('y'), both, 'replace'],
  ['digest-differs', checkedMirror, file('x'), file('y'), both, 'replace'],
  ['digest-differs', update, file('x'), file('y', old), both, 'replace'],
  ['digest-damaged-there', checkedMirror, file('x'), file('x'), ['read', 'damaged'], 'replace'],
  ['digest-damaged-there', update, file('x'), file('x'), ['read', 'damaged'], 'replace'],
  ['update-digest-same-time', checkedUpdate, file('x'), file('y'), both, 'same-time'],
]

function sideOf(side: Side): DirectoryItem {
  if (side === undefined) return directory()
  return side === 'bad name' ? directory({ ['x'.repeat(256)]: file('x') }) : directory({ n: side })
}

function said(decisions: readonly (Decision | undefined)[]): string {
  return decisions
    .map((one) => {
      if (one?.kind === 'problem') return one.code
      if (one?.kind === 'skip') return `skip ${one.side}`
      if (
        one?.kind === 'attributes' &&
        one.left.mtimeSeconds === one.right.mtimeSeconds &&
        one.left.mtimeSeconds === old.seconds
      )
        return 'attributes keeping time'
      return one?.kind ?? ''
    })
    .join(' ')
}

function showSide(side: Side): string {
  if (side === undefined || side === 'bad name') return side ?? 'nothing'
  if (side.kind === 'file')
    return `file ${JSON.stringify(side.text)} ${side.seconds} ${side.mode.toString(8)} ${side.edits}`
  return side.kind === 'symlink' ? `symlink ${side.to} ${side.seconds}` : side.kind
}

function digestOf(item: FileItem, known: Known): Uint8Array | undefined {
  if (known === 'unknown') return undefined
  return known === 'damaged' ? damagedDigest : testDigest(item.text)
}

describe('reconcile, the table', () => {
  for (const [name, rules, left, right, decision] of rows) {
    const title = `${name}: ${rules.mode}${rules.checksum ? ' by checksum' : ''}${selectionText(rules)}, ${showSide(left)} | ${showSide(right)}`
    it(`${title} => ${decision || 'nothing'}`, () => {
      const decisions = [...reconcile(entriesOf(sideOf(left)), entriesOf(sideOf(right)), rules)]
      assert.equal(said(decisions), decision)
    })
  }
  for (const [name, rules, left, right, [leftKnown, rightKnown], decision] of digestRows) {
    const title = `${name}: ${rules.mode}, ${showSide(left)}, ${leftKnown} | ${showSide(right)}, ${rightKnown}`
    it(`${title} => ${decision || 'nothing'}`, () => {
      const digests = { left: digestOf(left, leftKnown), right: digestOf(right, rightKnown) }
      assert.equal(said([settleDigests(entryOf('n', left), entryOf('n', right), digests, rules)]), decision)
    })
  }

  it('has the same rows here, in the code and in docs/reconcile.md', () => {
    checkRows(
      'first',
      'src/core/reconcile.ts',
      [...rows, ...digestRows].map(([name]) => name),
    )
  })
})

// ---- whole trees ---------------------------------------------------------------------------------------------------

const views: readonly View[] = [
  plainView,
  { ...plainView, modeMask: 0, timeGrainNs: 2_000_000_000 },
  { ...plainView, modeMask: 0o700, timeGrainNs: 1000 },
]
const someView = fc.constantFrom(...views)

function rulesOf(mode: Mode, view: View, checksum: boolean): Rules {
  return { mode, timeGrainNs: view.timeGrainNs, checksum }
}

/** Every item below, by path; directories too. */
function itemsOf(root: DirectoryItem, at = ''): [path: string, item: Item][] {
  return [...root.items].flatMap(([name, item]) => {
    const path = at === '' ? name : `${at}/${name}`
    return [
      [path, item] as [string, Item],
      ...(item.kind === 'directory' && !isBadName(name) ? itemsOf(item, path) : []),
    ]
  })
}

function isUncopied(path: string, item: Item): boolean {
  return item.kind === 'special' || item.kind === 'unreadable' || isBadName(path.slice(path.lastIndexOf('/') + 1))
}

/** What a view sees, edits and (unless asked for) contents aside. */
function shape(root: DirectoryItem, view: View, withText: boolean): unknown {
  const lists = itemsOf(root).map(([path, item]) => {
    const entry = entryOf('n', item.kind === 'directory' ? directory({}, item.mode) : item)
    const [masked] = entriesOf(directory({ n: item.kind === 'directory' ? directory({}, item.mode) : item }), view)
    const text = withText && item.kind === 'file' ? item.text : undefined
    const { mode, mtimeSeconds, mtimeNs } = masked ?? entry
    return [path, entry.kind, mode, mtimeSeconds, mtimeNs, entry.sizeBytes, entry.link && [...entry.link], text]
  })
  return lists.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1))
}

describe('reconcile, whole trees', () => {
  const plainTrees = [someDirectory({ edits: true }), someDirectory({ edits: true })] as const
  const anyTrees = [
    someDirectory({ edits: true, uncopied: true }),
    someDirectory({ edits: true, uncopied: true }),
  ] as const

  it('makes the right what the left is, and then has nothing to do', () => {
    check(
      fc.property(...plainTrees, someView, fc.boolean(), (left, right, view, checksum) => {
        const rules = rulesOf('mirror', view, checksum)
        const { right: now, problems } = bring(left, right, rules, view)
        assert.deepEqual(problems, [])
        assert.deepEqual(shape(now, view, checksum), shape(left, view, checksum))
        assert.deepEqual(bring(left, now, rules, view).decisions, [])
      }),
      800,
    )
  })

  it('takes equal size and time for equal content only where nothing speaks against it', () => {
    check(
      fc.property(...plainTrees, (left, right) => {
        const { right: now } = bring(left, right, mirror)
        for (const [path, item] of itemsOf(left)) {
          if (item.kind !== 'file') continue
          const [here, before] = [itemAt(now, path), itemAt(right, path)]
          assert.ok(here?.kind === 'file')
          const [a, b] = before?.kind === 'file' ? [entryOf('n', item), entryOf('n', before)] : []
          const quick = a !== undefined && b !== undefined && a.sizeBytes === b.sizeBytes && compareTimes(a, b, 1) === 0
          const blind = quick && a.edits === 0 && b.edits === 0
          if (!blind) assert.equal(here.text, item.text, path)
        }
      }),
      500,
    )
  })

  it('never deletes, replaces or enters what is not copied, and leaves alone what the left could not read', () => {
    check(
      fc.property(...anyTrees, someView, fc.boolean(), (left, right, view, checksum) => {
        const rules = rulesOf('mirror', view, checksum)
        const { right: now, problems } = bring(left, right, rules, view)
        for (const [path, item] of itemsOf(right)) {
          if (isUncopied(path, item)) assert.deepEqual(itemAt(now, path), item, path)
        }
        for (const [path, item] of itemsOf(left)) {
          if (!isUncopied(path, item)) continue
          const before = itemAt(right, path)
          const parent = itemAt(right, path.slice(0, Math.max(0, path.lastIndexOf('/'))))
          if (parent?.kind === 'directory') assert.deepEqual(itemAt(now, path), before, path)
          else assert.equal(itemAt(now, path), undefined, path)
        }
        const again = bring(left, now, rules, view)
        assert.deepEqual(again.right, now)
        assert.deepEqual(again.problems, bring(left, again.right, rules, view).problems)
        if (!problems.some((problem) => problem.startsWith('not-empty'))) assert.deepEqual(again.decisions, [])
      }),
      800,
    )
  })

  it('decides in the order of names, only about what is copied, and without touching what it was given', () => {
    const rules = fc.constantFrom(mirror, update, checkedMirror, checkedUpdate)
    check(
      fc.property(...anyTrees, rules, (leftRoot, rightRoot, some) => {
        const [left, right] = [entriesOf(leftRoot), entriesOf(rightRoot)]
        const [leftBefore, rightBefore] = [structuredClone(left), structuredClone(right)]
        const decisions = reconcile(left, right, some)
        assert.deepEqual([left, right], [leftBefore, rightBefore])
        let last: Uint8Array = new Uint8Array(0)
        for (const one of decisions) {
          const all = [...left, ...right]
          const entry =
            'left' in one ? one.left : 'right' in one ? one.right : all.find(({ name }) => name === one.name)
          assert.ok(entry !== undefined)
          assert.ok(compareBytes(last, entryNameBytes(entry)) <= 0)
          last = entryNameBytes(entry)
          if ('left' in one) assert.ok(isCopied(one.left.kind) && left.includes(one.left))
          if ('right' in one) assert.ok(isCopied(one.right.kind) && right.includes(one.right))
          if (one.kind === 'enter') assert.ok(one.left.kind === 'directory' && one.right.kind === 'directory')
        }
        assert.deepEqual(
          [
            ...reconcile(
              left,
              left.filter(({ kind }) => isCopied(kind)),
              mirror,
            ),
          ].filter(({ kind }) => !['problem', 'digests', 'skip'].includes(kind)),
          [],
        )
      }),
      500,
    )
  })

  it('updates: nothing goes, nothing changes its kind or name, and older never overwrites newer', () => {
    check(
      fc.property(...anyTrees, someView, fc.boolean(), (left, right, view, checksum) => {
        const rules = rulesOf('update', view, checksum)
        const { right: now, decisions } = bring(left, right, rules, view)
        for (const one of decisions) assert.match(one, /^(create|replace|attributes) /)
        for (const [path, before] of itemsOf(right)) {
          const after = itemAt(now, path)
          assert.equal(after?.kind, before.kind, path)
          if (before.kind === 'directory') assert.equal((after as DirectoryItem).mode, before.mode)
          else if (JSON.stringify(after) !== JSON.stringify(before)) {
            const [source, target] = [itemAt(left, path), before].map(
              (item) => entriesOf(directory({ n: item as Item }), view)[0],
            )
            assert.ok(source !== undefined && target !== undefined)
            assert.equal(compareTimes(source, target, view.timeGrainNs), 1, path)
          }
        }
        assert.deepEqual(bring(left, now, rules, view).decisions, [])
      }),
      800,
    )
  })

  it('updates: all that only the left has comes, and all that is newer there', () => {
    check(
      fc.property(...plainTrees, (left, right) => {
        const { right: now, problems } = bring(left, right, update)
        for (const [path, item] of itemsOf(left)) {
          if (
            problems.some((problem) => path === problem.split(' ')[1] || path.startsWith(`${problem.split(' ')[1]}/`))
          )
            continue
          const [before, after] = [itemAt(right, path), itemAt(now, path)]
          assert.equal(after?.kind, item.kind, path)
          if (item.kind !== 'file' || after?.kind !== 'file') continue
          const isNewer = before?.kind !== 'file' || compareTimes(entryOf('n', item), entryOf('n', before), 1) > 0
          if (isNewer) assert.deepEqual([after.text, after.seconds, after.ns], [item.text, item.seconds, item.ns], path)
        }
      }),
      500,
    )
  })
})
