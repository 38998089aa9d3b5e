// Chooses the form of Sys that this machine can run, once per thread. NIGHTFERRY_SYS=portable forces the portable form
// (for tests, and for a person whose libc misbehaves); nothing else looks at which form it is.

import type { Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { openPortableSys } from './sys-portable.ts'

let chosen: Sys | undefined

/** This thread's Sys. */
export function systemSys(): Sys {
  chosen ??= choose()
  return chosen
}

function choose(): Sys {
  if (process.platform !== 'linux' || process.env.NIGHTFERRY_SYS === 'portable') return openPortableSys()
  try {
    return openLinuxSys()
  } catch {
    // No node:ffi, another libc, or a kernel without these calls: everything works, times to the microsecond.
    return openPortableSys()
  }
}
