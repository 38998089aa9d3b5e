// Names that a disk refuses, and the names under which they are stored there instead. One to one, both ways and for every
// name, so that what was stored comes back as it was: a refused character as U+F000 plus itself (as Cygwin and WSL have it)
// behind twice as many U+F000 as stood before it; a character that looks like such a stand-in behind twice as many and one.
// A device's name gets a stand-in for its first letter. Pure: which names a disk refuses is the caller's to know.

import { isNameText, utf8 } from '../std/bytes.ts'

/** What a disk refuses, as a mask. */
export const refusesCharacters = 1
export const refusesEndDots = 2
export const refusesEndSpaces = 4
/** `CON`, `nul.txt`: what stands for a device on Windows. */
export const refusesDevices = 8
/** Bytes that are not UTF-8. */
export const refusesBytes = 16
/** A name there may have 255 characters (of UTF-16), however many bytes they are; else 255 bytes. Only beside others. */
export const countsCharacters = 32
export const storesMax = 63

/** Would be the stand-in of NUL, which no name holds: before a stand-in it tells it from what only looks like one. */
const mark = '\uf000'
const standIn = 0xf000
const rawByte = 0xdc00
const longest = 255

const characters = '\u0001-\u001f"*:<>?\\\\|'
const charactersStored = '\uf001-\uf01f\uf022\uf02a\uf03a\uf03c\uf03e\uf03f\uf05c\uf07c'
const device = /^(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.|$)/i
const deviceStored = /^(\uf000*)([\uf041-\uf05a\uf061-\uf07a])([\s\S]*)$/

type Patterns = {
  /** What has to be told apart in a name: characters that are refused where they stand, and what looks like their stand-ins. */
  readonly special: RegExp
  /** The same in a stored name. */
  readonly stored: RegExp
  readonly refused: RegExp
}
const known = new Map<number, Patterns>()

function patternsOf(mask: number): Patterns {
  return known.getOrInsertComputed(mask, () => {
    const within = [
      [refusesCharacters, characters, charactersStored],
      [refusesBytes, '\udc80-\udcff', '\uf080-\uf0ff'],
    ] as const
    const atEnd = [
      [refusesEndDots, '.', '\uf02e'],
      [refusesEndSpaces, ' ', '\uf020'],
    ] as const
    const pattern = (pick: (one: readonly [number, string, string]) => string): string => {
      const inside = within.filter(([bit]) => (mask & bit) !== 0).map(pick)
      const last = atEnd.filter(([bit]) => (mask & bit) !== 0).map(pick)
      const parts = [...inside.map((some) => `[${some}]`), ...last.map((some) => `[${some}](?![\\s\\S])`)]
      return parts.length === 0 ? '(?!)' : parts.join('|')
    }
    return {
      special: new RegExp(`(${mark}*)(${pattern(([, plain, stored]) => plain + stored)})`, 'gu'),
      stored: new RegExp(`(${mark}*)(${pattern(([, , stored]) => stored)})`, 'gu'),
      refused: new RegExp(
        pattern(([, plain]) => plain),
        'u',
      ),
    }
  })
}

/** Whether a disk that refuses this does not take the name. */
export function isRefusedName(name: string, mask: number): boolean {
  return mask !== 0 && (patternsOf(mask).refused.test(name) || ((mask & refusesDevices) !== 0 && device.test(name)))
}

/** Under which name a name is stored where this is refused: itself, for nearly every one. No two names have one. */
export function storedName(name: string, mask: number): string {
  if (mask === 0 || name === '.' || name === '..') return name
  const stored = name.replace(patternsOf(mask).special, (_, run: string, character: string) => {
    const code = character.charCodeAt(0)
    if (code >= standIn && code <= standIn + 0xff) return `${run}${run}${mark}${character}`
    return run + run + String.fromCharCode(standIn + (code >= rawByte ? code - rawByte : code))
  })
  if ((mask & refusesDevices) === 0) return stored
  if (device.test(stored)) return String.fromCharCode(standIn + stored.charCodeAt(0)) + stored.slice(1)
  return meansDevice(stored) ? mark + stored : stored
}

/** Whether it is a device's name with a stand-in for the first letter, behind any number of escapes. */
function meansDevice(stored: string): boolean {
  const [, , first = '', rest = ''] = deviceStored.exec(stored) ?? []
  return first !== '' && device.test(letterOf(first) + rest)
}

function letterOf(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) - standIn)
}

/** The name that is stored under this one; undefined where none is: something else put it there, and nothing here can mean it. */
export function knownName(stored: string, mask: number): string | undefined {
  if (mask === 0) return stored
  let name = stored
  if ((mask & refusesDevices) !== 0 && meansDevice(stored))
    name = stored.startsWith(mark) ? stored.slice(1) : letterOf(stored) + stored.slice(1)
  name = name.replace(patternsOf(mask).stored, (_, run: string, character: string) => {
    const half = run.slice(0, run.length >> 1)
    if (run.length % 2 === 1) return half + character
    const code = character.charCodeAt(0) - standIn
    return half + String.fromCharCode(code >= 0x80 ? rawByte + code : code)
  })
  const isOne = name !== '.' && name !== '..' && isNameText(name) && storedName(name, mask) === stored
  return isOne ? name : undefined
}

/** Whether the form in which a name is stored is short enough for it. */
export function fitsStored(name: string, mask: number): boolean {
  const stored = storedName(name, mask)
  if (stored === name) return true
  return ((mask & countsCharacters) === 0 ? utf8(stored) : stored).length <= longest
}
