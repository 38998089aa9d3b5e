// Where a benchmark runs: a folder that holds the source, and a fresh target for every run. On tmpfs these are folders; on
// ext4 the source lives on an image made once and each target on a file system made for that run and thrown away whole,
// since ext4 right after a large `rm -rf` makes every create slow. Everything belongs to the scope it was opened in: when
// that is disposed, file systems are unmounted, their loop devices freed and their files removed.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, statSync } from 'node:fs'
import { freemem, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram, must, run } from './processes.ts'
import type { Room } from './work.ts'

export type PlaceName = 'tmpfs' | 'ext4'
export const placeNames: readonly PlaceName[] = ['tmpfs', 'ext4']

/** Two folders of one file system: the tree itself, and what the programs keep beside it (state, logs). */
export type Ground = { readonly tree: string; readonly beside: string }

export type Place = {
  readonly name: PlaceName
  /** What lies below, for the record: `tmpfs`, or `ext4 image on ext4`. */
  readonly kind: string
  readonly source: Ground
  /** An empty target, gone when `scope` is disposed. */
  freshTarget(scope: AsyncDisposableStack): Promise<Ground>
  /** Waits until what was written below this folder is on the disk. */
  settle(folder: string): Promise<void>
}

/** Names of file systems by the magic number of statfs(2). */
const fileSystems: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x01021994, 'tmpfs'],
  [0x9123683e, 'btrfs'],
  [0x58465342, 'xfs'],
  [0x794c7630, 'overlayfs'],
])

/** Opens a place with room for such a tree and its mirror, or says why there is none on this machine. */
export async function openPlace(
  name: PlaceName,
  room: Room,
  scope: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Place | { readonly missing: string }> {
  try {
    return await (name === 'tmpfs' ? openTmpfs(room, scope, signal) : openExt4(room.sizeBytes, scope, signal))
  } catch (error) {
    signal.throwIfAborted()
    return { missing: error instanceof Error ? error.message : String(error) }
  }
}

/** A new folder of ours below `parent`, removed with the scope; its name carries our process id. */
export function ownFolder(parent: string, scope: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(parent, `nightferry-bench-${process.pid}-`))
  scope.defer(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function openTmpfs(
  { sizeBytes: treeBytes, entries }: Room,
  scope: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Place> {
  // Source and target, and as much again as programs and their buffers may need.
  const neededBytes = treeBytes * 2.5 + 1e9
  if (availableMemory() < neededBytes) throw new Error(`less than ${megabytes(neededBytes)} of memory are free`)
  // Each name takes one of the entries that a tmpfs is given when it is mounted.
  const names = Math.ceil(entries * 2.5) + 100_000
  const isShared = isRoomy('/dev/shm', neededBytes, names)
  const folder = isShared ? ownFolder('/dev/shm', scope) : await mountTmpfs(names, scope, signal)
  await touchMemory(folder, treeBytes * 2, signal)
  return {
    name: 'tmpfs',
    kind: fileSystemOf(folder),
    source: makeGround(join(folder, 'source')),
    async freshTarget(runScope) {
      return makeGround(ownFolder(folder, runScope))
    },
    async settle() {},
  }
}

/**
 * Uses memory once and gives it back. A virtual machine gets a page from its host when it is first touched, which made
 * whoever ran first up to twice as slow; what was touched before is cheap for all.
 */
async function touchMemory(folder: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
  const file = join(folder, 'touched')
  const free = availableMemory() - 1e9
  await must(['fallocate', '-l', String(Math.floor(Math.min(sizeBytes, free))), file], signal)
  rmSync(file)
}

async function mountTmpfs(names: number, scope: AsyncDisposableStack, signal: AbortSignal): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error('/dev/shm has too little room, and mounting a tmpfs needs root')
  const folder = ownFolder(tmpdir(), scope)
  const options = `mode=700,size=90%,nr_inodes=${names}`
  await mount(['-t', 'tmpfs', '-o', options, 'nightferry-bench'], folder, scope, signal)
  return folder
}

async function openExt4(treeBytes: number, scope: AsyncDisposableStack, signal: AbortSignal): Promise<Place> {
  if (process.getuid?.() !== 0) throw new Error('mounting an image needs root')
  if (findProgram('mkfs.ext4') === undefined) throw new Error('mkfs.ext4 is missing (Debian: e2fsprogs)')
  const imageBytes = Math.ceil(treeBytes * 1.8 + 0.7e9)
  const neededBytes = imageBytes * 2 + 1e9
  if (!isRoomy(tmpdir(), neededBytes)) throw new Error(`${tmpdir()} has less than ${megabytes(neededBytes)} free`)
  if (isRoomy('/dev/shm', treeBytes * 4)) await touchMemory(ownFolder('/dev/shm', scope), treeBytes * 3, signal)
  const folder = ownFolder(tmpdir(), scope)
  const source = await mountImage(join(folder, 'source'), imageBytes, scope, signal)
  let count = 0
  return {
    name: 'ext4',
    kind: `ext4 image on ${fileSystemOf(folder)}`,
    source: makeGround(source),
    async freshTarget(runScope) {
      return makeGround(await mountImage(join(folder, `target-${++count}`), imageBytes, runScope, signal))
    },
    async settle(written) {
      await must(['sync', '-f', written], signal)
    },
  }
}

/** A new ext4 file system in a sparse file, mounted; nothing of it is left to be initialised in the background. */
async function mountImage(
  path: string,
  sizeBytes: number,
  scope: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<string> {
  const image = `${path}.img`
  await must(['truncate', '-s', String(sizeBytes), image], signal)
  scope.defer(() => rmSync(image, { force: true }))
  const mkfs = findProgram('mkfs.ext4') ?? 'mkfs.ext4'
  await must([mkfs, '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image], signal)
  mkdirSync(path)
  await mount(['-o', 'loop', image], path, scope, signal)
  return path
}

async function mount(
  what: readonly string[],
  folder: string,
  scope: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<void> {
  // Before it is mounted, since ctrl-C may come in between.
  scope.defer(() => unmount(folder))
  await must([findProgram('mount') ?? 'mount', ...what, folder], signal)
}

/** A process that was just ended may hold the file system for a moment: asked again, and detached in the end. */
async function unmount(folder: string): Promise<void> {
  if (statSync(folder).dev === statSync(dirname(folder)).dev) return
  const umount = findProgram('umount') ?? 'umount'
  for (let round = 0; round < 50; round++) {
    if ((await run([umount, folder])).code === 0) return
    await sleep(100)
  }
  await must([umount, '-l', folder])
  console.error(`bench: ${folder} was busy for 5 s; it is detached and goes when it is no longer used`)
}

function makeGround(folder: string): Ground {
  const ground = { tree: join(folder, 'tree'), beside: join(folder, 'beside') }
  for (const path of Object.values(ground)) mkdirSync(path, { recursive: true })
  return ground
}

function isRoomy(folder: string, sizeBytes: number, names = 0): boolean {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(folder)
    return bavail * bsize >= sizeBytes && (files === 0 || ffree > names)
  } catch {
    return false
  }
}

function availableMemory(): number {
  const kib = /^MemAvailable: +(\d+)/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1]
  return kib === undefined ? freemem() : Number(kib) * 1024
}

function fileSystemOf(folder: string): string {
  const { type } = statfsSync(folder)
  return fileSystems.get(type) ?? `0x${type.toString(16)}`
}

function megabytes(sizeBytes: number): string {
  return `${Math.round(sizeBytes / 1e6)} MB`
}
