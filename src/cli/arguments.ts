// The words that the program was started with, as names are held in here (std/bytes.ts `decodeName`): Node reads them as
// UTF-8 and loses the bytes of a name that is none, while the system still has them. Where it tells nothing, or something
// else, Node's reading stays.

import { decodeName, utf8 } from '../std/bytes.ts'
import { readOwnRange } from '../std/files.ts'

const commandLineMaxBytes = 4 * 1024 * 1024

/** `args` are the last words of the command line, as Node read them. */
export function exactArguments(args: readonly string[]): readonly string[] {
  // What Node could not read is this character now.
  if (!args.some((word) => word.includes('\ufffd'))) return args
  try {
    return wordsOf(readOwnRange('/proc/self/cmdline', 0, commandLineMaxBytes) ?? new Uint8Array(0), args)
  } catch {
    return args
  }
}

/** The same from the bytes of a command line, in which each word ends with NUL. */
export function wordsOf(commandLine: Uint8Array, args: readonly string[]): readonly string[] {
  const words = decodeName(commandLine).split('\0').slice(0, -1).slice(-args.length)
  const isSame =
    words.length === args.length && words.every((word, i) => Buffer.from(utf8(word)).toString() === args[i])
  return isSame ? words : args
}
