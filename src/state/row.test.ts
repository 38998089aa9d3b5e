// Paths in text columns: any bytes come back, one text a path, in an order that keeps what lies below a path together.

import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check } from '../../test/world/trees.ts'
import { decodeName } from '../std/bytes.ts'
import { pathIn, pathText } from './row.ts'

const name = fc.oneof(
  fc.uint8Array({ maxLength: 6 }).map((bytes) => decodeName(bytes.map((byte) => byte || 1))),
  fc
    .array(fc.constantFrom('\udc80', '\udcff', '\u{10fffe}', '\u0080', '\u00ff', 'a', '/'), { maxLength: 5 })
    .map((parts) => parts.join('')),
)

describe('a path in a column', () => {
  it('comes back as it was, and no two are one text', () => {
    const db = new DatabaseSync(':memory:')
    db.exec('CREATE TABLE paths (path TEXT PRIMARY KEY) STRICT')
    const put = db.prepare('INSERT OR REPLACE INTO paths (path) VALUES (?) RETURNING path')
    check(
      fc.property(name, name, (one, other) => {
        const path = decodeName(Buffer.from(pathText(one)))
        assert.equal(path, pathText(one), 'it is text')
        assert.equal(pathIn(put.get(pathText(one)) ?? {}, 'path'), one)
        assert.equal(pathText(one) === pathText(other), one === other)
        assert.ok(pathText(`${one}/${other}`).startsWith(`${pathText(one)}/`))
      }),
    )
    db.close()
  })
})
