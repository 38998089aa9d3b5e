// Paths and names from strangers: hundreds that must be refused at every depth, those that must pass, and that what
// passes can't climb.

import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check } from '../../test/world/trees.ts'
import { utf8 } from '../std/bytes.ts'
import {
  isEntryName,
  isReservedName,
  isWithin,
  joinPath,
  nameMaxBytes,
  nameOf,
  ownDirectory,
  parentOf,
  parseRelPath,
  pathMaxBytes,
  pathMaxDepth,
  type RelPath,
  rootPath,
} from './path.ts'

const smile = '\u{1f600}'

const brokenNames = [
  ...['.', '..', '\0', 'a\0', '\0a', 'a\0b', '..\0', '.nightferry\0'],
  ...[
    '\ud83d',
    '\ude00',
    'a\ud83d',
    '\ude00a',
    '\ude00\ud83d',
    `${smile}\ud83d`,
    // What would be the bytes of another name: of `ä`, and of a character of four bytes.
    '\udcc3\udca4',
    'a\udcf0\udc9f\udc98\udc80',
    '\udc7f',
    '\udc00a',
    '\udfff',
    '\ud800',
  ],
  ...['a'.repeat(256), 'ä'.repeat(128), '€'.repeat(86), smile.repeat(64), `${'a'.repeat(253)}€`, 'a'.repeat(5000)],
]

// Each is a code point that some file system leaves out when it compares names.
const leftOut = [
  ...[0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180e, 0x180f, 0x200b, 0x200c, 0x200d, 0x200e],
  ...[0x200f, 0x202a, 0x202e, 0x2060, 0x2064, 0x206a, 0x206f, 0x3164, 0xfe00, 0xfe0f, 0xfeff, 0xffa0, 0xfff0],
  ...[0x1bca0, 0x1d173, 0xe0000, 0xe0001, 0xe007f, 0xe0100, 0xe01ef, 0xe0fff],
].map((point) => String.fromCodePoint(point))

const ownNames = [
  ...['.nightferry', '.NIGHTFERRY', '.Nightferry', '.nightferrY', '.nIgHtFeRrY'],
  ...['.nightferry.', '.nightferry ', '.nightferry...', '.nightferry . .', '.NightFerry .'],
  ...['.nightferry:', '.nightferry:stream', '.nightferry::$INDEX_ALLOCATION', '.nightferry:$I30:$INDEX_ALLOCATION'],
  ...['.nightferry ::$INDEX_ALLOCATION', '.nightferry.:x', '.nightferry. .:x:y', '.NIGHTFERRY :a\nb'],
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((count) => `NIGHTF~${count}`),
  ...['nightf~1', 'NightF~1', 'nightf~1.', 'nightf~1 ', 'nightf~1::$INDEX_ALLOCATION', 'NIGHTF~2:x'],
  // What NTFS makes after four names that begin alike: two letters and a hash of the whole name.
  ...['NI0608~1', 'ni0608~1', 'ni0608~9', 'NI0608~2 ', 'ni0608~1:x'],
  ...['．nightferry', '․nightferry', '.ｎightferry', '.𝐧𝐢𝐠𝐡𝐭𝐟𝐞𝐫𝐫𝐲', '.ⓝightferry', '.nｉghtferry'],
  ...leftOut.map((one) => `.night${one}ferry`),
  ...leftOut.map((one) => `${one}.nightferry`),
  ...leftOut.map((one) => `.NIGHTFERRY${one}`),
  ...leftOut.map((one) => `nightf${one}~1`),
  `\u200d.\u200cn\ufeffightferry\u{e0020} .`,
]

const hostilePaths = [
  ...[
    '/',
    '//',
    '/a',
    'a/',
    'a//b',
    '//a',
    'a/b/',
    '/a/b',
    './a',
    '../a',
    'a/..',
    'a/../b',
    'a/./b',
    '../../etc/passwd',
  ],
  ...['..', '../', './', '/..', '/.', '/etc/passwd', 'a/b/../../../c', 'a\ud83d/\ude00b'],
  ...[
    'a'.repeat(pathMaxBytes + 1),
    `${'a/'.repeat(pathMaxBytes / 2)}a`,
    Array(pathMaxDepth + 1)
      .fill('a')
      .join('/'),
  ],
  ...[Array(60).fill('€'.repeat(23)).join('/'), Array(17).fill('a'.repeat(255)).join('/')],
]

