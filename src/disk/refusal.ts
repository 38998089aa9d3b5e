// What an errno of the target means for the path that it met: a code that a person can act on.

import type { ProblemCode } from '../core/problem.ts'
import { Failure, systemHint } from '../std/failure.ts'
import { errno, errnoName } from './sys.ts'

/** `code` is negative, as Sys answers it. */
export function refusalCode(code: number): ProblemCode {
  switch (-code) {
    case errno.ENOSPC:
    case errno.EDQUOT:
    case errno.EFBIG:
      return 'no-space'
    case errno.ENAMETOOLONG:
      return 'name-too-long'
    case errno.EILSEQ:
      return 'bad-name'
    case errno.EACCES:
    case errno.EPERM:
    case errno.EROFS:
      return 'permission-denied'
    case errno.EXDEV:
      return 'other-device'
    // What the scan saw on the way there, or at the name itself, is something else by now.
    case errno.ENOENT:
    case errno.ENOTDIR:
    case errno.ELOOP:
    case errno.EEXIST:
      return 'target-changed'
    default:
      return 'write-failed'
  }
}

/** Whether this answer to the making of a symlink in a place of ours says that the file system has none. */
export function lacksLinks(code: number): boolean {
  return code === -errno.EPERM || code === -errno.EOPNOTSUPP || code === -errno.ENOSYS
}

/** Why a target can't be used, by the system's word for it. */
export function notWritable(path: string, word: string, what = `the folder ${path} can't be written to`): Failure {
  if (word === 'ENOSPC' || word === 'EDQUOT')
    return new Failure('target-full', `there is no space on the target ${path} (${word})`, {
      hint: 'free some, then run again',
    })
  const known = systemHint(word)
  const hint = known === '' ? '' : `${known}; nothing was changed`
  return new Failure('target-not-writable', `${what} (${word})`, { hint })
}

/** Why no more is brought. */
export function targetFull(label: string): Failure {
  return new Failure('target-full', `there is no space left on the target ${label}`, {
    hint: 'what was complete is in place; free some space (a run leaves a hundredth of the volume, 1 GiB at most), then run again',
  })
}

/** Why nothing can be written aside. */
export function refusedStaging(code: number): Failure {
  if (refusalCode(code) === 'no-space') {
    return new Failure('target-full', 'there is no space left on the target for more folders', {
      hint: 'what was complete is in place; free some space, then run again',
    })
  }
  return new Failure('target-not-writable', `the target's staging directory can't be written to (${errnoName(code)})`, {
    hint: 'what was complete is in place; look at the disk and at .nightferry/staging there, then run again',
  })
}
