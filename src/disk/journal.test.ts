// The journal: what a run that died had displaced, found again.

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Death, FaultySys } from '../../test/world/faulty-sys.ts'
import { type MirrorOptions, mirror, problemsOf } from '../../test/world/one-mirror.ts'
import { allTexts, contents, type Folder, facts, kept, plant, staging } from '../../test/world/planted.ts'
import type { RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { ByteWriter } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { encodeFrame, kindEntries } from './frames.ts'
import { createJournal, type Displacement, encodeDisplacements, writeJournal } from './journal.ts'
import { openTarget } from './root.ts'
import { errno, type Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { openPortableSys } from './sys-portable.ts'

// In memory where there is such a place: some thousand runs make no syncs, but many names.
const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-journal-'))
after(() => rmSync(home, { recursive: true, force: true }))

const noRow: readonly number[] = new Array<number>(statWidth).fill(0)
const marker = JSON.stringify({ version: 1, id: 'abcdefgh', machine: 'test', path: '' })

/** What a frame holds that names one thing. */
function entryOf(slot: string, path: string): Uint8Array {
  const writer = new ByteWriter()
  for (const text of ['', slot, path]) writer.text(text)
  writer.u8(0)
  for (const part of noRow) writer.u32(part)
  return writer.take()
}

let made = 0
function twoFolders(): { source: string; target: string } {
  const path = join(home, `case-${++made}`)
  mkdirSync(path)
  return { source: join(path, 'source'), target: join(path, 'target') }
}

type Scenario = { readonly source: Folder; readonly target: Folder; readonly move?: readonly [string, string] }

const scenarios: Readonly<Record<string, Scenario>> = {
  'create, replace, delete, attributes': {
    source: {
      'new file': 'n',
      'new/deep/file': 'nd',
      'new/link': { link: 'x' },
      replaced: 'the new version',
      'd/replaced': 'the newer version',
      mode: { text: 'm', mode: 0o600 },
    },
    target: {
      replaced: 'old',
      'd/replaced': 'older',
      mode: 'm',
      'goes file': 'goes 1',
      'goes/below/file': 'goes 2',
      'goes/link': { link: 'y' },
    },
  },
  'retype and rename': {
    source: {
      'dir to file': 'now a file',
      'file to dir/in': 'now in a directory',
      'link to file': 'was a link',
      'dir to link': { link: 'target' },
      'moves from': 'it moves',
      'dir moves/f': 'in a directory that moves',
    },
    target: {
      'dir to file/in': 'was in a directory',
      'file to dir': 'was a file',
      'link to file': { link: 'old target' },
      'dir to link/in': 'was in another directory',
      'moves from': 'it moves',
      'dir moves/f': 'in a directory that moves',
    },
    move: ['moves from', 'moves to'],
  },
}

const forms: readonly (() => Sys)[] = process.platform === 'linux' ? [openLinuxSys, openPortableSys] : [openPortableSys]

for (const open of forms) {
  const real = open()
  // Every instant in the form that is used; every third in the other, which differs in few calls.
  const everyNth = real.exactRenames ? 1 : 3
  /** Syncs are counted, not made: a process that dies loses nothing of what the kernel has. */
  const quick = (): FaultySys =>
    new FaultySys(real).on('syncFileSystem', { sticky: true, result: 0 }).on('syncHandle', { sticky: true, result: 0 })

  const prepare = (scenario: Scenario): { source: string; target: string } => {
    const folders = twoFolders()
    plant(folders.source, scenario.source)
    // The marker is there already: making one syncs the disk.
    plant(folders.target, { ...scenario.target, '.nightferry/root.json': marker })
    if (scenario.move !== undefined) {
      const [from, to] = scenario.move
      renameSync(join(folders.source, from), join(folders.source, to))
    }
    return folders
  }
  const dies = async (options: MirrorOptions & { sys: FaultySys }): Promise<void> => {
    await assert.rejects(mirror(options), (error) => error instanceof Death)
    options.sys.bury()
  }
  const recover = (target: string, sys: Sys = quick()): void =>
    openTarget(sys, target, { create: true, machine: 'test', expectedId: undefined }).close()
  const textsOf = (path: string): Set<string> =>
    new Set([...Object.values(contents(path))].filter((text) => text !== '/'))

  /** What must hold at every instant, and after the next run has opened the target. */
  const checkNothingLost = (
    before: Record<string, string>,
    folders: { source: string; target: string },
    at: string,
  ): void => {
    const now = contents(folders.target)
    const done = contents(folders.source)
    for (const [path, text] of Object.entries(now)) {
      const allowed = [before[path], done[path]]
      assert.ok(allowed.includes(text), `${at}: ${path} holds ${text}`)
    }
    const isLanded = Object.entries(done).every(([path, text]) => now[path] === text)
    const here = new Set([...allTexts(folders.target), ...textsOf(folders.target)])
    for (const [path, text] of Object.entries(before)) {
      if (text === '/' || text.startsWith('->')) continue
      // Only what the plan replaces, by what is in its place, or deletes, when all else has landed, may be gone.
      const mayGo = Object.hasOwn(done, path) ? now[path] === done[path] : isLanded
      assert.ok(mayGo || here.has(text), `${at}: the text ${text} is lost`)
    }
  }

  describe(`journal ${real.form}: a process that dies`, () => {
    for (const [name, scenario] of Object.entries(scenarios)) {
      it(`loses nothing at any instant, and the next run completes: ${name}`, async () => {
        const whole = quick()
        await mirror({ sys: whole, ...prepare(scenario) })
        assert.ok(whole.changes > 30, `${whole.changes} changes`)
        for (let change = 1; change <= whole.changes; change += everyNth) {
          const folders = prepare(scenario)
          const before = contents(folders.target)
          const at = `dead at change ${change}`
          await dies({ sys: quick().dieAt(change), ...folders })
          checkNothingLost(before, folders, at)
          recover(folders.target)
          checkNothingLost(before, folders, `${at}, recovered`)
          const recovered = contents(folders.target)
          for (const path of Object.keys(before)) {
            const stays = Object.hasOwn(contents(folders.source), path)
            assert.ok(!stays || Object.hasOwn(recovered, path), `${at}: ${path} is missing`)
          }
          const end = await mirror({ sys: quick(), ...folders })
          assert.deepEqual(problemsOf(end), [], at)
          assert.deepEqual(facts(folders.target), facts(folders.source), at)
          assert.deepEqual(staging(folders.target), [], at)
          assert.equal(existsSync(join(folders.target, '.nightferry', 'journal')), false, at)
        }
      })
    }

    it('loses nothing when the next run dies too, at any instant', async () => {
      const scenario = scenarios['retype and rename'] as Scenario
      // Everything has its name, nothing of what was displaced is gone.
      const dieLanded = async (folders: { source: string; target: string }): Promise<void> => {
        const sys = quick()
        await dies({ sys, ...folders, landed: () => void sys.dieAt(sys.changes + 1) })
      }
      const trial = prepare(scenario)
      await dieLanded(trial)
      const whole = quick()
      await mirror({ sys: whole, ...trial })
      for (let change = 1; change <= whole.changes; change += everyNth) {
        const folders = prepare(scenario)
        const before = contents(folders.target)
        await dieLanded(folders)
        await dies({ sys: quick().dieAt(change), ...folders })
        checkNothingLost(before, folders, `dead again at change ${change}`)
        const end = await mirror({ sys: quick(), ...folders })
        assert.deepEqual(problemsOf(end), [], `dead again at change ${change}`)
        assert.deepEqual(facts(folders.target), facts(folders.source))
      }
    })

    it('does not lose what a person wrote between the look and the change', async () => {
      const last = real.exactRenames ? 'exchange' : 'renameOver'
      for (const [path, call] of [
        ['replaced', last],
        ['goes', 'renameNoReplace'],
      ] as const) {
        const folders = twoFolders()
        plant(folders.source, { replaced: 'the new version' })
        plant(folders.target, { replaced: 'old', goes: 'goes' })
        const sys = quick()
        sys.on(call, {
          name: path,
          before: () => writeFileSync(join(folders.target, path), 'a person wrote this'),
          after: () => void sys.dieAt(sys.changes + 1),
        })
        await dies({ sys, ...folders })
        recover(folders.target)
        assert.ok(allTexts(folders.target).has('a person wrote this'), path)
        await mirror({ sys: quick(), ...folders })
        assert.deepEqual(facts(folders.target), facts(folders.source))
      }
    })
  })

  describe(`journal ${real.form}: recovery`, () => {
    const displaced = async (): Promise<{ source: string; target: string }> => {
      const folders = twoFolders()
      plant(folders.source, { stays: 's' })
      plant(folders.target, { stays: 's', goes: 'it goes', 'd/below': 'it goes too' })
      const sys = quick()
      await dies({ sys, ...folders, landed: () => void sys.dieAt(sys.changes + 1) })
      assert.deepEqual(contents(folders.target), { stays: 's' })
      return folders
    }
    const refuses = (target: string, sys: Sys): void =>
      assert.throws(
        () => recover(target, sys),
        (error) => error instanceof Failure && error.code === 'target-not-writable',
      )

    it('puts back what was taken away and says so', async () => {
      const folders = await displaced()
      const root = openTarget(real, folders.target, { create: true, machine: 'test', expectedId: undefined })
      root.close()
      assert.deepEqual(root.recovered.map(({ path, outcome }) => `${path} ${outcome}`).sort(), [
        'd put-back',
        'goes put-back',
      ])
      assert.deepEqual(contents(folders.target), { d: '/', 'd/below': 'it goes too', goes: 'it goes', stays: 's' })
      const again = openTarget(real, folders.target, { create: true, machine: 'test', expectedId: undefined })
      again.close()
      assert.deepEqual(again.recovered, [])
    })

    it('has on disk what it settled before the journal goes, and costs no sync without one', async () => {
      const folders = await displaced()
      refuses(folders.target, new FaultySys(real).on('syncFileSystem', { result: -errno.EIO }))
      assert.ok(existsSync(join(folders.target, '.nightferry', 'journal')))
      const sys = quick()
      recover(folders.target, sys)
      const [synced, gone] = [sys.trail.indexOf('syncFileSystem'), sys.trail.indexOf('unlink journal')]
      assert.ok(synced > sys.trail.findIndex((line) => line.startsWith('renameNoReplace')), sys.trail.join('\n'))
      assert.ok(synced < gone, sys.trail.join('\n'))
      const later = quick()
      recover(folders.target, later)
      assert.ok(!later.trail.includes('syncFileSystem'))
    })

    it('keeps what it can not put back, because its place is taken or gone', async () => {
      const folders = await displaced()
      writeFileSync(join(folders.target, 'goes'), 'a person took the name')
      const root = openTarget(real, folders.target, { create: true, machine: 'test', expectedId: undefined })
      root.close()
      assert.equal(contents(folders.target).goes, 'a person took the name')
      // What the scan saw of the file was to be deleted; it is done with.
      assert.deepEqual(kept(folders.target), [])
      const others = await displaced()
      mkdirSync(join(others.target, 'd'))
      recover(others.target)
      assert.deepEqual(kept(others.target), ['it goes too'])
      // What can't go back for another reason is not done with, though it is what the scan saw.
      const refused = await displaced()
      recover(refused.target, quick().on('renameNoReplace', { name: 'goes', result: -errno.EIO }))
      assert.deepEqual(kept(refused.target), ['it goes'])
      const gone = twoFolders()
      plant(gone.source, { 'in/stays': 's' })
      plant(gone.target, { 'in/stays': 's', 'in/goes': 'it goes' })
      const sys = quick()
      await dies({ sys, ...gone, landed: () => void sys.dieAt(sys.changes + 1) })
      rmSync(join(gone.target, 'in'), { recursive: true })
      recover(gone.target)
      assert.deepEqual(kept(gone.target), ['it goes'])
    })

    it('gives no name to what was only written aside, though a person took the name away since', async () => {
      const folders = twoFolders()
      plant(folders.source, { replaced: 'the new version' })
      plant(folders.target, { replaced: 'old', '.nightferry/root.json': marker })
      const sys = quick()
      const before = (): void => void sys.dieAt(sys.changes)
      // Dead in place of the exchange; without one, behind the second name.
      if (real.exactRenames) sys.on('exchange', { name: 'replaced', before, result: -errno.EIO })
      else sys.on('link', { name: 'replaced', before })
      await dies({ sys, ...folders })
      assert.equal(contents(folders.target).replaced, 'old')
      rmSync(join(folders.target, 'replaced'))
      recover(folders.target)
      // Without exchange the old version has its second name aside by then, and is put back.
      assert.deepEqual(contents(folders.target), real.exactRenames ? {} : { replaced: 'old' })
      assert.deepEqual(kept(folders.target), [])
    })

    it('touches nothing when the journal can not be read, or something can not be renamed', async () => {
      const folders = await displaced()
      const before = staging(folders.target)
      refuses(folders.target, new FaultySys(real).on('openFile', { name: 'journal', result: -errno.EIO }))
      refuses(folders.target, new FaultySys(real).on('read', { result: -errno.EIO }))
      // Also where it could be read once.
      refuses(folders.target, new FaultySys(real).on('read', { nth: 3, result: -errno.EIO }))
      refuses(folders.target, new FaultySys(real).on('renameNoReplace', { sticky: true, result: -errno.EIO }))
      assert.deepEqual(staging(folders.target), before)
      recover(folders.target)
      assert.equal(contents(folders.target).goes, 'it goes')
    })

    it('keeps all that lies aside when something of it is damaged, or is of no form that it knows', async () => {
      const flipped = (bytes: Buffer, at: number): Buffer => {
        const copy = Buffer.from(bytes)
        copy[at] = (copy[at] as number) ^ 1
        return copy
      }
      const damages: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
        'lines of JSON': () => Buffer.from('{"slot":"d1","path":"x","expected":[]}\n'),
        'other bytes': () => Buffer.from('\xff\xfe\n', 'latin1'),
        'a bit in a checksum': (bytes) => flipped(bytes, 5),
        'a bit in an entry': (bytes) => flipped(bytes, 60),
        'a bit in the magic': (bytes) => flipped(bytes, 0),
        'zeros at the start': (bytes) => Buffer.concat([Buffer.alloc(40), bytes.subarray(40)]),
        'a path that leads out': () => Buffer.from(encodeFrame(kindEntries, entryOf('d1', '../x'), 0)),
        'a slot that leads out': () => Buffer.from(encodeFrame(kindEntries, entryOf('../..', 'x'), 0)),
        'the root itself': () => Buffer.from(encodeFrame(kindEntries, entryOf('d1', ''), 0)),
        'half an entry': () => Buffer.from(encodeFrame(kindEntries, entryOf('d1', 'x').subarray(0, 9), 0)),
      }
      for (const [what, damage] of Object.entries(damages)) {
        const folders = await displaced()
        const path = join(folders.target, '.nightferry', 'journal')
        const bytes = readFileSync(path)
        writeFileSync(path, damage(bytes))
        plant(folders.target, { '.nightferry/staging/kold-f': 'kept before' })
        const sys = quick()
        recover(folders.target, sys)
        assert.deepEqual(kept(folders.target), ['it goes', 'it goes too', 'kept before'], what)
        assert.ok(existsSync(join(folders.target, '.nightferry/kept/old-f')), what)
        const synced = sys.trail.indexOf('syncFileSystem')
        assert.ok(synced >= 0 && synced < sys.trail.indexOf('unlink journal'), what)
        assert.deepEqual(contents(folders.target), { stays: 's' })
        assert.deepEqual(readdirSync(join(folders.target, '..')).sort(), ['source', 'target'])
      }
    })

    it('keeps what was moved aside though the end of the journal is torn, and clears the rest away', async () => {
      const folders = await displaced()
      const path = join(folders.target, '.nightferry', 'journal')
      writeFileSync(path, readFileSync(path).subarray(0, 50))
      writeFileSync(join(folders.target, '.nightferry', 'staging', 'fabcdefgh'), 'ours')
      recover(folders.target)
      assert.deepEqual(kept(folders.target), ['it goes', 'it goes too'])
      assert.deepEqual(staging(folders.target), [])
      assert.equal(existsSync(path), false)
    })

    it('refuses a journal of a newer form, and touches nothing', async () => {
      const folders = await displaced()
      const path = join(folders.target, '.nightferry', 'journal')
      const before = staging(folders.target)
      writeFileSync(path, Buffer.concat([Buffer.from('NFJ2'), readFileSync(path).subarray(4)]))
      assert.throws(
        () => recover(folders.target),
        (error) => error instanceof Failure && error.code === 'format-too-new',
      )
      assert.deepEqual(staging(folders.target), before)
    })

    it('is made durable before the journal goes, or the journal stays', async () => {
      const folders = await displaced()
      const path = join(folders.target, '.nightferry', 'journal')
      refuses(folders.target, new FaultySys(real).on('syncFileSystem', { result: -errno.EIO }))
      assert.ok(existsSync(path))
      refuses(folders.target, new FaultySys(real).on('unlink', { name: 'journal', result: -errno.EIO }))
      const sys = new FaultySys(real)
      await displaced().then(({ target }) => recover(target, sys))
      const synced = sys.trail.indexOf('syncFileSystem')
      assert.ok(synced > 0 && synced < sys.trail.indexOf('unlink journal'), sys.trail.join('\n'))
    })

    it('tells ten thousand paths at most, and how many more there were', async () => {
      const folders = twoFolders()
      plant(folders.source, { stays: 's' })
      plant(folders.target, { stays: 's', '.nightferry/staging/x': '' })
      const own = real.openRoot(join(folders.target, '.nightferry'))
      const handle = createJournal(real, own)
      const entries: Displacement[] = []
      for (let i = 0; i < 10_020; i++) {
        writeFileSync(join(folders.target, '.nightferry/staging', `d${i}`), '')
        entries.push({ slot: `d${i}`, path: `f${i}` as RelPath, expected: noRow, staged: undefined })
      }
      assert.ok(writeJournal(real, { handle, own, at: 0 }, encodeDisplacements(entries)) > 0)
      real.close(handle)
      real.close(own)
      const root = openTarget(quick(), folders.target, { create: true, machine: 'test', expectedId: undefined })
      root.close()
      assert.deepEqual([root.recovered.length, root.recoveredMore], [10_000, 20])
      assert.equal(readdirSync(folders.target).length, 10_022)
    })

    it('is written and synced before anything is displaced, or nothing is', async () => {
      const folders = twoFolders()
      plant(folders.source, { replaced: 'the new version' })
      plant(folders.target, { replaced: 'old', goes: 'goes' })
      const sys = new FaultySys(real)
      await mirror({ sys, ...folders })
      const made = sys.trail.indexOf('createFile journal')
      const takes = sys.trail.findIndex((line) => / (replaced|goes)( |$)/.test(line) && !line.startsWith('createFile'))
      assert.deepEqual(sys.trail.slice(made + 1, made + 5), ['write', 'syncHandle', 'syncHandle', 'write'])
      assert.ok(made > 0 && made + 3 < takes, sys.trail.join('\n'))
      const faults = [
        () => new FaultySys(real).on('createFile', { name: 'journal', result: -errno.ENOSPC }),
        (nth: number) => new FaultySys(real).on('write', { nth, result: -errno.ENOSPC }),
        () => new FaultySys(real).on('syncHandle', { result: -errno.EIO }),
        () => new FaultySys(real).on('syncHandle', { nth: 2, result: -errno.EIO }),
      ]
      const writes = sys.trail.slice(0, made + 2).filter((line) => line === 'write').length
      for (const fault of faults) {
        const others = twoFolders()
        plant(others.source, { replaced: 'the new version' })
        plant(others.target, { replaced: 'old', goes: 'goes', '.nightferry/root.json': marker })
        await assert.rejects(mirror({ sys: fault(writes), ...others }), /refused/)
        assert.deepEqual(contents(others.target), { goes: 'goes', replaced: 'old' })
      }
    })
  })
}
