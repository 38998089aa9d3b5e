// The words of a command line: bytes that are no text come through, and nothing else is changed by that.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check } from '../../test/world/trees.ts'
import { concatBytes, decodeName, utf8 } from '../std/bytes.ts'
import { wordsOf } from './arguments.ts'

const lineOf = (words: readonly string[]): Uint8Array => concatBytes(words.map((word) => utf8(`${word}\0`)))
const asNode = (word: string): string => Buffer.from(utf8(word)).toString()

describe('arguments', () => {
  it('are what was typed, byte for byte', () => {
    const word = fc.uint8Array({ maxLength: 6 }).map((bytes) => decodeName(bytes.map((byte) => byte || 1)))
    check(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        assert.deepEqual(wordsOf(lineOf(['node', 'main.cjs', ...words]), words.map(asNode)), words)
      }),
    )
  })

  it("are Node's reading where the system tells of others", () => {
    for (const line of ['', 'node\0', 'node\0main\0b\ufffd\0', 'a\ufffd'])
      assert.deepEqual(wordsOf(utf8(line), ['a\ufffd', 'x']), ['a\ufffd', 'x'], line)
  })

  it('reach the program through a shell', (t) => {
    if (process.platform !== 'linux') return t.skip('only Linux tells the bytes of a command line')
    const program = `import { exactArguments } from '${import.meta.resolve('./arguments.ts')}'
      process.stdout.write(JSON.stringify(exactArguments(process.argv.slice(1))))`
    const { stdout } = spawnSync(
      'sh',
      [
        '-c',
        `"$0" --input-type=module-typescript -e "$1" -- "$(printf 'a\\377b\\357\\277\\275')" "\u00e4"`,
        process.execPath,
        program,
      ],
      { encoding: 'utf8' },
    )
    assert.deepEqual(JSON.parse(stdout), ['a\udcffb\ufffd', '\u00e4'])
  })
})
