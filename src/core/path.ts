// Names and paths below a root. A name is a string for bytes of any kind (std/bytes.ts `decodeName`). A path from anyone is parsed once into `RelPath`; from then on it can't climb, can't be
// absolute, can't reach our own `.nightferry`, and its parts have sane lengths. Pure text; no file system is asked.

import { isNameText, utf8 } from '../std/bytes.ts'

/** A '/'-separated path below a root; '' is the root itself. Only `parseRelPath` and `joinPath` make one. */
export type RelPath = string & { readonly relPath: unique symbol }

export const rootPath: RelPath = '' as RelPath

/** Our own directory in a target; refused, in every folding of its name, in every path. */
export const ownDirectory = '.nightferry'

export const nameMaxBytes = 255
export const pathMaxBytes = 4096
export const pathMaxDepth = 1000

/** The path, or undefined where the text is not one: empty parts, `.`, `..`, NUL, a leading or trailing '/', our own name. */
export function parseRelPath(text: string): RelPath | undefined {
  if (text === '') return rootPath
  if (text.length > pathMaxBytes || utf8(text).length > pathMaxBytes) return undefined
  const names = text.split('/')
  if (names.length > pathMaxDepth) return undefined
  for (const name of names) if (!isEntryName(name)) return undefined
  return text as RelPath
}

/** Whether text can be the name of an entry that we copy. */
export function isEntryName(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return false
  if (name.includes('/') || name.includes('\0')) return false
  if (name.length > nameMaxBytes || (name.length * 3 > nameMaxBytes && utf8(name).length > nameMaxBytes)) return false
  return isNameText(name) && !isReservedName(name)
}

/** `name` must be a parsed entry name. */
export function joinPath(directory: RelPath, name: string): RelPath {
  return (directory === '' ? name : `${directory}/${name}`) as RelPath
}

export function parentOf(path: RelPath): RelPath {
  const slash = path.lastIndexOf('/')
  return (slash < 0 ? '' : path.slice(0, slash)) as RelPath
}

export function nameOf(path: RelPath): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Whether `path` is `directory` or lies below it. */
export function isWithin(path: string, directory: string): boolean {
  return directory === '' || path === directory || path.startsWith(`${directory}/`)
}

// What file systems leave out when they compare names: soft hyphen, zero width and bidi characters, variation selectors,
// byte order mark, tags and more of that kind.
const ignorable = /\p{Default_Ignorable_Code_Point}/gu

// NTFS makes a short name of the first six letters, and of two letters and a hash of the whole name once four are taken.
const shortName = /^(nightf|ni0608)~[1-9]$/

/** Whether some file system would take this name for our own directory: other case, ignorable characters, 8.3 form, a stream of it. */
export function isReservedName(name: string): boolean {
  const first = name.charCodeAt(0)
  // Quick way out for nearly every name: starts with an ASCII character that is neither '.' nor 'n' nor 'N'.
  if (first < 0x80 && first !== 0x2e && first !== 0x4e && first !== 0x6e) return false
  const folded = name
    .normalize('NFKC')
    .replace(ignorable, '')
    .toLowerCase()
    // What follows a colon names a stream of the file before it; Windows drops dots and spaces at the end of a name.
    .replace(/:.*$/s, '')
    .replace(/[. ]+$/, '')
  return folded === ownDirectory || shortName.test(folded)
}
