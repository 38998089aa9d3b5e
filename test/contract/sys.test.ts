import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  mtimeSecondsOf,
  sizeOf,
  statErrno,
  statInodeLow,
  statMode,
  statMtimeNs,
  statWidth,
} from '../../src/core/stat.ts'
import { EntryTable, errnoName } from '../../src/disk/sys.ts'
import { openLinuxSys } from '../../src/disk/sys-linux.ts'
import { utf8 } from '../../src/std/bytes.ts'
import { allForms, fails, folderMaker, suiteOf, works } from '../world/sys-forms.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-sys-'))
after(() => rmSync(home, { recursive: true, force: true }))

const freshFolder = folderMaker(home)

function latin(name: string): Uint8Array {
  return new Uint8Array(Buffer.from(name, 'latin1'))
}

for (const open of allForms) {
  const sys = open()
  const { within, namesIn, put } = suiteOf(sys, freshFolder)
  const row = new Uint32Array(statWidth)
  const statOf = (root: number, name: string): Uint32Array => {
    works(sys.stat(root, utf8(name), row, 0))
    return row
  }
  const take = (root: number, name: Uint8Array): string => {
    const handle = works(sys.openFile(root, name))
    const bytes = new Uint8Array(1000)
    const count = works(sys.read(handle, bytes, 0, bytes.length, -1))
    sys.close(handle)
    return Buffer.from(bytes.subarray(0, count)).toString('utf8')
  }

  describe(`sys ${sys.form}: names`, () => {
    const names = [
      'plain',
      ' ',
      '-rf',
      'a\nb',
      '\x01\x7f',
      'f\xff\xfe',
      'f\xef\xbf\xbd\xef\xbf\xbd',
      '\xc0\xaf',
      '\xed\xa0\x80',
      'x'.repeat(255),
      '\xf0\x9f\x8c\x99'.repeat(63),
    ]
    within('every call takes and gives names as bytes', (root) => {
      for (const name of names) put(root, latin(name), `of ${name.length}`)
      assert.deepEqual(namesIn(root), [...names].sort())
      for (const name of names) {
        assert.equal(take(root, latin(name)), `of ${name.length}`)
        works(sys.stat(root, latin(name), row, 0))
        works(sys.setTimesAt(root, latin(name), 1000, 0))
        works(sys.renameNoReplace(root, latin(name), root, latin('aside')))
        works(sys.link(root, latin('aside'), root, latin(name)))
        works(sys.renameOver(root, latin('aside'), root, latin(name)))
        // Two names of one file: rename does nothing then.
        works(sys.unlink(root, latin('aside')))
        works(sys.unlink(root, latin(name)))
        works(sys.makeDirectory(root, latin(name), 0o700))
        sys.close(works(sys.openDirectory(root, latin(name))))
        works(sys.removeDirectory(root, latin(name)))
        works(sys.makeSymlink(root, latin(name), latin(`to/${name}`)))
        assert.deepEqual(sys.readLink(root, latin(name)), latin(`to/${name}`))
        works(sys.unlink(root, latin(name)))
      }
      assert.deepEqual(namesIn(root), [])
    })
    within('a name of 256 bytes is too long for every call', (root) => {
      put(root, latin('f'), 'x')
      const long = latin('x'.repeat(256))
      const calls: (() => number | Uint8Array)[] = [
        () => sys.openDirectory(root, long),
        () => sys.stat(root, long, row, 0),
        () => sys.readLink(root, long),
        () => sys.openFile(root, long),
        () => sys.createFile(root, long, 0o600),
        () => sys.setTimesAt(root, long, 0, 0),
        () => sys.makeDirectory(root, long, 0o700),
        () => sys.makeSymlink(root, long, latin('t')),
        () => sys.link(root, latin('f'), root, long),
        () => sys.renameNoReplace(root, latin('f'), root, long),
        () => sys.renameOver(root, latin('f'), root, long),
        () => sys.unlink(root, long),
        () => sys.removeDirectory(root, long),
      ]
      for (const call of calls) fails(call() as number, 'ENAMETOOLONG')
      fails(sys.stat(root, latin('x'.repeat(5000)), row, 0), 'ENAMETOOLONG')
      fails(sys.makeSymlink(root, latin('l'), latin('x'.repeat(5000))), 'ENAMETOOLONG')
    })
    within(
      'a listing looks at as many entries as was asked for, and goes no further than it was told',
      (root, path) => {
        for (let i = 0; i < 5000; i++) writeFileSync(join(path, `a name of some length, and number ${i}`), '')
        const table = new EntryTable()
        assert.equal(sys.list(root, table, 2), 5000)
        assert.ok(table.stats.length < 5000 * statWidth)
        const count = sys.list(root, table, 0, 3)
        assert.ok(count >= 3 && count < 5000, `${count} entries`)
        assert.equal(count, table.count)
      },
    )
    within('a listing grows with what it holds, and can be made again from the same handle', (root, path) => {
      const long = Array.from({ length: 1100 }, (_, i) => `${i}-`.padEnd(200, 'n'))
      for (const name of long) writeFileSync(join(path, name), name.slice(0, 4))
      const table = new EntryTable()
      for (let time = 0; time < 2; time++) {
        assert.equal(sys.list(root, table), long.length)
        for (let i = 0; i < table.count; i++) {
          assert.equal(table.stats[i * statWidth + statErrno], 0)
          assert.equal(sizeOf(table.stats, i * statWidth), 4)
        }
        assert.ok(namesIn(root).join() === [...long].sort().join(), 'all names, as they are')
      }
      const empty = works(sys.makeDirectory(root, utf8('empty'), 0o700))
      assert.equal(empty, 0)
      const handle = works(sys.openDirectory(root, utf8('empty')))
      assert.equal(sys.list(handle, table), 0)
      sys.close(handle)
    })
  })

  describe(`sys ${sys.form}: what stat says`, () => {
    within('type, mode, size and inode, by name and by handle', (root, path) => {
      put(root, utf8('f'), 'twelve bytes')
      chmodSync(join(path, 'f'), 0o640)
      mkdirSync(join(path, 'd'))
      symlinkSync('nowhere', join(path, 'l'))
      execFileSync('mkfifo', [join(path, 'p')])
      for (const name of ['f', 'd', 'l', 'p']) {
        const facts = lstatSync(join(path, name))
        statOf(root, name)
        assert.equal(row[statMode], facts.mode, name)
        assert.equal(row[statInodeLow], facts.ino % 2 ** 32, name)
        assert.equal(sizeOf(row, 0), facts.size, name)
      }
      const byName = statOf(root, 'f').slice()
      const handle = works(sys.openFile(root, utf8('f')))
      const byHandle = new Uint32Array(3 * statWidth)
      works(sys.statHandle(handle, byHandle, 2))
      sys.close(handle)
      assert.deepEqual(byHandle.subarray(2 * statWidth), byName)
      const table = new EntryTable()
      works(sys.list(root, table))
      const at = Array.from({ length: 4 }, (_, i) => i).find((i) => table.name(i)[0] === 0x66) as number
      assert.deepEqual(table.stats.subarray(at * statWidth, (at + 1) * statWidth), byName)
    })
    within('sizes above 4 GiB', (root, path) => {
      writeFileSync(join(path, 'sparse'), '')
      truncateSync(join(path, 'sparse'), 5 * 2 ** 30 + 7)
      assert.equal(sizeOf(statOf(root, 'sparse'), 0), 5 * 2 ** 30 + 7)
    })
    within('times are set and read to the grain: before 1970, at 0, now, after 2038 and after 2106', (root) => {
      put(root, utf8('f'), '')
      works(sys.makeSymlink(root, utf8('l'), utf8('f')))
      works(sys.makeDirectory(root, utf8('d'), 0o700))
      const grain = sys.timeGrainNs
      const far = sys.timeGrainNs === 1 ? [9_000_000_000] : []
      for (const seconds of [-2_000_000_000, -1, 0, 1, 1_700_000_000, 2 ** 31, 2 ** 32 + 12, 5_000_000_000, ...far]) {
        for (const ns of [0, 1000, 1001, 123_456_789, 500_000_000, 999_999_999]) {
          const expected = [seconds, ns - (ns % grain)]
          const handle = works(sys.openFile(root, utf8('f')))
          works(sys.setTimes(handle, seconds, ns))
          sys.close(handle)
          const found = [mtimeSecondsOf(statOf(root, 'f'), 0), row[statMtimeNs] as number]
          assert.deepEqual(found, expected, `a file at ${seconds} ${ns}`)
          for (const name of ['l', 'd']) {
            works(sys.setTimesAt(root, utf8(name), seconds, ns))
            const at = [mtimeSecondsOf(statOf(root, name), 0), row[statMtimeNs] as number]
            assert.deepEqual(at, expected, `${name} at ${seconds} ${ns}`)
          }
        }
      }
    })
    within('modes are set exactly, whatever the umask', (root) => {
      put(root, utf8('f'), '')
      for (const mode of [0o777, 0o666, 0o600, 0o001, 0o4755, 0o000]) {
        const handle = works(sys.openFile(root, utf8('f')))
        works(sys.setMode(handle, mode))
        sys.close(handle)
        assert.equal((statOf(root, 'f')[statMode] as number) & 0o7777, mode)
      }
    })
  })

  describe(`sys ${sys.form}: errors are numbers`, () => {
    within('what is missing', (root) => {
      const no = utf8('missing')
      const other = utf8('other')
      const calls: (() => number | Uint8Array)[] = [
        () => sys.openDirectory(root, no),
        () => sys.openDirectory(root, utf8('missing/below')),
        () => sys.stat(root, no, row, 0),
        () => sys.readLink(root, no),
        () => sys.openFile(root, no),
        () => sys.setTimesAt(root, no, 0, 0),
        () => sys.link(root, no, root, other),
        () => sys.renameNoReplace(root, no, root, other),
        () => sys.renameOver(root, no, root, other),
        () => sys.unlink(root, no),
        () => sys.removeDirectory(root, no),
      ]
      for (const call of calls) fails(call() as number, 'ENOENT')
      fails(sys.openRoot(join(home, 'no', 'such', 'folder')), 'ENOENT')
      assert.equal(errnoName(-999_999), 'errno 999999')
    })
    within('what is of another kind, taken, or not empty', (root) => {
      put(root, utf8('f'), 'x')
      works(sys.makeDirectory(root, utf8('d'), 0o700))
      works(sys.makeDirectory(root, utf8('full'), 0o700))
      const full = works(sys.openDirectory(root, utf8('full')))
      put(full, utf8('in'), 'x')
      sys.close(full)
      fails(sys.openDirectory(root, utf8('f')), 'ENOTDIR')
      fails(sys.openDirectory(root, utf8('f/below')), 'ENOTDIR')
      fails(sys.readLink(root, utf8('f')) as number, 'EINVAL')
      fails(sys.createFile(root, utf8('f'), 0o600), 'EEXIST')
      fails(sys.createFile(root, utf8('d'), 0o600), 'EEXIST')
      fails(sys.makeDirectory(root, utf8('f'), 0o700), 'EEXIST')
      fails(sys.makeDirectory(root, utf8('d'), 0o700), 'EEXIST')
      fails(sys.makeSymlink(root, utf8('f'), utf8('t')), 'EEXIST')
      fails(sys.link(root, utf8('f'), root, utf8('d')), 'EEXIST')
      fails(sys.link(root, utf8('d'), root, utf8('d2')), 'EPERM')
      fails(sys.unlink(root, utf8('d')), 'EISDIR')
      fails(sys.removeDirectory(root, utf8('f')), 'ENOTDIR')
      fails(sys.removeDirectory(root, utf8('full')), 'ENOTEMPTY')
      fails(sys.renameOver(root, utf8('f'), root, utf8('d')), 'EISDIR')
      fails(sys.renameOver(root, utf8('d'), root, utf8('full')), 'ENOTEMPTY')
    })
    within('a closed handle', (root) => {
      put(root, utf8('f'), 'x')
      const handle = works(sys.openFile(root, utf8('f')))
      sys.close(handle)
      fails(sys.statHandle(handle, row, 0), 'EBADF')
      fails(sys.setMode(handle, 0o600), 'EBADF')
      fails(sys.read(handle, new Uint8Array(1), 0, 1, -1), 'EBADF')
      fails(sys.write(handle, new Uint8Array(1), 0, 1), 'EBADF')
      fails(sys.setTimes(handle, 0, 0), 'EBADF')
      fails(sys.syncHandle(handle), 'EBADF')
      assert.ok(sys.syncFileSystem(handle) < 0)
      assert.ok(sys.list(handle, new EntryTable()) < 0)
    })
  })

  describe(`sys ${sys.form}: content`, () => {
    within('a file of ours is opened again, and written at places; what lies between is a hole', (root, path) => {
      sys.close(works(sys.createFile(root, utf8('f'), 0o600)))
      fails(sys.reopenFile(root, utf8('g')), 'ENOENT')
      const handle = works(sys.reopenFile(root, utf8('f')))
      assert.equal(sys.write(handle, utf8('later'), 0, 5, 1_000_000), 0)
      assert.equal(sys.write(handle, utf8('xyfirst'), 2, 5, 0), 0)
      const bytes = new Uint8Array(5)
      assert.equal(sys.read(handle, bytes, 0, 5, 1_000_000), 5)
      assert.deepEqual(bytes, utf8('later'))
      assert.equal(sys.setLength(handle, 1_000_002), 0)
      assert.equal(readFileSync(join(path, 'f')).toString('latin1').replaceAll('\0', ''), 'firstla')
      assert.equal(sys.setLength(handle, 3_000_000), 0)
      assert.equal(statSync(join(path, 'f')).size, 3_000_000)
      sys.close(handle)
      symlinkSync('f', join(path, 'l'))
      fails(sys.reopenFile(root, utf8('l')), 'ELOOP')
    })

    within('what one file has is shared with another, or refused and nothing done', (root, path) => {
      writeFileSync(join(path, 'from'), Buffer.alloc(262_144, 'shared'))
      const from = works(sys.openFile(root, utf8('from')))
      sys.close(works(sys.createFile(root, utf8('to'), 0o600)))
      const to = works(sys.reopenFile(root, utf8('to')))
      const code = sys.clone(from, 65_536, to, 0, 131_072)
      const expected = code === 0 ? readFileSync(join(path, 'from')).subarray(65_536, 196_608) : Buffer.alloc(0)
      assert.deepEqual(readFileSync(join(path, 'to')), expected, errnoName(code))
      sys.close(from)
      sys.close(to)
    })

    within('is written whole, read on or at a position, and synced', (root) => {
      const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251)
      const handle = works(sys.createFile(root, utf8('f'), 0o600))
      works(sys.write(handle, bytes, 0, 100_000))
      works(sys.write(handle, bytes, 100_000, 200_000))
      works(sys.write(handle, utf8('xyz'), 0, 3, 299_999))
      works(sys.write(handle, bytes, 299_999, 1, 299_999))
      works(sys.write(handle, bytes, 1, 2, 7))
      works(sys.write(handle, bytes, 7, 2, 7))
      assert.equal(sys.syncHandle(handle), 0)
      sys.close(handle)
      const again = works(sys.openFile(root, utf8('f')))
      const back = new Uint8Array(400_000)
      let filled = 0
      for (let count = 1; count > 0; filled += count) count = works(sys.read(again, back, filled, 70_001, -1))
      assert.equal(filled, bytes.length + 2)
      assert.deepEqual(back.subarray(0, bytes.length), bytes)
      assert.deepEqual(back.subarray(bytes.length, filled), utf8('yz'))
      assert.equal(sys.read(again, back, 0, 10, 299_995), 7)
      assert.deepEqual(back.subarray(0, 5), bytes.subarray(299_995))
      assert.equal(sys.read(again, back, 0, 10, 300_002), 0)
      fails(sys.write(again, bytes, 0, 1), 'EBADF')
      sys.close(again)
      assert.equal(sys.syncHandle(root), 0)
      assert.equal(sys.syncFileSystem(root), 0)
    })
    within('a FIFO, a socket or a device never blocks and never gives content', (root, path) => {
      execFileSync('mkfifo', [join(path, 'p')])
      const handle = sys.openFile(root, utf8('p'))
      if (handle >= 0) {
        assert.ok(sys.read(handle, new Uint8Array(8), 0, 8, -1) <= 0)
        sys.close(handle)
      }
      fails(sys.openDirectory(root, utf8('p')), 'ENOTDIR')
    })
  })

  describe(`sys ${sys.form}: names are given and taken`, () => {
    const kinds: Record<string, (path: string) => void> = {
      file: (path) => writeFileSync(path, 'kept'),
      'empty directory': (path) => mkdirSync(path),
      'full directory': (path) => {
        mkdirSync(path)
        writeFileSync(join(path, 'in'), 'kept')
      },
      'dangling symlink': (path) => symlinkSync('nowhere', path),
      'symlink to a directory': (path) => symlinkSync('.', path),
    }
    for (const [there, makeThere] of Object.entries(kinds)) {
      for (const [coming, makeComing] of Object.entries(kinds)) {
        within(`a ${coming} never takes the name of a ${there}`, (root, path) => {
          makeThere(join(path, 'taken'))
          makeComing(join(path, 'coming'))
          const before = lstatSync(join(path, 'taken')).ino
          fails(sys.renameNoReplace(root, utf8('coming'), root, utf8('taken')), 'EEXIST')
          assert.equal(lstatSync(join(path, 'taken')).ino, before)
          assert.ok(lstatSync(join(path, 'coming')))
          works(sys.renameNoReplace(root, utf8('coming'), root, utf8('free')))
          assert.deepEqual(namesIn(root), ['free', 'taken'])
        })
      }
    }
    within('renameOver puts one version in the place of another', (root, path) => {
      put(root, utf8('old'), 'old')
      put(root, utf8('new'), 'new')
      works(sys.renameOver(root, utf8('new'), root, utf8('old')))
      assert.deepEqual(namesIn(root), ['old'])
      assert.equal(readFileSync(join(path, 'old'), 'utf8'), 'new')
    })
    within('exchange swaps any two names, or says that it can not', (root, path) => {
      for (const [name, make] of Object.entries(kinds)) {
        put(root, utf8('file'), 'f')
        make(join(path, 'other'))
        const inodes = [lstatSync(join(path, 'file')).ino, lstatSync(join(path, 'other')).ino]
        const code = sys.exchange(root, utf8('file'), root, utf8('other'))
        if (sys.exactRenames) {
          works(code)
          assert.deepEqual([lstatSync(join(path, 'other')).ino, lstatSync(join(path, 'file')).ino], inodes, name)
          fails(sys.exchange(root, utf8('file'), root, utf8('missing')), 'ENOENT')
        } else fails(code, 'ENOSYS')
        rmSync(join(path, 'file'), { recursive: true })
        rmSync(join(path, 'other'), { recursive: true })
      }
    })
    within('link makes a second name, of a symlink too, and takes no name', (root, path) => {
      put(root, utf8('f'), 'x')
      symlinkSync('f', join(path, 'l'))
      works(sys.link(root, utf8('f'), root, utf8('f2')))
      works(sys.link(root, utf8('l'), root, utf8('l2')))
      assert.equal(statSync(join(path, 'f2')).ino, statSync(join(path, 'f')).ino)
      assert.equal(readlinkSync(join(path, 'l2')), 'f')
      fails(sys.link(root, utf8('f'), root, utf8('l2')), 'EEXIST')
    })
  })
}

