// A folder here and a share there, brought together by pushing or by pulling, for tests that hold what is the same either
// way: the options of `sync`.

import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Machine, Pair, Synced } from './machines.ts'

export type Direction = 'push' | 'pull' | 'local'

export type Ends = {
  /** The folders themselves. */
  readonly source: string
  readonly target: string
  /** What is typed. */
  readonly ends: readonly [source: string, target: string]
  readonly laptop: Machine
  sync(...options: readonly string[]): Promise<Synced>
}

let last = 0

/** Two new folders, the far one shared under a name of its own. */
export async function newEnds({ world, laptop, nas }: Pair, direction: Direction): Promise<Ends> {
  const share = `both${++last}`
  const here = world.folder(`here-${share}`)
  const there = world.folder(`there-${share}`)
  if (direction !== 'local') await nas.must('share', 'add', share, there)
  const far = direction === 'local' ? there : `nas:${share}`
  const [source, target] = direction === 'pull' ? [there, here] : [here, there]
  const ends = direction === 'pull' ? ([far, here] as const) : ([here, far] as const)
  return { source, target, ends, laptop, sync: (...options) => laptop.sync(...ends, ...options) }
}

/** Writes a file with a time in seconds, making its folders. */
export function put(root: string, path: string, content: string | Uint8Array, seconds = 1_700_000_000): void {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
  utimesSync(file, seconds, seconds)
}

export function textAt(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8')
}
