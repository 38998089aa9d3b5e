// The shares file: round trips, what is refused and left alone, and who may see what.

import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Failure } from '../std/failure.ts'
import { addShare, limitShare, loadShares, removeShare, type Share, shareFor } from './shares.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-shares-'))
after(() => rmSync(home, { recursive: true, force: true }))

let made = 0
function freshDirectory(): string {
  made += 1
  return join(home, `config-${made}`)
}

function failsWith(code: string, call: () => unknown, message: RegExp): void {
  assert.throws(call, (error) => {
    assert.ok(error instanceof Failure, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}

const docs: Share = { name: 'docs', path: '/home/me/docs', readOnly: false, for: undefined, maxDelete: undefined }
const photos: Share = {
  name: 'photos.2026_a-b',
  path: '/home/me/docs/photos',
  readOnly: true,
  for: ['nas', 'Laptop'],
  maxDelete: undefined,
}

test('shares are added, listed in order, and removed; they may lie within each other', () => {
  const directory = freshDirectory()
  assert.deepEqual(loadShares(directory), [])
  assert.equal(removeShare(directory, 'docs'), undefined)
  addShare(directory, photos)
  addShare(directory, docs)
  addShare(directory, { ...docs, name: 'again' })
  assert.deepEqual(loadShares(directory), [photos, docs, { ...docs, name: 'again' }])
  assert.equal(statSync(join(directory, 'shares.json')).mode & 0o777, 0o600)
  assert.equal(statSync(directory).mode & 0o777, 0o700)
  assert.deepEqual(removeShare(directory, 'photos.2026_a-b'), photos)
  assert.equal(removeShare(directory, 'DOCS'), undefined)
  assert.deepEqual(loadShares(directory), [docs, { ...docs, name: 'again' }])
})

test('a share has the limit that its owner gives it, until its owner lifts it', () => {
  const directory = freshDirectory()
  const limited: Share = { ...docs, maxDelete: { kind: 'percent', percent: 10 } }
  addShare(directory, limited)
  addShare(directory, { ...photos, maxDelete: { kind: 'count', entries: 0 } })
  assert.deepEqual(loadShares(directory), [limited, { ...photos, maxDelete: { kind: 'count', entries: 0 } }])
  assert.deepEqual(limitShare(directory, photos.name, { maxDelete: undefined }), photos)
  assert.deepEqual(loadShares(directory), [limited, photos])
  limitShare(directory, photos.name, { maxDelete: { kind: 'count', entries: 7 } })
  assert.deepEqual(loadShares(directory)[1]?.maxDelete, { kind: 'count', entries: 7 })
  // One limit leaves the other as it is.
  limitShare(directory, photos.name, { maxBytes: 5000 })
  const both = { ...photos, maxDelete: { kind: 'count', entries: 7 }, maxBytes: 5000 } as const
  assert.deepEqual(loadShares(directory), [limited, both])
  limitShare(directory, photos.name, { maxDelete: undefined, maxBytes: undefined })
  assert.deepEqual(loadShares(directory), [limited, photos])
  failsWith('unknown-share', () => limitShare(directory, 'DOCS', { maxDelete: undefined }), /nothing is shared as DOCS/)
})

test('a share is given to every machine or to the named ones, and a refusal tells nothing', () => {
  const shares = [docs, photos]
  assert.equal(shareFor(shares, 'docs', 'anyone'), docs)
  for (const machine of ['nas', 'laptop', 'NAS']) assert.equal(shareFor(shares, photos.name, machine), photos)
  const refusals = [
    [photos.name, 'anyone'],
    [photos.name, ''],
    ['no such', 'nas'],
    ['Docs', 'nas'],
    ['', 'nas'],
    ['../docs', 'nas'],
  ].map(([name = '', machine = '']) => {
    try {
      return shareFor(shares, name, machine)
    } catch (error) {
      assert.ok(error instanceof Failure)
      // Nothing but the name that was asked for may differ.
      const { code, message, hint } = error
      assert.ok(message.endsWith(name))
      return { code, message: message.slice(0, message.length - name.length), hint }
    }
  })
  for (const refusal of refusals) assert.deepEqual(refusal, refusals[0])
  assert.equal('code' in (refusals[0] ?? {}) && refusals[0], refusals[0])
  failsWith('unknown-share', () => shareFor([], 'docs', 'nas'), /no share named docs/)
})

test('what cannot be a share is refused, and nothing is written', () => {
  const cases: readonly (readonly [Partial<Share>, RegExp])[] = [
    ...['', '.a', '-a', 'a b', 'a/b', 'a:b', 'ä', 'a\n', 'n'.repeat(64)].map(
      (name) => [{ name }, /cannot name a share/] as const,
    ),
    ...['', 'a', './a', '/a/../b', '/a/', '/a//b', '/a/.', '/a\0b', '/\ud800', `/${'n'.repeat(4096)}`].map(
      (path) => [{ path }, /is not an absolute path/] as const,
    ),
    [{ for: [] }, /given to nobody/],
    [{ for: ['nas', 'a b'] }, /"a b" cannot name a machine/],
  ]
  for (const [part, message] of cases) {
    const directory = freshDirectory()
    failsWith('bad-usage', () => addShare(directory, { ...docs, ...part }), message)
    assert.throws(() => statSync(directory))
  }
  const directory = freshDirectory()
  addShare(directory, docs)
  for (const name of ['docs', 'DOCS']) {
    failsWith('bad-usage', () => addShare(directory, { ...photos, name }), /shared as docs already/)
  }
  addShare(directory, { ...docs, name: 'n'.repeat(63), path: '/' })
  assert.equal(loadShares(directory).length, 2)
})

test('a file that is not exactly right is refused with the place, and left as it is', () => {
  const good = { name: 'docs', path: '/docs', readOnly: true, for: ['nas'] }
  const cases: readonly (readonly [unknown, RegExp, string?])[] = [
    ['', /not JSON/],
    ['{', /not JSON/],
    [Buffer.from([0xff, 0x31]), /not JSON/],
    ['[]', /version is not 1/],
    ['null', /version is not 1/],
    [{ shares: [] }, /version is not 1/],
    [{ version: '1', shares: [] }, /version is not 1/],
    [{ version: 0, shares: [] }, /version is not 1/],
    [{ version: 2, shares: {}, more: 1 }, /newer Nightferry/, 'format-too-new'],
    [{ version: 1 }, /has no shares/],
    [{ version: 1, shares: {} }, /shares is not a list/],
    [{ version: 1, shares: [], more: 1 }, /unknown field/],
    [{ version: 1, shares: Array(1001).fill(good) }, /more than 1000/],
    [{ version: 1, shares: [null] }, /shares\[0\] is not an object/],
    [{ version: 1, shares: [good, [1]] }, /shares\[1\] is not an object/],
    [{ version: 1, shares: [{ ...good, name: 'a b' }] }, /shares\[0\]: "a b" cannot name/],
    [{ version: 1, shares: [{ ...good, name: 1 }] }, /shares\[0\]\.name/],
    [{ version: 1, shares: [{ ...good, path: 'docs' }] }, /not an absolute path/],
    [{ version: 1, shares: [{ ...good, path: ['/docs'] }] }, /shares\[0\]\.path/],
    [{ version: 1, shares: [{ ...good, readOnly: 'false' }] }, /readOnly is neither/],
    [{ version: 1, shares: [{ ...good, readOnly: undefined }] }, /has no readOnly/],
    [{ version: 1, shares: [{ ...good, for: 'nas' }] }, /for is not a list/],
    [{ version: 1, shares: [{ ...good, for: null }] }, /for is not a list/],
    [{ version: 1, shares: [{ ...good, for: [1] }] }, /for holds what is no name/],
    [{ version: 1, shares: [{ ...good, for: [] }] }, /given to nobody/],
    [{ version: 1, shares: [{ ...good, for: ['a:b'] }] }, /cannot name a machine/],
    ...[1, '', 'default', '101%', '-1', null].map(
      (maxDelete) => [{ version: 1, shares: [{ ...good, maxDelete }] }, /maxDelete is no limit/] as const,
    ),
    [{ version: 1, shares: [good, { ...good, name: 'DOCS' }] }, /shares\[1\]\.name is there twice/],
    [{ version: 1, shares: [{ ...good, extra: 1 }] }, /unknown field/],
  ]
  for (const [content, message, code = 'bad-config'] of cases) {
    const directory = freshDirectory()
    addShare(directory, docs)
    const path = join(directory, 'shares.json')
    const bytes = Buffer.isBuffer(content)
      ? content
      : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
    writeFileSync(path, bytes)
    failsWith(code, () => loadShares(directory), message)
    failsWith(code, () => addShare(directory, { ...docs, name: 'other' }), message)
    failsWith(code, () => removeShare(directory, 'docs'), message)
    assert.deepEqual(readFileSync(path), bytes)
  }
})

test('a list of shares that others can change is refused', () => {
  const directory = freshDirectory()
  addShare(directory, docs)
  const path = join(directory, 'shares.json')
  for (const mode of [0o620, 0o602]) {
    chmodSync(path, mode)
    failsWith('bad-config', () => loadShares(directory), /changed by other users/)
  }
  chmodSync(path, 0o644)
  assert.deepEqual(loadShares(directory), [docs])
})
