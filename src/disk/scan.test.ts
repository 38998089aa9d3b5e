// Scanning: unchanged, racy, suspect, moved, unreadable, reserved.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { kinds, listed, listing, problems, rowOf, type Scanned, scanned } from '../../test/world/one-scan.ts'
import type { Folder } from '../../test/world/planted.ts'
import { digestOf } from '../chunk/digest.ts'
import { flagRacy } from '../core/page.ts'
import type { RelPath } from '../core/path.ts'
import type { DirectoryRecord } from '../core/record.ts'
import { statErrno, statWidth } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { hex, utf8 } from '../std/bytes.ts'
import { digestFile } from './content.ts'
import type { ScanReport } from './scan.ts'
import { rescanDirectories, scanRoot } from './scan.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-scan-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
let made = 0
function folder(planted: Folder): Scanned {
  return scanned(join(home, `case-${++made}`), planted)
}

/** Notes the digest of a file, as reading it would. */
function learn(tree: Tree, path: string, name: string, text: string): void {
  const record = tree.record(path as RelPath)
  assert.ok(record !== undefined)
  record.setDigest(record.find(utf8(name)), digestOf(utf8(text)))
  tree.record(path as RelPath)?.touch()
}

function digestIn(tree: Tree, path: string, name: string): string {
  const record = tree.record(path as RelPath)
  return hex(record?.digest(record.find(utf8(name))) ?? new Uint8Array(0))
}

function digestText(text: string): string {
  return hex(digestOf(utf8(text)))
}

/** Writes other text of the same length and sets the time back. */
function rewrite(path: string, text: string): void {
  const { atime, mtime } = lstatSync(path)
  writeFileSync(path, text)
  utimesSync(path, atime, mtime)
}

describe('scan', () => {
  it('finds everything, in the order of name bytes, and says what it is', () => {
    const { path, tree, scan } = folder({ 'd/e/f': 'f', b: 'b', B: 'B', 'b!': 'x', link: { link: 'b' }, empty: {} })
    execFileSync('mkfifo', [join(path, 'p')])
    writeFileSync(Buffer.from(`${path}/z\xff`, 'latin1'), 'bad name')
    const report = scan()
    assert.deepEqual(
      Object.entries(kinds(tree)).map(([name, kind]) => `${name} ${kind}`),
      ['B file', 'b file', 'b! file', 'd directory', 'empty directory', 'link symlink', 'p special', 'z\xff file'],
    )
    assert.deepEqual(listed(tree), ['', 'd', 'd/e', 'empty'])
    assert.deepEqual(problems(report), [])
    assert.equal(report.entries, 10)
    const root = tree.record('' as RelPath)
    assert.deepEqual(root?.link(root.find(utf8('link'))), utf8('b'))
  })

  it('builds nothing and reads nothing where nothing changed', () => {
    const { tree, scan } = folder({ 'd/e/f': 'f', b: 'b', link: { link: 'b' } })
    scan()
    learn(tree, '', 'b', 'b')
    const before = listed(tree).map((path) => tree.record(path as RelPath))
    const sys = new FaultySys(real)
    for (const call of ['openFile', 'read', 'readLink'] as const) {
      sys.on(call, { sticky: true, before: () => assert.fail(`${call} is called`) })
    }
    scan({ sys })
    listed(tree).forEach((path, i) => assert.equal(tree.record(path as RelPath), before[i]))
    assert.deepEqual(sys.trail, [])
  })

  it('looks at a large directory page by page, and makes anew only pages in which something changed', () => {
    const { path, tree, scan } = folder({ 'd/below': 'b' })
    const nameOf = (i: number): string => `f${String(i).padStart(6, '0')}`
    for (let i = 0; i < 5000; i++) writeFileSync(join(path, nameOf(i)), String(i))
    symlinkSync('to', join(path, 'link'))
    writeFileSync(join(path, '.nightferryignore'), 'ignored\n')
    writeFileSync(join(path, 'ignored'), '')
    const rules = { overrides: [], ignoreFiles: ['.nightferryignore'] }
    const root = (): DirectoryRecord => tree.record('' as RelPath) as DirectoryRecord
    const namesIn = (): string[] => Array.from({ length: root().count }, (_, row) => root().name(row) ?? '')
    const expected = (): string[] => readdirSync(path).sort()
    const changed = (): number => tree.takeChanges().put.length
    const report = scan({ rules })
    assert.equal(report.entries, 5005)
    assert.equal(report.texts.length, 1)
    assert.deepEqual(problems(report), [])
    assert.deepEqual(namesIn(), expected())
    assert.deepEqual(root().link(root().find(utf8('link'))), utf8('to'))
    const pages = root().pages.length
    assert.ok(pages > 4)
    assert.equal(changed(), pages + 1)
    learn(tree, '', nameOf(7), '7')
    learn(tree, '', nameOf(4000), '4000')
    assert.equal(changed(), 2)
    const before = root()
    scan({ rules })
    assert.equal(root(), before)
    assert.equal(changed(), 0)
    writeFileSync(join(path, nameOf(4000)), 'another')
    scan({ rules })
    assert.equal(root().pages.filter((page) => !before.pages.includes(page)).length, 1)
    assert.equal(changed(), 2, 'that page, and the first, which holds what the directory says of itself')
    assert.equal(digestIn(tree, '', nameOf(4000)), '')
    assert.equal(digestIn(tree, '', nameOf(7)), digestText('7'))
    for (const i of [0, 1, 2, 2500, 4999]) rmSync(join(path, nameOf(i)))
    for (const name of ['a', 'f002500x', 'z']) writeFileSync(join(path, name), '')
    scan({ rules })
    assert.deepEqual(namesIn(), expected())
    assert.equal(digestIn(tree, '', nameOf(7)), digestText('7'))
    // A listing that leaves out a name is no proof that it is gone.
    const sys = listing((table) => {
      const kept = Array.from({ length: table.count }, (_, row) => table.name(row).slice())
      table.clear()
      for (const name of kept.slice(1)) table.add(name, 0, name.length, false)
      return table.count
    })
    scan({ rules, sys })
    assert.deepEqual(namesIn(), expected())
  })

  it('never follows a symlink, and takes a directory that became one for what it is', () => {
    const { path, tree, scan } = folder({ 'd/f': 'f', 'e/f': 'f' })
    scan()
    renameSync(join(path, 'd'), join(home, `away-${made}`))
    symlinkSync(join(home, `away-${made}`), join(path, 'd'))
    scan()
    assert.deepEqual(kinds(tree), { d: 'symlink', e: 'directory' })
    assert.deepEqual(listed(tree), ['', 'e'])
  })
})

