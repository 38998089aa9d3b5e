// The list of wanted files, and what is refused of it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, mutated } from '../../test/world/trees.ts'
import { isEntryName, parseRelPath, type RelPath } from '../core/path.ts'
import { ByteWriter } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { decodeWants, encodeWants, type WantedDirectory, wantsMax } from './wants.ts'

const name = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }).filter(isEntryName)
const wants: fc.Arbitrary<WantedDirectory[]> = fc.array(
  fc.record(
    {
      path: fc.array(name, { maxLength: 3 }).map((names) => names.join('/') as RelPath),
      names: fc.array(name, { maxLength: 5 }),
    },
    { noNullPrototype: true },
  ),
  { maxLength: 5 },
)

function written(...directories: readonly (readonly [string, readonly string[]])[]): Uint8Array {
  return encodeWants(directories.map(([path, names]) => ({ path: path as RelPath, names })))
}

describe('wants', () => {
  it('come back as they were put, in their order', () => {
    check(fc.property(wants, (list) => assert.deepEqual(decodeWants(encodeWants(list)), list)))
  })

  it('refuse every path and name that could leave the root or reach our own directory', () => {
    const evil = [
      '..',
      '.',
      '',
      'a/b',
      '/etc',
      'a\0b',
      '.nightferry',
      '.NightFerry',
      '.night\u200bferry',
      'NIGHTF~1',
      'x'.repeat(256),
    ]
    for (const bad of evil) {
      assert.throws(
        () => decodeWants(written(['', [bad]])),
        (error) => error instanceof Failure && error.code === 'protocol-broken',
        `name ${bad}`,
      )
    }
    for (const bad of [
      '..',
      '../x',
      'a/../b',
      'a//b',
      '/a',
      'a/',
      './a',
      'a/.nightferry',
      '.nightferry/root.json',
      'a\0',
      `${'d/'.repeat(1001)}d`,
    ]) {
      assert.throws(
        () => decodeWants(written([bad, ['f']])),
        (error) => error instanceof Failure && error.code === 'protocol-broken',
        `path ${bad}`,
      )
    }
  })

  it('are at most so many, however they are spread', () => {
    const names = Array.from({ length: wantsMax / 2 }, (_, i) => `${i}`)
    assert.equal(decodeWants(written(['a', names], ['b', names])).length, 2)
    for (const list of [written(['a', names], ['b', names], ['c', ['one too many']])]) {
      assert.throws(
        () => decodeWants(list),
        (error) => error instanceof Failure && error.code === 'limit-exceeded',
      )
    }
    const writer = new ByteWriter()
    writer.varint(2 ** 40)
    assert.throws(() => decodeWants(writer.take()), Failure)
  })

  it('are refused or read, never misread, when a byte is other than it was', () => {
    check(
      fc.property(mutated(wants.map(encodeWants)), (bytes) => {
        try {
          for (const { path, names } of decodeWants(bytes)) {
            assert.ok(parseRelPath(path) !== undefined && names.every(isEntryName))
          }
        } catch (error) {
          assert.ok(error instanceof Failure, String(error))
        }
      }),
    )
  })
})
