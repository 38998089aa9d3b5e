// Decides which names of a target become further names of one file, so that names that are one file at the source are one
// file there: for each such file of the source, which of its names keeps the file that is there, or gets the one that comes
// (its leader), and what has to be done to the others. Pure: what happens at each name was decided before (reconcile.ts), and
// whether contents that nobody compared are equal is the caller's to find out.

import { isWithin, type RelPath } from './path.ts'
import type { Action } from './plan.ts'
import type { DirectoryMove } from './renames.ts'

/** What is to happen at a name, or `nothing`; `move`: the file itself comes from another name. */
export type Happens = Exclude<Action, 'delete'> | 'move' | 'nothing'

/** A name of a file of the source. */
export type Member = {
  readonly path: RelPath
  readonly happens: Happens
  /** The file of the target that has this name, or moves to it, where it is one of several names; undefined: one of its own. */
  readonly file: number | undefined
  /** Its content is the source's, by digest; else nobody looked. */
  readonly isProven: boolean
}

/** A file of the target that has several names. */
export type SharedFile = {
  /** Names that will still be there and are no names of the group. */
  readonly others: number
  /** Such as the job does not see, and such as go and are kept as versions: nothing is set on these. */
  readonly hidden: number
  /** Another group keeps it. */
  readonly isTaken: boolean
}

type Further = { readonly path: RelPath; readonly action: 'create' | 'replace' | 'retype' }

export type LinkDecision = {
  readonly leader: RelPath
  /** The leader does not move there with its file, which another group keeps: its content comes. */
  readonly unmoves: boolean
  /** The file of several names that stays the group's. */
  readonly keeps: number | undefined
  /** The leader gets a file of its own first. */
  readonly parts: boolean
  /** What is set on the leader is set on all names of the file. */
  readonly together: boolean
  /** Nothing has to be done to these: what is done to the leader is done to them. */
  readonly follow: readonly RelPath[]
  /** These become further names of the leader's file. */
  readonly links: readonly Further[]
  /** Before any of it is done, the contents at these names have to be proven. */
  readonly doubts: readonly RelPath[]
}

const comes: readonly Happens[] = ['replace', 'create', 'retype']

/**
 * What is to be done to the names of one file of the source. `relinks`: a name whose content is right may be given another
 * file of that content. Undefined where none of them is there, or comes.
 */
export function decideLinks(
  given: readonly Member[],
  fileOf: (file: number) => SharedFile,
  relinks: boolean,
): LinkDecision | undefined {
  const set = new Set(relinks ? given.flatMap(({ happens, file }) => (happens === 'attributes' ? [file] : [])) : [])
  const members = given.map((one) =>
    isMovedFromOther(one, fileOf, relinks, set) ? { ...one, happens: 'create' as const, file: undefined } : one,
  )
  const there = members.filter(({ happens }) => !comes.includes(happens))
  const leader = leaderOf(members, there, fileOf)
  if (leader === undefined) return undefined
  const isThere = there.includes(leader)
  const shared = isThere && leader.file !== undefined ? fileOf(leader.file) : undefined
  const isWith = ({ file }: Member): boolean => file !== undefined && file === leader.file
  const plain = members.filter((member) => member !== leader && !isWith(member))
  const isForeign = shared !== undefined && (shared.isTaken || shared.others > 0 || shared.hidden > 0)
  const setsForeign = isForeign && leader.happens === 'attributes'
  const parts = relinks && shared !== undefined && (shared.isTaken || setsForeign) && leader.happens !== 'move'
  const others = parts ? members.filter((member) => member !== leader) : plain
  const links = others.flatMap(({ path, happens }): Further[] => {
    if (happens === 'create' || happens === 'move') return [{ path, action: 'create' as const }]
    if (happens === 'replace' || happens === 'retype') return [{ path, action: happens }]
    return relinks ? [{ path, action: 'replace' as const }] : []
  })
  const setsAll = !parts && !isForeign && shared !== undefined && leader.happens !== 'nothing'
  const follow = setsAll ? members.filter((one) => one !== leader && isWith(one) && one.happens === 'attributes') : []
  const linked = new Set(links.map(({ path }) => path))
  const doubts = there.filter((one) => (one === leader ? links.length > 0 : linked.has(one.path)) && !one.isProven)
  return {
    leader: leader.path,
    unmoves:
      leader.happens === 'create' && given.some(({ path, happens }) => path === leader.path && happens === 'move'),
    keeps: parts || !isThere ? undefined : leader.file,
    parts,
    together: setsAll && leader.happens === 'attributes',
    follow: follow.map(({ path }) => path),
    links,
    doubts: doubts.filter(({ happens }) => happens !== 'move').map(({ path }) => path),
  }
}

/** Whether the file of a name that moves there has other names that stay: what the name is given would be theirs too. */
function isMovedFromOther(
  { happens, file }: Member,
  fileOf: (file: number) => SharedFile,
  relinks: boolean,
  set: ReadonlySet<number | undefined>,
): boolean {
  if (happens !== 'move' || file === undefined) return false
  const { isTaken, others, hidden } = fileOf(file)
  return isTaken || (relinks && others > 0) || (hidden > 0 && set.has(file))
}

const leads: readonly Happens[] = ['nothing', 'attributes', 'move']

/** The name whose file most names of the group have already, and which no other group has; else the first that comes. */
function leaderOf(
  members: readonly Member[],
  there: readonly Member[],
  fileOf: (file: number) => SharedFile,
): Member | undefined {
  const counts = new Map<number, number>()
  for (const { file } of there) if (file !== undefined) counts.set(file, (counts.get(file) ?? 0) + 1)
  const weight = ({ file }: Member): number =>
    file === undefined ? 1 : fileOf(file).isTaken ? 0.5 : (counts.get(file) as number)
  let best: Member | undefined
  for (const one of there) {
    const isBetter = best === undefined || weight(one) > weight(best)
    // What is set on one name of a file is set on all: that one leads, and before it one that moves, which has it set later.
    const isSame = best !== undefined && one.file !== undefined && one.file === best.file
    if (isBetter || (isSame && leads.indexOf(one.happens) > leads.indexOf(best?.happens ?? 'move'))) best = one
  }
  if (best !== undefined) return best
  for (const happens of comes) {
    const found = members.find((member) => member.happens === happens)
    if (found !== undefined) return found
  }
  return undefined
}

/** Paths before and after directories were renamed, one after the other. */
export class MovedPaths {
  readonly #moves: readonly DirectoryMove[]

  constructor(moves: readonly DirectoryMove[]) {
    this.#moves = moves
  }

  after(path: RelPath): RelPath {
    let at = path
    for (const { from, to } of this.#moves) at = moved(at, from, to)
    return at
  }

  before(path: RelPath): RelPath {
    let at = path
    for (let i = this.#moves.length - 1; i >= 0; i--) {
      const { from, to } = this.#moves[i] as DirectoryMove
      at = moved(at, to, from)
    }
    return at
  }
}

function moved(path: RelPath, from: RelPath, to: RelPath): RelPath {
  return isWithin(path, from) ? (`${to}${path.slice(from.length)}` as RelPath) : path
}
