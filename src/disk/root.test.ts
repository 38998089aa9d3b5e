// Roots: who they are, what they can hold, who keeps others out, and what is refused untouched.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { fails, picture, target, visit } from '../../test/world/open-roots.ts'
import { plant } from '../../test/world/planted.ts'
import { Failure, type FailureCode } from '../std/failure.ts'
import { openSource, realPath } from './root.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-root-'))
const children: ChildProcess[] = []
after(async () => {
  for (const child of children) {
    if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'close')
  }
  rmSync(home, { recursive: true, force: true })
})
const real = systemSys()
let made = 0

function fresh(): string {
  return join(home, `case-${++made}`)
}

function openHandles(): number {
  return readdirSync('/proc/self/fd').length
}

/** Runs as an ordinary user, where the tests are run by root. */
function asNobody(run: () => void): void {
  const { seteuid } = process
  const isRoot = process.getuid?.() === 0 && seteuid !== undefined
  chmodSync(home, 0o755)
  if (isRoot) seteuid(65_534)
  try {
    run()
  } finally {
    if (isRoot) seteuid(0)
  }
}

/** Another process that has the root open as a target or as a source. */
async function holder(path: string, role: 'openTarget' | 'openSource'): Promise<ChildProcess> {
  const here = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href)
  const options = role === 'openTarget' ? ', { create: true, machine: "there", expectedId: undefined }' : ''
  const script = `
    import { ${role} } from ${here('./root.ts')}
    import { systemSys } from ${here('./system.ts')}
    // Held on to: a lock goes with what is collected.
    globalThis.held = ${role}(systemSys(), ${JSON.stringify(path)}${options})
    process.stdout.write('held')
    process.stdin.resume()`
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
  return child
}

describe('a source', () => {
  it('is opened without a trace, and tells who it is', () => {
    const path = fresh()
    plant(path, { 'd/f': 'f' })
    const before = picture(path)
    const root = openSource(real, path)
    root.close()
    assert.deepEqual([root.path, root.empty, root.own, root.recovered], [path, false, undefined, []])
    assert.deepEqual(picture(path), before)
    renameSync(path, `${path} moved`)
    const moved = openSource(real, `${path} moved`)
    moved.close()
    assert.equal(moved.id, root.id)
    plant(path, { 'd/f': 'f' })
    const other = openSource(real, path)
    other.close()
    assert.notEqual(other.id, root.id)
  })

  it('is opened without a trace also where it is a target of another job', () => {
    const path = fresh()
    visit(path)
    plant(path, { f: 'f' })
    const before = picture(path)
    openSource(real, path).close()
    assert.deepEqual(picture(path), before)
  })

  it('that is missing, no folder, or not readable is refused by its own code', () => {
    const path = fresh()
    plant(path, { f: 'f', 'closed/in/f': 'f' })
    fails('source-missing', () => openSource(real, join(path, 'no', 'such')))
    fails('source-not-directory', () => openSource(real, join(path, 'f')))
    fails('source-missing', () => openSource(real, join(path, 'f', 'below')))
    fails('source-unreadable', () => openSource(new FaultySys(real).on('openRoot', { result: -errno.EACCES }), path))
    fails('source-unreadable', () => openSource(new FaultySys(real).on('list', { result: -errno.EIO }), path))
    chmodSync(join(path, 'closed'), 0o000)
    asNobody(() => {
      fails('source-unreadable', () => openSource(real, join(path, 'closed')))
      fails('source-unreadable', () => openSource(real, join(path, 'closed/in')))
    })
    chmodSync(join(path, 'closed'), 0o755)
  })

  it('may be shared by readers, not by a writer', async () => {
    const path = fresh()
    visit(path)
    const [one, two] = [openSource(real, path), openSource(real, path)]
    fails('root-locked', () => target(path))
    one.close()
    fails('root-locked', () => target(path))
    two.close()
    const writer = target(path)
    fails('root-locked', () => openSource(real, path))
    writer.close()
    const reader = await holder(path, 'openSource')
    openSource(real, path).close()
    fails('root-locked', () => target(path))
    reader.kill('SIGKILL')
    await once(reader, 'close')
    visit(path)
  })
})

