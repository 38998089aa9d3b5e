// What a person writes as an amount: sizes as rsync takes them, and seconds. Pure; whoever asks says what was wrong.

const units = 'BKMGTP'

/**
 * A number of bytes. Rsync's rules: a suffix is B (bytes), K, M, G, T or P; alone or with `iB` it counts by 1024, with
 * `B` by 1000; upper and lower case are the same; fractions are rounded down; `+1` or `-1` at the end is one byte more or
 * less. Undefined for what is no such amount, or is more than a number holds exactly.
 */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,9})?)(?:([KMGTP])(i?B)?|B)?([+-]1)?$/i.exec(text.trim())
  if (match === null) return undefined
  const [, amount = '', unit = 'B', byThousand = '', off = '0'] = match
  const base = byThousand.toUpperCase() === 'B' ? 1000 : 1024
  const bytes = Math.floor(Number(amount) * base ** units.indexOf(unit.toUpperCase())) + Number(off)
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined
}

/** The shortest text that `parseBytes` reads as just this amount. */
export function bytesText(bytes: number): string {
  const [binary, decimal] = [inUnits(bytes, 1024, ''), inUnits(bytes, 1000, 'B')]
  return decimal.length < binary.length ? decimal : binary
}

function inUnits(bytes: number, base: number, ending: string): string {
  let unit = 0
  let amount = bytes
  for (; unit + 1 < units.length && amount >= base && amount % base === 0; unit++) amount /= base
  return unit === 0 ? `${amount}` : `${amount}${units[unit]}${ending}`
}

/** Seconds, with at most nine decimals, as whole nanoseconds; undefined for what is none or is more than `maxSeconds`. */
export function parseSeconds(text: string, maxSeconds: number): number | undefined {
  const match = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text.trim())
  if (match === null) return undefined
  const [, whole = '', fraction = ''] = match
  const ns = Number(whole) * 1e9 + Number(fraction.padEnd(9, '0'))
  return ns <= maxSeconds * 1e9 ? ns : undefined
}
