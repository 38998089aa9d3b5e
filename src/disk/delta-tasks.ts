// What the threads of a crew do for large files that are told instead of sent; part of the table in tasks.ts. The known
// files of a target are told to each seat that needs them once, and are then named by number.

import { statfsSync } from 'node:fs'
import { systemClock } from '../std/clock.ts'
import { Basis } from './assemblies.ts'
import type { DonorFile } from './donors.ts'
import { openPartials, sweepPartials } from './partials.ts'
import { systemSys } from './system.ts'

const sys = systemSys()
const bases = new Map<number, Basis>()

/** The known files under a number; undefined where the seat was told of none. */
export function basisOf(id: number): Basis | undefined {
  return bases.get(id)
}

export const deltaTasks = {
  useBasis(input: { basis: number; root: number; files: readonly DonorFile[] }): void {
    bases.set(input.basis, new Basis(sys, input.root, input.files))
  },

  dropBasis(input: { basis: number }): void {
    bases.delete(input.basis)
  },

  /** Opens the place of unfinished files, after what is too old or too much went. A negative handle: nothing is resumed. */
  openPartials(input: { own: number; path: string }): { handle: number; names: readonly string[] } {
    const handle = openPartials(sys, input.own)
    if (handle < 0) return { handle, names: [] }
    const { bsize, blocks } = statfsSync(input.path)
    return { handle, names: sweepPartials(sys, handle, { nowMs: systemClock.nowMs(), volumeBytes: bsize * blocks }) }
  },

  /** The disk is full: only those stay that are gone on with now. */
  sparePartials(input: { handle: number; spare: readonly string[] }): void {
    sweepPartials(sys, input.handle, { nowMs: systemClock.nowMs(), volumeBytes: 0, spare: new Set(input.spare) })
  },
}
