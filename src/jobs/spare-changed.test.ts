// Deletions behind a look in mid-run: what is not any more what it was planned by stays, and is told.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Entry } from '../core/entry.ts'
import { entryNameBytes, putEntry, startListing } from '../core/listing.ts'
import { parseRelPath, type RelPath } from '../core/path.ts'
import { type PackedSection, packSection, stepsOf } from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import { ByteWriter } from '../std/bytes.ts'
import type { End } from './endpoint.ts'
import { stepOf } from './places.ts'
import { spareChanged } from './spare-changed.ts'

const file = (name: string, more: Partial<Entry> = {}): Entry => ({
  kind: 'file',
  name,
  mode: 0o644,
  mtimeSeconds: 1000,
  mtimeNs: 5,
  sizeBytes: 3,
  edits: 0,
  link: undefined,
  summary: undefined,
  ...more,
})

function listed(entries: readonly Entry[]): Uint8Array {
  const writer = new ByteWriter(64)
  startListing(writer)
  for (const entry of entries) putEntry(writer, entry, entryNameBytes(entry))
  return writer.take()
}

it('spares what was written to, made anew or taken away since it was planned', async () => {
  const names = ['edited', 'gone', 'same', 'touched']
  const head = { state: 'present', mode: 0, mtimeSeconds: 0, mtimeNs: 0 } as const
  const planned = (path: string, some: readonly string[]): PackedSection =>
    packSection(
      { ...head, path: parseRelPath(path) as RelPath },
      some.map((name) => stepOf('delete', file(name))),
    )
  const now = listed([file('edited', { sizeBytes: 4 }), file('same'), file('touched', { mtimeNs: 6 })])
  const target = {
    listings: async (paths: readonly RelPath[]) =>
      paths.map((path) => (path === 'away' ? undefined : { bytes: now, mtimeSeconds: 0, mtimeNs: 0 })),
  } satisfies Pick<End, 'listings'>
  const problems: Problem[] = []
  const kept: PackedSection[] = []
  const deletions = [planned('away', ['x']), planned('d', names), planned('e', ['same'])]
  for await (const section of spareChanged(target, deletions, problems)) kept.push(section)
  assert.deepEqual(
    kept.map((section) => [section.path, [...stepsOf(section)].map(({ entry }) => entry.name)]),
    [
      ['d', ['same']],
      ['e', ['same']],
    ],
  )
  assert.deepEqual(
    problems.map(({ path, code }) => `${path} ${code}`),
    ['away/x', 'd/edited', 'd/gone', 'd/touched'].map((path) => `${path} target-changed`),
  )
})
