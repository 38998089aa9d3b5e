// A paired machine that means to wear the daemon down, or to learn what is not its business: calls before their turn, answers
// as large as can be asked for, bodies in the smallest pieces, jobs under names without number. Each costs itself at most;
// the daemon goes on serving, and holds and remembers no more than it may.

import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { wholeRange } from '../../src/core/outline.ts'
import { encodeTop } from '../../src/core/top.ts'
import { type CallInput, call } from '../../src/jobs/bulk.ts'
import { Failure } from '../../src/std/failure.ts'
import type { CallName } from '../../src/wire/messages.ts'
import type { Session } from '../../src/wire/session.ts'
import { readTree, writeTree } from '../world/disk-trees.ts'
import { opening, sessionOf } from '../world/hostile.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'

const none = new Uint8Array([0])
const view = { modeMask: 0o777, timeGrainNs: 1, overrides: [], texts: [] }
const rules = { overrides: [], ignoreFiles: [] }
const place = { share: 'data', sub: '' }
const totals = { deletes: 0, replaces: 0, steps: 1, hasBase: true, leftEntries: 9, limitKind: 'default', limitValue: 0 }

/** Every call with something harmless in it. */
const inputs: { readonly [Name in CallName]: CallInput<Name> } = {
  open: opening({ ...place, role: 'target', create: true }),
  scan: rules,
  view,
  listings: { paths: [''], outlined: false },
  listingPart: { path: '', ranges: [wholeRange] },
  digests: { files: none, fresh: true },
  linked: { from: 0 },
  begin: { ...totals, released: true },
  moves: { moves: [] },
  owners: {},
  ownersHere: { users: [{ id: 5, name: 'daemon' }], groups: [] },
  stage: { batch: 0, bytes: none },
  answer: { batch: 0, digests: new Uint8Array(0) },
  attributes: { files: none },
  supply: { batch: 0, wants: none },
  written: { batch: 0, last: true },
  landed: {},
  finish: {},
  verify: { from: { directory: 0, row: 0 } },
  distrust: { files: none },
  close: { save: true },
  versions: place,
  undelete: place,
  undeleteMore: {},
  undeleteStop: {},
  undo: { ...place, run: '20260101T000000010Z-aaaaaaaa', job: new Uint8Array(16) },
  undoLook: {},
  undoList: {},
  undoBegin: { as: '20260101T000000011Z-aaaaaaaa' },
  undoCarry: { stop: false },
}
const names = Object.keys(inputs) as CallName[]
const always: readonly CallName[] = ['open', 'close', 'versions', 'undelete', 'undeleteMore', 'undeleteStop', 'undo']