describe('the form of sys', () => {
  it('is chosen once a process, and can be forced to the portable one', () => {
    const url = JSON.stringify(new URL('../../src/disk/system.ts', import.meta.url).href)
    const script = `import { systemSys } from ${url}; process.stdout.write(systemSys().form + String(systemSys() === systemSys()))`
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
    const formWith = (env: Record<string, string>): string =>
      execFileSync(process.execPath, args, { env: { ...process.env, ...env }, encoding: 'utf8' })
    assert.equal(formWith({ NIGHTFERRY_SYS: 'portable' }), 'portabletrue')
    assert.equal(formWith({ NIGHTFERRY_SYS: '' }), process.platform === 'linux' ? 'linux-ffitrue' : 'portabletrue')
  })
})

describe('a thread that roams', { skip: process.platform !== 'linux' && 'only the Linux form roams' }, () => {
  const whereabouts = (): string => readlinkSync('/proc/thread-self/cwd')

  it('leaves a directory with its handle, so that nothing keeps its file system from being unmounted', () => {
    const path = freshFolder()
    mkdirSync(join(path, 'deep'))
    const sys = openLinuxSys(true)
    const root = sys.openRoot(path)
    const deep = sys.openDirectory(root, utf8('deep'))
    const row = new Uint32Array(statWidth)
    sys.stat(root, utf8('deep'), row, 0)
    assert.notEqual(whereabouts(), path, 'a handle of someone else is no place to be')
    sys.close(sys.createFile(deep, utf8('file'), 0o600))
    assert.equal(whereabouts(), join(path, 'deep'))
    sys.close(deep)
    assert.equal(whereabouts(), '/')
    sys.close(root)
  })

  it('works in the directory that a number means now, not in the one that it meant before', () => {
    const path = freshFolder()
    for (const name of ['one', 'two']) mkdirSync(join(path, name))
    writeFileSync(join(path, 'one', 'file'), '1')
    const sys = openLinuxSys(true)
    const root = sys.openRoot(path)
    const row = new Uint32Array(statWidth)
    const one = sys.openDirectory(root, utf8('one'))
    assert.equal(sys.stat(one, utf8('file'), row, 0), 0)
    sys.close(one)
    const two = sys.openDirectory(root, utf8('two'))
    assert.equal(two, one, 'the system gives the number again')
    assert.ok(sys.stat(two, utf8('file'), row, 0) < 0)
    sys.close(two)
    sys.close(root)
  })
})
