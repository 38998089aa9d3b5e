// The tree that is mirrored: Debian's kernel source, or where that is not installed a generated tree of the same shape
// (numbers of files and directories, depth, sizes; the same bytes for every run). And what is done with it apart from
// the runs: renaming its largest directory, and looking whether two trees are equal.

import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readlinkSync, renameSync, utimesSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { generateTree, kernelFiles } from './generate.ts'
import { debianVersion, findProgram, must } from './processes.ts'

export type Census = {
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  readonly sizeBytes: number
  /** Of every path with its kind, mode, size, time and link target. */
  readonly metadataDigest: string
}

export type Work = {
  readonly name: string
  readonly folder: string
  readonly census: Census
  /** A directory of the tree with most of its content. */
  readonly heavy: string
}

const archive = '/usr/src/linux-source-6.1.tar.xz'
const kernelBytes = 1.3e9
/** What file systems need for it, with blocks half used. */
const kernelBytesOnDisk = 1.5e9

/** About how much room the tree will need. `files` asks for a generated tree of that many files. */
export function expectedBytes(files: number | undefined): number {
  return files === undefined ? kernelBytesOnDisk : (kernelBytesOnDisk * files) / kernelFiles
}

/** Makes the tree below `folder`, which is empty. */
export async function prepareWork(folder: string, files: number | undefined, signal: AbortSignal): Promise<Work> {
  if (files === undefined && existsSync(archive) && findProgram('xz') !== undefined) {
    await must(['tar', '-xJf', archive, '-C', folder], signal)
    const tree = join(folder, readdirSync(folder)[0] ?? '')
    const version = await debianVersion('linux-source-6.1', signal)
    return { name: `linux-source-6.1 ${version}`.trim(), folder: tree, census: takeCensus(tree), heavy: 'drivers' }
  }
  const tree = join(folder, 'generated')
  const heavy = generateTree(tree, files ?? kernelFiles, kernelBytes * ((files ?? kernelFiles) / kernelFiles), signal)
  return { name: `generated ${files ?? kernelFiles}`, folder: tree, census: takeCensus(tree), heavy }
}

/** Gives the heavy directory another name; returns how to give it back, so that the tree is as it was, times included. */
export function renameHeavy(work: Work): { readonly from: string; readonly to: string; undo(): void } {
  const { atime, mtime } = lstatSync(work.folder)
  const [from, to] = [work.heavy, `${work.heavy}-renamed`]
  renameSync(join(work.folder, from), join(work.folder, to))
  return {
    from,
    to,
    undo() {
      renameSync(join(work.folder, to), join(work.folder, from))
      utimesSync(work.folder, atime, mtime)
    },
  }
}

/** How links are compared: letter by letter, or by where they lead (`a/./b` and `a/b` are the same). */
export type Links = 'exact' | 'normalized'

/** What a tree holds, without reading its files; `.nightferry` at its top is not part of it. */
export function takeCensus(root: string, links: Links = 'exact'): Census {
  const hash = createHash('sha256')
  const counts = { files: 0, directories: 1, symlinks: 0, sizeBytes: 0 }
  const visit = (folder: string, inside: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort(byName)) {
      const path = join(folder, entry.name)
      const name = `${inside}/${entry.name}`
      if (name === '/.nightferry') continue
      const { mode, size, mtimeMs } = lstatSync(path)
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
export function compareMetadata(source: string, target: string, links: Links): string {
  const [left, right] = [takeCensus(source, links), takeCensus(target, links)]
  if (left.metadataDigest === right.metadataDigest) return ''
  const show = ({ files, directories, symlinks, sizeBytes }: Census): string =>
    `${files} files, ${directories} directories, ${symlinks} links, ${sizeBytes} bytes`
  return `source has ${show(left)}; target has ${show(right)}${show(left) === show(right) ? '; modes or times differ' : ''}`
}

/** The same and every byte of content, judged by rsync; owners and the times of directories are not compared. */
export async function compareContent(
  source: string,
  target: string,
  links: Links,
  signal: AbortSignal,
): Promise<string> {
  const options = ['-rlptDnc', '--omit-dir-times', '--delete', '--itemize-changes', '--exclude=/.nightferry']
  const listed = await must(['rsync', ...options, `${source}/`, `${target}/`], signal)
  // `cL` marks a link that leads elsewhere or says so in another way.
  const lines = listed.split('\n').filter((line) => line !== '' && !(links === 'normalized' && line.startsWith('cL')))
  return lines.length === 0 ? '' : `${lines.length} differences, the first: ${lines.slice(0, 3).join(' | ')}`
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}
