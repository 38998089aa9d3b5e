// What a person does to a tree between two runs: a hundred files edited, a directory renamed, a large file moved. Each
// change says how to take itself back, so that the next program finds the tree as it was, times included.

import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
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
