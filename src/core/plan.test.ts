// Plans: a batch comes out as it went in, cutting loses and reorders nothing and keeps the limits, and what a hostile
// driver may send ends in a Failure or is a batch of steps that can be judged.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  check,
  directory,
  entryOf,
  file,
  mutated,
  special,
  symlink,
  testDigest,
  unreadable,
} from '../../test/world/trees.ts'
import { Failure } from '../std/failure.ts'
import { type Entry, isCopied } from './entry.ts'
import { isEntryName, isWithin, parseRelPath, type RelPath } from './path.ts'
import {
  type Action,
  batchContentMax,
  batchFilesMax,
  buildContentMax,
  carriesContent,
  compareSections,
  cutBatches,
  decodeBatch,
  encodeBatch,
  type PackedSection,
  packSection,
  type Section,
  type SectionHead,
  type Step,
  stepsOf,
} from './plan.ts'

const entries: readonly Entry[] = [
  entryOf('a', file('x')),
  entryOf('b', file('', { mode: 0o777, seconds: -5, ns: 999_999_999 })),
  entryOf('ä', file('xx', { edits: 300 })),
  entryOf('l', symlink('../x')),
  entryOf('d', directory({ a: file('x') })),
]
const actions: readonly Action[] = ['create', 'replace', 'retype', 'attributes', 'delete']

const path = fc.constantFrom('', 'a', 'a/b', 'ä/ü', 'x/y/z') as fc.Arbitrary<RelPath>
const someStep: fc.Arbitrary<Step> = fc
  .record({
    action: fc.constantFrom(...actions),
    entry: fc.constantFrom(...entries),
    from: fc.option(
      path.filter((one) => one !== ''),
      { nil: undefined },
    ),
    digest: fc.option(fc.constantFrom('x', 'y').map(testDigest), { nil: undefined }),
  })
  .map((step) => ({ ...step }))
const someHead: fc.Arbitrary<SectionHead> = fc
  .record({
    path,
    state: fc.constantFrom('present' as const, 'new', 'retype'),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    mtimeSeconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    mtimeNs: fc.nat(999_999_999),
  })
  .map((head) => ({ ...head, state: head.path === '' ? 'present' : head.state }))
const someSections = fc.array(fc.tuple(someHead, fc.array(someStep, { maxLength: 5 })), { maxLength: 4 })

function batchOf(sections: readonly (readonly [SectionHead, readonly Step[]])[]): Uint8Array {
  return encodeBatch(sections.map(([head, steps]) => packSection(head, steps)))
}

const head: SectionHead = { path: 'a' as RelPath, state: 'present', mode: 0o755, mtimeSeconds: 0, mtimeNs: 0 }

function step(action: Action, entry: Entry): Step {
  return { action, entry, from: undefined, digest: undefined }
}

function refuses(bytes: Uint8Array, what: string): void {
  assert.throws(
    () => decodeBatch(bytes),
    (error) => error instanceof Failure && error.code === 'protocol-broken',
    what,
  )
}

/** A section of made-up files; sizes are only told. */
function sectionOf(at: string, state: SectionHead['state'], sizes: readonly number[]): PackedSection {
  const steps = sizes.map((sizeBytes, i) => step('create', { ...(entries[0] as Entry), name: `f${i}`, sizeBytes }))
  return packSection({ ...head, path: at as RelPath, state }, steps)
}

