// Our own small files: identity, pairings, shares, logs. Written whole and durably (temp, fsync, rename, fsync of the
// directory), never followed through a symlink at the last step, never larger than the caller's bound. Never used for
// a user's folders: those belong to disk.

import {
  appendFileSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Failure, systemHint } from './failure.ts'
import { randomName } from './random.ts'

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function cannotRead(path: string, error: unknown): Failure {
  const word = errorCode(error) ?? 'unknown'
  return new Failure('bad-config', `cannot read ${path} (${word})`, { hint: systemHint(word), cause: error })
}

/** The whole file, or undefined where there is none. A symlink, a directory or a file above `maxBytes` is refused. */
export function readOwnFile(path: string, limits: { maxBytes: number }): Uint8Array | undefined {
  let handle: number
  try {
    handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw cannotRead(path, error)
  }
  try {
    const facts = fstatSync(handle)
    if (!facts.isFile()) throw new Failure('bad-config', `${path} is not a file`)
    if (facts.size > limits.maxBytes) throw new Failure('bad-config', `${path} is larger than ${limits.maxBytes} bytes`)
    const bytes = new Uint8Array(facts.size)
    let filled = 0
    while (filled < bytes.length) {
      const count = readSync(handle, bytes, filled, bytes.length - filled, filled)
      if (count === 0) break
      filled += count
    }
    return bytes.subarray(0, filled)
  } finally {
    closeSync(handle)
  }
}

/** Bytes `start` to `end` of our own file, fewer where it is shorter; undefined where there is none. */
export function readOwnRange(path: string, start: number, end: number): Uint8Array | undefined {
  let handle: number
  try {
    handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw cannotRead(path, error)
  }
  try {
    const bytes = new Uint8Array(end - start)
    let filled = 0
    while (filled < bytes.length) {
      const count = readSync(handle, bytes, filled, bytes.length - filled, start + filled)
      if (count === 0) break
      filled += count
    }
    return bytes.subarray(0, filled)
  } finally {
    closeSync(handle)
  }
}

/** The size of our own file, or undefined where there is none. */
export function ownFileSize(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.size
}

/** The names in our own directory, sorted; none where there is no such directory. */
export function listOwnDirectory(path: string): string[] {
  try {
    return readdirSync(path).sort()
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw cannotRead(path, error)
  }
}

/** What a file below /proc or /sys says, or undefined where this system has none such. */
export function readSystemText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

/** Puts `bytes` at `path`: afterwards the path holds the complete old or the complete new content, also after a power cut. */
export function writeOwnFile(path: string, bytes: Uint8Array, options: { mode: number }): void {
  const directory = dirname(path)
  const temporary = join(directory, `.${basename(path)}.${randomName(8)}`)
  const handle = openSync(temporary, 'wx', options.mode)
  try {
    try {
      let written = 0
      while (written < bytes.length) written += writeSync(handle, bytes, written)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    renameSync(temporary, path)
  } catch (error) {
    unlinkSync(temporary)
    throw error
  }
  syncDirectory(directory)
}

function syncDirectory(path: string): void {
  const handle = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Puts `bytes` at `path` only where nothing is there; false where something was. Of two at once, one wins, whole. */
export function createOwnFile(path: string, bytes: Uint8Array, options: { mode: number }): boolean {
  const temporary = join(dirname(path), `.${basename(path)}.${randomName(8)}`)
  writeOwnFile(temporary, bytes, options)
  try {
    linkSync(temporary, path)
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  } finally {
    unlinkSync(temporary)
  }
  syncDirectory(dirname(path))
  return true
}

/** Makes the directory and its parents; an existing one stays as it is. Throws `bad-config`, with what to do. */
export function ensureOwnDirectory(path: string, mode: number): void {
  try {
    makeDirectories(path, mode)
  } catch (error) {
    const word = errorCode(error) ?? 'unknown'
    throw new Failure('bad-config', `the directory ${path} can't be made (${word})`, {
      hint: systemHint(word),
      cause: error,
    })
  }
}

/**
 * Makes a directory and its parents, where they are missing. Throws what the system says of the first that can't be made.
 * Node's own way goes on for ever where a file system takes no names (/proc), and tells ENOENT of a read-only disk.
 */
export function makeDirectories(path: string, mode = 0o777): void {
  if (!isMade(path, mode)) {
    makeDirectories(dirname(path), mode)
    if (!isMade(path, mode)) throw noPlace(path)
  }
}

/** False where its parent is missing, or says so. */
function isMade(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode })
    return true
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return true
    if (errorCode(error) === 'ENOENT' && dirname(path) !== path) return false
    throw error
  }
}

function noPlace(path: string): Error {
  return Object.assign(new Error(`no directory can be made at ${path}`), { code: 'ENOENT' })
}

/** Permission bits of our own file, or undefined where there is none. */
export function ownFileMode(path: string): number | undefined {
  try {
    return lstatSync(path).mode & 0o7777
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Appends to a log file, making it (0600) where needed. */
export function appendOwnFile(path: string, text: string): void {
  appendFileSync(path, text, { mode: 0o600 })
}

/** Removes our own file; one that is not there is as good. */
export function removeOwnFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

/** Renames our own file within one file system, over what is there. */
export function moveOwnFile(from: string, to: string): void {
  renameSync(from, to)
}

/** Removes our own file or directory with all below it; never follows a symlink. One that is not there is as good. */
export function removeOwnTree(path: string): void {
  rmSync(path, { recursive: true, force: true })
}
