// Whether a name that a directory answers to, and does not list, is only another spelling of one that it lists: where case
// or Unicode form do not count, the old name of what was renamed from `Foo` to `foo` still leads to it. In doubt it is a
// name of its own that the listing left out.

import { exactNaming, foldName } from '../core/naming.ts'
import {
  sameFile,
  sameTypeSizeTime,
  statInodeHigh,
  statInodeLow,
  statMode,
  statWidth,
  typeDirectory,
  typeMask,
} from '../core/stat.ts'
import { decodeName, utf8 } from '../std/bytes.ts'
import { EntryTable, type Sys } from './sys.ts'

/** Coarser than any file system: what is no other spelling by this is none. */
const coarse = { ...exactNaming, folds: 'full', foldsForm: true, ignores: true } as const

export class Spelled {
  readonly #sys: Sys
  readonly #handle: number
  readonly #table: EntryTable
  readonly #rows = new Map<string, number[]>()
  /** Listed once more: a name of its own would have to be left out twice. */
  readonly #again = new Set<string>()

  /** `table` lists the directory of `handle`. */
  constructor(sys: Sys, handle: number, table: EntryTable) {
    this.#sys = sys
    this.#handle = handle
    this.#table = table
    for (let row = 0; row < table.count; row++) {
      const key = foldName(decodeName(table.name(row)), coarse)
      this.#rows.getOrInsertComputed(key, () => []).push(row)
    }
    const again = new EntryTable()
    sys.list(handle, again, 0)
    for (let row = 0; row < again.count; row++) this.#again.add(decodeName(again.name(row)))
    again.end()
  }

  /** `facts` is what a look at `name` said. */
  isListed(name: Uint8Array, facts: Uint32Array): boolean {
    const text = decodeName(name)
    if (this.#again.has(text)) return false
    const row = new Uint32Array(statWidth)
    return (this.#rows.get(foldName(text, coarse)) ?? []).some((other) => {
      const listed = this.#table.name(other)
      if (this.#sys.stat(this.#handle, listed, row, 0) < 0) return false
      return isSame(row, facts) || (sameTypeSizeTime(row, 0, facts, 0) && this.#folds(decodeName(listed), text))
    })
  }

  /**
   * Some drivers number an entry anew for each spelling (exFAT by FUSE). Then a third spelling that nobody gave to anything
   * shows that spellings do not count; a name of one letter has none.
   */
  #folds(listed: string, other: string): boolean {
    const row = new Uint32Array(statWidth)
    const third = listed
      .split('')
      .map((_, at) => swapped(listed, at))
      .find((text) => text !== listed && text !== other && !this.#again.has(text))
    return third === undefined || this.#sys.stat(this.#handle, utf8(third), row, 0) === 0
  }
}

/** With the other case of one character. */
function swapped(text: string, at: number): string {
  const letter = text.charAt(at)
  const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
  return `${text.slice(0, at)}${other.length === 1 ? other : letter}${text.slice(at + 1)}`
}

function isSame(a: Uint32Array, b: Uint32Array): boolean {
  if (((a[statMode] as number) & typeMask) !== typeDirectory) return sameFile(a, 0, b, 0)
  return a[statInodeLow] === b[statInodeLow] && a[statInodeHigh] === b[statInodeHigh]
}
