// What lies displaced until a run ends, as bytes: a run may replace a million files, and an object for each would weigh
// several times what it says. Made where a batch lands, kept by whoever lands the run, read where it is dropped, a batch
// at a time. Never leaves this process.

import type { RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { ByteReader, ByteWriter } from '../std/bytes.ts'
import type { Aside } from './aside.ts'
import type { SeenDirectory } from './staged.ts'

const flagDeleted = 1
const flagMoved = 2
const flagDirectory = 4
const longest = 2 ** 32

/** One batch's. */
export function encodeDisplaced(displaced: readonly Aside[]): Uint8Array {
  const writer = new ByteWriter(160 * displaced.length + 16)
  for (const { slot, path, expected, below, isDeleted, movedTo } of displaced) {
    writer.text(slot)
    writer.text(path)
    const moved = movedTo === undefined ? 0 : flagMoved
    writer.u8((isDeleted ? flagDeleted : 0) | moved | (below === undefined ? 0 : flagDirectory))
    writeRows(writer, expected)
    if (movedTo !== undefined) writer.text(movedTo)
    if (below !== undefined) writeBelow(writer, below)
  }
  return writer.take()
}

function writeRows(writer: ByteWriter, rows: Uint32Array): void {
  for (const part of rows) writer.u32(part)
}

function writeBelow(writer: ByteWriter, below: readonly SeenDirectory[]): void {
  writer.varint(below.length)
  for (const { path, names, rows, movedTo } of below) {
    writer.text(path)
    writer.varint(names.length)
    for (const name of names) writer.block(name)
    writeRows(writer, rows)
    writer.u8(movedTo === undefined ? 0 : 1)
    // No path is empty here: that one stands for a file that did not move.
    for (const to of movedTo ?? []) writer.text(to ?? '')
  }
}

/** What `encodeDisplaced` made, one after the other; names are views of it. */
export function* decodeDisplaced(bytes: Uint8Array): Generator<Aside> {
  const reader = new ByteReader(bytes)
  while (reader.left > 0) {
    const slot = reader.text(longest)
    const path = reader.name(longest) as RelPath
    const flags = reader.u8()
    const expected = readRows(reader, 1)
    const movedTo = (flags & flagMoved) === 0 ? undefined : (reader.name(longest) as RelPath)
    const below = (flags & flagDirectory) === 0 ? undefined : readBelow(reader)
    yield { slot, path, expected, below, movedTo, isDeleted: (flags & flagDeleted) !== 0 }
  }
}

function readRows(reader: ByteReader, count: number): Uint32Array {
  const rows = new Uint32Array(count * statWidth)
  for (let i = 0; i < rows.length; i++) rows[i] = reader.u32()
  return rows
}

function readBelow(reader: ByteReader): SeenDirectory[] {
  return Array.from({ length: reader.varint() }, () => {
    const path = reader.name(longest) as RelPath
    const names = Array.from({ length: reader.varint() }, () => reader.block(longest))
    const rows = readRows(reader, names.length)
    if (reader.u8() === 0) return { path, names, rows }
    return { path, names, rows, movedTo: names.map(() => (reader.name(longest) || undefined) as RelPath | undefined) }
  })
}
