// How much of a volume a run leaves free: a disk without a byte breaks what else lives on it, and no peer may bring about
// that. Asks the file system now and then, not at each write, and answers as a full disk would, so that old versions make
// room and the run ends as it does where a disk is full. What is written for the books of a run may use what is left.

import { statfsSync } from 'node:fs'
import { errno, type Sys } from './sys.ts'
import { descriptorOf } from './sys-names.ts'

const reserveMax = 1024 ** 3
/** So much is written between two looks, on a volume that is large enough. */
const stepMax = 16 * 1024 * 1024
const stepMin = 64 * 1024

/** What a run leaves free of a volume. */
export function reserveOf(volumeBytes: number): number {
  return Math.min(Math.floor(volumeBytes / 100), reserveMax)
}

export type Volume = { readonly totalBytes: number; readonly freeBytes: number }

export class Room {
  readonly #look: () => Volume
  /** What may be written before the next look. */
  #left = 0

  constructor(look: () => Volume) {
    this.#look = look
  }

  /** Whether so many bytes may be written. */
  has(bytes: number): boolean {
    if (bytes > this.#left) {
      const { totalBytes, freeBytes } = this.#look()
      const reserve = reserveOf(totalBytes)
      const step = Math.max(bytes, Math.min(stepMax, Math.max(stepMin, Math.floor(reserve / 8))))
      this.#left = Math.min(freeBytes - reserve, step)
      if (bytes > this.#left) return false
    }
    this.#left -= bytes
    return true
  }
}

/** The same calls, of which no write goes beyond what there is room for. */
export function sysWithRoom(sys: Sys, look: () => Volume): Sys {
  const room = new Room(look)
  return {
    ...sys,
    write: (to, from, offset, length, position) =>
      room.has(length) ? sys.write(to, from, offset, length, position) : -errno.ENOSPC,
  }
}

/** The volume of an open directory. Where the system says nothing of it, there is room until a write says otherwise. */
export function volumeAt(handle: number): Volume {
  try {
    const { bsize, blocks, bavail } = statfsSync(`/proc/self/fd/${descriptorOf(handle)}`)
    if (blocks > 0) return { totalBytes: bsize * blocks, freeBytes: bsize * bavail }
  } catch {}
  return { totalBytes: 0, freeBytes: Number.POSITIVE_INFINITY }
}
