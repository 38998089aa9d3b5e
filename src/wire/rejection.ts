// The one thing a listening machine says to a caller it will not talk to: a frame with one byte of reason, sent before
// anything of the caller's is read. It tells a person whose machine was removed why, instead of a bare broken line.

import { Failure } from '../std/failure.ts'
import { frameHeader, frameKind } from './frame.ts'

const reasons = { 'not-paired': 1, 'too-many-links': 2 } as const

export type Rejection = keyof typeof reasons

/** The frame that says why. */
export function rejectionFrame(reason: Rejection): Uint8Array {
  return Buffer.concat([frameHeader(0, frameKind.rejected, 0, 1), Uint8Array.of(reasons[reason])])
}

/** What such a frame's payload means to the caller who gets it. */
export function rejectionFailure(payload: Uint8Array, machine: string): Failure {
  if (payload[0] === reasons['not-paired']) {
    return new Failure('not-paired', `${machine} does not know this machine`, {
      hint: `Pair the two machines again, or look at the list of machines on ${machine}.`,
    })
  }
  if (payload[0] === reasons['too-many-links']) {
    return new Failure('limit-exceeded', `${machine} has too many connections with this machine already`, {
      hint: 'Other runs between the two are under way; try again when they have ended.',
    })
  }
  return new Failure('protocol-broken', `${machine} refused the connection for a reason this version does not know`)
}
