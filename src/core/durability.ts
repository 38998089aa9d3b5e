// What of a run is synced: `group` (all of it, before a name is given and before it is reported) or `none` (nothing of what
// is new). It is a level, and atomicity is not: names are given and contents checked the same way under both.

export const durabilities = ['group', 'none'] as const
export type Durability = (typeof durabilities)[number]

export function isDurability(text: unknown): text is Durability {
  return durabilities.some((one) => one === text)
}

/** What a person is told of a run that asked for `asked`, where the target `took` this level. */
export function durabilityNotices(asked: Durability, took: Durability): string[] {
  if (asked === 'group') return []
  return took === 'group'
    ? ['the target syncs what it writes, as its share says: --durability none is not allowed there']
    : ['nothing that this run wrote is synced: a power cut may still empty or lose it, and the next run then finds out']
}
