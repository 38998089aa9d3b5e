// The files of several names of an end, asked for a part at a time.

import { brokenLinks, type LinkedFile, ToldLinks } from '../core/link-table.ts'

type Part = { readonly bytes: Uint8Array; readonly next?: number | undefined }

/** All of them; `entries`: as many as the tree has, where another machine says so. Throws `protocol-broken`. */
export async function takeLinked(
  part: (from: number) => Promise<Part>,
  entries: number = Number.POSITIVE_INFINITY,
): Promise<readonly LinkedFile[]> {
  const told = new ToldLinks(entries)
  for (let from: number | undefined = 0; from !== undefined; ) {
    const { bytes, next }: Part = await part(from)
    told.take(bytes)
    // Each part brings something, or it is the last one.
    if (next !== undefined && (next !== told.files.length || next <= from)) throw brokenLinks()
    from = next
  }
  return told.files
}
