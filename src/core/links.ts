// Where a symlink may lead. A link travels as its text and is never followed by us; but other programs follow it, so the
// owner of a target may let in only links that can't lead out of it. Judged by the text alone: no disk is asked, and what
// a link leads to need not be there. Pure.

/** `opaque`: every text is made as it is. `portable`: only links that stay within the root. */
export type LinkPolicy = 'opaque' | 'portable'

export const linkPolicies: readonly LinkPolicy[] = ['opaque', 'portable']

export function isLinkPolicy(text: string): text is LinkPolicy {
  return text === 'opaque' || text === 'portable'
}

/** What holds where both say something: nobody makes another one's policy wider. */
export function narrowerLinks(a: LinkPolicy | undefined, b: LinkPolicy | undefined): LinkPolicy {
  return a === 'portable' || b === 'portable' ? 'portable' : 'opaque'
}

const slash = 0x2f
const dot = 0x2e

/**
 * Whether a link with this text, in a directory `depth` levels below the root, stays within the root: it is relative,
 * rises no higher than the root, and rises only at its beginning. That last part makes the promise hold for links
 * through links too: a directory's own parents are real directories, so rising from it ends within the root; after a
 * name it would rise from wherever another link led. Where all links of a tree pass, no chain of them leads out.
 */
export function staysWithin(text: Uint8Array, depth: number): boolean {
  if (text.length === 0 || text[0] === slash) return false
  let left = depth
  let hasName = false
  for (let start = 0; start <= text.length; ) {
    let end = text.indexOf(slash, start)
    if (end < 0) end = text.length
    const length = end - start
    const isUp = length === 2 && text[start] === dot && text[start + 1] === dot
    const isHere = length === 0 || (length === 1 && text[start] === dot)
    if (isUp && (hasName || --left < 0)) return false
    if (!isUp && !isHere) hasName = true
    start = end + 1
  }
  return true
}

/** How many levels below the root a directory lies. */
export function depthOf(path: string): number {
  return path === '' ? 0 : path.split('/').length
}

/** Links that rise lead further up once their directory lies higher: where none may lead out, no directory is taken there. */
export function mayMove(links: LinkPolicy | undefined, { from, to }: { from: string; to: string }): boolean {
  return links !== 'portable' || depthOf(to) >= depthOf(from)
}
