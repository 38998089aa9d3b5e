// What is asked of an end before it has to be: told once, used once, never believed beyond its bounds, and asked again by
// name where it did not come or was told under another view. Over a session in memory.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memoryLinks, openBoth } from '../../test/world/links.ts'
import { joinDigests } from '../core/digests.ts'
import type { RelPath } from '../core/path.ts'
import { Failure, type FailureCode } from '../std/failure.ts'
import { alongBytesMax, type CallName } from '../wire/messages.ts'
import { answerCall, type CallHandlers, type CallOutput, call } from './bulk.ts'
import { Foretold, type Probable } from './foretold.ts'
import { ToldTree } from './told-tree.ts'

const time = { mtimeSeconds: 1n, mtimeNs: 2 }
const bytes = new Uint8Array([1])
const view = { modeMask: 0, timeGrainNs: 1 }
const [top, below, other] = ['', 'd', 'other'] as RelPath[] as [RelPath, RelPath, RelPath]
const along = [
  { path: '', bytes, ...time },
  { path: 'd', bytes, ...time },
]
const probable: Probable = { paths: [other], along: 'changed', files: ['d/file' as RelPath] }

/** A session whose other side answers so; what it was asked is noted. */
async function asking(
  answers: {
    view?: CallOutput<'view'>
    fails?: CallName
    code?: FailureCode
    /** So many more listings, and digests at first, than were asked for. */
    more?: number
    moreDigests?: readonly number[]
    /** What is told along with listings. */
    tells?: () => NonNullable<CallOutput<'view'>['along']>
  } = {},
) {
  const moreDigests = [...(answers.moreDigests ?? [])]
  const asked: string[] = []
  const told = (name: CallName, what: unknown): void => {
    asked.push(`${name} ${JSON.stringify(what)}`)
    if (answers.fails === name && asked.length < 3) throw new Failure(answers.code ?? 'disk-error', 'not now')
  }
  const handlers: Partial<CallHandlers> = {
    view: async () => answers.view ?? { along },
    listings: async ({ paths, along }) => {
      told('listings', paths)
      if (along !== undefined && answers.tells !== undefined) asked.push(`along ${along}`)
      const known = { known: true, bytes, ...time }
      const listings = Array(paths.length + (answers.more ?? 0)).fill(known)
      return { listings, ...(along !== undefined && { along: answers.tells?.() ?? [] }) }
    },
    digests: async ({ fresh }) => {
      told('digests', fresh)
      return { digests: joinDigests(Array(1 + (moreDigests.shift() ?? 0)).fill(new Uint8Array(32).fill(7))) }
    },
  }
  const links = memoryLinks()
  const { a } = await openBoth(
    links,
    {},
    { onStream: (name, header, stream) => answerCall(name, header, stream, handlers as CallHandlers) },
  )
  const foretold = new Foretold(a)
  const viewing = call(a, 'view', view)
  viewing.catch(() => {})
  foretold.foretell(probable, viewing)
  const list = async (paths: RelPath[], entries = 10): Promise<number> =>
    (await foretold.listings(paths, { outlined: true, deep: false }, new ToldTree(entries))).filter(Boolean).length
  return { foretold, asked, list, end: () => a.close() }
}

const ahead = ['listings ["other"]', 'digests false']

