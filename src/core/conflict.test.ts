// Who keeps a name, and what the other one is called: the same on every machine, never a name that is taken or is none, and
// never a copy of a copy.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, directory, entryOf, file, type Item, symlink, testDigest } from '../../test/world/trees.ts'
import { utf8 } from '../std/bytes.ts'
import {
  type Claim,
  type ConflictPolicy,
  conflictName,
  conflictPolicies,
  isConflictPolicy,
  loserOf,
  originalName,
} from './conflict.ts'
import { isEntryName } from './path.ts'

const free = (): boolean => false
const digest = Uint8Array.from({ length: 32 }, (_, i) => (i * 0x11) & 0xff)
const digits = '00112233'

describe('a conflict copy', () => {
  const names: readonly [name: string, copy: string][] = [
    ['report.txt', `report.conflict-nas-${digits}.txt`],
    ['report', `report.conflict-nas-${digits}`],
    ['a.b.c', `a.b.conflict-nas-${digits}.c`],
    ['backup.tar.gz', `backup.conflict-nas-${digits}.tar.gz`],
    ['backup.tar.gpg', `backup.conflict-nas-${digits}.tar.gpg`],
    ['dump.sql.zst', `dump.conflict-nas-${digits}.sql.zst`],
    ['2026.11.gz', `2026.11.conflict-nas-${digits}.gz`],
    ['.bashrc', `.bashrc.conflict-nas-${digits}`],
    ['.config.json', `.config.conflict-nas-${digits}.json`],
    ['.tar.gz', `.tar.conflict-nas-${digits}.gz`],
    ['name.', `name..conflict-nas-${digits}`],
    ['...', `....conflict-nas-${digits}`],
    ['Mr. Smith', `Mr. Smith.conflict-nas-${digits}`],
    ['a.averyveryverylongword', `a.averyveryverylongword.conflict-nas-${digits}`],
    ['ä.ü', `ä.conflict-nas-${digits}.ü`],
    ['a\nb.c', `a\nb.conflict-nas-${digits}.c`],
    ['\udcff.\udcfe', `\udcff.conflict-nas-${digits}.\udcfe`],
  ]
  for (const [name, copy] of names) {
    it(`of ${JSON.stringify(name)} is ${JSON.stringify(copy)}`, () => {
      assert.equal(conflictName(name, 'nas', digest, free), copy)
      assert.equal(originalName(copy), name)
      assert.equal(originalName(name), name)
    })
  }

  const machines: readonly [machine: string, text: string][] = [
    ['NAS-2', 'NAS-2'],
    ['büro pc', 'b-ro-pc'],
    ['--a__b--', 'a-b'],
    ['...', 'machine'],
    ['', 'machine'],
    ['x'.repeat(40), 'x'.repeat(32)],
    [`${'x'.repeat(31)}.y`, `${'x'.repeat(31)}-`],
  ]
  for (const [machine, text] of machines) {
    it(`that lay at ${JSON.stringify(machine)} names ${text}`, () => {
      assert.equal(conflictName('a.b', machine, digest, free), `a.conflict-${text}-${digits}.b`)
    })
  }

  it('of a conflict copy has the original stem, and the new machine and digest', () => {
    const first = conflictName('a.tar.gz', 'nas', digest, free) as string
    assert.equal(conflictName(first, 'laptop', testDigest('x'), free), 'a.conflict-laptop-2d711642.tar.gz')
    const own = conflictName('.bashrc', 'nas', digest, free) as string
    assert.equal(conflictName(own, 'laptop', testDigest('x'), free), '.bashrc.conflict-laptop-2d711642')
    assert.equal(conflictName('a.conflict-plan.txt', 'nas', digest, free), `a.conflict-plan.conflict-nas-${digits}.txt`)
  })

  it('has more digits where its name is taken, and no name where all are', () => {
    const taken = new Set<string>()
    const isTaken = (name: string): boolean => taken.has(name)
    for (let count = 8; count <= 64; count += 8) {
      const name = conflictName('a.b', 'nas', testDigest('x'), isTaken) as string
      assert.match(name, new RegExp(`^a\\.conflict-nas-2d711642[0-9a-f]{${count - 8}}\\.b$`))
      taken.add(name)
    }
    assert.equal(conflictName('a.b', 'nas', testDigest('x'), isTaken), undefined)
  })

  it('of a name as long as names may be is cut in its stem, at the border of a character', () => {
    for (const stem of ['x'.repeat(251), 'é'.repeat(125), '\u{1f600}'.repeat(62), '\udcff'.repeat(251)]) {
      const copy = conflictName(`${stem}.txt`, 'n'.repeat(32), digest, free) as string
      assert.ok(isEntryName(copy))
      assert.ok(utf8(copy).length > 251)
      const [, kept = '', rest] = /^(.*)(\.conflict-n{32}-[0-9a-f]{8}\.txt)$/su.exec(copy) ?? []
      assert.ok(rest !== undefined && kept !== '' && stem.startsWith(kept))
    }
  })

  it('of any name is a name, and is the same for the copy itself', () => {
    const part = fc.constantFrom(
      'a',
      '.',
      '..',
      'tar',
      'gz',
      '.conflict-',
      '-',
      '0123abcd',
      'é',
      '\u{1f600}',
      '\udcff',
      ' ',
      '\n',
      '~1',
    )
    const someName = fc.array(part, { minLength: 1, maxLength: 60 }).map((parts) => parts.join(''))
    check(
      fc.property(someName.filter(isEntryName), fc.string(), (name, machine) => {
        const copy = conflictName(name, machine, digest, free)
        assert.ok(copy !== undefined && isEntryName(copy), name)
        assert.notEqual(copy, name)
        assert.equal(conflictName(copy, machine, digest, free), copy)
      }),
      2000,
    )
  })
})

