// What an errno of the target means for the path that it met: a code that a person can act on.

import type { ProblemCode } from '../core/problem.ts'
import { errno } from './sys.ts'

/** `code` is negative, as Sys answers it. */
export function refusalCode(code: number): ProblemCode {
  switch (-code) {
    case errno.ENOSPC:
    case errno.EDQUOT:
    case errno.EFBIG:
      return 'no-space'
    case errno.ENAMETOOLONG:
      return 'name-too-long'
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
