// A folder outside of a target, into which old versions of it are brought. What is not complete yet lies there in a
// directory of its own, on the same file system; the target's own directory notes where, before it is made and until it is
// gone, so that whoever opens the target after a crash removes it. Removes nothing but that directory and what it named.

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { makeDirectories, readOwnFile, removeOwnFile, writeOwnFile } from '../std/files.ts'
import { randomName } from '../std/random.ts'
import { clearStaging } from './aside.ts'
import { errnoName, type Sys } from './sys.ts'

const noteFile = 'outside.json'
const noteMaxBytes = 64 * 1024
const namePattern = /^\.nightferry-undelete-[a-z0-9]{1,64}$/

export type Outside = {
  /** The directory for what is not complete. */
  readonly staging: number
  close(): void
}

/** Makes the folder, with its parents, where it is missing. Throws `target-not-directory`, `target-not-writable`. */
export function makeFolder(path: string): void {
  try {
    makeDirectories(path)
    if (statSync(path).isDirectory()) return
  } catch (error) {
    const { code = 'unknown' } = error as { code?: string }
    if (code !== 'EEXIST' && code !== 'ENOTDIR')
      throw new Failure('target-not-writable', `the folder ${path} can't be made (${code})`, { cause: error })
  }
  throw new Failure('target-not-directory', `${path} is not a folder`, {
    hint: 'name a folder; one that is missing is made',
  })
}

/**
 * Makes room for what is not complete in the folder at `path`, open as `folder`. `place` is the target's own directory;
 * its lock is the caller's, for one such room is known at a time. Throws `target-not-writable`.
 */
export function openOutside(sys: Sys, place: string, path: string, folder: number): Outside {
  const name = `.nightferry-undelete-${randomName()}`
  writeOwnFile(join(place, noteFile), utf8(`${JSON.stringify({ version: 1, path, name })}\n`), { mode: 0o600 })
  const made = sys.makeDirectory(folder, utf8(name), 0o700)
  const staging = made < 0 ? made : sys.openDirectory(folder, utf8(name))
  if (staging < 0) {
    clearOutside(sys, place)
    throw new Failure('target-not-writable', `the folder ${path} can't be written to (${errnoName(staging)})`)
  }
  return {
    staging,
    close() {
      sys.close(staging)
      clearOutside(sys, place)
    },
  }
}

/** Removes what is noted in a target's own directory. Where its folder is not there now, the note stays for another time. */
export function clearOutside(sys: Sys, place: string): void {
  const note = readNote(place)
  if (note === undefined) return
  const folder = sys.openRoot(note.path)
  if (folder < 0) return
  const staging = sys.openDirectory(folder, utf8(note.name))
  if (staging >= 0) {
    clearStaging(sys, staging)
    sys.close(staging)
    sys.removeDirectory(folder, utf8(note.name))
  }
  sys.close(folder)
  removeOwnFile(join(place, noteFile))
}

/** The note, or undefined where there is none that can be believed. */
function readNote(place: string): { readonly path: string; readonly name: string } | undefined {
  try {
    const bytes = readOwnFile(join(place, noteFile), { maxBytes: noteMaxBytes })
    const value: unknown = bytes === undefined ? undefined : JSON.parse(fromUtf8(bytes) ?? '')
    const { path, name } = (value ?? {}) as Record<string, unknown>
    return typeof path === 'string' && typeof name === 'string' && namePattern.test(name) ? { path, name } : undefined
  } catch {
    return undefined
  }
}
