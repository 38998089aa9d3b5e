// The store of old versions: its layout, its policy carried out, machines that die in between, and what a hostile or
// damaged store can't do.

import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Death, FaultySys } from '../../test/world/faulty-sys.ts'
import { prune, sought } from '../../test/world/kept-runs.ts'
import { mirror, openPlace, problemsOf } from '../../test/world/one-mirror.ts'
import { allTexts, contents, facts, kept, plant } from '../../test/world/planted.ts'
import type { RelPath } from '../core/path.ts'
import { type Keep, parseKeep } from '../core/retention.ts'
import { Failure } from '../std/failure.ts'
import { findTarget, findTyped } from './find-target.ts'
import { readManifest } from './manifest.ts'
import { listVersions, restoreVersions } from './past.ts'
import { openTarget } from './root.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'
import {
  checkStoreDirectory,
  closeRunPlace,
  makeRunPlace,
  openStore,
  readStoreSettings,
  runsIn,
  type Store,
  writeStoreSettings,
} from './versions.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-versions-'))
after(() => rmSync(home, { recursive: true, force: true }))

const real = systemSys()
const day = 86_400_000
const runA = '20260101T000000000Z-aaaaaaaa'
const runB = '20260102T000000000Z-bbbbbbbb'
const runC = '20260103T000000000Z-cccccccc'
const all = 1000
const top = '' as RelPath

let made = 0
function twoFolders(): { source: string; target: string } {
  const path = join(home, `case-${++made}`)
  mkdirSync(path)
  return { source: join(path, 'source'), target: join(path, 'target') }
}

const quick = (): FaultySys =>
  new FaultySys(real).on('syncFileSystem', { sticky: true, result: 0 }).on('syncHandle', { sticky: true, result: 0 })

/** Mirrors these sources one after the other, each as a run of its own. */
async function mirrors(
  folders: { source: string; target: string },
  runs: Readonly<Record<string, Parameters<typeof plant>[1]>>,
): Promise<void> {
  for (const [run, folder] of Object.entries(runs)) {
    rmSync(folders.source, { recursive: true, force: true })
    plant(folders.source, folder)
    assert.deepEqual(problemsOf(await mirror({ sys: quick(), ...folders, run })), [])
  }
}

function withStore<Result>(target: string, work: (store: Store, own: number) => Result, sys: Sys = real): Result {
  const ownPath = join(target, '.nightferry')
  const own = sys.openRoot(ownPath)
  const store = openStore(sys, { own, id: 'abcdefgh', ownPath }, readStoreSettings(ownPath), false)
  assert.ok(store)
  try {
    return work(store, own)
  } finally {
    sys.close(store.handle)
    sys.close(own)
  }
}

const text = (content: string, mtimeMs: number): { text: string; mtimeMs: number } => ({ text: content, mtimeMs })

