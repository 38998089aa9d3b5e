// The facts of other synchronisers (test/fixtures/reconcile-cases.json; the README there says whose), and what their trees
// look like in ours.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DirectoryItem, directory, file, type Item, symlink, unreadable } from './trees.ts'

export type Case =
  | { t: 'file'; c: string; x?: boolean }
  | { t: 'link'; to: string }
  | { t: 'dir'; e: Record<string, Case> }
  | { t: 'untracked' | 'problem' }
export type Change = { path: string; old: Case | null; new: Case | null }
export type Triple = {
  id: string
  class: string
  modes: string[]
  ancestor: Case | null
  alpha: Case | null
  beta: Case | null
  expect: { ancestor: Change[]; alpha: Change[]; beta: Change[]; conflicts: unknown[] }
}
/** `['file', content, executable] | ['link', to] | ['dir']`, or null: nothing. */
export type State = [kind: string, what?: string, isExecutable?: boolean] | null
export type Merge = {
  id: string
  class: 'clean' | 'contested' | 'structural' | 'delete-over-partial-delete'
  ancestor: Record<string, Case>
  alpha: Record<string, Case>
  beta: Record<string, Case>
  final?: Record<string, Case>
  mustMerge?: Record<string, State>
  mustSurvive?: [side: 'alpha' | 'beta', path: string, kind: string, what: string, isExecutable?: boolean][]
}

const path = join(import.meta.dirname, '../fixtures/reconcile-cases.json')
export const { table, merges } = JSON.parse(readFileSync(path, 'utf8')) as { table: Triple[]; merges: Merge[] }

/** What a file of this content looks like besides its text. */
export type Look = (content: string) => { readonly seconds: number; readonly edits?: number }

export function itemOf(one: Case, look: Look): Item {
  switch (one.t) {
    case 'file':
      return file(one.c, { mode: one.x === true ? 0o755 : 0o644, ...look(one.c) })
    case 'link':
      return symlink(one.to)
    case 'dir':
      return directoryOf(one.e, look)
    case 'untracked':
      return file('untracked')
    case 'problem':
      return unreadable
  }
}

export function directoryOf(entries: Record<string, Case>, look: Look): DirectoryItem {
  return directory(Object.fromEntries(Object.entries(entries).map(([name, child]) => [name, itemOf(child, look)])))
}

/** The triple's entry as the only one of a directory, since a root of ours is always a directory. */
export function rootOf(one: Case | null, look: Look): DirectoryItem {
  return directory(one === null ? {} : { n: itemOf(one, look) })
}

/** The paths of what is untracked: there the rules hide. */
export function hiddenPaths(one: Case | null, at = 'n'): string[] {
  if (one?.t === 'untracked') return [at]
  return one?.t === 'dir' ? Object.entries(one.e).flatMap(([name, child]) => hiddenPaths(child, `${at}/${name}`)) : []
}
