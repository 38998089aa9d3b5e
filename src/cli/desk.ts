// What the verbs that only look work with (`log`, `why`, `status`, `doctor`): this machine's places, state and name, no
// threads and no identity; and how they show moments and tables.

import { showAge } from '../core/when.ts'
import { machineName, openPlaces, type Places } from '../daemon/config.ts'
import { openState, type State } from '../state/open.ts'
import { systemClock } from '../std/clock.ts'
import { openPeers } from '../wire/peers.ts'
import type { GlobalOptions } from './machine.ts'

export type Desk = {
  readonly places: Places
  readonly state: State
  readonly machine: string
  readonly isMachine: (name: string) => boolean
}

/** Calls `work` with what is here, and closes it whatever happens. */
export async function atDesk(options: GlobalOptions, work: (desk: Desk) => number | Promise<number>): Promise<number> {
  const places = openPlaces(options.state, process.env)
  using state = openState({ directory: places.state, clock: systemClock })
  for (const notice of state.notices) process.stderr.write(`${notice}\n`)
  const peers = openPeers(places.config, systemClock)
  const isMachine = (name: string): boolean => peers.byName(name) !== undefined
  return await work({ places, state, machine: machineName(places), isMachine })
}

/** `2026-11-21 09:12:44`, in this machine's time zone. */
export function showMoment(atMs: number): string {
  const at = new Date(atMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** With how long ago that was. */
export function showWhen(atMs: number): string {
  return `${showMoment(atMs)} (${showAge(atMs, systemClock.nowMs())})`
}

/** With a full stop, where it has no end of its own. */
export function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`
}

/** Rows as columns, two spaces apart; the last one is as long as it is. Cells hold no line ends. */
export function showTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)))
  return rows
    .map((row) => row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}
