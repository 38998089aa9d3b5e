// What becomes of modes and of what else a name has where both sides may have changed it: it never makes a conflict. Both
// machines find the same, whichever of them asks. Pure.

import { compareBytes } from '../std/bytes.ts'
import { sameAttributes } from './attributes.ts'
import type { BaseEntry } from './base.ts'
import type { Entry } from './entry.ts'

/** Bit by bit: what one side changed. Without a base nobody gets what one side does not allow. */
export function mergedMode(left: Entry, right: Entry, base: BaseEntry | undefined): number {
  if (base?.kind !== left.kind) return left.mode & right.mode
  return base.mode ^ ((left.mode ^ base.mode) | (right.mode ^ base.mode))
}

/**
 * Whose owner and extended attributes both get, where they differ: those that were changed since the base, else the
 * greater ones, so that each machine chooses the same.
 */
export function attributesFrom(left: Entry, right: Entry, base: BaseEntry | undefined): 'left' | 'right' | undefined {
  if (sameAttributes(left.attributes, right.attributes)) return undefined
  const [isLeftSame, isRightSame] = [left, right].map(({ attributes }) => sameAttributes(attributes, base?.attributes))
  if (base !== undefined && isLeftSame !== isRightSame) return isLeftSame ? 'right' : 'left'
  return compareBytes(left.attributes ?? none, right.attributes ?? none) > 0 ? 'left' : 'right'
}

const none = new Uint8Array(0)