describe('who keeps a name', () => {
  const claim = (item: Item, text: string): Claim => ({
    entry: entryOf('n', item),
    digest: item.kind === 'directory' ? undefined : testDigest(text),
  })
  const early = { seconds: 500 }
  // Digests in their order: z, y.
  const [y, z] = [claim(file('y'), 'z'), claim(file('zz', early), 'y')]
  const dir = claim(directory(), '')

  const rows: readonly [policy: ConflictPolicy, left: Claim, right: Claim, loser: string][] = [
    ['keep-both', y, z, 'left'],
    ['keep-both', claim(symlink('a'), 'y'), y, 'right'],
    ['newest', y, z, 'right'],
    ['newest', claim(file('y', early), 'z'), z, 'left'],
    ['newest', claim(symlink('b'), 'z'), z, 'right'],
    ['larger', y, z, 'left'],
    ['larger', claim(file('yy'), 'z'), z, 'left'],
    ['larger', claim(symlink('abc'), 'z'), z, 'right'],
    ['prefer-left', y, z, 'right'],
    ['prefer-right', y, z, 'left'],
    ...conflictPolicies.map((policy): [ConflictPolicy, Claim, Claim, string] => [policy, y, dir, 'left']),
    ...conflictPolicies.map((policy): [ConflictPolicy, Claim, Claim, string] => [
      policy,
      dir,
      claim(symlink('a'), 'z'),
      'right',
    ]),
  ]
  for (const [policy, left, right, loser] of rows) {
    it(`${policy}: ${left.entry.kind} against ${right.entry.kind}, the ${loser} one loses`, () => {
      assert.equal(loserOf(left, right, policy, 1), loser)
      if (policy.startsWith('prefer') && left !== dir && right !== dir) return
      assert.equal(loserOf(right, left, policy, 1), loser === 'left' ? 'right' : 'left')
    })
  }

  it('is not told by times that differ by less than the grain', () => {
    assert.equal(
      loserOf(claim(file('y', { seconds: 1000 }), 'z'), claim(file('z', { seconds: 999 }), 'y'), 'newest', 2e9),
      'left',
    )
  })

  it('is told by a policy of these names only', () => {
    assert.ok(conflictPolicies.every(isConflictPolicy))
    assert.ok(!isConflictPolicy('keep') && !isConflictPolicy(''))
  })
})
