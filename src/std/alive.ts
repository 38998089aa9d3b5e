// Whether the process that wrote something down is still the one that runs. A process number alone says little: it is
// given out again, after a restart at the latest. So a mark holds the boot, the number and the process's start as the
// kernel counts it. Where a system tells none of that (only Linux is built), a mark is '' and nothing is claimed.

import { readSystemText } from './files.ts'

/** This process, for others to ask about later; '' where the system does not tell. */
export function processMark(): string {
  return markOf(process.pid) ?? ''
}

/** Undefined where a mark says nothing. */
export function isAlive(mark: string): boolean | undefined {
  if (mark === '') return undefined
  return markOf(Number(mark.split('/')[1])) === mark
}

function markOf(pid: number): string | undefined {
  const boot = readSystemText('/proc/sys/kernel/random/boot_id')
  const stat = readSystemText(`/proc/${pid}/stat`)
  // The name stands in parentheses and may hold anything; the start is the 20th field after it.
  const [state = '', ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
  // Who ended and was not asked after by its parent (a container without an init) is still listed.
  const start = state === 'Z' || state === 'X' ? undefined : fields[18]
  return boot === undefined || start === undefined ? undefined : `${boot.trim()}/${pid}/${start}`
}