describe('the store of versions', () => {
  it('keeps what was replaced and deleted under its own path, and lists it newest first', async () => {
    const folders = twoFolders()
    await mirrors(folders, {
      [runA]: { f: text('one', 1e12), 'd/e/g': 'g', 'd/stays': 's', h: 'h' },
      [runB]: { f: text('two', 1.1e12), 'd/stays': 's', h: { text: 'h', mode: 0o600 } },
      [runC]: { f: text('three', 1.2e12), 'd/stays': 's' },
    })
    const store = join(folders.target, '.nightferry/versions')
    assert.deepEqual(contents(join(store, runA, 'files')), {})
    assert.deepEqual(contents(join(store, runB, 'files')), { d: '/', 'd/e': '/', 'd/e/g': 'g', f: 'one' })
    assert.deepEqual(contents(join(store, runC, 'files')), { f: 'two', h: 'h' })
    const listed = withStore(folders.target, (one) => listVersions(real, one, sought(one, top), all))
    assert.deepEqual(
      listed.versions.map(({ run, path, why }) => `${run.slice(-1)} ${why} ${path}`),
      ['c replaced f', 'c deleted h', 'b deleted d/e/g', 'b replaced f'],
    )
    const below = withStore(folders.target, (one) => listVersions(real, one, sought(one, 'd/e/g' as RelPath), all))
    assert.deepEqual(
      below.versions.map(({ path, sizeBytes }) => `${path} ${sizeBytes}`),
      ['d/e/g 1'],
    )
    const capped = withStore(folders.target, (one) => listVersions(real, one, sought(one, top), 2))
    assert.deepEqual([capped.versions.length, capped.more], [2, true])
  })

  it('puts back what the scan did not see, and keeps the rest of the directory', async () => {
    const folders = twoFolders()
    plant(folders.source, { stays: 's' })
    plant(folders.target, { stays: 's', 'goes/seen': 'seen', 'goes/deep/seen': 'seen too' })
    const scanned = (): void => plant(folders.target, { 'goes/deep/unseen': 'a person wrote this' })
    const end = await mirror({ sys: quick(), ...folders, run: runA, scanned })
    assert.deepEqual(problemsOf(end), ['goes: not-empty'])
    assert.deepEqual(Object.keys(contents(folders.target)), ['goes', 'goes/deep', 'goes/deep/unseen', 'stays'])
    const files = join(folders.target, '.nightferry/versions', runA, 'files')
    assert.deepEqual(contents(files), {
      goes: '/',
      'goes/deep': '/',
      'goes/deep/seen': 'seen too',
      'goes/seen': 'seen',
    })
  })

  it('is written ahead: the manifest is on disk before the first name is given', async () => {
    const folders = twoFolders()
    plant(folders.source, { replaced: text('the new version', 1e12) })
    plant(folders.target, { replaced: 'old', goes: 'goes' })
    const sys = new FaultySys(real)
    await mirror({ sys, ...folders, run: runA })
    const part = sys.trail.indexOf('createFile part-000002')
    const takes = sys.trail.findIndex((line) =>
      /^(exchange|renameOver|renameNoReplace|link) .*(replaced|goes)/.test(line),
    )
    const taken = sys.trail.findLastIndex((line) => /^renameNoReplace .* (replaced|goes)$/.test(line))
    const cleared = sys.trail.lastIndexOf('unlink journal')
    assert.ok(part > 0 && part < takes, sys.trail.join('\n'))
    assert.ok(sys.trail.slice(part, takes).includes('syncHandle'))
    assert.ok(takes < taken && taken < cleared)
    // The version's name is on disk before the journal forgets it.
    assert.ok(sys.trail.slice(taken, cleared).filter((line) => line === 'syncHandle').length >= 1)
    assert.ok(existsSync(join(folders.target, '.nightferry/journal')) === false)
  })

  it('keeps its journal where the names of versions can not be made durable', async () => {
    const folders = twoFolders()
    plant(folders.source, { replaced: text('the new version', 1e12) })
    plant(folders.target, { replaced: 'old' })
    let landed = false
    const faulty = new FaultySys(real)
    await assert.rejects(
      mirror({
        sys: faulty,
        ...folders,
        run: runA,
        landed: () => {
          landed = true
          faulty.on('syncHandle', { sticky: true, result: -errno.EIO })
        },
      }),
      /refused/,
    )
    assert.ok(landed && existsSync(join(folders.target, '.nightferry/journal')))
    openTarget(real, folders.target, { create: true, machine: 'test', expectedId: undefined }).close()
    assert.ok(allTexts(folders.target).has('old'))
  })

  it('goes by age, never the run under way, and goes on where a machine died', async () => {
    const folders = twoFolders()
    await mirrors(folders, {
      [runA]: { f: text('one', 1e12), 'd/e/g': 'g' },
      [runB]: { f: text('two', 1.1e12) },
      [runC]: { f: text('three', 1.2e12) },
    })
    const store = join(folders.target, '.nightferry/versions')
    const nowMs = 1e13
    for (const [run, days] of Object.entries({ [runA]: 40, [runB]: 31, [runC]: 29 }))
      writeFileSync(
        join(store, run, 'run.json'),
        JSON.stringify({ version: 1, atMs: nowMs - days * day, sizeBytes: 3 }),
      )
    chmodSync(join(store, runB, 'files/d/e'), 0o500)
    const policy = { keep: parseKeep('30') as Keep, nowMs, neededBytes: 0, spare: runA }
    // At the fourth change a part of the run is gone, and its name with it.
    const dying = new FaultySys(real).dieAt(4)
    assert.throws(() => withStore(folders.target, (one, own) => prune(dying, one, own, policy)), Death)
    dying.bury()
    assert.deepEqual(
      withStore(folders.target, (one) => runsIn(real, one)).map(({ run }) => run),
      [runA, runC],
    )
    assert.ok(readdirSync(store).some((name) => name.startsWith('gone-')))
    withStore(folders.target, (one, own) => assert.deepEqual(prune(real, one, own, policy), { expired: 0, early: 0 }))
    assert.deepEqual(readdirSync(store), [runA, runC])
    withStore(folders.target, (one, own) =>
      assert.deepEqual(prune(real, one, own, { ...policy, spare: undefined }), { expired: 1, early: 0 }),
    )
    assert.deepEqual(readdirSync(store), [runC])
    // All the room that there is would be wanted: it costs the last one, and that is said.
    withStore(folders.target, (one, own) =>
      assert.deepEqual(prune(real, one, own, { ...policy, neededBytes: 1e18 }), { expired: 0, early: 1 }),
    )
    assert.deepEqual(readdirSync(store), [])
  })

  it('ages what was put aside by the same policy', async () => {
    const folders = twoFolders()
    await mirrors(folders, { [runA]: { f: 'one' } })
    plant(join(folders.target, '.nightferry/kept'), { 'abc-file': 'kept', 'dir/below': 'kept too' })
    const at = (nowMs: number, keep: string): void =>
      void withStore(folders.target, (one, own) =>
        prune(real, one, own, { keep: parseKeep(keep) as Keep, nowMs, neededBytes: 0, spare: undefined }),
      )
    at(Date.now() + 29 * day, '30')
    at(Date.now() + 1000 * day, 'forever')
    assert.deepEqual(kept(folders.target), ['kept', 'kept too'])
    at(Date.now() + 31 * day, '30')
    assert.deepEqual(kept(folders.target), [])
  })

  it('takes no run twice, and no name that is none', async () => {
    const folders = twoFolders()
    await mirrors(folders, { [runA]: { f: 'one' } })
    withStore(folders.target, (store) => {
      assert.throws(
        () => makeRunPlace(real, store, runA, { atMs: 0 }),
        (error) => error instanceof Failure && error.code === 'unsolicited',
      )
    })
    const { isRunId } = await import('./versions.ts')
    for (const name of ['', '..', '../x', 'gone-x', `${runA}/..`, '20260101T000000000Z-AAAA', `${runA}\0`])
      assert.equal(isRunId(name), false, name)
  })

  it('refuses settings of a newer format or that are damaged, without writing', () => {
    const folders = twoFolders()
    plant(folders.target, { f: 'f', '.nightferry/root.json': '{"version":1,"id":"abcdefgh"}' })
    const file = join(folders.target, '.nightferry/versions.json')
    for (const [settings, code] of [
      ['{"version":2}', 'format-too-new'],
      ['{"version":1,"keep":"0"}', 'bad-config'],
      ['{"version":1,"directory":"relative"}', 'bad-config'],
      ['{"version":1,"directory":"/a/../b"}', 'bad-config'],
      ['not json', 'bad-config'],
    ] as const) {
      writeFileSync(file, settings)
      const before = readdirSync(join(folders.target, '.nightferry'))
      assert.throws(
        () => openTarget(real, folders.target, { create: true, machine: 'test', expectedId: undefined }),
        (error) => error instanceof Failure && error.code === code,
        settings,
      )
      assert.deepEqual(readdirSync(join(folders.target, '.nightferry')), before)
      assert.equal(readFileSync(file, 'utf8'), settings)
    }
    writeStoreSettings(join(folders.target, '.nightferry'), { directory: '/some/where', keep: { kind: 'forever' } })
    const read = readStoreSettings(join(folders.target, '.nightferry'))
    assert.deepEqual(read, { directory: '/some/where', keep: { kind: 'forever' } })
  })

  it('lies nowhere in its target', () => {
    const folders = twoFolders()
    plant(folders.target, { 'd/f': 'f' })
    symlinkSync(join(folders.target, 'd'), join(folders.target, '../way'))
    for (const path of ['d', 'new', '', '.nightferry/kept', '../way'])
      assert.throws(() => checkStoreDirectory(join(folders.target, path), folders.target), /target itself/, path)
    assert.equal(existsSync(join(folders.target, 'new')), false)
    assert.equal(checkStoreDirectory(join(folders.target, '.nightferry/versions'), folders.target), undefined)
    const apart = join(folders.target, '../apart')
    assert.equal(checkStoreDirectory(apart, folders.target), join(home, `case-${made}`, 'apart'))
  })

  it('leave no folder behind where they may not lie on another file system', (t) => {
    const folders = twoFolders()
    const other = join(mkdtempSync(join(tmpdir(), 'nf-versions-')), 'mistyped')
    after(() => rmSync(dirname(other), { recursive: true, force: true }))
    if (statSync(dirname(other)).dev === statSync(home).dev) return t.skip('there is one file system only')
    plant(folders.target, { f: 'f' })
    assert.throws(() => checkStoreDirectory(other, folders.target), /another file system/)
    assert.equal(existsSync(other), false)
    mkdirSync(other)
    assert.throws(() => checkStoreDirectory(other, folders.target), /another file system/)
    assert.ok(existsSync(other), 'a folder that was there stays')
  })

  it('believes no line that leads out, and no half line', async () => {
    const folders = twoFolders()
    await mirrors(folders, { [runA]: { f: 'one' } })
    const part = join(folders.target, '.nightferry/versions', runA, 'part-000009')
    const row = JSON.stringify(new Array<number>(12).fill(1))
    writeFileSync(
      part,
      [
        `{"a":"deleted","path":"../out","before":${row},"sizeBytes":1}`,
        `{"a":"deleted","path":"","before":${row},"sizeBytes":1}`,
        `{"a":"deleted","path":".nightferry/x","before":${row},"sizeBytes":1}`,
        `{"a":"deleted","path":"x","movedTo":"/etc","before":${row},"sizeBytes":1}`,
        `{"a":"deleted","path":"x","before":[1],"sizeBytes":1}`,
        `{"a":"created","path":"x"}`,
        `{"a":"made","path":"x"}`,
        `{"a":"what","path":"x"}`,
        'null',
        `{"a":"deleted","path":"fine","before":${row},"sizeBytes":1}`,
        `{"a":"deleted","path":"half","before":${row.slice(0, 9)}`,
      ].join('\n'),
    )
    const target = openTarget(real, folders.target, { create: true, machine: 'test', expectedId: undefined })
    const place = openPlace(real, target, runA)
    const manifest = readManifest(real, place.handle)
    assert.ok(typeof manifest !== 'number')
    assert.deepEqual([...manifest.changes.keys()].sort(), ['f', 'fine'])
    closeRunPlace(real, place)
    target.close()
  })
})

