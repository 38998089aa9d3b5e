// One path that could not be handled. A value in a run's result: the run goes on, nothing below that path is deleted,
// and the next run looks again. Codes are closed; docs/errors.md explains each to a person.

/** Every problem code, with what it says of a path. */
export const problemCodes = {
  unreadable: 'could not be read',
  special: 'is a device, FIFO or socket, which are not copied',
  'bad-name': 'has a name that the target can not hold',
  'reserved-name': "has a name that is Nightferry's own",
  'name-clash': 'has a name that the target takes for the one of another entry',
  'name-too-long': 'has a name or path that is too long for the other side',
  changing: 'kept changing while it was read',
  vanished: 'disappeared before it was read',
  'target-changed': 'was changed on the target since it was looked at, and was left alone',
  'target-occupied': 'is taken on the target by something that is not ours to replace',
  'type-clash': 'is of another kind on the target, and this run replaces nothing by another kind',
  'same-time': 'has other content on the target with the same time, so neither is newer',
  'other-device': 'lies on another file system that is mounted inside the target',
  'damaged-in-transit': 'arrived with content that does not match its digest',
  'damaged-on-disk': 'changed its content while nothing says that anyone wrote to it',
  'permission-denied': 'may not be written on the target',
  'no-space': 'did not fit on the target',
  'not-empty': 'holds content that was not part of the plan, and was kept',
  'write-failed': 'could not be written on the target',
  'differs-from-source': 'has other content than on the source, though size and time are equal',
  'link-outside': 'is a link that leads out of the folder, and only links that stay within are let in there',
  'no-links': "is a symbolic link, which the target's file system does not have",
  'attributes-left-out': 'can not hold all that was asked for besides content, modes and times',
  'attributes-refused': 'was brought, but not with its time, or all of its owner, attributes or ACLs',
  'not-linked': 'was brought, but as a file of its own: it could not be made a further name of another one',
  'stays-apart': 'has its content, and stays a file of its own: it could not be made a further name of another one',
  'attributes-unreadable': 'has extended attributes that could not be read, or are too many',
} as const

/** What can be the matter with one path. */
export type ProblemCode = keyof typeof problemCodes

/** One path that could not be handled, while the run went on. */
export type Problem = {
  /** Path relative to the roots. */
  readonly path: string
  readonly code: ProblemCode
  /** The system's word for it (an errno name), or empty. */
  readonly detail: string
}

export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(problemCodes, text)
}

/** The paths at which nothing happened. */
export function undoneBy(problems: readonly Problem[]): string[] {
  return problems.flatMap((problem) => (isShortOnly(problem) ? [] : [problem.path]))
}

/** Whether what was to happen at the path happened all the same, short of something. */
export function isShortOnly({ code }: Pick<Problem, 'code'>): boolean {
  return code === 'attributes-refused' || code === 'not-linked'
}

/** One problem a path: of several the one that says more. */
export function uniqueProblems(problems: readonly Problem[]): Problem[] {
  const byPath = new Map<string, Problem>()
  for (const problem of problems) {
    const known = byPath.get(problem.path)
    if (known === undefined || known.detail === '') byPath.set(problem.path, problem)
  }
  return [...byPath.values()]
}
