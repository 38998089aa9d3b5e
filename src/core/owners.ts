// Owners by name: which numbers of the source are which of the target's, where both know the name. The target says so once, before
// anything is compared; the source then tells its entries with the target's numbers, and everything else knows numbers only.
// A number without a name, and a name that the target does not know, stay the number. Zero is zero and nothing else becomes it.

import { AttributeWriter, extendedOf, ownerOf } from './attributes.ts'

/** An account that owns something, on the machine where it does. */
export type Account = { readonly id: number; readonly name: string }
/** Those of a tree. */
export type Owners = { readonly users: readonly Account[]; readonly groups: readonly Account[] }

type Become = { readonly from: number; readonly to: number }
/** What numbers become; those that stay are left out. In rising order, so that equal ones are equal texts. */
export type OwnerMap = { readonly users: readonly Become[]; readonly groups: readonly Become[] }

/** So many users, and so many groups, are told of a tree. */
export const ownersMax = 4096
/** As long as a name of an account may be. */
export const accountNameMax = 255

/** Whether a name may be asked for: one that no list of accounts could hold is nobody's. */
export function isAccountName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in it
  return name !== '' && name.length <= accountNameMax && name.isWellFormed() && !/[\x00-\x1f\x7f:/,]/.test(name)
}

/** What the accounts of a source are here; `idOf` is asked for each name. */
export function mapAccounts(accounts: readonly Account[], idOf: (name: string) => number | undefined): Become[] {
  const known = new Map<number, number>()
  for (const { id, name } of accounts) {
    // Nobody becomes root by a name, and root is root whatever it is called.
    const to = id === 0 || !isAccountName(name) ? undefined : idOf(name)
    if (to !== undefined && to !== 0 && to !== id) known.set(id, to)
  }
  return [...known].map(([from, to]) => ({ from, to })).sort((a, b) => a.from - b.from)
}

export function isSameForAll({ users, groups }: OwnerMap): boolean {
  return users.length + groups.length === 0
}

type Tables = { readonly users: ReadonlyMap<number, number>; readonly groups: ReadonlyMap<number, number> }
const tables = new WeakMap<OwnerMap, Tables>()

function tablesOf(map: OwnerMap): Tables {
  const known = tables.get(map)
  if (known !== undefined) return known
  const table = (list: readonly Become[]): Map<number, number> => new Map(list.map(({ from, to }) => [from, to]))
  const made = { users: table(map.users), groups: table(map.groups) }
  tables.set(map, made)
  return made
}

/** The block with the target's numbers. */
export function mapOwner(block: Uint8Array | undefined, map: OwnerMap | undefined): Uint8Array | undefined {
  const owner = map === undefined ? undefined : ownerOf(block)
  if (map === undefined || owner === undefined) return block
  const { users, groups } = tablesOf(map)
  const [uid, gid] = [users.get(owner.uid) ?? owner.uid, groups.get(owner.gid) ?? owner.gid]
  if (uid === owner.uid && gid === owner.gid) return block
  const writer = new AttributeWriter()
  writer.owner(uid, gid)
  const extended = extendedOf(block)
  if (extended !== 'none') writer.extended(extended === 'unknown' ? undefined : extended)
  return writer.take()
}

/** Gathers the numbers that own something, block by block. */
export class OwnerIds {
  readonly users = new Set<number>()
  readonly groups = new Set<number>()
  #last: Uint8Array = new Uint8Array(0)

  add(block: Uint8Array | undefined): void {
    if (block === undefined || this.#isLast(block)) return
    this.#last = block
    const owner = ownerOf(block)
    if (owner === undefined) return
    this.users.add(owner.uid)
    this.groups.add(owner.gid)
  }

  /** Most entries have the owner of the one before. The owner comes first in a block: tag, length, numbers. */
  #isLast(block: Uint8Array): boolean {
    const last = this.#last
    const length = 2 + (last[1] ?? 0)
    if (last.length < length || block.length < length) return false
    for (let i = 0; i < length; i++) if (last[i] !== block[i]) return false
    return true
  }
}
