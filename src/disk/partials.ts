// Large files that are not whole yet, in `.nightferry/partials`: each under a name that only its path decides, so that after
// a cut connection, a killed process or a restart what came of it is found again. What lies there is a donor like any other:
// it is read and cut before it counts, so that it does not matter what a crash made of it. Never holds more than our own
// unfinished work; bounded in age and space.

import { statfsSync } from 'node:fs'
import { domainDigest } from '../chunk/digest.ts'
import type { RelPath } from '../core/path.ts'
import { mtimeSecondsOf, sizeOf, statMode, statWidth, typeFile, typeMask } from '../core/stat.ts'
import { fromUtf8, hex, utf8 } from '../std/bytes.ts'
import { EntryTable, type Sys } from './sys.ts'

const partialsName = utf8('partials')
const ageMaxSeconds = 7 * 24 * 3600
/** Beside the youngest, which may be as large as it is. */
const countMax = 64
const volumePartMax = 0.1

/**
 * Opens the place, made where it is missing, and removes what is too old or too much: a handle, and the names of what is
 * left. A negative handle: nothing is resumed. The handle is the caller's, to be closed by the thread that called.
 */
export function openPartials(
  sys: Sys,
  own: number,
  { path, nowMs }: { readonly path: string; readonly nowMs: number },
): { handle: number; names: readonly string[] } {
  let handle = sys.openDirectory(own, partialsName)
  if (handle < 0 && sys.makeDirectory(own, partialsName, 0o700) === 0) handle = sys.openDirectory(own, partialsName)
  if (handle < 0) return { handle, names: [] }
  const { bsize, blocks } = statfsSync(path)
  return { handle, names: sweepPartials(sys, handle, { nowMs, volumeBytes: bsize * blocks }) }
}

/** What an unfinished file of this path is called. */
export function partialName(path: RelPath): string {
  return hex(domainDigest('partial 1', utf8(path)).subarray(0, 16))
}

/**
 * The names of what lies there, after all that is too old or too much was removed; with `spare`, all else but those goes.
 * `volumeBytes` is the size of the volume.
 */
export function sweepPartials(
  sys: Sys,
  partials: number,
  limits: { readonly nowMs: number; readonly volumeBytes: number; readonly spare?: ReadonlySet<string> },
): string[] {
  const { nowMs, volumeBytes, spare } = limits
  const table = new EntryTable()
  if (sys.list(partials, table) < 0) return []
  const rows = Array.from({ length: table.count }, (_, row) => row)
  const timeOf = (row: number): number => mtimeSecondsOf(table.stats, row * statWidth)
  rows.sort((a, b) => timeOf(b) - timeOf(a))
  const kept: string[] = []
  let total = 0
  for (const row of rows) {
    const name = table.name(row).slice()
    const text = fromUtf8(name) ?? ''
    const size = sizeOf(table.stats, row * statWidth)
    const isOurs =
      ((table.stats[row * statWidth + statMode] as number) & typeMask) === typeFile && /^[0-9a-f]{32}$/.test(text)
    const isYoung = Math.abs(nowMs / 1000 - timeOf(row)) <= ageMaxSeconds
    const fits = kept.length === 0 || (kept.length < countMax && total + size <= volumeBytes * volumePartMax)
    const stays = spare === undefined ? isYoung && fits : spare.has(text)
    if (isOurs && stays) {
      kept.push(text)
      total += size
    } else sys.unlink(partials, name)
  }
  return kept
}