describe('what is foretold', () => {
  it('is not asked for again', async () => {
    const { list, foretold, asked, end } = await asking()
    assert.equal(await list([top, below, other]), 3)
    const digests = await foretold.digests([{ path: below, names: ['file'] }], false)
    assert.deepEqual([digests.length, digests[0]?.[0]], [1, 7])
    assert.deepEqual(asked, ahead)
    // Once: who asks again asks the end.
    assert.equal(await list([below]), 1)
    assert.deepEqual(asked.slice(2), ['listings ["d"]'])
    end()
  })

  it('counts for nothing where content is to be read again, or the view is another one', async () => {
    const { list, foretold, asked, end } = await asking()
    await foretold.digests([{ path: below, names: ['file'] }], true)
    assert.deepEqual(asked, [...ahead, 'digests true'])
    foretold.forget()
    assert.equal(await list([top, other]), 2)
    assert.deepEqual(asked.slice(3), ['listings ["","other"]'])
    end()
  })

  it('is asked for by name where it did not come', async () => {
    const { list, asked, end } = await asking({ fails: 'listings' })
    assert.equal(await list([top, other]), 2)
    assert.deepEqual(asked, [...ahead, 'listings ["other"]'])
    end()
  })

  it('is no answer where it has not as many parts as were asked for, and is asked for again by name', async () => {
    const file = [{ path: below, names: ['file'] }]
    const once = await asking({ moreDigests: [1] })
    assert.equal((await once.foretold.digests(file, false)).length, 1)
    assert.deepEqual(once.asked, [...ahead, 'digests false'])
    once.end()
    const twice = await asking({ moreDigests: [1, 1, 1] })
    for (const fresh of [false, true])
      await assert.rejects(twice.foretold.digests(file, fresh), { code: 'protocol-broken' })
    twice.end()
    for (const more of [-1, 1]) {
      const { list, end } = await asking({ more })
      await assert.rejects(list([top]), { code: 'protocol-broken' })
      end()
    }
  })

  it('ends the session at once where it breaks a rule', async () => {
    for (const fails of ['listings', 'digests'] as const) {
      const { list, end } = await asking({ fails, code: 'protocol-broken' })
      await assert.rejects(list([top]), { code: 'protocol-broken' })
      end()
    }
  })

  it('is an outline only for who asks for outlines', async () => {
    const outlined = { path: '', bytes: new Uint8Array(0), outline: new Uint8Array(4), ...time }
    const { foretold, asked, end } = await asking({ view: { along: [outlined] } })
    const [listing] = await foretold.listings([top], { outlined: false, deep: false }, new ToldTree(10))
    assert.deepEqual([listing?.bytes, asked.at(-1)], [bytes, 'listings [""]'])
    end()
  })

  it('is held to what the scan counted in what was asked for by name too', async () => {
    const { foretold, list, end } = await asking({ view: { along: [] } })
    foretold.forget()
    await assert.rejects(list([top, below, other], 1), { code: 'protocol-broken' })
    end()
  })

  it('is bounded in what is kept of it: nothing more is asked along until some of that was used', async () => {
    let told = 0
    const mebibyte = new Uint8Array(2 ** 20)
    const tells = (): { path: string; bytes: Uint8Array; mtimeSeconds: bigint; mtimeNs: number }[] => [
      { path: 'twice', bytes: mebibyte, ...time },
      { path: `kept ${++told}`, bytes: mebibyte, ...time },
    ]
    const { foretold, asked, end } = await asking({ view: { along: [] }, tells })
    const tree = new ToldTree(2 ** 24)
    const list = (path: string): Promise<unknown> =>
      foretold.listings([path as RelPath], { outlined: true, deep: true }, tree)
    const isAskedAlong = async (path: string): Promise<boolean> => {
      asked.length = 0
      await list(path)
      return asked.includes('along all')
    }
    // One was told each time, and is kept once.
    for (let number = 1; number <= 15; number++) assert.ok(await isAskedAlong(`asked ${number}`), `${number}`)
    assert.equal(await isAskedAlong('one more'), false)
    await list('kept 1')
    assert.deepEqual([asked.length, await isAskedAlong('again')], [1, true])
    end()
  })

  const large = { path: 'd', bytes: new Uint8Array(alongBytesMax + 1), ...time }
  for (const [what, told, entries] of [
    ['more than may be told along', [large], 2 ** 20],
    ['a path that leads out', [{ path: '.nightferry/x', bytes, ...time }], 10],
    ['more directories than the scan counted', ['a', 'b', 'c'].map((path) => ({ path, bytes, ...time })), 1],
  ] as const) {
    it(`is not taken where it is ${what}`, async () => {
      const { list, end } = await asking({ view: { along: [...told] } })
      await assert.rejects(list([top], entries), { code: 'protocol-broken' })
      end()
    })
  }
})
