// One entry of a directory as both machines speak of it: no inode, no ctime, nothing local.

/** What stands below a directory, known without listing it. */
export type Summary = {
  /** Merkle digest under the view in force: equal means that names, kinds, modes, sizes, times and links are equal. */
  readonly fingerprint: Uint8Array
  /** Files and symlinks below, at every depth. */
  readonly files: number
  readonly directories: number
  readonly sizeBytes: number
}

/** The first three are copied; the others are seen, reported, and protect what is there from deletion. */
export type Kind = 'directory' | 'file' | 'symlink' | 'special' | 'unreadable' | 'bad-name'

export type Entry = {
  readonly kind: Kind
  /** As `decodeName` gives it. */
  readonly name: string
  /** Permission bits under the view's mask; 0 for symlinks. */
  readonly mode: number
  /** Files and symlinks; 0 for directories, whose time is a courtesy that travels beside the listing. */
  readonly mtimeSeconds: number
  readonly mtimeNs: number
  /** Files only. */
  readonly sizeBytes: number
  /** Proven changes of content under an unchanged size and mtime, on the machine that saw them. */
  readonly edits: number
  /** Symlinks only. */
  readonly link: Uint8Array | undefined
  /** Directories only. */
  readonly summary: Summary | undefined
  /** What else the job looks at, as a block (attributes.ts); undefined where that is nothing. */
  readonly attributes?: Uint8Array | undefined
}

export function isCopied(kind: Kind): boolean {
  return kind === 'directory' || kind === 'file' || kind === 'symlink'
}

/**
 * For people: bytes that are no text become `\xff`. A backslash that would be taken for the beginning of such a thing (or
 * of `\u202e`, as controls are shown) is doubled, so that two names never look alike.
 */
export function showName(text: string): string {
  return text.replace(/\\(?=[xu\\\p{Cs}\p{Cc}\p{Cf}\p{Zl}\p{Zp}])|\p{Cs}/gu, (one) =>
    one === '\\' ? '\\\\' : `\\x${(one.charCodeAt(0) - 0xdc00).toString(16)}`,
  )
}

/** -1, 0 or 1: which time is earlier, when a difference below `grainNs` counts as none. */
export function compareTimes(a: Entry, b: Entry, grainNs: number): number {
  const seconds = a.mtimeSeconds - b.mtimeSeconds
  // Beyond a year the nanoseconds can't matter, and the product below would lose digits.
  if (Math.abs(seconds) > 31_536_000) return Math.sign(seconds)
  const ns = seconds * 1e9 + (a.mtimeNs - b.mtimeNs)
  return Math.abs(ns) < Math.max(1, grainNs) ? 0 : Math.sign(ns)
}