describe('scan: absence must be proven', () => {
  const scripts: Readonly<Record<string, readonly [code: string, script: (sys: FaultySys) => FaultySys]>> = {
    'can not be opened': ['unreadable', (sys) => sys.on('openDirectory', { name: 'd', result: -errno.EACCES })],
    'can not be listed': ['unreadable', (sys) => sys.on('list', { nth: 2, result: -errno.EIO })],
    'is a symlink by now': ['changing', (sys) => sys.on('openDirectory', { name: 'd', result: -errno.ELOOP })],
    'is a file by now': ['changing', (sys) => sys.on('openDirectory', { name: 'd', result: -errno.ENOTDIR })],
    'vanished meanwhile': ['vanished', (sys) => sys.on('openDirectory', { name: 'd', result: -errno.ENOENT })],
  }
  for (const [what, [code, script]] of Object.entries(scripts))
    it(`a directory that ${what} is not known, not empty and not gone`, () => {
      const { tree, scan } = folder({ 'd/e/f': 'f', b: 'b' })
      scan()
      tree.setView({ modeMask: 0o777, timeGrainNs: 1, overrides: [], texts: [] }, 'view')
      const files = tree.summary('' as RelPath)?.files
      const report = scan({ sys: script(new FaultySys(real)) })
      assert.deepEqual(problems(report), [`d: ${code}`])
      assert.deepEqual(listed(tree), [''])
      // Its parent's listing still names it, as something that nobody knows.
      assert.ok(Buffer.from(tree.listing('' as RelPath) ?? []).includes('d'))
      assert.equal(tree.summary('' as RelPath)?.files, 1)
      scan()
      assert.equal(tree.summary('' as RelPath)?.files, files)
    })

  it('a root that can not be read has no summary at all', () => {
    const { tree, scan } = folder({ b: 'b' })
    scan()
    tree.setView({ modeMask: 0o777, timeGrainNs: 1, overrides: [], texts: [] }, 'view')
    assert.deepEqual(problems(scan({ sys: new FaultySys(real).on('list', { result: -errno.EIO }) })), [': unreadable'])
    assert.equal(tree.summary('' as RelPath), undefined)
  })

  it('a directory that only its owner may read is unreadable for another user', (t) => {
    const { path, tree, scan } = folder({ 'd/f': 'f', 'closed/f': 'f' })
    chmodSync(join(path, 'closed'), 0o000)
    chmodSync(home, 0o755)
    const { seteuid } = process
    if (seteuid === undefined) return t.skip('no users here')
    const isRoot = process.getuid?.() === 0
    if (isRoot) seteuid(65_534)
    const report = ((): ScanReport => {
      try {
        return scan()
      } finally {
        if (isRoot) seteuid(0)
        chmodSync(join(path, 'closed'), 0o755)
      }
    })()
    assert.deepEqual(report.problems, [{ path: 'closed', code: 'unreadable', detail: 'EACCES' }])
    assert.deepEqual(listed(tree), ['', 'd'])
  })

  it('an entry that is gone when it is looked at is gone; one that can not be looked at is unreadable', () => {
    const { tree, scan } = folder({ gone: 'g', broken: 'b', fine: 'f' })
    const report = scan({
      sys: listing((table) => {
        for (const [name, code] of [
          ['gone', errno.ENOENT],
          ['broken', errno.EIO],
        ] as const) {
          const at = rowOf(table, name) * statWidth
          table.stats.fill(0, at, at + statWidth)
          table.stats[at + statErrno] = code
        }
        return table.count
      }),
    })
    assert.deepEqual(kinds(tree), { broken: 'unreadable', fine: 'file' })
    assert.deepEqual(report.problems, [{ path: 'broken', code: 'unreadable', detail: 'EIO' }])
    assert.deepEqual(problems(scan()), [])
    assert.deepEqual(kinds(tree), { broken: 'file', fine: 'file', gone: 'file' })
  })

  it('a known name that a listing leaves out, while others are renamed, is looked for by name', () => {
    const { path, tree, scan } = folder({ a: 'a', 'd/f': 'f', kept: 'k', gone: 'g' })
    scan()
    unlinkSync(join(path, 'gone'))
    const missing = (names: readonly string[]): Sys =>
      listing((table) => {
        const kept = Array.from({ length: table.count }, (_, row) => row).filter(
          (row) => !names.includes(Buffer.from(table.name(row)).toString()),
        )
        const rows = kept.map((row) => ({
          name: table.name(row).slice(),
          stats: table.stats.slice(row * statWidth, (row + 1) * statWidth),
        }))
        table.clear()
        for (const { name, stats } of rows) table.stats.set(stats, table.add(name, 0, name.length) * statWidth)
        return table.count
      })
    scan({ sys: missing(['a', 'd']) })
    assert.deepEqual(kinds(tree), { a: 'file', d: 'directory', kept: 'file' })
    assert.deepEqual(listed(tree), ['', 'd'])
    assert.deepEqual(kinds(tree, 'd'), { f: 'file' })
    // One that can't be looked for is not known to be gone.
    const sys = missing(['a'])
    sys.stat = () => -errno.EIO
    assert.deepEqual(problems(scan({ sys })), ['a: unreadable'])
    assert.deepEqual(kinds(tree), { a: 'unreadable', d: 'directory', kept: 'file' })
  })

  it('a path that is too deep is unreadable', () => {
    const { path, tree, scan } = folder({})
    mkdirSync(join(path, ...Array.from({ length: 1003 }, () => 'd')), { recursive: true })
    assert.deepEqual(problems(scan()), [`${Array.from({ length: 1001 }, () => 'd').join('/')}: unreadable`])
    assert.equal(tree.directoryCount, 1001)
  })

  it('our own directory is skipped everywhere, and its foldings are told', () => {
    const { tree, scan } = folder({
      '.nightferry/x': 'x',
      'd/.nightferry/x': 'x',
      '.NIGHTFERRY/x': 'x',
      'd/.night\u200bferry': 'x',
      'NIGHTF~1': 'x',
      nightfall: 'n',
    })
    const report = scan()
    assert.deepEqual(problems(report), [
      '.NIGHTFERRY: reserved-name',
      'NIGHTF~1: reserved-name',
      'd/.night\u200bferry: reserved-name',
    ])
    assert.deepEqual(kinds(tree), { d: 'directory', nightfall: 'file' })
    assert.deepEqual(kinds(tree, 'd'), {})
    assert.deepEqual(listed(tree), ['', 'd'])
  })
})

