// The rows of docs/reconcile.md that narrow a mode: what `--existing`, `--ignore-existing`, `--size-only`,
// `--modify-window`, `--min-size` and `--max-size` make of a name. `src/core/reconcile.test.ts` asks them.

import type { Rules } from '../../src/core/reconcile.ts'
import { directory, file, type Item, special, symlink } from './trees.ts'

export type Side = Item | 'bad name' | undefined
export type Row = [name: string, rules: Rules, left: Side, right: Side, decision: string]

const mirror: Rules = { mode: 'mirror', timeGrainNs: 1, checksum: false }
const existing: Rules = { ...mirror, only: 'existing' }
const lacking: Rules = { ...mirror, only: 'lacking' }
const sizeOnly: Rules = { ...mirror, sizeOnly: true }
/** Times up to 500 s apart are equal: `old` is 500 s older than any other. */
const wide: Rules = { ...mirror, windowNs: 500e9 }
const narrow: Rules = { ...mirror, windowNs: 500e9 - 1 }
/** Files of one or two bytes count. */
const sized: Rules = { ...mirror, sizes: { minBytes: 1, maxBytes: 2 } }
const inBothModes = (rules: Rules): Rules[] => [rules, { ...rules, mode: 'update' }]

const old = { seconds: 500 }
const dir = directory({ a: file('x') })

export const narrowedRows: readonly Row[] = [
  ...inBothModes(existing).flatMap((rules): Row[] => [
    ['existing-left-only', rules, file('x'), undefined, ''],
    ['existing-left-only', rules, symlink('x'), undefined, ''],
    ['existing-left-only', rules, dir, undefined, ''],
    ['left-special', rules, special, undefined, 'skip left'],
    ['directory-differs', rules, dir, directory(), 'enter'],
  ]),
  ['file-size', existing, file('x'), file('xx'), 'replace'],
  ['update-newer-size', { ...existing, mode: 'update' }, file('x'), file('xx', old), 'replace'],
  ['right-only', existing, undefined, file('x'), 'delete'],
  ['only-kinds-differ', existing, file('x'), dir, 'type-clash'],
  ['only-kinds-differ', existing, dir, file('x'), 'type-clash'],
  ['only-kinds-differ', existing, file('x'), symlink('x'), 'type-clash'],
  ['only-kinds-differ', lacking, dir, file('x'), 'type-clash'],
  ...inBothModes(lacking).flatMap((rules): Row[] => [
    ['lacking-there', rules, file('x'), file('xx', old), ''],
    ['lacking-there', rules, file('x', { mode: 0o600 }), file('y', old), ''],
    ['lacking-there', rules, file('x'), dir, ''],
    ['lacking-there', rules, symlink('x'), symlink('y', old), ''],
    ['lacking-there', rules, symlink('x'), file('y'), ''],
    ['left-only', rules, file('x'), undefined, 'create'],
    ['directory-differs', rules, dir, directory(), 'enter'],
    ['right-uncopied', rules, file('x'), special, 'target-occupied'],
  ]),
  ['lacking-directory-mode', lacking, directory({}, 0o700), dir, 'enter'],
  ['lacking-directory-mode', lacking, directory({}, 0o700), directory(), ''],
  ['right-only', lacking, undefined, file('x'), 'delete'],
  ['update-right-only', { ...lacking, mode: 'update' }, undefined, file('x'), ''],

  ['file-same', sizeOnly, file('x'), file('y', old), ''],
  ['file-attributes', sizeOnly, file('x'), file('y', { ...old, mode: 0o600 }), 'attributes keeping time'],
  ['file-size', sizeOnly, file('x'), file('xx'), 'replace'],
  ['file-doubt', sizeOnly, file('x'), file('y', { edits: 1 }), 'digests'],
  ['symlink-same', sizeOnly, symlink('x'), symlink('x', old), ''],
  ['symlink-text', sizeOnly, symlink('x'), symlink('y', old), 'replace'],
  ['update-size-only', { ...sizeOnly, mode: 'update' }, file('x'), file('y', old), ''],
  ['update-newer-size', { ...sizeOnly, mode: 'update' }, file('x'), file('xx', old), 'replace'],
  ['file-same', wide, file('x'), file('y', old), ''],
  ['file-same', wide, file('x', old), file('y'), ''],
  ['file-doubt', narrow, file('x'), file('y', old), 'digests'],
  ['file-attributes', wide, file('x'), file('y', { ...old, mode: 0o600 }), 'attributes keeping time'],
  ['symlink-same', wide, symlink('x'), symlink('x', old), ''],
  ['symlink-time', narrow, symlink('x'), symlink('x', old), 'attributes'],
  ['update-same-time-size', { ...wide, mode: 'update' }, file('x'), file('xx', old), 'same-time'],
  ['update-newer-size', { ...narrow, mode: 'update' }, file('x'), file('xx', old), 'replace'],

  ...inBothModes(sized).flatMap((rules): Row[] => [
    ['left-outside', rules, file(''), undefined, ''],
    ['left-outside', rules, file('xxx'), undefined, ''],
    ['left-outside', rules, file('xxx'), file('x', old), ''],
    ['left-outside', rules, file('xxx'), dir, ''],
    ['left-only', rules, file('x'), undefined, 'create'],
    ['left-only', rules, file('xx'), undefined, 'create'],
    ['left-only', rules, symlink('xxx'), undefined, 'create'],
  ]),
  ['file-size', sized, file('x'), file('xxx'), 'replace'],
  ['file-size', sized, file('x'), file(''), 'replace'],
  ['right-only-outside', sized, undefined, file('xxx'), ''],
  ['right-only-outside', sized, undefined, file(''), ''],
  ['right-only', sized, undefined, file('xx'), 'delete'],
  ['right-only', sized, undefined, symlink('xxx'), 'delete'],
  ['right-outside', sized, dir, file('xxx'), 'target-occupied'],
  ['right-outside', sized, symlink('x'), file(''), 'target-occupied'],
  ['kinds-differ', sized, dir, file('x'), 'retype'],
]
