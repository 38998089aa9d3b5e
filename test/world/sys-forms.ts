// The forms of Sys on this system, and what contract suites do with each: a folder of its own for a test, and calls that must
// work or fail. For tests only.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { EntryTable, type errno, errnoName, type Sys } from '../../src/disk/sys.ts'
import { openLinuxSys } from '../../src/disk/sys-linux.ts'
import { openPortableSys } from '../../src/disk/sys-portable.ts'
import { utf8 } from '../../src/std/bytes.ts'
import { type Mirrored, type MirrorOptions, mirror } from './one-mirror.ts'

const isLinux = process.platform === 'linux'

/** As the main thread has them. */
export const mainForms: readonly (() => Sys)[] = isLinux ? [openLinuxSys, openPortableSys] : [openPortableSys]

/** The roaming form comes last: from then on this process's working directory is wherever it was left. */
export const allForms: readonly (() => Sys)[] = isLinux
  ? [() => openLinuxSys(false), openPortableSys, () => openLinuxSys(true)]
  : [openPortableSys]

/** New folders below `home`. */
export function folderMaker(home: string): () => string {
  let made = 0
  return () => {
    const path = join(home, `case-${++made}`)
    mkdirSync(path)
    return path
  }
}

export type Ends = { readonly source: string; readonly target: string }

/** Two names for folders below a new one, which a test plants or leaves missing. */
export function endsMaker(home: string): () => Ends {
  const fresh = folderMaker(home)
  return () => {
    const path = fresh()
    return { source: join(path, 'source'), target: join(path, 'target') }
  }
}

export type Steps = Omit<Partial<MirrorOptions>, 'source' | 'target'>

/** Mirrors two folders with this form, unless `steps` says another. */
export function mirrorsWith(sys: Sys): (ends: Ends, steps?: Steps) => Promise<Mirrored> {
  return (ends, steps = {}) => mirror({ sys, ...ends, ...steps })
}

export function fails(code: number, name: keyof typeof errno): void {
  assert.equal(code < 0 ? errnoName(code) : `no error (${code})`, name)
}

/** The handle, or zero. */
export function works(code: number): number {
  assert.ok(code >= 0, errnoName(code))
  return code
}

/** What a suite does with one form. */
export function suiteOf(sys: Sys, fresh: () => string) {
  return {
    /** A folder, its handle, and what a test does in it. */
    within(name: string, run: (root: number, path: string) => void): void {
      it(name, () => {
        const path = fresh()
        const root = works(sys.openRoot(path))
        try {
          run(root, path)
        } finally {
          sys.close(root)
        }
      })
    },
    namesIn(handle: number): string[] {
      const table = new EntryTable()
      works(sys.list(handle, table))
      return Array.from({ length: table.count }, (_, i) => Buffer.from(table.name(i)).toString('latin1')).sort()
    },
    put(root: number, name: Uint8Array, text: string): void {
      const handle = works(sys.createFile(root, name, 0o644))
      works(sys.write(handle, utf8(text), 0, text.length))
      sys.close(handle)
    },
  }
}
