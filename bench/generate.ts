// A tree with the shape of the Linux 6.1 source: as many files and directories below each top folder, as deep, with the
// same spread of sizes and as much content. Seeded: the same arguments make the same names, bytes and times anywhere.

import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Files of the tree that is imitated. */
export const kernelFiles = 78_579

/** Top folders: files, directories, megabytes (measured on Debian's linux-source-6.1 6.1.192-2). */
const tops: readonly (readonly [name: string, files: number, directories: number, megabytes: number])[] = [
  ['drivers', 31595, 2022, 869],
  ['arch', 16790, 876, 101],
  ['Documentation', 8869, 630, 41],
  ['tools', 6079, 719, 46],
  ['include', 5912, 298, 37],
  ['sound', 2639, 166, 42],
  ['fs', 2078, 96, 41],
  ['net', 1887, 93, 32],
  ['kernel', 562, 28, 12],
  ['lib', 538, 25, 7],
  ['scripts', 448, 48, 3],
  ['samples', 276, 39, 1],
  ['security', 254, 23, 3],
  ['crypto', 182, 3, 4],
  ['mm', 176, 5, 5],
  ['block', 102, 2, 2],
]
const totalMegabytes = tops.reduce((sum, [, , , megabytes]) => sum + megabytes, 0)

/** Sizes in bytes at these shares of all files, smallest first; between them sizes grow geometrically. */
const quantiles: readonly (readonly [share: number, sizeBytes: number])[] = [
  [0, 1],
  [0.01, 73],
  [0.1, 446],
  [0.3, 1621],
  [0.5, 3874],
  [0.7, 9044],
  [0.9, 28758],
  [0.98, 83935],
  [0.995, 191187],
  [0.999, 1119149],
  [0.9999, 11368060],
  [1, 23944620],
]

const deepest = 8
const linksPerFile = 56 / kernelFiles
/** 2024-01-01, and one second for each file from there. */
const firstTimeSeconds = 1_704_067_200

/** Makes the tree at `root`; returns the name of the top folder that holds most of it. */
export function generateTree(root: string, files: number, sizeBytes: number, signal: AbortSignal): string {
  const random = seeded(0x5eed)
  const text = makeText(random)
  const scale = files / kernelFiles
  mkdirSync(root)
  let made = 0
  for (const [name, topFiles, topDirectories, megabytes] of tops) {
    signal.throwIfAborted()
    const folders = makeFolders(join(root, name), Math.max(1, Math.round(topDirectories * scale)), random)
    const sizes = Array.from({ length: Math.max(1, Math.round(topFiles * scale)) }, () => drawSize(random()))
    const factor = (sizeBytes * (megabytes / totalMegabytes)) / sizes.reduce((sum, size) => sum + size, 0)
    for (const size of sizes) {
      // Squared: a few folders hold many files, most hold few.
      const folder = folders[Math.floor(random() ** 2 * folders.length)] ?? root
      const path = join(folder, `${word(random)}-${(made++).toString(36)}.c`)
      const length = Math.max(1, Math.round(size * factor))
      writeFileSync(path, content(text, made, length, random))
      utimesSync(path, firstTimeSeconds + made, firstTimeSeconds + made)
      if (random() < linksPerFile) symlinkSync(path.slice(folder.length + 1), `${path}.link`)
    }
  }
  return tops[0]?.[0] ?? ''
}

function makeFolders(top: string, count: number, random: () => number): string[] {
  mkdirSync(top)
  const folders = [{ path: top, depth: 1 }]
  while (folders.length < count) {
    const parent = folders[Math.floor(random() * folders.length)]
    if (parent === undefined || parent.depth >= deepest) continue
    const path = join(parent.path, `${word(random)}${folders.length}`)
    mkdirSync(path)
    folders.push({ path, depth: parent.depth + 1 })
  }
  return folders.map(({ path }) => path)
}

/** The size of a file at this share (0 to 1) of all files. */
function drawSize(share: number): number {
  for (let i = 1; i < quantiles.length; i++) {
    const [low, high] = [quantiles[i - 1] ?? [0, 1], quantiles[i] ?? [1, 1]]
    if (share <= high[0]) return low[1] * (high[1] / low[1]) ** ((share - low[0]) / (high[0] - low[0]))
  }
  return 1
}

/** Bytes like source code, different for every file: a first line of its own, then pieces of the text from anywhere. */
function content(text: Buffer, number: number, length: number, random: () => number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let offset = bytes.write(`/* file ${number} */\n`, 'latin1')
  while (offset < length) {
    const start = Math.floor(random() * (text.length - 1))
    offset += text.copy(bytes, offset, start, Math.min(text.length, start + 65_536))
  }
  return bytes
}

function makeText(random: () => number): Buffer {
  const words = Array.from({ length: 4_000 }, () => word(random))
  const lines = Array.from({ length: 60_000 }, () => {
    const length = 1 + Math.floor(random() * 12)
    return Array.from({ length }, () => words[Math.floor(random() ** 2 * words.length)]).join(' ')
  })
  return Buffer.from(lines.join(';\n'), 'latin1')
}

function word(random: () => number): string {
  const letters = 'etaoinsrhldcumfpgwybvk_xjqz'
  const length = 2 + Math.floor(random() * 9)
  return Array.from({ length }, () => letters[Math.floor(random() ** 2 * letters.length)]).join('')
}

/** mulberry32: numbers from 0 to 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
