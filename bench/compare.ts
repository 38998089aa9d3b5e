// Whether two trees are equal, looked at apart from every run: by names, kinds, modes, sizes, times and links, or with every
// byte of content. A program is held to what it keeps, and what it does not keep is said in bench/README.md.

import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { must } from './processes.ts'

export type Census = {
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  readonly sizeBytes: number
  /** Of every path with its kind, mode, size, time and link target. */
  readonly metadataDigest: string
}

const kindBits = 0o170000

/** What a program keeps, so what is compared after it. */
export type Fidelity = {
  /** Letter by letter, or by where they lead (`a/./b` and `a/b` are the same). */
  readonly links: 'exact' | 'normalized'
  readonly modes: boolean
}
export const exact: Fidelity = { links: 'exact', modes: true }

/** What a tree holds, without reading its files; `.nightferry` at its top is not part of it. */
export function takeCensus(root: string, { links, modes }: Fidelity = exact): Census {
  const hash = createHash('sha256')
  const counts = { files: 0, directories: 1, symlinks: 0, sizeBytes: 0 }
  const visit = (folder: string, inside: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort(byName)) {
      const path = join(folder, entry.name)
      const name = `${inside}/${entry.name}`
      if (name === '/.nightferry') continue
      const { mode: full, size, mtimeMs } = lstatSync(path)
      const mode = modes ? full : full & kindBits
      if (entry.isDirectory()) {
        counts.directories++
        hash.update(`d ${name}\0${mode}\n`)
        visit(path, name)
      } else if (entry.isSymbolicLink()) {
        counts.symlinks++
        const leadsTo = readlinkSync(path)
        hash.update(`l ${name}\0${links === 'exact' ? leadsTo : normalize(leadsTo)}\n`)
      } else {
        counts.files++
        counts.sizeBytes += size
        hash.update(`f ${name}\0${mode} ${size} ${mtimeMs}\n`)
      }
    }
  }
  visit(root, '')
  return { ...counts, metadataDigest: hash.digest('hex') }
}

/** How the target differs from the source by names, kinds, modes, sizes and times; empty when it does not. */
export function compareMetadata(source: string, target: string, kept: Fidelity): string {
  const [left, right] = [takeCensus(source, kept), takeCensus(target, kept)]
  if (left.metadataDigest === right.metadataDigest) return ''
  const show = ({ files, directories, symlinks, sizeBytes }: Census): string =>
    `${files} files, ${directories} directories, ${symlinks} links, ${sizeBytes} bytes`
  return `source has ${show(left)}; target has ${show(right)}${show(left) === show(right) ? '; modes or times differ' : ''}`
}

/** The same and every byte of content, judged by rsync; owners and the times of directories are not compared. */
export async function compareContent(
  source: string,
  target: string,
  { links, modes }: Fidelity,
  signal: AbortSignal,
): Promise<string> {
  const options = [
    modes ? '-rlptDnc' : '-rltDnc',
    '--omit-dir-times',
    '--delete',
    '--itemize-changes',
    '--exclude=/.nightferry',
  ]
  const listed = await must(['rsync', ...options, `${source}/`, `${target}/`], signal)
  // `cL` marks a link that leads elsewhere or says so in another way.
  const lines = listed.split('\n').filter((line) => line !== '' && !(links === 'normalized' && line.startsWith('cL')))
  return lines.length === 0 ? '' : `${lines.length} differences, the first: ${lines.slice(0, 3).join(' | ')}`
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}
