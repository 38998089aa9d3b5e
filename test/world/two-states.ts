// Two states of one tree that are far apart, so that a run from one to the other makes every kind of change: files and
// links come, go and are replaced, folders come, go, move and change their kind. Each state is a function of its number,
// contents are small and never the same twice. For tests only.

import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { wantsHardLinks } from '../../src/core/attributes.ts'
import { contentOf, placesIn, writeTree } from './disk-trees.ts'

/**
 * `few` changes are synced one by one, `many` as a group; with `large` one file is told in portions besides, with `linked` some
 * files have several names, and a run has to ask for that.
 */
export type Extent = 'few' | 'many' | 'large' | 'linked'

/** What a run asks for besides, as a mask of core's attributes. */
export function asksOf(extent: Extent): number {
  return extent === 'linked' ? wantsHardLinks : 0
}

/** Brings `source`, which is empty or in the state before, to a state: an even or an odd number, told apart by content. */
export function writeState(source: string, state: number, extent: Extent): void {
  const side = state % 2
  const old = placesIn(source).length > 0
  writeTree(source, {
    replaced: contentOf(`replaced ${state}`, 5000),
    'd/large': contentOf(`large ${state}`, 600_000),
    [`only-${side}/x/y`]: `only ${state}`,
    [`only-${side}/z`]: contentOf(`z ${state}`, 9000),
    stays: 'it stays',
  })
  chmodSync(join(source, 'stays'), side === 0 ? 0o644 : 0o600)
  rmSync(join(source, 'link'), { force: true })
  symlinkSync(`to ${state}`, join(source, 'link'))
  // A file here in one state, a folder in the other.
  for (const [name, isFolder] of [
    ['swaps', side === 0],
    ['swaps too', side === 1],
  ] as const) {
    rmSync(join(source, name), { recursive: true, force: true })
    writeTree(source, { [isFolder ? `${name}/in` : name]: `${name} ${state}` })
  }
  const [from, to] = side === 0 ? ['moved', 'moves'] : ['moves', 'moved']
  if (old) renameSync(join(source, from), join(source, to))
  else writeTree(source, { [`${to}/deep/a`]: contentOf('moves', 50_000), [`${to}/b`]: 'it moves' })
  const [oldName, newName] = side === 0 ? ['d/file 1', 'd/file 0'] : ['d/file 0', 'd/file 1']
  if (old) renameSync(join(source, oldName), join(source, newName))
  else writeTree(source, { [newName]: contentOf('file moves', 7000) })
  // After all that is new was made: no new folder has its inode, by which it would pass for the same one renamed.
  rmSync(join(source, `only-${1 - side}`), { recursive: true, force: true })
  if (extent === 'large') writeLarge(source, state)
  if (extent === 'linked') writeLinked(source, state)
  if (extent !== 'many') return
  for (let i = 0; i < 20; i++) {
    const path = join(source, `many/${i % 3}`)
    mkdirSync(path, { recursive: true })
    if (i % 4 === 0 && side === 1) rmSync(join(path, `f${i}`), { force: true })
    else writeTree(path, { [`f${i}`]: contentOf(`many ${i} ${i % 3 === 0 ? state : ''}`, 100 * i) })
  }
}

/** Mostly what it was in the state before, and at another name there too: chunks come from here and from there. */
function writeLarge(source: string, state: number): void {
  const piece = (name: string): Buffer => contentOf(`large ${name}`, 150_000)
  const pieces = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name, i) =>
    piece(i === state % 8 ? `${name} ${state}` : name),
  )
  writeTree(source, { 'd/in portions': Buffer.concat([contentOf(`front ${state}`, 100), ...pieces]) })
}

/** A file of several names whose content changes, one whose mode does, and names that join, leave and turn from one to the other. */
function writeLinked(source: string, state: number): void {
  const side = state % 2
  const at = (name: string): string => join(source, 'linked', name)
  for (const name of ['changes', 'in d', 'stays', 'turns', 'joins', 'leaves']) rmSync(at(name), { force: true })
  writeTree(source, { 'linked/changes': contentOf(`linked ${state}`, 3000), 'linked/stays': 'of several names' })
  chmodSync(at('stays'), side === 0 ? 0o644 : 0o600)
  utimesSync(at('stays'), 1_600_000_000, 1_600_000_000)
  linkSync(at('changes'), at('in d'))
  linkSync(at(side === 0 ? 'stays' : 'changes'), at('turns'))
  if (side === 1) linkSync(at('stays'), at('joins'))
  if (side === 0) linkSync(at('stays'), at('leaves'))
  else writeTree(source, { 'linked/leaves': `a file of its own ${state}` })
}
