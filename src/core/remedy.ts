// What a person does about each problem, failure and halt, in one sentence. The commands that explain (`log`, `why`,
// `status`, `doctor`) say these, and docs/errors.md says the same; a test holds the two together. A failure's own hint
// knows more about its case and comes first where there is one.

import { type FailureCode, failureCodes, isFailureCode } from '../std/failure.ts'
import { isProblemCode, type ProblemCode } from './problem.ts'

export const problemRemedies: Readonly<Record<ProblemCode, string>> = {
  unreadable: 'give the user who runs Nightferry the permission to read it, or exclude it',
  special: 'look at what the target has in its place, and delete that by hand; or exclude it',
  'bad-name': 'rename it; a target that is older than 0.2.0, or lies on another disk by now: once with --new-target',
  'reserved-name': 'rename it',
  'name-clash': 'rename one of the two',
  'name-too-long': 'shorten its name or path',
  changing: 'nothing: the next run takes it; exclude it if it never rests',
  vanished: 'nothing: the next run looks again',
  'target-changed': 'nothing: the next run looks again',
  'target-occupied': 'move away what stands there on the target',
  'type-clash': 'decide by hand, or mirror',
  'same-time': 'touch the right one',
  'other-device': 'make it a target of its own',
  'damaged-in-transit': 'look at the memory and the line of both machines: one of them is bad',
  'damaged-on-disk':
    'look at the disk. On the target the next run brings it anew; on the source put the file back from another copy',
  'permission-denied': 'run as a user who may; a folder without write permission refuses what goes into it',
  'no-space': 'free some space on the target, then run again',
  'not-empty': 'look at it; delete it by hand, or leave it',
  'write-failed': "look up the system's word for it, which stands behind",
  'differs-from-source': 'nothing: the next run brings it',
  'link-outside':
    'let it lead within the folder, exclude it, or let every link in: --links opaque, by the owner of a share',
  'no-links': 'exclude it, or mirror to a file system that has links',
  'attributes-left-out':
    'leave the option out, run as root, choose a file system that has it, or let the share allow it (share allow)',
  'attributes-refused': "look up the system's word for it, which stands behind; a file system may have room for less",
  'not-linked': 'nothing is lost; the next run tries again',
  'stays-apart': 'nothing is lost; the next run tries again',
  'attributes-unreadable': 'give the user who runs Nightferry the permission to read it, or take some of them away',
}

export const failureRemedies: Readonly<Record<FailureCode, string>> = {
  'bad-usage': 'correct the value that is named',
  'bad-config': 'mend the file that is named (chmod 600), or put it back from a backup; it is never overwritten',
  'bad-end': 'name a folder, machine:share[/folder] or ssh://host/path',
  'same-ends': 'name two folders',
  'nested-ends':
    'choose ends apart; leave an inner target out of the outer run with --exclude; --new-target for one on purpose',
  'two-remote-ends': "run it on the source's machine, paired with the other",
  'source-missing': 'is its disk mounted? Nothing was changed',
  'source-not-directory': 'name the folder that holds it',
  'source-unreadable': 'give the user who runs Nightferry the permission to read it; nothing was changed',
  'target-not-directory': 'make the folder first: only the last part of a target is made',
  'target-not-writable': 'look at its permissions; is it mounted read-only? Is its disk there?',
  'target-full': 'free some space; what was complete is in place; run again',
  'root-replaced': 'is the right disk mounted? If the folder was replaced on purpose: once with --new-target',
  'names-changed':
    'mount the disk with the character set that it had before; a copy whose names are right: once with --new-target',
  'root-held':
    "look at the plan with --dry-run; --release after a halt; a share's limit is lifted by its owner with share limit",
  'root-locked': 'wait, or end the other one',
  'format-too-new': 'update this machine',
  'state-broken': 'run again: it is set aside and begun anew; it holds nothing that cannot be found again',
  'no-versions': 'see what nightferry versions shows of a folder above',
  'clock-skew': 'set the clocks, or mirror',
  'unknown-machine': 'see nightferry machines; a folder a:b is written ./a:b',
  'unknown-share': 'see nightferry share list over there',
  'share-read-only': 'share it again without --read-only',
  'not-paired': 'pair again',
  'wrong-peer':
    'its address may have passed on; if it was set up anew, pair again; by ssh: log in by hand, and see --remote-command',
  'pairing-failed': 'make a new code; a typing error costs no try',
  'pairing-expired': 'make a new code',
  unreachable:
    'is it on, is nightferry serve (by ssh: its sshd) running, is the port open? With another address or port: pair it again',
  'connection-lost': 'run again; what landed stays',
  'timed-out': 'is it on, is nightferry serve (by ssh: its sshd) running, is the port open? Then run again',
  'port-in-use': 'choose another port with --listen',
  'version-mismatch': 'update the older one',
  'protocol-broken': 'are both machines up to date? Else report it',
  unsolicited: 'look at the other machine; it is in the log as unsolicited',
  'limit-exceeded': 'keep to the bound that the message names',
  'epoch-stale': 'run again',
  'peer-failed': 'look at its log',
  'sync-failed': 'look at the disk, then run again',
  cancelled: 'run again; what was complete is in place',
  'disk-error': 'the message says which; see the log',
}

/** What ends a hold. */
export const haltRemedy = 'look at the list; if it is what you want, run the same command once more with --release'

/** What to do about a code of any kind; '' for one that this version does not know. */
export function remedyOf(code: string): string {
  if (isProblemCode(code)) return problemRemedies[code]
  return isFailureCode(code) ? failureRemedies[code] : ''
}

/** What a failure says of what happened, and what to do. Where another machine is away, its hint tells how it was found so. */
export function adviceOn(failure: { readonly code: string; readonly message: string; readonly hint: string }): {
  readonly told: string
  readonly remedy: string
} {
  const { code, message, hint } = failure
  const isAway = isFailureCode(code) && failureCodes[code].retry === 'when-peer-returns'
  if (hint === '' || isAway)
    return { told: hint === '' ? message : `${message}: ${hint.replace(/\.$/, '')}`, remedy: remedyOf(code) }
  return { told: message, remedy: hint }
}
