// Steps of an undo about one file under several names: what each is held to.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RelPath } from '../core/path.ts'
import { isCtimeForgotten, statCtimeSeconds, statInodeHigh, statInodeLow, statWidth } from '../core/stat.ts'
import type { Donor, StepNote } from './staged.ts'
import { forgetShared } from './undo-shared.ts'

function rowsOf(...inodes: readonly number[]): Uint32Array {
  const rows = new Uint32Array(inodes.length * statWidth)
  for (const [i, inode] of inodes.entries()) {
    rows[i * statWidth + statInodeLow] = inode % 2 ** 32
    rows[i * statWidth + statInodeHigh] = Math.floor(inode / 2 ** 32)
    rows[i * statWidth + statCtimeSeconds] = 7
  }
  return rows
}

function donor(inode: number): Donor {
  const stats = rowsOf(inode)
  return { directory: '' as RelPath, name: new Uint8Array(0), stats, moves: true, digest: undefined }
}

function below(...inodes: readonly number[]): StepNote {
  const names = inodes.map((inode) => new Uint8Array([inode]))
  return { below: [{ path: '' as RelPath, names, rows: rowsOf(...inodes) }] }
}

/** `+` for each row that is still held to its ctime, `-` for one that is not, in the order seen, below, donor. */
function held({ expected, below = [], donor }: StepNote): string {
  const sign = (rows: Uint32Array, at: number): string => (isCtimeForgotten(rows, at) ? '-' : '+')
  const seen = expected === undefined ? '' : sign(expected, 0)
  const all = below.flatMap(({ rows }) =>
    Array.from({ length: rows.length / statWidth }, (_, i) => sign(rows, i * statWidth)),
  )
  return seen + all.join('') + (donor === undefined ? '' : sign(donor.stats, 0))
}

describe('what an undo holds its steps to', () => {
  const far = 2 ** 32 + 7
  const rows: readonly (readonly [what: string, notes: readonly StepNote[], held: string])[] = [
    [
      'files of one name each',
      [{ expected: rowsOf(1) }, { expected: rowsOf(2), donor: donor(3) }, below(4, 5)],
      '+ ++ ++',
    ],
    ['two names of one file', [{ expected: rowsOf(1) }, { expected: rowsOf(2) }, { expected: rowsOf(1) }], '- + -'],
    ['one of them in a directory that goes', [{ expected: rowsOf(1) }, below(2, 1)], '- +-'],
    ['both in it', [below(3, 4, 3)], '-+-'],
    [
      'a version that is a name of what is there',
      [{ expected: rowsOf(1) }, { expected: rowsOf(2), donor: donor(1) }],
      '- +-',
    ],
    ['versions that are one file', [{ donor: donor(9) }, { donor: donor(9) }, { donor: donor(8) }], '- - +'],
    ['inodes that differ above 32 bits', [{ expected: rowsOf(7) }, { expected: rowsOf(far) }], '+ +'],
    ['large ones that are equal', [{ expected: rowsOf(far) }, { donor: donor(far) }], '- -'],
    ['steps that look at nothing', [{}, { isEqual: true }], ' '],
  ]
  for (const [what, notes, wanted] of rows) {
    it(what, () => {
      forgetShared(notes)
      assert.equal(notes.map(held).join(' '), wanted)
    })
  }

  it('a row that is held to no ctime says nothing of others', () => {
    const gone = rowsOf(1)
    gone[statCtimeSeconds] = 0
    const notes: StepNote[] = [{ expected: gone }, { expected: rowsOf(1) }]
    forgetShared(notes)
    assert.equal(notes.map(held).join(' '), '- +')
  })
})
