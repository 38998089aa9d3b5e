// What a person does to a tree between two runs: a hundred files edited, a directory renamed, a large file moved or edited. Each
// change says how to take itself back, so that the next program finds the tree as it was, times included.

import {
  closeSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { seeded } from './generate.ts'

export type Change = {
  /** What has another place now, as paths in the tree; absent when nothing has. */
  readonly moved?: { readonly from: string; readonly to: string }
  undo(): void
}

const editedFiles = 100
const largestEdited = 64 * 1024

/** Gives a path of the tree another place, its own times kept. */
export function movePath(root: string, from: string, to: string): Change {
  const parents = [...new Set([dirname(from), dirname(to)])].map((parent) => join(root, parent))
  const times = parents.map((parent) => lstatSync(parent))
  renameSync(join(root, from), join(root, to))
  return {
    moved: { from, to },
    undo() {
      renameSync(join(root, to), join(root, from))
      for (const [i, parent] of parents.entries()) utimesSync(parent, times[i]?.atime ?? 0, times[i]?.mtime ?? 0)
    },
  }
}

/** Edits up to 100 small files all over the tree, the same ones each time: half get a line more, half one byte changed. */
export function editFiles(root: string): Change {
  const kept = chooseFiles(root).map((path, i) => {
    const before = { path, bytes: readFileSync(path), times: statSync(path) }
    if (i % 2 === 0) writeFileSync(path, `// edited: ${basename(path)}\n`, { flag: 'a' })
    else changeByte(path, before.bytes)
    return before
  })
  return {
    undo() {
      for (const { path, bytes, times } of kept) {
        writeFileSync(path, bytes)
        utimesSync(path, times.atime, times.mtime)
      }
    },
  }
}

/** A byte before all of it; a mebibyte after it; one in a hundred of its blocks of 64 KiB, all over it. */
export type LargeEdit = 'front-insert' | 'append' | 'vm-image'

const appendedBytes = 1024 * 1024
const blockBytes = 64 * 1024
const changedBlocks = 0.01
/** Programs that look at whole seconds see the change. */
const laterSeconds = 10

/** Edits a large file as a person, a log or a virtual machine does. */
export function editLarge(path: string, edit: LargeEdit): Change {
  const times = statSync(path)
  const undo = edit === 'front-insert' ? insertInFront(path) : edit === 'append' ? append(path) : changeBlocks(path)
  utimesSync(path, times.atime, times.mtimeMs / 1000 + laterSeconds)
  return {
    undo() {
      undo()
      utimesSync(path, times.atime, times.mtime)
    },
  }
}

function insertInFront(path: string): () => void {
  rewrite(path, Buffer.from('x'), 0)
  return () => rewrite(path, Buffer.alloc(0), 1)
}

/** Writes the file anew: `front`, then what it holds from `start` on. */
function rewrite(path: string, front: Buffer, start: number): void {
  const beside = `${path}.new`
  const [from, to] = [openSync(path, 'r'), openSync(beside, 'w')]
  const piece = Buffer.alloc(8 * 1024 * 1024)
  writeSync(to, front)
  for (let at = start; ; ) {
    const count = readSync(from, piece, 0, piece.length, at)
    if (count === 0) break
    writeSync(to, piece, 0, count)
    at += count
  }
  closeSync(from)
  closeSync(to)
  renameSync(beside, path)
}

function append(path: string): () => void {
  const { size } = statSync(path)
  const random = seeded(0xa44e)
  writeFileSync(path, Buffer.from(Array.from({ length: appendedBytes }, () => random() * 256)), { flag: 'a' })
  return () => {
    const handle = openSync(path, 'r+')
    ftruncateSync(handle, size)
    closeSync(handle)
  }
}

function changeBlocks(path: string): () => void {
  const blocks = Math.floor(statSync(path).size / blockBytes)
  const random = seeded(0xb10c)
  const chosen = new Set<number>()
  while (chosen.size < Math.ceil(blocks * changedBlocks)) chosen.add(Math.floor(random() * blocks))
  const handle = openSync(path, 'r+')
  const kept = [...chosen].map((block) => {
    const before = Buffer.alloc(blockBytes)
    readSync(handle, before, 0, blockBytes, block * blockBytes)
    writeSync(
      handle,
      Buffer.from(Array.from({ length: blockBytes }, () => random() * 256)),
      0,
      blockBytes,
      block * blockBytes,
    )
    return { before, at: block * blockBytes }
  })
  closeSync(handle)
  return () => {
    const again = openSync(path, 'r+')
    for (const { before, at } of kept) writeSync(again, before, 0, blockBytes, at)
    closeSync(again)
  }
}

function changeByte(path: string, bytes: Buffer): void {
  const at = Math.floor(bytes.length / 2)
  const handle = openSync(path, 'r+')
  writeSync(handle, Buffer.of((bytes[at] ?? 0) ^ 1), 0, 1, at)
  closeSync(handle)
}

/** One walk in the order of names; every small file has the same chance, and of few files a tenth are taken. */
function chooseFiles(root: string): string[] {
  const random = seeded(0xed17)
  const chosen: string[] = []
  let seen = 0
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) visit(path)
      if (!entry.isFile()) continue
      const { size } = lstatSync(path)
      if (size === 0 || size > largestEdited) continue
      const place = seen < editedFiles ? seen : Math.floor(random() * (seen + 1))
      if (place < editedFiles) chosen[place] = path
      seen++
    }
  }
  visit(root)
  return chosen.slice(0, Math.max(1, Math.floor(seen / 10)))
}
