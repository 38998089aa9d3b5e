// A content that the target has, in a file of its own: a verified copy, which shares it where the file system can.

import { equalBytes } from '../std/bytes.ts'
import { copyContent, shareContent } from './content.ts'
import type { Donor } from './staged.ts'
import type { Sys } from './sys.ts'

/**
 * Copies the donor's file, which lies in `from`, to a new one at `place`: its handle, which the caller closes, and the
 * digest of what it holds. Undefined where the donor is not what it should be, and nothing was left; a negative errno
 * where no file could be made. Leaves nothing where reading throws.
 */
export function copyDonor(
  sys: Sys,
  from: number,
  { name, digest, store }: Pick<Donor, 'name' | 'digest' | 'store'>,
  place: { readonly directory: number; readonly name: Uint8Array },
  { sizeBytes, mode }: { readonly sizeBytes: number; readonly mode: number },
): { readonly handle: number; readonly digest: Uint8Array } | number | undefined {
  const source = sys.openFile(from, name)
  if (source < 0) return undefined
  const handle = sys.createFile(place.directory, place.name, mode)
  if (handle < 0) {
    sys.close(source)
    return handle
  }
  let isMeant = false
  try {
    const shared = shareContent(sys, source, { handle, ...place }, sizeBytes)
    const copied = shared === 'not shared' ? copyContent(sys, source, handle, sizeBytes) : shared
    isMeant = copied !== undefined && (digest === undefined ? store !== undefined : equalBytes(copied, digest))
    return isMeant && copied !== undefined ? { handle, digest: copied } : undefined
  } finally {
    sys.close(source)
    if (!isMeant) {
      sys.close(handle)
      sys.unlink(place.directory, place.name)
    }
  }
}
