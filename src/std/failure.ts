// A failure ends a run or a command. It carries a closed code, what to do about it in plain words, and whether trying
// again can help. One bad path is never a failure: that is a `Problem`, a value in the run's result.
// Rules: the message says what happened; the hint says what it means for the user's files or what to do; neither ever
// holds a secret or text chosen by a stranger. Failures are caught where they become an answer to a person or a peer.

import { Bug } from './assert.ts'

/** When trying again can help. */
export type Retry = 'never' | 'soon' | 'when-peer-returns' | 'after-user'

/** Every failure code, with its exit code for the command line and its retry class. docs/errors.md explains each. */
export const failureCodes = {
  'bad-usage': { exit: 2, retry: 'after-user' },
  'bad-config': { exit: 2, retry: 'after-user' },
  'bad-end': { exit: 2, retry: 'after-user' },
  'same-ends': { exit: 2, retry: 'after-user' },
  'nested-ends': { exit: 2, retry: 'after-user' },
  'two-remote-ends': { exit: 2, retry: 'after-user' },
  'source-missing': { exit: 1, retry: 'after-user' },
  'source-not-directory': { exit: 1, retry: 'after-user' },
  'source-unreadable': { exit: 1, retry: 'after-user' },
  'target-not-directory': { exit: 1, retry: 'after-user' },
  'target-not-writable': { exit: 1, retry: 'after-user' },
  'target-full': { exit: 1, retry: 'after-user' },
  'root-replaced': { exit: 15, retry: 'after-user' },
  'names-changed': { exit: 15, retry: 'after-user' },
  'root-held': { exit: 15, retry: 'after-user' },
  'root-locked': { exit: 11, retry: 'soon' },
  'format-too-new': { exit: 1, retry: 'after-user' },
  'state-broken': { exit: 1, retry: 'after-user' },
  'no-versions': { exit: 1, retry: 'never' },
  'clock-skew': { exit: 1, retry: 'after-user' },
  'unknown-machine': { exit: 2, retry: 'after-user' },
  'unknown-share': { exit: 12, retry: 'after-user' },
  'share-read-only': { exit: 12, retry: 'after-user' },
  'not-paired': { exit: 12, retry: 'after-user' },
  'wrong-peer': { exit: 12, retry: 'after-user' },
  'pairing-failed': { exit: 12, retry: 'after-user' },
  'pairing-expired': { exit: 12, retry: 'after-user' },
  unreachable: { exit: 13, retry: 'when-peer-returns' },
  'connection-lost': { exit: 13, retry: 'when-peer-returns' },
  'timed-out': { exit: 13, retry: 'when-peer-returns' },
  'port-in-use': { exit: 1, retry: 'after-user' },
  'version-mismatch': { exit: 1, retry: 'after-user' },
  'protocol-broken': { exit: 1, retry: 'never' },
  unsolicited: { exit: 1, retry: 'never' },
  'limit-exceeded': { exit: 1, retry: 'never' },
  'epoch-stale': { exit: 11, retry: 'soon' },
  'peer-failed': { exit: 1, retry: 'soon' },
  'sync-failed': { exit: 1, retry: 'soon' },
  cancelled: { exit: 130, retry: 'never' },
  'disk-error': { exit: 1, retry: 'soon' },
} as const

/** Why a run or a call failed. */
export type FailureCode = keyof typeof failureCodes

/** What ends a run or a call: says what happened, why by its code, and what to do. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: FailureCode
  readonly retry: Retry
  /** What to do, or what it means for the files; may be empty. */
  readonly hint: string

  constructor(code: FailureCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retry = failureCodes[code].retry
    this.hint = options.hint ?? ''
  }

  /** The command line's exit code for this failure. */
  get exitCode(): number {
    return failureCodes[this.code].exit
  }
}

/** Whether text names one of our failure codes (a peer sends codes; unknown ones become `peer-failed`). */
export function isFailureCode(text: string): text is FailureCode {
  return Object.hasOwn(failureCodes, text)
}

const systemHints: Readonly<Record<string, string>> = {
  EROFS:
    'its disk is mounted read-only: mount it for writing (where the system did that by itself, the disk has errors)',
  EACCES: 'run as a user who may, or give this one the permission',
  EPERM: 'run as a user who may, or give this one the permission',
  EMFILE: 'this process may open no more files: raise its limit (ulimit -n 1024, or LimitNOFILE of its service)',
  ENFILE: 'this machine can open no more files: end what holds many, or raise fs.file-max',
  ENOSPC: 'free some space',
  EDQUOT: 'free some space, or ask for a larger quota',
}

/** What a person does about a word of the system; '' for one that says too little by itself. */
export function systemHint(word: string): string {
  return systemHints[word] ?? ''
}

/** The failure that an unknown thrown thing stands for; a `Failure` passes unchanged, a `Bug` is thrown on. */
export function asFailure(thrown: unknown, code: FailureCode): Failure {
  if (thrown instanceof Failure) return thrown
  // A bug stops the process, wherever it comes through.
  if (thrown instanceof Bug) throw thrown
  // Met anywhere, by a thread that starts as by a file that is opened; the place says nothing about the cause.
  const met = thrown instanceof Error ? /\b(EMFILE|ENFILE)\b|too many open files/.exec(thrown.message) : null
  const word = met === null ? undefined : (met[1] ?? 'EMFILE')
  if (word !== undefined)
    return new Failure(code, `too many files are open (${word})`, { hint: systemHint(word), cause: thrown })
  return new Failure(code, thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
}
