// The content of a file that lies here: read once, in pieces, and hashed on the way. Says nothing about a file that
// changes its size while it is read.

import { digestOf, openDigester } from '../chunk/digest.ts'
import { sizeOf, statWidth } from '../core/stat.ts'
import { type IsStopped, neverStopped } from '../std/stop.ts'
import { hashZeros, runAt } from './holes.ts'
import { mayHaveHoles, type Sys } from './sys.ts'

/** One for each thread; calls are synchronous, so nobody shares it. */
const piece = new Uint8Array(1 << 20)

/**
 * The digest of a file's content as it is now, or undefined where it can't be read, changed its size meanwhile, or is
 * wanted no more.
 */
export function digestFile(
  sys: Sys,
  directory: number,
  name: Uint8Array,
  sizeBytes: number,
  isStopped: IsStopped = neverStopped,
): Uint8Array | undefined {
  const handle = sys.openFile(directory, name)
  if (handle < 0) return undefined
  try {
    const first = sys.read(handle, piece, 0, piece.length, -1)
    if (first < 0) return undefined
    if (first === sizeBytes && first < piece.length) return digestOf(piece.subarray(0, first))
    const digester = openDigester()
    let total = 0
    for (let count = first; count > 0 && total <= sizeBytes; count = sys.read(handle, piece, 0, piece.length, -1)) {
      digester.update(piece.subarray(0, count))
      total += count
      if (isStopped()) return undefined
    }
    return total === sizeBytes ? digester.finish() : undefined
  } finally {
    sys.close(handle)
  }
}

/** Smaller contents are not worth a try to share them. */
const sharedFromBytes = 128 * 1024

/**
 * Lets the new and empty file `target`, which is called so, share the content of another, where the file system can: the digest
 * of what it holds then, undefined where that is not of this size or can't be read.
 */
export function shareContent(
  sys: Sys,
  source: number,
  target: { readonly handle: number; readonly directory: number; readonly name: Uint8Array },
  sizeBytes: number,
): Uint8Array | undefined | 'not shared' {
  // A length of zero stands for all there is.
  if (sizeBytes < sharedFromBytes || sys.clone(source, 0, target.handle, 0, 0) < 0) return 'not shared'
  // Read where it lies now: the other may have changed since.
  return digestFile(sys, target.directory, target.name, sizeBytes)
}

/** Copies one open file into another, an empty one. The digest of what was copied, or undefined where it failed or is not of this size. */
export function copyContent(sys: Sys, source: number, target: number, sizeBytes: number): Uint8Array | undefined {
  const row = new Uint32Array(statWidth)
  const isSparse = sizeBytes > 0 && mayHaveHoles(sys.statFile(source, row, 0))
  if (isSparse) return sizeOf(row, 0) === sizeBytes ? copySparse(sys, source, target, sizeBytes) : undefined
  const digester = openDigester()
  for (let total = 0; ; ) {
    const count = sys.read(source, piece, 0, piece.length, -1)
    total += count
    if (count < 0 || total > sizeBytes) return undefined
    if (count === 0) return total === sizeBytes ? digester.finish() : undefined
    digester.update(piece.subarray(0, count))
    if (sys.write(target, piece, 0, count) < 0) return undefined
  }
}

/** The same, a run at a time: its holes are holes there too. */
function copySparse(sys: Sys, source: number, target: number, sizeBytes: number): Uint8Array | undefined {
  const digester = openDigester()
  for (let at = 0; at < sizeBytes; ) {
    const { isHole, end } = runAt(sys, source, at, sizeBytes)
    if (isHole) hashZeros(digester, end - at)
    for (let from = isHole ? end : at; from < end; ) {
      const count = sys.read(source, piece, 0, Math.min(piece.length, end - from), from)
      if (count <= 0 || sys.write(target, piece, 0, count, from) < 0) return undefined
      digester.update(piece.subarray(0, count))
      from += count
    }
    at = end
  }
  return sys.setLength(target, sizeBytes) < 0 ? undefined : digester.finish()
}
