// A Sys whose file system makes of names what others do: takes two for one, gives them back in another form, refuses some.
// The real one below keeps every name apart; each call looks for what the name it was given means. For tests only.

import { statWidth } from '../../src/core/stat.ts'
import { type EntryTable, errno, type Sys, EntryTable as Table } from '../../src/disk/sys.ts'
import { sysWithNames } from '../../src/disk/sys-names.ts'
import { compareBytes, decodeName, utf8 } from '../../src/std/bytes.ts'

export type NamesThere = {
  readonly foldsCase?: boolean
  readonly foldsForm?: boolean
  /** Names are stored in this form. */
  readonly keepsForm?: 'NFC' | 'NFD'
  readonly textOnly?: boolean
  /** What Windows has not is refused, and dots and spaces at the end are cut off. */
  readonly narrow?: boolean
  /** Only characters below 256 are taken, and what stands for no character: what is refused can't be stored in another form either. */
  readonly fewCharacters?: boolean
}

/** Calls with a directory and a name first, and those with two such pairs. */
const named = ['stat', 'readLink', 'openFile', 'reopenFile', 'setTimesAt', 'unlink', 'removeDirectory']
const making = ['createFile', 'makeDirectory', 'makeSymlink']
const paired = ['link', 'renameNoReplace', 'renameOver', 'exchange']

const narrowRefused = /[\u0001-\u001f"*:<>?|\\]|^(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.|$)/i
const manyCharacters = /[^\u0000-\u00ff\ufffd]/

export function namingSys(real: Sys, there: NamesThere): Sys {
  const fold = (name: string): string => {
    const formed = there.foldsForm === true ? name.normalize('NFD') : name
    return there.foldsCase === true ? formed.toUpperCase().toLowerCase() : formed
  }
  const isRefused = (name: string, makes: boolean): boolean =>
    (there.textOnly === true && !name.isWellFormed()) ||
    (there.narrow === true && narrowRefused.test(name)) ||
    // What a test put there all the same can be had, and taken away.
    (makes && there.fewCharacters === true && name.isWellFormed() && manyCharacters.test(name))
  const stored = (given: string): string => {
    const name = there.narrow === true && given !== '.' ? given.replace(/[. ]+$/, '') : given
    return there.keepsForm === undefined ? name : name.normalize(there.keepsForm)
  }
  const table: EntryTable = new Table()
  const row = new Uint32Array(statWidth)
  /** The name that is there for a name, or the one it would be stored under. */
  const found = (dir: number, given: Uint8Array): Uint8Array => {
    const name = stored(decodeName(given))
    const bytes = utf8(name)
    if (there.foldsCase !== true && there.foldsForm !== true) return bytes
    // What is there by this very name is meant by it; only then need all names be looked at.
    if (real.stat(dir, bytes, row, 0) === 0) return bytes
    real.list(dir, table, 0)
    const wanted = fold(name)
    let similar: Uint8Array | undefined
    for (let at = 0; at < table.count; at++) {
      const other = table.name(at)
      if (fold(decodeName(other)) === wanted) similar = other.slice()
    }
    return similar ?? bytes
  }
  const refusal = (name: Uint8Array, makes: boolean): number => {
    if (!isRefused(decodeName(name), makes)) return 0
    return there.narrow === true ? -errno.EINVAL : -errno.EILSEQ
  }
  const openDirectory = (dir: number, path: Uint8Array): number => {
    let handle = real.openDirectory(dir, utf8(''))
    for (const name of decodeName(path)
      .split('/')
      .filter((one) => one !== '')) {
      if (handle < 0) return handle
      const next = real.openDirectory(handle, found(handle, utf8(name)))
      real.close(handle)
      handle = next
    }
    return handle
  }
  const simulated = new Proxy(real, {
    get(target, key): unknown {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      const call = String(key)
      if (call === 'openDirectory') return openDirectory
      if (named.includes(call) || making.includes(call)) {
        return (dir: number, name: Uint8Array, ...rest: unknown[]) => {
          const code = refusal(name, making.includes(call))
          if (code < 0) return making.includes(call) ? code : -errno.ENOENT
          return value.call(target, dir, found(dir, name), ...rest)
        }
      }
      if (!paired.includes(call)) return value.bind(target)
      return (from: number, name: Uint8Array, to: number, newName: Uint8Array) => {
        const code = Math.min(refusal(name, false), refusal(newName, true))
        if (code < 0) return code
        const [old, other] = [found(from, name), found(to, newName)]
        // As the kernel has it: two spellings of one entry are the same, and a rename between them does nothing.
        if (call === 'renameOver' && from === to && compareBytes(old, other) === 0) return 0
        return value.call(target, from, old, to, other)
      }
    },
  })
  // What is stored under other names is asked for by those.
  return sysWithNames(simulated)
}