describe('a target', () => {
  it('is made with a marker of its own, and keeps it', () => {
    const path = fresh()
    const root = target(path)
    assert.deepEqual([root.path, root.empty, root.recovered], [path, true, []])
    assert.match(root.id, /^[a-z0-9]{24}$/)
    root.close()
    const own = join(path, '.nightferry')
    assert.equal(lstatSync(own).mode & 0o777, 0o700)
    assert.match(readFileSync(join(own, 'CACHEDIR.TAG'), 'utf8'), /^Signature: 8a477f597d28d172789f06886806bc55\n/)
    const { version, id, machine } = JSON.parse(readFileSync(join(own, 'root.json'), 'utf8')) as Record<string, unknown>
    assert.deepEqual([version, id, machine], [1, root.id, 'here'])
    assert.equal(lstatSync(join(own, 'root.json')).mode & 0o077, 0)
    assert.equal(visit(path).id, root.id)
    renameSync(path, `${path} moved`)
    assert.equal(visit(`${path} moved`, { expectedId: root.id }).id, root.id)
    assert.notEqual(visit(fresh()).id, root.id)
  })

  it('is empty while it holds nothing but what is ours', () => {
    const path = fresh()
    assert.equal(visit(path).empty, true)
    assert.equal(visit(path).empty, true)
    writeFileSync(join(path, '.hidden'), '')
    assert.equal(visit(path).empty, false)
    const foreign = fresh()
    plant(foreign, { f: 'f' })
    assert.equal(visit(foreign).empty, false)
  })

  it('gets its marker when a first start was cut off before it', () => {
    const path = fresh()
    mkdirSync(join(path, '.nightferry'), { recursive: true })
    assert.match(visit(path).id, /^[a-z0-9]{24}$/)
  })

  it('that is not the one of the last run is refused before anything is made', () => {
    const path = fresh()
    const { id } = visit(path)
    const before = picture(path)
    fails('root-replaced', () => target(path, { expectedId: 'anotheridanotherid' }))
    assert.deepEqual(picture(path), before)
    // Its disk is not mounted: an empty folder, or none.
    const unmounted = fresh()
    fails('root-replaced', () => target(unmounted, { expectedId: id }))
    assert.equal(existsSync(unmounted), false)
    mkdirSync(unmounted)
    fails('root-replaced', () => target(unmounted, { expectedId: id }))
    assert.deepEqual(readdirSync(unmounted), [])
    plant(unmounted, { '.nightferry/lock': '' })
    fails('root-replaced', () => target(unmounted, { expectedId: id }))
  })

  it('with a damaged marker, or one of a newer format, is refused and not touched', () => {
    const damages: Readonly<Record<string, FailureCode>> = {
      '': 'root-replaced',
      '{': 'root-replaced',
      null: 'root-replaced',
      '[]': 'root-replaced',
      '{"version":1}': 'root-replaced',
      '{"version":1,"id":"../../etc"}': 'root-replaced',
      '{"version":0,"id":"abcdefghij"}': 'root-replaced',
      [`{"version":1,"id":"abcdefghij"}${' '.repeat(40_000)}`]: 'root-replaced',
      '{"version":1,"id":"abcdefghij","stores":1}': 'root-replaced',
      '{"version":2,"id":"abcdefghij"}': 'root-replaced',
      '{"version":2,"id":"abcdefghij","stores":0.5}': 'root-replaced',
      '{"version":2,"id":"abcdefghij","stores":64}': 'format-too-new',
      '{"version":3,"id":"abcdefghij"}': 'format-too-new',
      '{"version":99}': 'format-too-new',
    }
    for (const [marker, code] of Object.entries(damages)) {
      const path = fresh()
      plant(path, {
        f: 'f',
        '.nightferry/root.json': marker,
        '.nightferry/staging/dabc': 'd',
        '.nightferry/journal': 'x',
      })
      const before = picture(path)
      fails(code, () => target(path))
      fails(code, () => target(path, { create: false }))
      assert.deepEqual(picture(path), before, marker)
    }
  })

  it('whose own directory is a symlink, or a file, is refused, and what it points to is left alone', () => {
    const outside = fresh()
    plant(outside, { f: 'f' })
    const path = fresh()
    mkdirSync(path)
    symlinkSync(outside, join(path, '.nightferry'))
    const before = picture(outside)
    fails('target-not-writable', () => target(path))
    assert.deepEqual(picture(outside), before)
    const other = fresh()
    plant(other, { '.nightferry': 'a file' })
    fails('target-not-writable', () => target(other))
    const third = fresh()
    plant(third, { '.nightferry/root.json': { link: join(outside, 'f') } })
    fails('root-replaced', () => target(third))
  })

  it('that can not be made, read or written is refused by its own code', () => {
    const path = fresh()
    plant(path, { file: 'f', 'closed/t/f': 'f', 'locked/.nightferry/root.json': '{"version":1,"id":"abcdefghij"}' })
    fails('target-not-directory', () => target(join(path, 'no', 'such')))
    fails('target-not-directory', () => target(join(path, 'no', 'such'), { create: false }))
    fails('target-not-directory', () => target(join(path, 'file')))
    fails('target-not-directory', () => target(join(path, 'file', 'below')))
    fails('target-not-writable', () => target(path, {}, new FaultySys(real).on('openRoot', { result: -errno.EACCES })))
    fails('target-not-writable', () => target(path, {}, new FaultySys(real).on('list', { result: -errno.EIO })))
    fails('target-not-writable', () => target(path, {}, new FaultySys(real).on('createFile', { result: -errno.EROFS })))
    fails('target-full', () => target(path, {}, new FaultySys(real).on('createFile', { result: -errno.ENOSPC })))
    rmSync(join(path, '.nightferry'), { recursive: true })
    chmodSync(path, 0o755)
    chmodSync(join(path, 'closed'), 0o700)
    chmodSync(join(path, 'locked/.nightferry'), 0o700)
    asNobody(() => {
      if (process.geteuid?.() !== 65_534) return
      fails('target-not-writable', () => target(join(path, 'locked')))
      fails('target-not-writable', () => target(join(path, 'new')))
      fails('target-not-writable', () => target(join(path, 'closed/t')))
      fails('target-not-writable', () => target(join(path, 'closed/t'), { create: false }))
    })
    assert.deepEqual(readdirSync(join(path, 'locked')), ['.nightferry'])
  })

  it('is not touched by a dry run', () => {
    const path = fresh()
    const missing = target(path, { create: false })
    assert.deepEqual([missing.handle, missing.id, missing.empty, missing.own], [-1, '', true, undefined])
    missing.close()
    assert.equal(existsSync(path), false)
    plant(path, { f: 'f' })
    const unmarked = target(path, { create: false })
    assert.deepEqual([unmarked.id, unmarked.empty, unmarked.own], ['', false, undefined])
    unmarked.close()
    assert.deepEqual(readdirSync(path), ['f'])
    const { id } = visit(path)
    plant(path, { '.nightferry/staging/dabc': 'left', '.nightferry/journal': 'x' })
    const before = picture(path)
    const marked = target(path, { create: false })
    assert.equal(marked.id, id)
    marked.close()
    assert.deepEqual(picture(path), before)
  })

  it('has one writer, in this process and among all', async () => {
    const path = fresh()
    const first = target(path)
    fails('root-locked', () => target(path))
    fails('root-locked', () => target(path, { create: false }))
    first.close()
    const other = await holder(path, 'openTarget')
    fails('root-locked', () => target(path))
    fails('root-locked', () => openSource(real, path))
    // The lock dies with its process, however that ends.
    other.kill('SIGKILL')
    await once(other, 'close')
    visit(path)
    openSource(real, path).close()
  })

  it('leaves no handle open, whether it could be opened or not', () => {
    const path = fresh()
    visit(path)
    const free = openHandles()
    const held = target(path)
    for (let time = 0; time < 5; time++) {
      fails('root-locked', () => target(path))
      fails('root-locked', () => openSource(real, path))
    }
    held.close()
    assert.equal(openHandles(), free)
    for (const [call, result] of [
      ['list', -errno.EIO],
      ['createFile', -errno.ENOSPC],
      ['openDirectory', -errno.EIO],
      ['openDirectory', -errno.EACCES],
    ] as const) {
      const nth = result === -errno.EACCES ? 2 : 1
      assert.throws(() => target(path, {}, new FaultySys(real).on(call, { nth, result })), Failure)
      assert.equal(openHandles(), free, call)
    }
    assert.throws(() => openSource(new FaultySys(real).on('list', { result: -errno.EIO }), path), Failure)
    visit(path)
    visit(path, { create: false })
    assert.equal(openHandles(), free)
  })

  it('clears its staging directory of what is ours, and keeps what was marked', () => {
    const path = fresh()
    visit(path)
    plant(path, {
      '.nightferry/staging/sabc/d/f': 'f',
      '.nightferry/staging/fabc': 'f',
      '.nightferry/staging/kabc-notes.txt': 'a person wrote this',
    })
    visit(path)
    assert.deepEqual(readdirSync(join(path, '.nightferry/staging')), [])
    assert.equal(readFileSync(join(path, '.nightferry/kept/abc-notes.txt'), 'utf8'), 'a person wrote this')
    // Where it can't be moved it stays; nothing is lost for that.
    plant(path, { '.nightferry/staging/kdef-more.txt': 'and this' })
    visit(path, {}, new FaultySys(real).on('renameNoReplace', { sticky: true, result: -errno.ENOSPC }))
    assert.deepEqual(readdirSync(join(path, '.nightferry/staging')), ['kdef-more.txt'])
    visit(path)
    assert.deepEqual(readdirSync(join(path, '.nightferry/kept')).sort(), ['abc-notes.txt', 'def-more.txt'])
  })
})

