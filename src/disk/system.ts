// Chooses the form of Sys that this machine can run, once per thread. NIGHTFERRY_SYS=portable forces the portable form
// (for tests, and for a person whose libc misbehaves); nothing else looks at which form it is.

import type { Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { sysWithNames } from './sys-names.ts'
import { openPortableSys } from './sys-portable.ts'

let chosen: Sys | undefined
let why = ''

/** This thread's Sys. */
export function systemSys(): Sys {
  chosen ??= sysWithNames(choose())
  return chosen
}

/** Which form this thread has, and why it is not the exact one; '' where it is. */
export function systemForm(): { readonly form: Sys['form']; readonly because: string } {
  return { form: systemSys().form, because: why }
}

function choose(): Sys {
  if (process.platform !== 'linux') why = `this is ${process.platform}, and only Linux has the exact form`
  else if (process.env.NIGHTFERRY_SYS === 'portable') why = 'NIGHTFERRY_SYS=portable says so'
  if (why !== '') return openPortableSys()
  try {
    return openLinuxSys()
  } catch (error) {
    // No node:ffi, another libc, or a kernel without these calls: everything works, times to the microsecond.
    why = error instanceof Error ? error.message : String(error)
    return openPortableSys()
  }
}
