// How the packs of a source leave: how fast at most, how large, and whether squeezing them pays. Pure: whoever sends
// measures, and asks.

/** Zstd levels that a person may name. */
const levelMax = 19

/** Nobody may ask for less a second, on the command line or over the wire. */
export const rateBytesMin = 1000

export type Compress = 'auto' | 'off' | number

export type Flow = {
  /** Bytes a second that the source's machine sends at most, all counted; undefined without a limit. */
  readonly rateBytes: number | undefined
  readonly compress: Compress
}

/** `auto`, `off` or a level, or undefined where the text is none of them. */
export function parseCompress(text: string): Compress | undefined {
  if (text === 'auto' || text === 'off') return text
  const level = /^\d{1,2}$/.test(text) ? Number(text) : 0
  return level >= 1 && level <= levelMax ? level : undefined
}

const packsPerSecond = 2
const packBytesMin = 4096

/** How large a pack may be: under a limit so small that it is over within half a second; smaller ones would squeeze badly. */
export function packBytesFor(rateBytes: number | undefined, mostBytes: number): number {
  if (rateBytes === undefined) return mostBytes
  return Math.min(mostBytes, Math.max(packBytesMin, Math.floor(rateBytes / packsPerSecond)))
}

/** The level of `auto`: most of what zstd can do, at a tenth of the time that more would take. */
export const autoLevel = 3

/** What was measured lately. */
export type Measured = {
  /** Bytes that the link took, and the time during which it had something to take. */
  readonly linkBytes: number
  readonly linkMs: number
  /** Content that was tried, what came out, and the time that this took. */
  readonly rawBytes: number
  readonly squeezedBytes: number
  readonly squeezeMs: number
}

/** A gigabit, about: over such a link it is processors that files wait for, and squeezing takes more of them. */
const fastLinkBytesPerMs = 100_000
/** A hundred megabit: where no processor is idle, a link that takes more is as slow as it is for want of processors (ssh to this machine, say). */
const busyLinkBytesPerMs = 12_500
/** What lies between here and the line (sockets, ssh's window) takes the first bytes as fast as any. */
const busyFromBytes = 4 * 1024 * 1024
/** So much of a processor has to be idle for squeezing to begin, and to go on: it takes what it needs from that. */
const idleToBegin = 0.5
const idleToGoOn = 0.1

/**
 * What is known of the link: nothing before something was sent. `idle`: how many processors have nothing to do, where that is
 * known; `isOn`: whether packs are squeezed now.
 */
export function linkOf({ linkBytes, linkMs }: Measured, idle?: number, isOn = false): 'unknown' | 'fast' | 'slow' {
  if (linkBytes === 0) return 'unknown'
  const isBusy = idle !== undefined && idle < (isOn ? idleToGoOn : idleToBegin) && linkBytes >= busyFromBytes
  return linkBytes > linkMs * (isBusy ? busyLinkBytesPerMs : fastLinkBytesPerMs) ? 'fast' : 'slow'
}

const startsBelow = 0.8
const staysBelow = 0.95

/**
 * Whether squeezing pays: whether a byte of content is over the link sooner when it is squeezed first, by a fifth to
 * begin with and by a twentieth to go on. Both times are added up, as if one processor did both: so it is where the link
 * is as slow as it is because processors are busy (ssh to this machine, say), and then squeezing only takes more of them.
 * Where a line is slow, the time of squeezing is nothing beside it.
 */
export function squeezingPays(measured: Measured, isOn: boolean): boolean {
  const { linkBytes, linkMs, rawBytes, squeezedBytes, squeezeMs } = measured
  if (linkBytes === 0 || rawBytes === 0) return isOn
  const plainMs = linkMs / linkBytes
  const squeezedMs = squeezeMs / rawBytes + (plainMs * squeezedBytes) / rawBytes
  return squeezedMs < plainMs * (isOn ? staysBelow : startsBelow)
}
