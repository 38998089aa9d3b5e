// Trees that are made, not found: a million tiny files in many directories or in one, a million of one content, and a file
// of one gibibyte. The same bytes and times every time.

import { createCipheriv } from 'node:crypto'
import { closeSync, mkdirSync, openSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** 2024-01-01. */
const firstTimeSeconds = 1_704_067_200
const topDirectories = 50
const blockBytes = 1 << 20

/**
 * `files` files of a few bytes in so many directories: fifty at the top, the others inside these; all in the root when
 * there is but one. A tenth of the files share their content with others.
 */
export async function makeMany(root: string, files: number, directories: number, signal: AbortSignal): Promise<void> {
  const folders = directories === 1 ? [root] : Array.from({ length: directories }, (_, i) => folderOf(root, i))
  for (const folder of folders) mkdirSync(folder, { recursive: true })
  for (let i = 0; i < files; i++) {
    // Lets ctrl-C come through.
    if (i % 10_000 === 0) await nextTurn(undefined, { signal })
    const path = join(folders[i % folders.length] ?? root, `file-${i.toString(36)}`)
    writeFileSync(path, i % 10 === 0 ? `same ${(i / 10) % 1000}\n` : `${i}\n`)
    utimesSync(path, firstTimeSeconds + i, firstTimeSeconds + i)
  }
}

/** The same names and times, and one content of so many bytes for all. */
export async function makeEqual(
  root: string,
  files: number,
  directories: number,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const content = Buffer.alloc(sizeBytes, 'one content for all\n')
  for (let i = 0; i < directories; i++) mkdirSync(folderOf(root, i), { recursive: true })
  for (let i = 0; i < files; i++) {
    if (i % 10_000 === 0) await nextTurn(undefined, { signal })
    const path = join(folderOf(root, i % directories), `file-${i.toString(36)}`)
    writeFileSync(path, content)
    utimesSync(path, firstTimeSeconds + i, firstTimeSeconds + i)
  }
}

function folderOf(root: string, number: number): string {
  const top = `top-${number % topDirectories}`
  return number < topDirectories ? join(root, top) : join(root, top, `inner-${number}`)
}

/** A file of bytes that no compression and no repetition helps with. */
export async function makeLarge(path: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16))
  const zeros = Buffer.alloc(blockBytes)
  const handle = openSync(path, 'wx')
  try {
    for (let left = sizeBytes; left > 0; left -= blockBytes) {
      await nextTurn(undefined, { signal })
      writeSync(handle, stream.update(left < blockBytes ? zeros.subarray(0, left) : zeros))
    }
  } finally {
    closeSync(handle)
  }
  utimesSync(path, firstTimeSeconds, firstTimeSeconds)
}