describe('traits', () => {
  /** A Sys whose file system keeps times and modes only so far. */
  const coarse = (keep: (seconds: number, ns: number) => readonly [number, number], keepsModes = true): Sys => {
    const sys = Object.create(real) as Sys
    sys.setTimes = (handle, seconds, ns) => real.setTimes(handle, ...keep(seconds, ns))
    sys.setMode = (handle, mode) => (keepsModes ? real.setMode(handle, mode) : 0)
    return sys
  }
  const grains: readonly (readonly [string, Sys, number, number])[] = [
    ['a plain disk', real, real.timeGrainNs, 0o777],
    ['NTFS', coarse((seconds, ns) => [seconds, ns - (ns % 100)]), Math.max(100, real.timeGrainNs), 0o777],
    ['microseconds', coarse((seconds, ns) => [seconds, ns - (ns % 1000)]), 1000, 0o777],
    ['milliseconds', coarse((seconds, ns) => [seconds, ns - (ns % 1_000_000)]), 1_000_000, 0o777],
    ['seconds', coarse((seconds) => [seconds, 0]), 1_000_000_000, 0o777],
    ['FAT', coarse((seconds) => [seconds - (seconds % 2), 0], false), 2_000_000_000, 0],
    ['times that can not be set', coarse(() => [1_000_000_000, 0], false), 2_000_000_000, 0],
  ]
  for (const [name, sys, timeGrainNs, modeMask] of grains)
    it(`are found out: ${name}`, () => {
      // Which times it holds is for the disk of this machine to say.
      const { times: _, ...traits } = visit(fresh(), {}, sys).traits
      assert.deepEqual(traits, { timeGrainNs, modeMask })
    })

  it('are not taken from a disk that fails for a moment', () => {
    for (const call of ['setMode', 'setTimes', 'statHandle'] as const) {
      const path = fresh()
      visit(path)
      fails('target-not-writable', () =>
        target(path, {}, new FaultySys(real).on(call, { sticky: true, result: -errno.EIO })),
      )
      assert.deepEqual(visit(path).traits.modeMask, 0o777)
    }
  })
  it('of a source are those of the system', () => {
    const path = fresh()
    mkdirSync(path)
    const root = openSource(real, path)
    root.close()
    assert.deepEqual(root.traits, { timeGrainNs: real.timeGrainNs, modeMask: 0o777 })
  })
})

describe('real paths', () => {
  it('follow links, also of the folder in which a missing one would be made', () => {
    const path = fresh()
    mkdirSync(join(path, 'real'), { recursive: true })
    symlinkSync('real', join(path, 'link'))
    assert.equal(realPath(join(path, 'link')), join(path, 'real'))
    assert.equal(realPath(join(path, 'link', 'new')), join(path, 'real', 'new'))
    assert.equal(realPath(join(path, 'no', 'such')), join(path, 'no', 'such'))
  })
})
