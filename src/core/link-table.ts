// Which names of a tree are one file, and how that is told to another machine: a list of files that have several names, each
// with the names that the view shows. Made from records; inodes and devices stay here, only paths travel. Nothing of it is
// trusted where it comes from elsewhere: paths are parsed, and no name belongs to two files.

import { ByteReader, ByteWriter } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { namesIn } from './attributes.ts'
import { isDirectoryHidden } from './exposed.ts'
import { joinPath, parentOf, parseRelPath, pathMaxBytes, type RelPath } from './path.ts'
import type { DirectoryRecord } from './record.ts'
import { inodeOf, sizeOf, statMtimeNs, statMtimeSeconds, typeFile } from './stat.ts'
import type { Tree } from './tree.ts'
import { isHidden, isOutsideRow, kindOf } from './view.ts'

/** A file that has several names. */
export type LinkedFile = {
  /** How many names it has in all: more than `paths`, where some are hidden, or lie outside. */
  readonly names: number
  /** Those that the view shows, in order. */
  readonly paths: readonly RelPath[]
}

/** The files of a tree that have several names, under its view, in the order of their first paths. */
export function linkedFiles(tree: Tree): LinkedFile[] {
  const files = new Map<string, { names: number; paths: RelPath[] }>()
  for (const path of tree.paths()) {
    const record = tree.record(path)
    if (record === undefined || !hasLinked(record) || isDirectoryHidden(tree, path)) continue
    const [scope, device] = [tree.scopeAt(path), tree.deviceOf(path)]
    for (let row = 0; row < record.count; row++) {
      const names = namesIn(record.attributes(row))
      if (names === 1 || record.type(row) !== typeFile || kindOf(record, row) !== 'file') continue
      if (isHidden(record, row, scope) || isOutsideRow(record, row, tree.sizes)) continue
      const [stats, at] = [record.stats(row), record.at(row)]
      // An inode that was given away while we looked is told by its content's size and time.
      const key = `${device} ${inodeOf(stats, at)} ${sizeOf(stats, at)} ${stats[at + statMtimeSeconds]} ${stats[at + statMtimeNs]}`
      const known = files.get(key)
      if (known === undefined) files.set(key, { names, paths: [joinPath(path, record.name(row))] })
      else {
        known.names = Math.max(known.names, names)
        known.paths.push(joinPath(path, record.name(row)))
      }
    }
  }
  const found = [...files.values()]
  for (const { paths } of found) paths.sort()
  return found.sort((a, b) => ((a.paths[0] as string) < (b.paths[0] as string) ? -1 : 1))
}

/** Blocks are there for names only, or for much else: pages without any are passed over. */
function hasLinked(record: DirectoryRecord): boolean {
  return record.pages.some((page) => page.hasAttributes)
}

/** The text that is equal exactly where the same names are one file; '' where none are. */
export function partitionText(files: readonly LinkedFile[]): string {
  return files.flatMap(({ paths }) => (paths.length > 1 ? [paths.join('\0')] : [])).join('\0\0')
}

/** Files that are told at a time, in bytes. */
const partBytes = 4 * 1024 * 1024

/** Some of the files, from number `from` on; `next` where there are more. */
export function encodeLinked(
  files: readonly LinkedFile[],
  from: number,
): { readonly bytes: Uint8Array; readonly next: number | undefined } {
  const writer = new ByteWriter(64 * 1024)
  let at = from
  for (; at < files.length && writer.length < partBytes; at++) {
    const { names, paths } = files[at] as LinkedFile
    writer.varint(names)
    writer.varint(paths.length)
    let directory: string | undefined
    for (const path of paths) {
      // Names of one file often lie side by side: a directory is told once.
      const isSame = directory === parentOf(path)
      directory = parentOf(path)
      writer.u8(isSame ? 1 : 0)
      writer.text(isSame ? path.slice(directory === '' ? 0 : directory.length + 1) : path)
    }
  }
  return { bytes: writer.take(), next: at < files.length ? at : undefined }
}

/** Takes what another end tells, part by part. */
export class ToldLinks {
  readonly files: LinkedFile[] = []
  readonly #known = new Set<RelPath>()
  readonly #entries: number

  /** `entries`: as many as its scan counted; more names than that are none of this tree. */
  constructor(entries: number) {
    this.#entries = entries
  }

  /** Throws `protocol-broken` for what is no such part. */
  take(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes)
    while (reader.left > 0) {
      const names = reader.varint()
      const paths: RelPath[] = []
      let directory: string | undefined
      for (let left = reader.varint(reader.left); left > 0; left--) {
        const isSame = reader.u8() === 1
        const text = reader.name(pathMaxBytes)
        if (isSame && directory === undefined) throw brokenLinks()
        const path = parseRelPath(isSame && directory !== '' ? `${directory}/${text}` : text)
        if (path === undefined || path === '' || this.#known.has(path)) throw brokenLinks()
        if (this.#known.size >= this.#entries) throw brokenLinks()
        this.#known.add(path)
        directory = parentOf(path)
        paths.push(path)
      }
      if (paths.length === 0 || names < paths.length) throw brokenLinks()
      this.files.push({ names, paths })
    }
  }
}

/** What was told is no such list. */
export function brokenLinks(): Failure {
  return new Failure('protocol-broken', 'names that are one file are told in a way that nobody understands')
}
