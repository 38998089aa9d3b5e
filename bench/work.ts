// The trees that are mirrored: Debian's kernel source (or, where that is not installed, a generated tree of its shape), two
// folders of it for a slow link, one large file, a million tiny ones, a million of one content. A tree is made once for a place, below an empty
// folder, and every program finds it the same.

import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Census, takeCensus } from './compare.ts'
import { generateTree, kernelFiles } from './generate.ts'
import { makeEqual, makeLarge, makeMany } from './many.ts'
import { debianVersion, findProgram, must } from './processes.ts'

export type WorkKind = 'tree' | 'small' | 'large' | 'image' | 'many' | 'flat' | 'equal'

export type Work = {
  readonly name: string
  readonly folder: string
  readonly census: Census
  /** What the rows `rename` and `moved` give another place: from, to. */
  readonly move?: readonly [from: string, to: string]
}

/** Room that a tree takes, blocks half used and memory for names included, and the entries it has. */
export type Room = { readonly sizeBytes: number; readonly entries: number }

const archive = '/usr/src/linux-source-6.1.tar.xz'
const kernelBytes = 1.3e9
/** What file systems need for it, with blocks half used. */
const kernelBytesOnDisk = 1.5e9
/** Folders of the kernel source with about 20 MB together. */
const smallFolders = ['kernel', 'lib']
const smallFiles = 1_200
const million = 1_000_000
const filesPerDirectory = 200
const equalBytes = 4096
/** A tiny file is a page and what the system keeps to know it. */
const tinyBytes = 5_300
const gibibyte = 2 ** 30
/** As large as a slow link carries in half a minute. */
const imageBytes = 2 ** 25

/** About how much room a tree will need. `files` asks for generated trees, `files` being that of the kernel source. */
export function expectedRoom(kind: WorkKind, files: number | undefined): Room {
  const scale = (files ?? kernelFiles) / kernelFiles
  // Both versions, while a program writes the new one.
  if (kind === 'large') return { sizeBytes: 2 * gibibyte * scale, entries: 10 }
  if (kind === 'image') return { sizeBytes: 4 * imageBytes, entries: 1000 }
  if (kind === 'small') return { sizeBytes: 40e6, entries: 5_000 }
  if (kind === 'tree') return { sizeBytes: kernelBytesOnDisk * scale, entries: 100_000 * scale }
  return { sizeBytes: million * tinyBytes * scale, entries: million * 1.01 * scale }
}

/** Makes a tree below `folder`, which is empty. */
export async function prepareWork(
  kind: WorkKind,
  folder: string,
  files: number | undefined,
  signal: AbortSignal,
): Promise<Work> {
  const scale = (files ?? kernelFiles) / kernelFiles
  const isInstalled = files === undefined && existsSync(archive) && findProgram('xz') !== undefined
  if (kind === 'tree') return isInstalled ? unpack(folder, [], signal) : generate(folder, files ?? kernelFiles, signal)
  if (kind === 'small')
    return isInstalled
      ? unpack(folder, smallFolders, signal)
      : generate(folder, Math.min(files ?? smallFiles, smallFiles), signal)
  if (kind === 'large') return makeLargeWork(folder, Math.ceil(gibibyte * scale), signal)
  if (kind === 'image') return makeLargeWork(folder, imageBytes, signal)
  const count = Math.round(million * scale)
  const root = join(folder, 'many')
  mkdirSync(root)
  const directories = kind === 'flat' ? 1 : Math.ceil(count / filesPerDirectory)
  if (kind === 'equal') {
    await makeEqual(root, count, directories, equalBytes, signal)
    return { name: `generated ${count} equal`, folder: root, census: takeCensus(root) }
  }
  await makeMany(root, count, directories, signal)
  return { name: `generated ${count} tiny`, folder: root, census: takeCensus(root) }
}

async function unpack(folder: string, only: readonly string[], signal: AbortSignal): Promise<Work> {
  const members = only.map((name) => `linux-source-6.1/${name}`)
  await must(['tar', '-xJf', archive, '-C', folder, ...members], signal)
  const tree = join(folder, readdirSync(folder)[0] ?? '')
  const version = await debianVersion('linux-source-6.1', signal)
  const name = ['linux-source-6.1', version, only.join(' and ')].filter(Boolean).join(' ')
  return { name, folder: tree, census: takeCensus(tree), move: ['drivers', 'drivers-renamed'] }
}

function generate(folder: string, files: number, signal: AbortSignal): Work {
  const tree = join(folder, 'generated')
  const heavy = generateTree(tree, files, kernelBytes * (files / kernelFiles), signal)
  return { name: `generated ${files}`, folder: tree, census: takeCensus(tree), move: [heavy, `${heavy}-renamed`] }
}

/** A large file with a hundred small neighbours, and a directory that it can move to. */
async function makeLargeWork(folder: string, sizeBytes: number, signal: AbortSignal): Promise<Work> {
  const tree = join(folder, 'large')
  for (const name of ['here', 'there']) {
    mkdirSync(join(tree, name), { recursive: true })
    await makeMany(join(tree, name), 50, 1, signal)
  }
  await makeLarge(join(tree, 'here', 'large'), sizeBytes, signal)
  const name = `a file of ${Math.round(sizeBytes / 2 ** 20)} MiB`
  return { name, folder: tree, census: takeCensus(tree), move: ['here/large', 'there/large'] }
}