describe('bringing versions back', () => {
  const deleted = async (): Promise<{ source: string; target: string }> => {
    const folders = twoFolders()
    await mirrors(folders, {
      [runA]: {
        f: text('one', 1e12),
        'd/e/g': { text: 'g', mode: 0o640 },
        'd/e/link': { link: 'x' },
        'd/empty': {},
        s: 's',
      },
      [runB]: { f: text('two', 1.1e12), s: 's' },
      [runC]: { f: text('three', 1.2e12), s: 's' },
    })
    return folders
  }
  const bring = (
    target: string,
    path: string,
    options: { run?: string; as?: string; sys?: Sys } = {},
  ): ReturnType<typeof restoreVersions> => {
    const { sys = quick(), run, as = path } = options
    const root = openTarget(sys, target, { create: true, machine: 'test', expectedId: undefined })
    try {
      const handles = { target: root.handle, staging: root.own?.staging ?? -1 }
      return withStore(
        target,
        (store) => {
          const options = { sought: sought(store, path as RelPath, run), path: path as RelPath, as: as as RelPath }
          return restoreVersions(sys, store, handles, options)
        },
        sys,
      )
    } finally {
      root.close()
    }
  }

  it('restores a directory with all below it, exactly, and leaves the version where it is', async () => {
    const folders = await deleted()
    const { restored, existing, problems } = bring(folders.target, 'd')
    assert.deepEqual([restored, existing, problems], [3, [], []])
    const now = facts(folders.target)
    assert.match(String(now['d/e/g']), /^g 640 1600000000000$/)
    assert.match(String(now['d/e/link']), /^-> x/)
    assert.equal(now['d/empty']?.startsWith('/'), true)
    const again = bring(folders.target, 'd')
    assert.deepEqual([again.restored, again.existing.length], [0, 3])
    rmSync(join(folders.target, 'd'), { recursive: true })
    assert.equal(bring(folders.target, 'd').restored, 3)
  })

  it('takes the newest, or the named run, and never overwrites', async () => {
    const folders = await deleted()
    assert.deepEqual(bring(folders.target, 'f').existing, ['f'])
    assert.equal(contents(folders.target).f, 'three')
    assert.equal(bring(folders.target, 'f', { as: 'newest' }).restored, 1)
    assert.equal(bring(folders.target, 'f', { as: 'oldest', run: runB }).restored, 1)
    assert.deepEqual([contents(folders.target).newest, contents(folders.target).oldest], ['two', 'one'])
    // Someone takes the name between the look and the change.
    const sys = quick()
    sys.on('renameNoReplace', {
      name: 'taken',
      before: () => writeFileSync(join(folders.target, 'taken'), 'a person was quicker'),
    })
    assert.deepEqual(bring(folders.target, 'f', { as: 'taken', sys }).existing, ['taken'])
    assert.equal(contents(folders.target)['taken'], 'a person was quicker')
  })

  it('tells what can not be written, and leaves nothing half', async () => {
    const folders = await deleted()
    const before = facts(folders.target)
    for (const [call, code] of [
      ['createFile', -errno.ENOSPC],
      ['write', -errno.ENOSPC],
      ['setMode', -errno.EPERM],
    ] as const) {
      const sys = quick().on(call, {
        sticky: true,
        nth: call === 'createFile' ? 2 : 1,
        result: code,
      })
      const { problems } = bring(folders.target, 'd/e/g', { as: 'back', sys })
      assert.equal(problems.length, 1, call)
      assert.deepEqual(facts(folders.target), before)
    }
    const sys = quick().on('openFile', { name: 'part-000001', sticky: true, result: -errno.EIO })
    assert.throws(() => bring(folders.target, 'd/e/g', { as: 'back', sys }), /can't be read/)
  })

  it('leaves old or new when the machine dies', async () => {
    const trial = await deleted()
    const whole = quick()
    bring(trial.target, 'd', { sys: whole })
    for (let change = 1; change <= whole.changes; change++) {
      const { target } = await deleted()
      const sys = quick().dieAt(change)
      assert.throws(() => bring(target, 'd', { sys }), Death)
      sys.bury()
      const g = contents(target)['d/e/g']
      assert.ok(g === undefined || g === 'g', `dead at change ${change}`)
      assert.ok(allTexts(target).has('g'))
      bring(target, 'd')
      assert.equal(contents(target)['d/e/g'], 'g')
      assert.equal(contents(target)['d/e/link'], '-> x')
    }
  })

  it('finds the target of a path, also of one that is gone, and follows no link within', async () => {
    const folders = await deleted()
    const { target } = folders
    assert.deepEqual(findTyped(join(target, 'd/e/g')), { rootPath: target, path: 'd/e/g' })
    assert.deepEqual(findTyped(target), { rootPath: target, path: '' })
    assert.equal(findTyped(join(target, '..')), undefined)
    symlinkSync(target, join(target, '../way'))
    assert.deepEqual(findTyped(join(target, '../way/gone/file')), { rootPath: target, path: 'gone/file' })
    mkdirSync(join(target, 's2'))
    assert.equal(findTarget(join(target, '..'), ['way', 'f']), undefined)
    assert.deepEqual(findTarget(target, ['s2', 'x']), { rootPath: target, path: 's2/x' })
    assert.equal(findTarget(target, ['.nightferry', 'x']), undefined)
  })
})
