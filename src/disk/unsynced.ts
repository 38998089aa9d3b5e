// What a target remembers of runs that did not sync what they wrote: `.nightferry/unsynced.json`, on disk before the first
// name of such a run is given. Which file system such a run wrote to is told by its life: from one mount to the next, within
// one start of the machine. In the same life all that was written is in memory or on disk, and one sync makes it last;
// after it nobody knows, and what is not known from before has to be read. In doubt it is another life.

import { realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { readOwnFile, readSystemText, removeOwnFile, writeOwnFile } from '../std/files.ts'
import type { Sys } from './sys.ts'
import { descriptorOf } from './sys-names.ts'

const fileName = 'unsynced.json'
const formatVersion = 1
const maxBytes = 64 * 1024
/** A target that so many jobs left in doubt takes no more of such runs. */
const jobsMax = 100
const damagedJob = '?'

/** By job: in which life it last wrote without a sync. */
type Lives = Record<string, string>

/**
 * Names the life of the file system behind a handle; '' where that can't be known, which is like no other. Besides the
 * machine's start: the kernel's own entry for what is mounted, which is numbered anew by every mount; where it has none,
 * the device and the mount.
 */
export function lifeOf(handle: number): string {
  const boot = readSystemText('/proc/sys/kernel/random/boot_id')?.trim()
  if (boot === undefined || boot === '') return ''
  try {
    const descriptor = descriptorOf(handle)
    const { dev } = statSync(`/proc/self/fd/${descriptor}`, { bigint: true })
    return `${boot} ${dev} ${mountedEntry(dev) ?? mountOf(descriptor)}`
  } catch {
    return ''
  }
}

const kindsWithEntries = ['ext4', 'xfs', 'f2fs']

function mountedEntry(dev: bigint): string | undefined {
  const [major, minor] = [(dev >> 8n) & 0xfffn, (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)]
  try {
    const name = basename(realpathSync(`/sys/dev/block/${major}:${minor}`))
    for (const kind of kindsWithEntries) {
      const entry = statSync(`/sys/fs/${kind}/${name}`, { bigint: true, throwIfNoEntry: false })
      if (entry !== undefined) return `${kind} ${entry.ino}`
    }
  } catch {
    // No block device: a file system in memory, or one of a network.
  }
  return undefined
}

function mountOf(descriptor: number): string {
  return /^mnt_id:\s*(\d+)$/m.exec(readSystemText(`/proc/self/fdinfo/${descriptor}`) ?? '')?.[1] ?? ''
}

/**
 * Looks at what is remembered, for who opens the target: true where what was written may not be what is there. With
 * `write`, what was written in this life is synced, and remembered no more; a sync that fails leaves doubt.
 */
export function settleUnsynced(sys: Sys, place: string, root: number, write: boolean): boolean {
  const lives = readLives(place)
  const jobs = Object.entries(lives)
  if (jobs.length === 0) return false
  const life = lifeOf(root)
  const isPast = ([, one]: [string, string]): boolean => one === '' || one !== life
  const past = jobs.filter(isPast)
  if (past.length < jobs.length && write) {
    if (sys.syncFileSystem(root) < 0) return true
    writeLives(place, Object.fromEntries(past))
  }
  return past.length > 0
}

/**
 * Remembers that a job's run is about to write without a sync. What was in doubt stays so. False where no more can be
 * remembered: it has to sync.
 */
export function noteUnsynced(place: string, root: number, job: string): boolean {
  const lives = readLives(place)
  if (Object.hasOwn(lives, job)) return true
  if (Object.keys(lives).length >= jobsMax) return false
  writeLives(place, { ...lives, [job]: lifeOf(root) })
  return true
}

/** What this job had left in doubt was looked at, and what was found is kept. `writes`: the same run did not sync either. */
export function forgetUnsynced(place: string, root: number, job: string, writes: boolean): void {
  const { [job]: _, [damagedJob]: __, ...rest } = readLives(place)
  writeLives(place, writes ? { ...rest, [job]: lifeOf(root) } : rest)
}

function writeLives(place: string, lives: Lives): void {
  const path = join(place, fileName)
  if (Object.keys(lives).length === 0) return removeOwnFile(path)
  writeOwnFile(path, utf8(`${JSON.stringify({ version: formatVersion, jobs: lives })}\n`), { mode: 0o600 })
}

/** Of a file that can't be understood this much is known: something was in doubt. */
function readLives(place: string): Lives {
  const bytes = readOwnFile(join(place, fileName), { maxBytes })
  if (bytes === undefined) return {}
  try {
    const { version, jobs } = JSON.parse(fromUtf8(bytes) ?? '') as { version: unknown; jobs: unknown }
    if (version === formatVersion && isLives(jobs)) return jobs
  } catch {
    // Damaged, as below.
  }
  return { [damagedJob]: '' }
}

function isLives(value: unknown): value is Lives {
  return typeof value === 'object' && value !== null && Object.values(value).every((life) => typeof life === 'string')
}
