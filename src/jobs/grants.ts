// What the other side of a session may reach. A paired machine: the shares that it is given, under the rules of their
// owner, and it never learns where they lie. Whoever logged in by ssh: any folder, for the system lets that user reach
// what is that user's anyway; shares are not involved, and folders are told by their real paths. Everything that answers
// a session asks here first.

import { join, relative } from 'node:path'
import { wantsMax, wantsTop } from '../core/attributes.ts'
import type { LinkPolicy } from '../core/links.ts'
import type { OwnerLimit } from '../core/owner-limit.ts'
import { parseRelPath, type RelPath } from '../core/path.ts'
import { findTarget, findTyped, type Placed } from '../disk/find-target.ts'
import { realPath } from '../disk/root.ts'
import { asFailure, Failure } from '../std/failure.ts'
import type { KeepWish } from './keeping.ts'
import { allowedIn, keepWishOf, loadShares, mustSyncIn, ownerLimitOf, type Share, shareFor } from './shares.ts'
import { homeShare, isVersionsFolder, topShare } from './ssh-place.ts'

/** A folder that may be used, and how. */
export type Grant = {
  readonly path: string
  /** What it is called towards the other side, and in this machine's history. */
  readonly label: string
  /** Throws `share-read-only` where it may not be written to. */
  mayWrite(): void
  readonly ownerLimit: OwnerLimit | undefined
  readonly versions: KeepWish
  /** Which symlinks are let in; undefined: every one. */
  readonly links: LinkPolicy | undefined
  /** What a run may set besides modes and times: a mask of core's attributes. */
  readonly allows: number
  /** A run may not leave out syncs. */
  readonly mustSync: boolean
  /** What went wrong in it, as the other side may hear it. */
  told(error: unknown): Failure
}

/** A path that is asked about: the target that holds it, undefined where none does. */
export type PastGrant = Pick<Grant, 'label' | 'mayWrite' | 'ownerLimit' | 'links' | 'told'> & {
  readonly placed: Placed | undefined
  /** Where a target lies, as whoever asks names it: below the share, or from the top of what ssh reaches. */
  relative(placed: Placed): string
}

export interface Grants {
  /**
   * A folder, as an end of a run, which may name another one for old versions where that is the driver's to say. Throws
   * `unknown-share`.
   */
  end(share: string, sub: string, versions?: string | undefined): Grant
  /** A path, as a question about old versions. Throws `unknown-share`. */
  past(share: string, sub: string): PastGrant
}

/** The shares that a paired machine is given. Read afresh at each question. */
export function grantsOfShares(configDirectory: string, machine: string): Grants {
  const find = (name: string): Share => shareFor(loadShares(configDirectory), name, machine)
  return {
    end(name, sub, versions) {
      const share = find(name)
      if (versions !== undefined)
        throw new Failure('protocol-broken', 'where the versions of a share lie is for its owner to say')
      const rules = rulesOf(share, [realPath(share.path), share.path])
      const label = sub === '' ? share.name : `${share.name}/${sub}`
      try {
        const rights = { allows: allowedIn(share) | (sub === '' ? 0 : wantsTop), mustSync: mustSyncIn(share) }
        return { path: placeOf(share, sub), label, versions: keepWishOf(share), ...rights, ...rules }
      } catch (error) {
        throw rules.told(error)
      }
    },
    past(name, sub) {
      const share = find(name)
      const names = mustPath(sub).split('/')
      const placed = findTarget(
        realPath(share.path),
        names.filter((part) => part !== ''),
      )
      const hidden = placed === undefined ? [share.path] : [placed.rootPath, share.path]
      const below = ({ rootPath }: Placed): string => relative(realPath(share.path), rootPath)
      return { label: `${name}/${sub}`, placed, relative: below, ...rulesOf(share, hidden) }
    },
  }
}

function rulesOf(share: Share, hidden: readonly string[]): Pick<Grant, 'mayWrite' | 'ownerLimit' | 'links' | 'told'> {
  return {
    mayWrite() {
      if (!share.readOnly) return
      throw new Failure('share-read-only', `the share ${share.name} may be read but not written`, {
        hint: 'share it again without --read-only on the machine that owns it',
      })
    },
    ownerLimit: ownerLimitOf(share),
    links: share.links,
    told(error) {
      const failure = asFailure(error, 'peer-failed')
      // Where a share lies on this machine is nobody else's business.
      const hide = (text: string): string => hidden.reduce((all, path) => all.replaceAll(path, share.name), text)
      return new Failure(failure.code, hide(failure.message), { hint: hide(failure.hint) })
    },
  }
}

/** The folder of a share's sub-path. A link on the way may not lead out of the share. */
function placeOf(share: Share, sub: string): string {
  const path = mustPath(sub)
  const place = path === '' ? share.path : join(share.path, path)
  const real = realPath(place)
  const base = realPath(share.path)
  if (real !== base && !real.startsWith(base === '/' ? '/' : `${base}/`)) {
    throw new Failure('unknown-share', `${share.name}/${sub} lies outside the share`)
  }
  return place
}

function mustPath(text: string): RelPath {
  const path = parseRelPath(text)
  if (path === undefined) throw new Failure('protocol-broken', 'a path is none below a root')
  return path
}

/** Every folder, with the rights of the user of this process. `home` is where `~` leads. */
export function grantsOfUser(home: string): Grants {
  const rules = {
    mayWrite: () => {},
    ownerLimit: undefined,
    links: undefined,
    told: (error: unknown) => asFailure(error, 'peer-failed'),
  }
  const placed = (share: string, sub: string): string => {
    if (share !== topShare && share !== homeShare) {
      throw new Failure('unknown-share', 'shares are for paired machines; by ssh a folder is named by its path')
    }
    return join(share === homeShare ? home : '/', mustPath(sub))
  }
  return {
    end(share, sub, folder) {
      const path = realPath(placed(share, sub))
      const versions = {
        asked: undefined,
        floor: undefined,
        directory: folder === undefined ? folder : versionsFolder(folder, home),
      }
      // What the account may do, it may do by Nightferry.
      return { path, label: path, versions, allows: wantsMax, mustSync: false, ...rules }
    },
    past(share, sub) {
      const path = placed(share, sub)
      const base = share === homeShare ? realPath(home) : '/'
      return { label: path, placed: findTyped(path), relative: ({ rootPath }) => relative(base, rootPath), ...rules }
    },
  }
}

/** The folder for old versions that a person named from another machine. */
function versionsFolder(text: string, home: string): string {
  if (!isVersionsFolder(text)) throw new Failure('protocol-broken', 'the folder for old versions is none')
  return text.startsWith('~/') ? join(home, text.slice(2)) : text
}
