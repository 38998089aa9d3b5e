// Which of two values keeps a name that both sides changed, and what the other one is called from then on. No clock decides
// unless a person said `newest`; every machine finds the same winner and makes the same name from the same facts, so that
// two that meet the same conflict do not make a second one of it. Pure; drops nothing: that is decided elsewhere.

import { compareBytes, hex, utf8 } from '../std/bytes.ts'
import { compareTimes, type Entry } from './entry.ts'
import { isEntryName, nameMaxBytes } from './path.ts'

export const conflictPolicies = ['keep-both', 'newest', 'larger', 'prefer-left', 'prefer-right'] as const
/**
 * `keep-both`: the greater digest keeps the name, the other value gets a name of its own. With the others the loser is
 * replaced: the older one, the smaller one, or that of one side; of equal ones as with `keep-both`.
 */
export type ConflictPolicy = (typeof conflictPolicies)[number]

export function isConflictPolicy(text: string): text is ConflictPolicy {
  return conflictPolicies.some((one) => one === text)
}

/** A value that wants the name. `digest`: of the content of a file, of a symlink's text; undefined for a directory. */
export type Claim = { readonly entry: Entry; readonly digest: Uint8Array | undefined }

/** Which of two different values does not keep the name. Times that differ by less than `timeGrainNs` are equal. */
export function loserOf(left: Claim, right: Claim, policy: ConflictPolicy, timeGrainNs: number): 'left' | 'right' {
  // What lies in a directory could not be reached under another name that only one side knows.
  if (left.entry.kind === 'directory') return 'right'
  if (right.entry.kind === 'directory') return 'left'
  if (policy === 'prefer-left') return 'right'
  if (policy === 'prefer-right') return 'left'
  const order = chosenOrder(left.entry, right.entry, policy, timeGrainNs)
  if (order !== 0) return order > 0 ? 'right' : 'left'
  return compareBytes(left.digest ?? none, right.digest ?? none) > 0 ? 'right' : 'left'
}

const none = new Uint8Array(0)

function chosenOrder(left: Entry, right: Entry, policy: ConflictPolicy, timeGrainNs: number): number {
  if (policy === 'newest') return compareTimes(left, right, timeGrainNs)
  return policy === 'larger' ? valueBytes(left) - valueBytes(right) : 0
}

function valueBytes({ link, sizeBytes }: Entry): number {
  return link?.length ?? sizeBytes
}

// ---- names ---------------------------------------------------------------------------------------------------------

const mark = '.conflict-'
const machineMax = 32
const digitsMin = 8
const digitsStep = 8
/** What a stem, the mark of a copy and an extension look like; a name that a person gave so is taken for a copy. */
const copyName = /^(.+)\.conflict-[A-Za-z0-9-]{1,32}-[0-9a-f]{8,64}((?:\.[^\s.]{1,16}){0,2})$/s
/** The last part of a name, or the last two where the last one says how the first was packed. */
const packedExtension = /^(.+?)(\.(?:tar\.[^\s.]{1,16}|[A-Za-z][A-Za-z0-9]{0,3}\.(?:gz|bz2|xz|zst|lz|lz4|lzma|br|Z)))$/s
const plainExtension = /^(.+)(\.[^\s.]{1,16})$/s

/**
 * The name of a conflict copy of `name` that lies at `machine` and has content of this digest:
 * `STEM.conflict-MACHINE-DIGITS.EXT`, of the original's stem where `name` is a copy itself. It has more of the digest's
 * digits where it is taken; undefined where it is with all of them.
 */
export function conflictName(
  name: string,
  machine: string,
  digest: Uint8Array,
  isTaken: (name: string) => boolean,
): string | undefined {
  const { stem, extension } = splitName(originalName(name))
  const digits = hex(digest)
  for (let count = digitsMin; count <= digits.length; count += digitsStep) {
    const end = `${mark}${machineText(machine)}-${digits.slice(0, count)}${extension}`
    const copy = cut(stem, nameMaxBytes - utf8(end).length) + end
    if (isEntryName(copy) && !isTaken(copy)) return copy
  }
  return undefined
}

/** The name that a conflict copy was made of; any other name is its own. */
export function originalName(name: string): string {
  const [, stem, extension] = copyName.exec(name) ?? []
  return stem === undefined ? name : `${stem}${extension}`
}

/** A dot at the beginning or the end makes no extension. */
function splitName(name: string): { stem: string; extension: string } {
  const [, stem, extension] = packedExtension.exec(name) ?? plainExtension.exec(name) ?? []
  return stem === undefined || extension === undefined ? { stem: name, extension: '' } : { stem, extension }
}

function machineText(machine: string): string {
  const text = machine
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, machineMax)
  return text === '' ? 'machine' : text
}

/** As many of the first characters as fit into so many bytes. */
function cut(text: string, maxBytes: number): string {
  if (utf8(text).length <= maxBytes) return text
  let fits = ''
  let bytes = 0
  for (const character of text) {
    bytes += utf8(character).length
    if (bytes > maxBytes) return fits
    fits += character
  }
  return fits
}
