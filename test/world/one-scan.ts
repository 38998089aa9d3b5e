// Folders that are scanned in tests: planted, looked at with a Sys of the test's choice, and read back as small tables.
// For tests only.

import { editShift } from '../../src/core/page.ts'
import type { RelPath } from '../../src/core/path.ts'
import type { Tree } from '../../src/core/tree.ts'
import { kindOf } from '../../src/core/view.ts'
import { type ScanReport, type ScanRules, scanRoot } from '../../src/disk/scan.ts'
import type { EntryTable, Sys } from '../../src/disk/sys.ts'
import { systemSys } from '../../src/disk/system.ts'
import { later, newTree } from './one-mirror.ts'
import { type Folder, plant } from './planted.ts'

const noRules: ScanRules = { overrides: [], ignoreFiles: [] }
const real = systemSys()

export type Scanned = {
  readonly path: string
  readonly tree: Tree
  scan(change?: { sys?: Sys; rules?: ScanRules; nowMs?: () => number }): ScanReport
}

/** Plants a folder at `path` and gives it a tree of its own. */
export function scanned(path: string, folder: Folder): Scanned {
  plant(path, folder)
  const tree = newTree()
  return {
    path,
    tree,
    scan({ sys = real, rules = noRules, nowMs = later } = {}) {
      const root = real.openRoot(path)
      try {
        return scanRoot(sys, root, tree, rules, nowMs)
      } finally {
        real.close(root)
      }
    },
  }
}

/** `name: kind` of a directory's entries, `+n` for proven edits. */
export function kinds(tree: Tree, path = ''): Record<string, string> {
  const record = tree.record(path as RelPath)
  const found: Record<string, string> = {}
  for (let row = 0; row < (record?.count ?? 0); row++) {
    if (record === undefined) break
    const name = Buffer.from(record.nameBytes(row)).toString('latin1')
    const edits = record.flags(row) >>> editShift
    found[name] = `${kindOf(record, row)}${edits > 0 ? `+${edits}` : ''}`
  }
  return found
}

export function listed(tree: Tree): string[] {
  return [...tree.paths()].sort()
}

export function problems(report: ScanReport): string[] {
  return report.problems.map(({ path, code }) => `${path}: ${code}`).sort()
}

/** A Sys whose listings are changed by the test before anyone sees them. */
export function listing(change: (table: EntryTable) => number): Sys {
  const sys = Object.create(real) as Sys
  sys.list = (dir, into) => {
    const count = real.list.call(real, dir, into)
    return count < 0 ? count : change(into)
  }
  return sys
}

export function rowOf(table: EntryTable, name: string): number {
  for (let row = 0; row < table.count; row++) if (Buffer.from(table.name(row)).toString() === name) return row
  return -1
}