const goodNames = [
  ...[
    'a',
    ' ',
    ' a',
    'a ',
    'a.',
    '...',
    '....',
    '..a',
    'a..',
    '.. ',
    '. .',
    '.a',
    '-',
    '--',
    '-rf',
    '~',
    '*',
    '?',
    '|',
    '"',
    "'",
  ],
  ...[
    '\\',
    'a\\b',
    '..\\a',
    'C:',
    'a:b',
    'con',
    'NUL',
    'lpt1',
    '\x01',
    '\n',
    '\t',
    '\r\n',
    '\x7f',
    '\x80',
    '$HOME',
    '%',
    '#',
  ],
  ...['ä', 'a\u0308', smile, '\ufffd', '\uffff', '\ufeff', '\u200b', 'ｎ', '日本', 'İ', 'ı'],
  ...['nightferry', 'nightferry.yaml', '.nightferryx', '.nightferr', 'x.nightferry', '..nightferry', '. nightferry'],
  ...['.night-ferry', '.nightferry-old', '.nightferry~', '_nightferry', '.n\u0131ghtferry', '.nightferry;x'],
  ...['nightf', 'nightf~', 'nightf~a', 'nightf~12', 'nightf1', 'ni~1', 'ni0608', 'ni0609~1', 'ni0608~a', 'xnightf~1'],
  ...['a'.repeat(255), `${'ä'.repeat(127)}a`, '€'.repeat(85), `${smile.repeat(63)}abc`],
]

describe('path', () => {
  const names = [...brokenNames, ...ownNames]
  const hostile = [...hostilePaths, ...names.flatMap((name) => [name, `${name}/x`, `x/${name}`, `x/y/${name}/z`])]

  it(`refuses hostile paths (${hostile.length} of them, ${names.length} names at four places)`, () => {
    assert.ok(new Set(hostile).size >= 200)
    for (const path of hostile) assert.equal(parseRelPath(path), undefined, JSON.stringify(path))
    for (const name of ['', 'a/b', '/', ...names]) assert.equal(isEntryName(name), false, JSON.stringify(name))
  })

  it('knows our own directory under every folding', () => {
    assert.equal(ownNames[0], ownDirectory)
    for (const name of ownNames) assert.ok(isReservedName(name), JSON.stringify(name))
    for (const name of goodNames) assert.ok(!isReservedName(name), JSON.stringify(name))
  })

  it('takes what a file system can hold', () => {
    for (const name of goodNames) {
      assert.ok(isEntryName(name), JSON.stringify(name))
      for (const path of [name, `${name}/x`, `x/${name}`, `${name}/${name}`]) {
        assert.equal(parseRelPath(path), path, JSON.stringify(path))
      }
    }
    assert.equal(parseRelPath(''), rootPath)
    const deepest = Array(pathMaxDepth).fill('a').join('/')
    assert.equal(parseRelPath(deepest), deepest)
    const longest = `${Array(16).fill('a'.repeat(254)).join('/')}/${'a'.repeat(16)}`
    assert.equal(longest.length, pathMaxBytes)
    assert.equal(parseRelPath(longest), longest)
  })

  const someName = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
    fc.string({ unit: fc.constantFrom('.', '/', '\0', 'n', 'a', '\ud800', ':', ' '), maxLength: 8 }),
    fc.constantFrom(...goodNames, ...ownNames),
  )

  it('lets nothing through that climbs, is absolute or holds a name that is none', () => {
    check(
      fc.property(fc.array(someName, { maxLength: 5 }), (parts) => {
        const text = parts.join('/')
        const path = parseRelPath(text)
        const expected = text === '' || text.split('/').every(isEntryName)
        assert.equal(path !== undefined, expected)
        if (path === undefined || path === '') return
        assert.equal(posix.normalize(path), path)
        assert.ok(posix.join('/root', path).startsWith('/root/'))
        assert.ok(utf8(path).length <= pathMaxBytes)
      }),
      2000,
    )
  })

  it('bounds a name by its bytes, whatever it is made of', () => {
    const unit = fc.constantFrom('a', 'ä', '€', smile)
    check(
      fc.property(fc.string({ unit, minLength: 1, maxLength: 300 }), (name) => {
        assert.equal(isEntryName(name), Buffer.byteLength(name) <= nameMaxBytes)
      }),
    )
  })

  it('takes paths apart and puts them together', () => {
    const good = fc.array(fc.constantFrom('a', 'b', 'ab', 'ä'), { maxLength: 4 })
    check(
      fc.property(good, good, fc.constantFrom('a', 'x'), (above, below, name) => {
        const parent = above.join('/') as RelPath
        const path = joinPath(parent, name)
        assert.equal(parseRelPath(path), path)
        assert.equal(parentOf(path), parent)
        assert.equal(nameOf(path), name)
        const other = [...above, ...below].join('/')
        assert.ok(isWithin(other, parent))
        const names = other.split('/')
        assert.equal(isWithin(path, other), other === '' || path.split('/').slice(0, names.length).join('/') === other)
      }),
    )
    assert.equal(isWithin('ab', 'a'), false)
    assert.equal(parentOf(rootPath), rootPath)
  })
})
