// Which names become further names of which file: the table of decisions.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decideLinks, type Happens, type Member, MovedPaths, type SharedFile } from './link-plan.ts'
import type { RelPath } from './path.ts'

type Row = {
  readonly title: string
  /** `name happens file`, with `!` where the content is proven. */
  readonly members: string
  readonly files?: Readonly<Record<number, Partial<SharedFile>>>
  readonly relinks?: boolean
  readonly decision: string
}

const rows: readonly Row[] = [
  { title: 'all come: the first brings it', members: 'a create, b create', decision: 'a; b create' },
  { title: 'one that is replaced can be told in portions', members: 'a create, b replace', decision: 'b; a create' },
  { title: 'one file there already', members: 'a nothing 1, b nothing 1', decision: 'a keeps 1' },
  { title: 'a name joins', members: 'a nothing!, b create', decision: 'a; b create' },
  { title: 'nobody looked at what is there', members: 'a nothing, b create', decision: 'a; b create; a?' },
  { title: 'two files of equal content', members: 'a nothing!, b nothing!', decision: 'a; b replace' },
  { title: 'the same, unproven', members: 'a nothing, b nothing', decision: 'a; b replace; a? b?' },
  { title: 'most names have it', members: 'a nothing!, b nothing! 2, c nothing 2', decision: 'b keeps 2; a replace' },
  {
    title: 'only what is new is linked',
    relinks: false,
    members: 'a nothing!, b nothing, c create',
    decision: 'a; c create',
  },
  { title: 'a mode for all', members: 'a attributes 1, b attributes 1', decision: 'a keeps 1 together drops b' },
  {
    title: 'a mode, where others have the file',
    members: 'a attributes! 1, b attributes! 1',
    files: { 1: { others: 1 } },
    decision: 'a parts; b replace',
  },
  {
    title: 'a mode, where somebody unseen has the file',
    members: 'a attributes! 1, b attributes! 1',
    files: { 1: { hidden: 1 } },
    decision: 'a parts; b replace',
  },
  {
    title: 'another group keeps the file',
    members: 'a nothing! 1, b nothing! 1',
    files: { 1: { isTaken: true } },
    decision: 'a parts; b replace',
  },
  { title: 'both names move', members: 'a move 1, b move 1', decision: 'a keeps 1' },
  { title: 'a name moves and has another mode', members: 'a attributes 1, b move 1', decision: 'b keeps 1 drops a' },
  {
    title: 'a name moves from a file that others keep',
    members: 'a nothing! 1, b move 1',
    files: { 1: { others: 1 } },
    decision: 'a keeps 1; b create',
  },
  {
    title: 'all move from a file that another group keeps',
    members: 'a move 1, b move 1',
    files: { 1: { isTaken: true } },
    decision: 'a unmoves; b create',
  },
  { title: 'nothing of it is there', members: '', decision: 'nothing' },
]

describe('further names', () => {
  for (const { title, members, files = {}, relinks = true, decision } of rows) {
    it(title, () => {
      const fileOf = (file: number): SharedFile => ({ others: 0, hidden: 0, isTaken: false, ...files[file] })
      assert.equal(textOf(decideLinks(membersOf(members), fileOf, relinks)), decision)
    })
  }

  it('are found where directories were renamed', () => {
    const path = (text: string): RelPath => text as RelPath
    const moves = new MovedPaths([
      { from: path('a'), to: path('b') },
      { from: path('b/c'), to: path('d') },
    ])
    assert.equal(moves.after(path('a/c/file')), 'd/file')
    assert.equal(moves.before(path('d/file')), 'a/c/file')
    assert.equal(moves.after(path('ab/file')), 'ab/file')
  })
})

function membersOf(text: string): Member[] {
  return text.split(', ').flatMap((part) => {
    if (part === '') return []
    const [path = '', happens = '', file] = part.split(' ')
    const isProven = happens.endsWith('!')
    const known = file === undefined ? undefined : Number(file)
    return [{ path: path as RelPath, happens: happens.replace('!', '') as Happens, file: known, isProven }]
  })
}

function textOf(decision: ReturnType<typeof decideLinks>): string {
  if (decision === undefined) return 'nothing'
  const { leader, unmoves, keeps, parts, together, follow, links, doubts } = decision
  const words = [
    leader,
    unmoves ? 'unmoves' : '',
    keeps === undefined ? '' : `keeps ${keeps}`,
    parts ? 'parts' : '',
    together ? 'together' : '',
    follow.length > 0 ? `drops ${follow.join(' ')}` : '',
  ]
  const said = [
    words.filter((word) => word !== '').join(' '),
    links.map(({ path, action }) => `${path} ${action}`).join(' '),
  ]
  return [...said, doubts.map((path) => `${path}?`).join(' ')].filter((part) => part !== '').join('; ')
}