describe('scan: content', () => {
  it('a rewrite that kept size and mtime is proven by the ctime and the digest, and counted', () => {
    const { path, tree, scan } = folder({ f: 'aaaa', same: 'ssss', unknown: 'uuuu' })
    scan()
    learn(tree, '', 'f', 'aaaa')
    learn(tree, '', 'same', 'ssss')
    rewrite(join(path, 'f'), 'bbbb')
    rewrite(join(path, 'same'), 'ssss')
    rewrite(join(path, 'unknown'), 'vvvv')
    scan()
    assert.deepEqual(kinds(tree), { f: 'file+1', same: 'file', unknown: 'file+1' })
    assert.equal(digestIn(tree, '', 'f'), digestText('bbbb'))
    assert.equal(digestIn(tree, '', 'same'), digestText('ssss'))
    assert.equal(digestIn(tree, '', 'unknown'), '')
    rewrite(join(path, 'f'), 'cccc')
    scan()
    assert.equal(kinds(tree).f, 'file+2')
    writeFileSync(join(path, 'f'), 'longer than before')
    scan()
    assert.equal(kinds(tree).f, 'file')
    assert.equal(digestIn(tree, '', 'f'), '')
  })

  it('another mode explains nothing of what nobody has read, unless a run of ours has just set it', () => {
    const { path, tree, scan } = folder({ edited: 'aaaa', ours: 'oooo' })
    scan()
    rewrite(join(path, 'edited'), 'bbbb')
    chmodSync(join(path, 'edited'), 0o600)
    scan()
    assert.deepEqual(kinds(tree), { edited: 'file+1', ours: 'file' })
    chmodSync(join(path, 'ours'), 0o600)
    rescanDirectories(real, real.openRoot(path), tree, ['' as RelPath], () => Date.now() + 1000)
    assert.deepEqual(kinds(tree), { edited: 'file+1', ours: 'file' })
  })

  it('an edit of equal size is counted where its time is the same whole second', () => {
    const { path, tree, scan } = folder({})
    const put = (name: string, text: string, seconds: number): void => {
      writeFileSync(join(path, name), text)
      utimesSync(join(path, name), seconds, seconds)
    }
    for (const name of ['near', 'far', 'longer']) put(name, 'aaaa', 1_600_000_000.2)
    scan()
    put('near', 'bbbb', 1_600_000_000.9)
    put('far', 'bbbb', 1_600_000_001.1)
    put('longer', 'bbbbb', 1_600_000_000.4)
    scan()
    assert.deepEqual(kinds(tree), { far: 'file', longer: 'file', near: 'file+1' })
  })

  it('a suspect that can not be read counts as edited', () => {
    const { path, tree, scan } = folder({ f: 'aaaa' })
    scan()
    learn(tree, '', 'f', 'aaaa')
    rewrite(join(path, 'f'), 'bbbb')
    scan({ sys: new FaultySys(real).on('openFile', { result: -errno.EACCES }) })
    assert.equal(kinds(tree).f, 'file+1')
    assert.equal(digestIn(tree, '', 'f'), '')
  })

  it('a rewrite within the tick of the clock is found, since young signatures are looked at again', () => {
    const { path, tree, scan } = folder({ f: 'aaaa' })
    const young = (): number => Math.floor(lstatSync(join(path, 'f')).ctimeMs) + 3
    scan({ nowMs: young })
    learn(tree, '', 'f', 'aaaa')
    const record = tree.record('' as RelPath)
    assert.equal((record?.flags(0) ?? 0) & flagRacy, flagRacy)
    const pinned = record?.stats(0).slice(record.at(0), record.at(0) + statWidth) as Uint32Array
    // The file system gives the second write the time stamp of the first.
    const sys = listing((table) => {
      const at = rowOf(table, 'f') * statWidth
      table.stats.set(pinned, at)
      return table.count
    })
    rewrite(join(path, 'f'), 'bbbb')
    scan({ sys })
    assert.equal(kinds(tree).f, 'file+1')
    assert.equal(digestIn(tree, '', 'f'), digestText('bbbb'))
    assert.equal((tree.record('' as RelPath)?.flags(0) ?? 0) & flagRacy, 0)
    // Not young any more: the same signature is proof.
    rewrite(join(path, 'f'), 'cccc')
    scan({ sys })
    assert.equal(kinds(tree).f, 'file+1')
  })

  it('youth is judged by the time before the listing, however long that takes', () => {
    const { path, tree, scan } = folder({ f: 'aaaa', l: { link: 'f' } })
    let now = Math.floor(lstatSync(join(path, 'l')).ctimeMs) + 1
    const sys = new FaultySys(real).on('list', { sticky: true, after: () => void (now += 10_000) })
    scan({ sys, nowMs: () => now })
    const record = tree.record('' as RelPath)
    assert.deepEqual(
      [0, 1].map((row) => (record?.flags(row) ?? 0) & flagRacy),
      [flagRacy, flagRacy],
    )
  })

  it('a directory that lies elsewhere by now keeps its digests, and the move is told', () => {
    const { path, tree, scan } = folder({ 'a/b/f': 'aaaa', 'a/g': 'gggg', 'c/h': 'h' })
    scan()
    learn(tree, 'a', 'g', 'gggg')
    learn(tree, 'a/b', 'f', 'aaaa')
    renameSync(join(path, 'a'), join(path, 'c/a'))
    const report = scan()
    assert.deepEqual(
      [...report.moves].sort((x, y) => (x.from < y.from ? -1 : 1)),
      [
        { from: 'a', to: 'c/a' },
        { from: 'a/b', to: 'c/a/b' },
      ],
    )
    assert.equal(digestIn(tree, 'c/a', 'g'), digestText('gggg'))
    assert.equal(digestIn(tree, 'c/a/b', 'f'), digestText('aaaa'))
    assert.deepEqual(listed(tree), ['', 'c', 'c/a', 'c/a/b'])
    assert.deepEqual(scan().moves, [])
  })

  it('a digest is of the whole file as told, or none: grown, shrunk, endless, unreadable', () => {
    const { path } = folder({ small: 'small', big: 'x'.repeat(3_000_000) })
    const root = real.openRoot(path)
    const digest = (name: string, size: number, sys: Sys = real): string =>
      hex(digestFile(sys, root, utf8(name), size) ?? new Uint8Array(0))
    assert.equal(digest('small', 5), digestText('small'))
    assert.equal(digest('big', 3_000_000), digestText('x'.repeat(3_000_000)))
    for (const wrong of [0, 4, 6, 3_000_000]) assert.equal(digest('small', wrong), '')
    assert.equal(digest('missing', 5), '')
    assert.equal(digest('big', 3_000_000, new FaultySys(real).on('read', { nth: 2, result: -errno.EIO })), '')
    const grows = new FaultySys(real).on('read', { nth: 2, before: () => truncateSync(join(path, 'big'), 4_000_000) })
    assert.equal(digest('big', 3_000_000, grows), '')
    let reads = 0
    const endless = new FaultySys(real).on('read', {
      sticky: true,
      result: 1 << 20,
      before: () => void assert.ok(++reads < 10),
    })
    assert.equal(digest('big', 3_000_000, endless), '')
    execFileSync('mkfifo', [join(path, 'p')])
    assert.equal(digest('p', 5), '')
    real.close(root)
  })

  it('a scan that is stopped ends between two directories, a digest between two pieces', () => {
    const { path, tree } = folder({ 'a/f': 'f', 'b/f': 'f', 'c/f': 'f', big: 'x'.repeat(3_000_000) })
    const root = real.openRoot(path)
    const rules = { overrides: [], ignoreFiles: [] }
    let asked = 0
    assert.throws(
      () => scanRoot(real, root, tree, rules, Date.now, () => ++asked > 2),
      (error: { code?: string }) => error.code === 'cancelled',
    )
    assert.deepEqual(listed(tree), ['', 'a'])
    let reads = 0
    const counted = new FaultySys(real).on('read', { sticky: true, before: () => void reads++ })
    const stops = (): boolean => true
    assert.equal(digestFile(counted, root, utf8('big'), 3_000_000, stops), undefined)
    assert.equal(reads, 1)
    real.close(root)
  })
})
