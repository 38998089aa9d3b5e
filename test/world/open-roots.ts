// Targets as tests of roots and markers open them: which open and what they tell, which are refused, and what lies in a folder
// to the last detail. For tests only.

import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openTarget, type Root, type TargetOptions } from '../../src/disk/root.ts'
import type { Sys } from '../../src/disk/sys.ts'
import { systemSys } from '../../src/disk/system.ts'
import { Failure, type FailureCode } from '../../src/std/failure.ts'

export function target(path: string, change: Partial<TargetOptions> = {}, sys: Sys = systemSys()): Root {
  return openTarget(sys, path, { create: true, machine: 'here', expectedId: undefined, ...change })
}

/** Opens, closes, and gives what was told. */
export function visit(path: string, change: Partial<TargetOptions> = {}, sys: Sys = systemSys()): Root {
  const root = target(path, change, sys)
  root.close()
  return root
}

export function fails(code: FailureCode, open: () => Root): void {
  assert.throws(
    () => open().close(),
    (error) => error instanceof Failure && error.code === code,
    code,
  )
}

/** Every name, time and content below: what a call that must not write leaves as it was. */
export function picture(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const at = join(entry.parentPath, entry.name)
      const { mode, mtimeMs, ino } = lstatSync(at)
      return `${at} ${mode} ${mtimeMs} ${ino} ${entry.isFile() ? readFileSync(at, 'latin1') : ''}`
    })
    .sort()
}
