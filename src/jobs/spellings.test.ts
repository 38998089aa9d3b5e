// What a source calls what its target spells otherwise: paths there and back, and what is asked of a source by a plan.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RelPath } from '../core/path.ts'
import type { SourceEnd } from './endpoint.ts'
import { Spellings, spelledSource } from './spellings.ts'

function spellings(): Spellings {
  const known = new Spellings()
  known.add('' as RelPath, { name: 'E\u0301', source: '\u00c9' })
  known.add('E\u0301' as RelPath, { name: 'file', source: 'FILE' })
  known.add('E\u0301/d' as RelPath, { name: 'x', source: 'X' })
  return known
}

describe('a source that spells names otherwise', () => {
  const rows: readonly (readonly [target: string, source: string])[] = [
    ['', ''],
    ['plain', 'plain'],
    ['E\u0301', '\u00c9'],
    ['E\u0301/file', '\u00c9/FILE'],
    ['E\u0301/other', '\u00c9/other'],
    ['E\u0301/d/x', '\u00c9/d/X'],
    ['file', 'file'],
    ['d/x', 'd/x'],
  ]
  for (const [target, source] of rows) {
    it(`has ${JSON.stringify(target)} as ${JSON.stringify(source)}`, () => {
      assert.equal(spellings().toSource(target as RelPath), source)
      assert.equal(spellings().toTarget(source as RelPath), target)
    })
  }

  it("tells which names are one file with the target's names", async () => {
    const linked = [{ names: 4, paths: ['plain', '\u00c9/FILE', '\u00c9/d/X'] as RelPath[] }]
    const source = { linkedFiles: async () => linked } as unknown as SourceEnd
    assert.deepEqual(await spelledSource(source, spellings()).linkedFiles(), [
      { names: 4, paths: ['plain', 'E\u0301/file', 'E\u0301/d/x'] },
    ])
    assert.equal(await spelledSource(source, new Spellings()).linkedFiles(), linked)
  })

  it('tells no name that has no place there, alone or with its folder', async () => {
    const known = spellings()
    known.leaveAway('E\u0301' as RelPath, 'file')
    known.leaveAway('' as RelPath, 'away')
    const linked = [{ names: 4, paths: ['\u00c9/FILE', '\u00c9/file', 'away/x', 'x/away'] as RelPath[] }]
    const source = { linkedFiles: async () => linked } as unknown as SourceEnd
    assert.deepEqual(await spelledSource(source, known).linkedFiles(), [
      { names: 4, paths: ['E\u0301/file', 'x/away'] },
    ])
  })
})
