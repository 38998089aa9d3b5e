// What stays of directories that shall go, because it holds files whose sizes are left out: those files, and the directories
// above them. Only what was counted in each directory is needed to tell, so that nothing is kept of what goes.

import { parentOf, type RelPath } from './path.ts'

export type Spared = {
  /** Directories that stay, each with all that are above it up to the one that was to go. */
  readonly directories: ReadonlySet<RelPath>
  /** Entries that a deletion of whole directories counted, and that do not go: those directories and the files. */
  readonly entries: number
}

/** `outside`: how many files that are left out lie right in a directory. `goes`: the directories that were to go as a whole. */
export function sparedOf(goes: ReadonlySet<RelPath>, outside: ReadonlyMap<RelPath, number>): Spared {
  const directories = new Set<RelPath>()
  let files = 0
  for (const [path, count] of outside) {
    if (count === 0) continue
    files += count
    for (let at = path; !directories.has(at); at = parentOf(at)) {
      directories.add(at)
      if (goes.has(at)) break
    }
  }
  return { directories, entries: directories.size + files }
}
