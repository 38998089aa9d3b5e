// `nightferry share`: the folders that paired machines may use.

import { openPlaces } from '../daemon/config.ts'
import { openSource } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import { addShare, loadShares, removeShare } from '../jobs/shares.ts'
import { Failure } from '../std/failure.ts'
import type { GlobalOptions } from './machine.ts'
import { safeText } from './print.ts'

export type ShareOptions = GlobalOptions & {
  readonly readOnly?: true
  readonly for?: readonly string[]
  readonly json?: true
}

export function shareAdd(name: string, path: string, options: ShareOptions): number {
  const places = openPlaces(options.state, process.env)
  const root = openSource(systemSys(), path)
  root.close()
  addShare(places.config, { name, path: root.path, readOnly: options.readOnly ?? false, for: options.for })
  const whom = options.for === undefined ? 'every paired machine' : options.for.join(', ')
  process.stdout.write(
    `${safeText(root.path)} is shared as ${name} with ${whom}${options.readOnly ? ', to be read only' : ''}\n`,
  )
  return 0
}

export function shareList(options: ShareOptions): number {
  const shares = loadShares(openPlaces(options.state, process.env).config)
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ schema: 1, shares })}\n`)
    return 0
  }
  if (shares.length === 0) process.stdout.write('nothing is shared; nightferry share add NAME FOLDER shares a folder\n')
  for (const { name, path, readOnly, for: machines } of shares) {
    process.stdout.write(
      `${name}\t${safeText(path)}\t${readOnly ? 'read only' : 'read and write'}\t${machines?.join(', ') ?? 'every paired machine'}\n`,
    )
  }
  return 0
}

export function shareRemove(name: string, options: ShareOptions): number {
  const removed = removeShare(openPlaces(options.state, process.env).config, name)
  if (removed === undefined)
    throw new Failure('unknown-share', `nothing is shared as ${name}`, { hint: 'see nightferry share list' })
  process.stdout.write(`${safeText(removed.path)} is not shared as ${name} any more; the folder stays as it is\n`)
  return 0
}