describe('a hostile caller', () => {
  let pair: Pair
  let end: string | undefined

  before(async () => {
    pair = await pairedMachines()
    void pair.daemon.ended.then(({ code, stderr }) => {
      end = `${code} ${stderr}`
    })
  })
  after(() => pair?.world.close())

  const connect = (): Promise<Session> => sessionOf(pair.laptop, 'nas')
  const make = (session: Session, name: CallName): Promise<unknown> => call(session, name, inputs[name] as never)

  async function assertServes(): Promise<void> {
    assert.equal(end, undefined, 'the daemon ended')
    const session = await connect()
    await make(session, 'versions').catch((error: { code?: string }) => assert.equal(error.code, 'no-versions'))
    session.close()
  }

  function residentMib(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pair.daemon.pid}/status`, 'utf8'))?.[1]) / 1024
  }

  it('gets an answer or a refusal for every call at every point of a run, and the daemon lives', async () => {
    const way: readonly CallName[] = ['open', 'scan', 'view', 'begin', 'stage', 'finish', 'close']
    for (const role of ['target', 'source', 'both']) {
      // A source never gets further than its view.
      for (let reached = 0; reached <= (role === 'source' ? 3 : way.length); reached++) {
        for (const name of names) {
          // What may come at any time is tried where there is nothing yet, and in the middle.
          if (always.includes(name) && reached !== 0 && reached !== 4) continue
          const session = await connect()
          session.openStream('packs', new Uint8Array(0))
          for (const [i, step] of way.slice(0, reached).entries()) {
            const input = i === 0 ? { ...inputs.open, ...place, role, sub: `${role}-${reached}` } : inputs[step]
            await call(session, step, input as never).catch(() => {})
          }
          const twice = await Promise.allSettled([make(session, name), make(session, name)])
          for (const one of twice)
            if (one.status === 'rejected') assert.ok(one.reason instanceof Failure, `${name}: ${one.reason}`)
          session.close()
          await session.closed
          assert.equal(end, undefined, `${name} after ${way.slice(0, reached).join(', ')} ended the daemon`)
        }
      }
    }
    await assertServes()
  })

  it('learns nowhere in what it is told where a share lies', async () => {
    mkdirSync(join(pair.world.directory, 'inner'))
    symlinkSync(pair.world.folder('inner/real'), join(pair.world.directory, 'way'))
    writeFileSync(join(pair.world.directory, 'inner/real/file'), 'x')
    await pair.nas.must('share', 'add', 'linked', join(pair.world.directory, 'way'))
    await pair.nas.must('share', 'add', 'gone', pair.world.folder('gone'))
    const told: string[] = []
    for (const share of ['linked', 'gone', 'data', 'none']) {
      for (const sub of ['', 'file', 'nothing', 'file/below']) {
        for (const role of ['source', 'target']) {
          for (const change of [{}, { expectedId: 'x'.repeat(24) }]) {
            const session = await connect()
            const request = { ...opening({ share, sub, role, create: true }), ...change }
            await call(session, 'open', request).catch((error: Failure) => told.push(error.message, error.hint))
            for (const name of ['versions', 'undo', 'scan', 'begin'] as const)
              await call(session, name, { ...inputs[name], share, sub } as never).catch((error: Failure) =>
                told.push(error.message, error.hint),
              )
            session.close()
          }
        }
      }
    }
    assert.ok(told.length > 50)
    for (const text of told) assert.ok(!text.includes(pair.world.directory), text)
    await assertServes()
  })

  it('gets no answer larger than an answer may be, however often it asks for the same', {
    timeout: 100_000,
  }, async () => {
    const wide = pair.world.folder('shared/wide')
    for (let i = 0; i < 10_000; i++) writeFileSync(join(wide, `a-name-of-some-length-${i}`), '')
    const session = await connect()
    await call(session, 'open', opening({ share: 'data', sub: 'wide', role: 'source', create: false }))
    await make(session, 'scan')
    await make(session, 'view')
    const before = residentMib()
    const paths = Array<string>(4096).fill('')
    const asked = await Promise.allSettled(
      Array.from({ length: 8 }, () => call(session, 'listings', { paths, outlined: false })),
    )
    for (const one of asked)
      assert.ok(one.status === 'rejected' && (one.reason as Failure).code === 'limit-exceeded', JSON.stringify(one))
    assert.ok(residentMib() < before + 256, `${before} MiB before, ${residentMib()} after`)
    session.close()
    await assertServes()
  })

  it('is held to what its calls hold, in whatever pieces they come', { timeout: 100_000 }, async () => {
    const session = await connect()
    const before = residentMib()
    const stream = session.openStream('call', new TextEncoder().encode('view'))
    const piece = new Uint8Array(1)
    for (let sent = 0; sent < 300_000; sent += 1000)
      await Promise.all(Array.from({ length: 1000 }, () => stream.send(piece)))
    assert.ok(residentMib() < before + 64, `${before} MiB before, ${residentMib()} after 300 KB in pieces`)
    stream.cancel(new Failure('cancelled', 'enough'))
    // Many bodies at once, none of which is ended: together they may hold so much and no more.
    const bodies = Array.from({ length: 60 }, async () => {
      const body = session.openStream('call', new TextEncoder().encode('view'))
      const mebibyte = new Uint8Array(1024 * 1024)
      for (let sent = 0; sent < 24; sent++) await body.send(mebibyte)
      return await body.done
    })
    const ends = await Promise.all(
      bodies.map((body) =>
        Promise.race([
          body.then(
            () => 'ended',
            (error: Failure) => error.code,
          ),
          new Promise<string>((resolve) => setTimeout(resolve, 20_000, 'open')),
        ]),
      ),
    )
    assert.ok(ends.includes('limit-exceeded'), ends.join())
    assert.ok(residentMib() < before + 900, `${before} MiB before, ${residentMib()} after`)
    session.close()
    await assertServes()
  })

  it('is remembered under so many names of jobs, and no more', async () => {
    writeTree(pair.world.folder('shared/jobs'), { a: 'a', 'd/b': 'b' })
    for (let job = 0; job < 30; job++) {
      const session = await connect()
      const request = opening({ share: 'data', sub: 'jobs', role: 'source', create: false })
      await call(session, 'open', { ...request, job: new Uint8Array(16).fill(job) })
      for (const name of ['scan', 'view', 'close'] as const) await make(session, name)
      session.close()
    }
    using state = new DatabaseSync(join(pair.nas.state, 'state/state.db'), { readOnly: true })
    const trees = state.prepare('SELECT tree_key, count(*) AS count FROM trees GROUP BY substr(tree_key, 1, 46)').all()
    assert.ok(trees.length > 0)
    for (const { count, tree_key: key } of trees) assert.ok(Number(count) <= 16, `${key}: ${count}`)
  })

  it('gives the folder of a share nothing, and learns no account, unless its owner allows it', async () => {
    const folder = pair.world.folder('not-given')
    await pair.nas.must('share', 'add', 'not-given', folder)
    const before = lstatSync(folder).mode
    const dressed = { ...view, attributes: 63 }
    const open = { ...opening({ share: 'not-given', sub: '', role: 'target', create: true }), asks: 63 }
    const top = encodeTop({ mode: 0o777, attributes: undefined, set: none, mtimeSeconds: 0, mtimeNs: 0 })
    const code = async (allowed: readonly string[]): Promise<string[]> => {
      await pair.nas.must('share', 'allow', 'not-given', ...allowed)
      const session = await connect()
      await call(session, 'open', open)
      await call(session, 'scan', { ...rules, attributes: 63 })
      const asked = await call(session, 'ownersHere', inputs.ownersHere).then(
        () => 'told',
        (error: Failure) => error.code,
      )
      await call(session, 'view', dressed)
      await call(session, 'begin', inputs.begin)
      const given = await call(session, 'finish', { top }).then(
        () => 'given',
        (error: Failure) => error.code,
      )
      session.close()
      await session.closed
      return [asked, given]
    }
    assert.deepEqual(await code(['none']), ['protocol-broken', 'unsolicited'])
    assert.equal(lstatSync(folder).mode, before)
    assert.deepEqual(await code(['owner', 'set-id', 'system-xattrs']), ['told', 'unsolicited'])
    assert.equal(lstatSync(folder).mode, before)
    assert.deepEqual(await code(['top']), ['protocol-broken', 'given'])
    const elsewhere = { ...open, versions: pair.world.folder('elsewhere') }
    const session = await connect()
    await assert.rejects(call(session, 'open', elsewhere), /for its owner to say/)
    session.close()
  })

  it('leaves no lock behind, however its session ends', async () => {
    const source = pair.world.folder('honest')
    writeTree(source, { good: 'good' })
    const target = pair.world.folder('locked')
    await pair.nas.must('share', 'add', 'locked', target)
    for (const way of ['goodbye', 'cut', 'broken rule'] as const) {
      const session = await connect()
      await call(session, 'open', opening({ share: 'locked', sub: '', role: 'target', create: true }))
      await make(session, 'scan')
      if (way === 'goodbye') session.close()
      else if (way === 'cut') session.link.destroy()
      else session.link.write([new Uint8Array(12).fill(0xff)])
      await session.closed
      for (let tries = 0; ; tries++) {
        const run = await pair.laptop.sync(source, 'nas:locked')
        if (run.failure?.code === 'root-locked' && tries < 50) continue
        assert.ok(run.outcome === 'done' || run.outcome === 'unchanged', `${way}: ${run.stdout}${run.stderr}`)
        break
      }
    }
    assert.ok(readTree(target).some((line) => line.startsWith('good ')))
  })
})
