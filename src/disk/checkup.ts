// A folder of a job as `nightferry doctor` looks at it: is it there, what file system and how much room, what can that
// keep, does a run work on it, and what did runs that were cut off leave. Of a target's own folder the traits are tried
// out with a file of ours in its staging directory, which is taken away again; nothing of the user's is touched.

import { accessSync, constants, readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ownDirectory } from '../core/path.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { isKept, swapsNames } from './aside.ts'
import { readMarker, storesAt } from './marker.ts'
import { isTargetLocked } from './root.ts'
import { errnoName, type Sys } from './sys.ts'
import { probe, type Traits, traitsWithStored } from './traits.ts'

export type Checkup = {
  /** Why it can't be used, by the system's word; '' where it can. */
  readonly trouble: string
  readonly fileSystem: string
  readonly freeBytes: number
  readonly totalBytes: number
  /** Undefined where the file system does not count them. */
  readonly freeInodes: number | undefined
  /** Of targets that a run has marked. */
  readonly own: OwnCheckup | undefined
}

type OwnCheckup = {
  readonly isLocked: boolean
  /** Unfinished work of a run that was cut off; 0 while a run is at work. */
  readonly staged: number
  readonly hasJournal: boolean
  /** What such runs put aside for a person to look at. */
  readonly kept: number
  readonly traits: (Traits & { readonly exchanges: boolean }) | undefined
  /** Why the marker or the traits can't be had; '' where they can. */
  readonly trouble: string
}

const fileSystems: Readonly<Record<number, string>> = {
  61267: 'ext4',
  2435016766: 'btrfs',
  1481003842: 'xfs',
  16914836: 'tmpfs',
  801189825: 'zfs',
  4076150800: 'f2fs',
  2035054128: 'overlayfs',
  26985: 'nfs',
  4266872130: 'smb',
  4283649346: 'cifs',
  1702057286: 'fuse',
  19780: 'vfat',
  538032816: 'exfat',
  1936094318: 'ntfs3',
  18475: 'hfsplus',
  38496: 'iso9660',
  1936814952: 'squashfs',
}

/** Looks at a folder. Throws nothing for what is wrong with it: that is what is asked. */
export function checkRoot(sys: Sys, path: string, role: 'source' | 'target'): Checkup {
  const nothing = { fileSystem: '', freeBytes: 0, totalBytes: 0, freeInodes: undefined, own: undefined }
  try {
    if (!statSync(path).isDirectory()) return { trouble: 'ENOTDIR', ...nothing }
    accessSync(path, role === 'target' ? constants.R_OK | constants.W_OK : constants.R_OK)
  } catch (error) {
    return { trouble: codeOf(error), ...nothing }
  }
  const facts = statfsSync(path, { bigint: true })
  const blockBytes = Number(facts.bsize)
  const type = Number(BigInt.asUintN(32, facts.type))
  return {
    trouble: '',
    fileSystem: fileSystems[type] ?? `type 0x${type.toString(16)}`,
    freeBytes: Number(facts.bavail) * blockBytes,
    totalBytes: Number(facts.blocks) * blockBytes,
    freeInodes: facts.files === 0n ? undefined : Number(facts.ffree),
    own: role === 'target' ? checkOwn(sys, path) : undefined,
  }
}

function codeOf(error: unknown): string {
  return (error as { code?: string } | undefined)?.code ?? String(error)
}

function checkOwn(sys: Sys, path: string): OwnCheckup | undefined {
  const own = join(path, ownDirectory)
  const none = { isLocked: false, staged: 0, hasJournal: false, kept: 0, traits: undefined }
  try {
    if (readMarker(own, path) === undefined) return undefined
    const isLocked = isTargetLocked(path)
    const staging = namesIn(join(own, 'staging'))
    const keptAside = staging.filter((name) => isKept(utf8(name))).length
    return {
      isLocked,
      staged: isLocked ? 0 : staging.length - keptAside,
      hasJournal: !isLocked && namesIn(own).includes('journal'),
      kept: namesIn(join(own, 'kept')).length + keptAside,
      ...(isLocked ? { traits: undefined, trouble: '' } : traitsOf(sys, path)),
    }
  } catch (error) {
    return { ...none, trouble: error instanceof Failure ? error.message : codeOf(error) }
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

function traitsOf(sys: Sys, path: string): Pick<OwnCheckup, 'traits' | 'trouble'> {
  const root = sys.openRoot(path)
  const staging = root < 0 ? root : sys.openDirectory(root, utf8(`${ownDirectory}/staging`))
  if (root >= 0) sys.close(root)
  if (staging < 0) return { traits: undefined, trouble: errnoName(staging) }
  try {
    const traits = traitsWithStored(probe(sys, staging, path), storesAt(path))
    return { traits: { ...traits, exchanges: swapsNames(sys, staging) }, trouble: '' }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { traits: undefined, trouble: error.message }
  } finally {
    sys.close(staging)
  }
}
