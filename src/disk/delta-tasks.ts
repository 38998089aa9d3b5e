// What the threads of a crew do for large files that are told instead of sent; part of the table in tasks.ts. The known
// files of a target are told to each seat that needs them once, and are then named by number.

import { systemClock } from '../std/clock.ts'
import { Basis, type DonorFile } from './donors.ts'
import { sweepPartials } from './partials.ts'
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

  /** The disk is full: only those stay that are gone on with now. */
  sparePartials(input: { handle: number; spare: readonly string[] }): void {
    sweepPartials(sys, input.handle, { nowMs: systemClock.nowMs(), volumeBytes: 0, spare: new Set(input.spare) })
  },
}
