// The brake: looks at a whole plan before anything of it is applied, and says halt where it would delete or replace more
// than a person is likely to mean. Counted after renames are matched. Pure; the same function judges on the driver and
// again on the receiver.

/** The most that may be deleted and replaced: the default, so many entries, or so many of a hundred. */
export type GuardLimit =
  | { readonly kind: 'default' }
  | { readonly kind: 'count'; readonly entries: number }
  | { readonly kind: 'percent'; readonly percent: number }

export type GuardFacts = {
  /** Entries (files, symlinks and directories) that the left holds under the view. */
  readonly leftEntries: number
  readonly rightEntries: number
  /** Entries that the plan deletes, those below deleted directories included. */
  readonly deletes: number
  /** Files and symlinks that get other content, and entries that change their kind. */
  readonly replaces: number
  /** These two roots were brought together, under these very rules, by a run before. */
  readonly hasBase: boolean
  /** They were, but under other rules: what those hid may be about to go. */
  readonly rulesChanged?: boolean
  /** The last run was undone: this one, which has something to do, is about to do the same again. */
  readonly undone?: boolean
}

export type HaltReason = 'emptied-root' | 'no-base' | 'rules-changed' | 'undone' | 'too-many'

export type Halt = { readonly reason: HaltReason; readonly deletes: number; readonly replaces: number }

const defaultPercent = 50
const defaultPercentMinEntries = 10
const defaultEntriesMax = 10_000

/** The halt that this plan deserves, or undefined. */
export function inspect(facts: GuardFacts, limit: GuardLimit): Halt | undefined {
  const guarded = facts.deletes + facts.replaces
  const halt = (reason: HaltReason): Halt => ({ reason, deletes: facts.deletes, replaces: facts.replaces })
  if (facts.leftEntries === 0 && facts.deletes > 0) return halt('emptied-root')
  if (facts.undone === true) return halt('undone')
  if (guarded === 0) return undefined
  if (!facts.hasBase) return halt(facts.rulesChanged === true ? 'rules-changed' : 'no-base')
  return exceedsLimit(guarded, facts.rightEntries, limit) ? halt('too-many') : undefined
}

/** Whether so many deletions and replacements are more than the limit allows where there are so many entries. */
export function exceedsLimit(guarded: number, entries: number, limit: GuardLimit): boolean {
  switch (limit.kind) {
    case 'count':
      return guarded > limit.entries
    case 'percent':
      return guarded * 100 > entries * limit.percent
    case 'default':
      return (
        guarded > defaultEntriesMax || (guarded >= defaultPercentMinEntries && guarded * 100 > entries * defaultPercent)
      )
  }
}

/** `N` or `P%` as a limit, or undefined where the text is neither. */
export function parseGuardLimit(text: string): GuardLimit | undefined {
  const match = /^(\d{1,9})(%?)$/.exec(text.trim())
  if (match === null) return undefined
  const value = Number(match[1])
  if (match[2] === '%') return value <= 100 ? { kind: 'percent', percent: value } : undefined
  return { kind: 'count', entries: value }
}

/** A limit as a person writes it. */
export function guardLimitText(limit: GuardLimit): string {
  if (limit.kind === 'count') return String(limit.entries)
  return limit.kind === 'percent' ? `${limit.percent}%` : 'default'
}

/** What a halt means, for a person. */
export function haltText(reason: HaltReason): string {
  switch (reason) {
    case 'emptied-root':
      return 'the source is empty, and the target would be emptied'
    case 'no-base':
      return 'these two folders were never brought together before, and the target holds something else'
    case 'rules-changed':
      return 'the mode, the ignore rules or other options are not those of the last run, and what they hid or kept would go'
    case 'undone':
      return 'the last run of these two folders was undone, and this one would do the same again'
    case 'too-many':
      return 'more would be deleted or replaced than the limit allows'
  }
}

/** The same of one side of a two-way run. */
export function sideHaltText(reason: HaltReason): string {
  if (reason === 'emptied-root') return 'the other side is empty, and this one would be emptied'
  if (reason === 'no-base') return 'the two were never brought together before, and something here would be replaced'
  return haltText(reason)
}
