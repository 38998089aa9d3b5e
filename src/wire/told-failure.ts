// A failure on its way to the other machine, and one that came from there: code, message and hint, cut to bounds. Codes
// that this version does not know become `peer-failed`; control characters in what came do not reach a terminal.

import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure, isFailureCode } from '../std/failure.ts'
import { decodeMessage, encodeMessage, record, type Schema, text } from './schema.ts'

type ToldFailure = { readonly code: string; readonly message: string; readonly hint: string }

const maxTextBytes = 2_000

export const maxFailureBytes: number = 8 * 1024

export const failureSchema: Schema<ToldFailure> = record({
  code: text(64),
  message: text(maxTextBytes),
  hint: text(maxTextBytes),
})

/** The longest beginning of `text` that fits into the bound, cut between characters. */
function cut(text: string): string {
  const bytes = utf8(text.toWellFormed())
  if (bytes.length <= maxTextBytes) return text.toWellFormed()
  for (let end = maxTextBytes; ; end--) {
    const short = fromUtf8(bytes.subarray(0, end))
    if (short !== undefined) return short
  }
}

export function encodeFailure({ code, message, hint }: Failure): Uint8Array {
  return encodeMessage(failureSchema, { code, message: cut(message), hint: cut(hint) })
}

/** The failure that the other machine told of. Throws Failure('protocol-broken') where it is none. */
export function decodeFailure(payload: Uint8Array): Failure {
  const { code, message, hint } = decodeMessage(failureSchema, payload)
  return new Failure(isFailureCode(code) ? code : 'peer-failed', printable(message), { hint: printable(hint) })
}

/** Text of another machine without what would move a cursor or turn a line around. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ')
}