describe('plan', () => {
  it('gives back a batch as it was put in', () => {
    check(
      fc.property(someSections, (sections) => {
        const expected: Section[] = sections.map(([facts, steps]) => ({ ...facts, steps }))
        assert.deepEqual(decodeBatch(batchOf(sections)), expected)
        for (const [facts, steps] of sections) assert.deepEqual([...stepsOf(packSection(facts, steps))], steps)
      }),
      500,
    )
  })

  it('counts files and content of a section', () => {
    check(
      fc.property(someHead, fc.array(someStep, { maxLength: 10 }), (facts, steps) => {
        const packed = packSection(facts, steps)
        const carriers = steps.filter(carriesContent)
        assert.equal(packed.stepCount, steps.length)
        assert.equal(packed.files, carriers.length)
        assert.equal(
          packed.contentBytes,
          carriers.reduce((sum, { entry, from }) => sum + (from === undefined ? entry.sizeBytes : 0), 0),
        )
        for (const { action, entry } of carriers) {
          assert.ok(entry.kind === 'file' && ['create', 'replace', 'retype'].includes(action))
        }
      }),
    )
  })

  it('ends damaged and hostile bytes in a Failure, or reads steps that can be judged', () => {
    const orFails = (bytes: Uint8Array): void => {
      let sections: Section[]
      try {
        sections = decodeBatch(bytes)
      } catch (error) {
        assert.ok(error instanceof Failure && error.code === 'protocol-broken', String(error))
        return
      }
      for (const section of sections) {
        assert.equal(parseRelPath(section.path), section.path)
        for (const { entry, from } of section.steps) {
          assert.ok(isCopied(entry.kind) && isEntryName(entry.name))
          assert.ok(from === undefined || (from !== '' && parseRelPath(from) === from))
        }
      }
      assert.deepEqual(
        decodeBatch(batchOf(sections.map((section) => [section, section.steps]))).length,
        sections.length,
      )
    }
    check(fc.property(mutated(someSections.map(batchOf)), orFails), 3000)
    check(fc.property(fc.uint8Array({ maxLength: 80 }), orFails), 2000)
  })

  it('refuses steps for what is never copied', () => {
    for (const action of actions) {
      for (const item of [special, unreadable]) {
        refuses(batchOf([[head, [step(action, entryOf('a', item))]]]), `${action} ${item.kind}`)
      }
      refuses(batchOf([[head, [step(action, entryOf('x'.repeat(256), file('x')))]]]), `${action} bad-name`)
      const climbing = { ...entryOf('\udcff', special), name: '../../etc/x' }
      refuses(batchOf([[head, [step(action, climbing)]]]), `${action} of a name that climbs`)
    }
  })

  it('refuses paths that are none, and sections that are none', () => {
    const good = step('create', entries[0] as Entry)
    for (const bad of ['..', '../x', '/x', 'a//b', 'a/..', '.nightferry/x', 'x\0', 'a/']) {
      refuses(batchOf([[{ ...head, path: bad as RelPath }, [good]]]), bad)
      refuses(batchOf([[head, [{ ...good, from: bad as RelPath }]]]), `from ${bad}`)
    }
    refuses(batchOf([[head, [{ ...good, from: '' as RelPath }]]]), 'from the root itself')
    for (const state of ['new', 'retype'] as const)
      refuses(batchOf([[{ ...head, path: '' as RelPath, state }, []]]), `a root that is ${state}`)
    refuses(batchOf([[{ ...head, mode: 0o10000 }, []]]), 'a mode of 13 bits')
    refuses(Uint8Array.from([...batchOf([[head, [good]]]), 0]), 'bytes after the end')
    refuses(Uint8Array.from([]), 'nothing')
    refuses(Uint8Array.from([1, 1, 0x61, 3, 0, 0, 0, 0]), 'an unknown state')
    refuses(Uint8Array.from([1, 1, 0x61, 0, 0, 0, 0, 1, 5]), 'an unknown action')
    refuses(Uint8Array.from([1, 1, 0x61, 0, 0, 0, 0, 1, 0x40]), 'an unknown extra')
    refuses(Uint8Array.from([0xff, 0xff, 0x7f]), 'more sections than bytes')
    assert.deepEqual(decodeBatch(Uint8Array.from([0])), [])
  })

  const MiB = 1024 * 1024
  const sizes = fc.array(fc.constantFrom(0, 1, 100_000, MiB, 3 * MiB, batchContentMax, 9 * MiB, 70 * MiB), {
    maxLength: 12,
  })
  const many = fc.constantFrom(1, 2, 999, 1000, 1001, 2500).map((count) => Array<number>(count).fill(1))
  const somePacked = fc
    .array(
      fc.tuple(
        fc.oneof({ weight: 5, arbitrary: sizes }, { weight: 1, arbitrary: many }),
        fc.constantFrom('present' as const, 'new', 'retype'),
      ),
      {
        maxLength: 12,
      },
    )
    .map((all) => all.map(([list, state], i) => sectionOf(`d${i}`, state, list)))

  it('cuts without losing or reordering a step', () => {
    check(
      fc.property(somePacked, (sections) => {
        const flat = (all: readonly PackedSection[]): string[] =>
          all.flatMap((section) => [...stepsOf(section)].map(({ entry }) => `${section.path}/${entry.name}`))
        const parts = [...cutBatches(sections)].flat()
        assert.deepEqual(flat(parts), flat(sections))
        // Each directory is told of once as what it is, and first; its further parts find it there.
        const heads = parts.filter((part, i) => part.path !== parts[i - 1]?.path)
        assert.deepEqual(
          heads.map(({ path, state }) => [path, state]),
          sections.map(({ path, state }) => [path, state]),
        )
        for (const part of parts) if (!heads.includes(part)) assert.equal(part.state, 'present')
        for (const part of parts) {
          const { stepBytes, stepCount, files, contentBytes } = packSection(part, [...stepsOf(part)])
          assert.deepEqual(
            [part.stepBytes, part.stepCount, part.files, part.contentBytes],
            [stepBytes, stepCount, files, contentBytes],
          )
        }
      }),
    )
  })

  it('keeps a batch below its limits, unless one section or one file alone is larger', () => {
    check(
      fc.property(somePacked, (sections) => {
        for (const batch of cutBatches(sections)) {
          const steps = batch.reduce((sum, part) => sum + part.stepCount, 0)
          const again = batch.filter((part, i) => part.path === batch[i - 1]?.path && batch[i - 1]?.state === 'present')
          assert.deepEqual(again, [], 'one directory is cut no more often than need be')
          const contentBytes = batch.reduce((sum, part) => sum + part.contentBytes, 0)
          assert.ok(batch.length > 0 && steps <= batchFilesMax)
          if (contentBytes <= batchContentMax) continue
          const whole = batch.filter((part) => part.contentBytes > 0)
          assert.equal(whole.length, 1)
          assert.ok(contentBytes <= buildContentMax || whole[0]?.files === 1, String(contentBytes))
        }
      }),
    )
  })

  it('fills its batches: two neighbours are never both small enough for one', () => {
    check(
      fc.property(somePacked, (sections) => {
        const batches = [...cutBatches(sections)]
        batches.forEach((batch, i) => {
          const next = batches[i + 1]?.[0]
          if (next === undefined) return
          const steps = batch.reduce((sum, part) => sum + part.stepCount + 1, 0)
          const contentBytes = batch.reduce((sum, part) => sum + part.contentBytes, 0)
          assert.ok(steps + next.stepCount > batchFilesMax || contentBytes + next.contentBytes > batchContentMax)
        })
      }),
    )
    assert.deepEqual([...cutBatches([])], [])
  })

  it('orders parents before children, and a directory with all below it side by side', () => {
    const names = fc.array(fc.constantFrom('a', 'b', 'a b', 'a!', 'a.b', 'ä', '\x01'), { maxLength: 4 })
    check(
      fc.property(fc.array(names, { maxLength: 20 }), (all) => {
        const paths = all.map((parts) => parts.join('/') as RelPath)
        const sorted = paths
          .map((one) => ({ ...head, path: one }))
          .sort(compareSections)
          .map((one) => one.path)
        sorted.forEach((one, i) => {
          for (const earlier of sorted.slice(0, i))
            assert.ok(earlier === one || !isWithin(earlier, one), `${earlier} | ${one}`)
          const below = sorted.map((other) => isWithin(other, one))
          assert.equal(below.lastIndexOf(true) - below.indexOf(true) + 1, below.filter(Boolean).length)
        })
      }),
    )
  })
})
