// What the rules hide of directories, and whether one that moves would show what they hide where it lies now: a rule can
// name a place. What is hidden
// is nobody's to delete from afar, and what is shown and not on the left is deleted by the next mirror.

import { isWithin, joinPath, nameOf, parentOf, type RelPath, rootPath } from './path.ts'
import type { Tree } from './tree.ts'
import { isHidden } from './view.ts'

/** Whether the rules hide the directory `path`, or one above it. */
export function isDirectoryHidden(tree: Tree, path: RelPath): boolean {
  for (let at = path; at !== rootPath; at = parentOf(at)) {
    const rule = tree.scopeAt(parentOf(at)).match(nameOf(at), true)
    if (rule !== undefined && !rule.negated) return true
  }
  return false
}

/** Both paths are below the root; the tree is as it is before the move. */
export function wouldExpose(tree: Tree, from: RelPath, to: RelPath): boolean {
  if (tree.hasNoRules) return false
  for (const path of tree.paths()) {
    if (!isWithin(path, from)) continue
    const record = tree.record(path)
    const here = tree.scopeAt(path)
    const there = tree.scopeAt((path === from ? to : joinPath(to, path.slice(from.length + 1))) as RelPath)
    for (let row = 0; record !== undefined && row < record.count; row++) {
      if (isHidden(record, row, here) && !isHidden(record, row, there)) return true
    }
  }
  return false
}
