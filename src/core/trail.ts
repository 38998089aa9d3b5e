// What one line of the log says of one path: was it that path, something above it, or where it moved to or came from.
// Lines tell a directory and names that lie in it; what happened to a directory happened to all below it. Pure, and
// believes nothing: fields that are not what they should be make no deed.

import { isWithin } from './path.ts'

/** One thing that was done to a path. */
export type Deed = {
  readonly kind:
    | 'created'
    | 'replaced'
    | 'received'
    | 'sent'
    | 'copied'
    | 'further'
    | 'attributes'
    | 'deleted'
    /** It was elsewhere before (`other`), or is elsewhere since. Of a further name `other` is the one that its file had before. */
    | 'came'
    | 'went'
    | 'put-back'
    | 'kept'
    /** Both sides of a two-way run had changed it, or it is the copy that came of that. */
    | 'conflicted'
    /** An old version got its name back, by a command that is no run. */
    | 'undeleted'
    /** A run broke that was to do this (`planned`); whether it did, another machine knows. */
    | 'begun'
  readonly time: string
  /** '' for what no run did. */
  readonly runId: string
  /** 0 where the line tells none. */
  readonly epoch: number
  /** The directory above that it happened to, and to this path with it; undefined where it is the path's own. */
  readonly above: string | undefined
  readonly other: string | undefined
  readonly reason: string | undefined
  readonly planned: string | undefined
  /** The run that this one undid. */
  readonly undoes?: string
  /** The run whose version came back, and the machine where a person asked for it. */
  readonly version?: string
  readonly by?: string
}

export type TrailLine = { readonly time: string; readonly action: string; readonly [field: string]: unknown }

const kinds: Readonly<Record<string, Deed['kind']>> = {
  created: 'created',
  'created-directory': 'created',
  linked: 'created',
  'hard-linked': 'further',
  replaced: 'replaced',
  'file-received': 'received',
  'file-sent': 'sent',
  'copied-locally': 'copied',
  'attributes-set': 'attributes',
  deleted: 'deleted',
  begun: 'begun',
}

/** The deed, or undefined where the line is about something else. `target`: the root that the path lies in, where it is one. */
export function deedOf(line: TrailLine, path: string, target?: string): Deed | undefined {
  const { action } = line
  if (action === 'undeleted') return undeletedOf(line, path, target)
  if (typeof line.runId !== 'string') return undefined
  if (action === 'recovered' || action === 'put-back') {
    if (line.path !== path) return undefined
    const isKept = action === 'recovered' && line.outcome !== 'put-back'
    return deed(line, isKept ? 'kept' : 'put-back', { reason: textOf(line.code) })
  }
  if (action === 'renamed') return moveOf(line, path)
  if (action === 'conflict') return conflictOf(line, path)
  const kind = kinds[action]
  if (kind === undefined) return undefined
  const planned = action === 'begun' ? textOf(line.what) : undefined
  const isFurther = kind === 'further' || planned === 'hard-linked'
  const isReplaced = line.replaced === true && (kind === 'received' || kind === 'created')
  for (const [i, subject] of subjectsOf(line).entries()) {
    if (subject === path)
      return deed(line, isReplaced ? 'replaced' : kind, { planned, other: isFurther ? leaderOf(line, i) : undefined })
    const goes = kind === 'deleted' || planned === 'deleted'
    if (goes && subject !== '' && isWithin(path, subject)) return deed(line, kind, { planned, above: subject })
  }
  return undefined
}

/** Lines about versions that came back belong to no run, and so name the root. */
function undeletedOf(line: TrailLine, path: string, target: string | undefined): Deed | undefined {
  const [version, by] = [textOf(line.version), textOf(line.by)]
  if (target === undefined || line.root !== target || version === undefined || by === undefined) return undefined
  if (!subjectsOf(line).includes(path)) return undefined
  return { ...deed({ ...line, runId: '' }, 'undeleted', {}), version, by }
}

function conflictOf(line: TrailLine, path: string): Deed | undefined {
  const [at, reason, name] = [textOf(line.path), textOf(line.kept), textOf(line.copy)]
  if (at === undefined || reason === undefined || name === undefined) return undefined
  const copy = name === '' ? '' : at.slice(0, at.lastIndexOf('/') + 1) + name
  if (path === at) return deed(line, 'conflicted', { other: copy, reason })
  return path === copy ? deed(line, 'conflicted', { other: at, reason, planned: 'copy' }) : undefined
}

function moveOf(line: TrailLine, path: string): Deed | undefined {
  const from = textOf(line.from)
  const [to] = line.to === undefined ? subjectsOf(line) : [textOf(line.to)]
  if (from === undefined || from === '' || to === undefined) return undefined
  const reason = textOf(line.reason)
  if (isWithin(path, to))
    return deed(line, 'came', { other: from + path.slice(to.length), reason, above: above(path, to) })
  if (isWithin(path, from))
    return deed(line, 'went', { other: to + path.slice(from.length), reason, above: above(path, from) })
  return undefined
}

function above(path: string, directory: string): string | undefined {
  return path === directory ? undefined : directory
}

/** How a line tells of which files its names became further ones: their directory, and their names where these are others. `of` are names of one directory. */
export function furtherFields(
  names: readonly string[],
  of: readonly string[],
): { readonly ofDirectory: string; readonly ofNames?: string } {
  const slash = of[0]?.lastIndexOf('/') ?? -1
  const leaders = of.map((path) => path.slice(slash + 1))
  const isSame = leaders.every((name, i) => name === names[i])
  return { ofDirectory: of[0]?.slice(0, Math.max(0, slash)) ?? '', ...(!isSame && { ofNames: leaders.join('/') }) }
}

/** The name that the file of a line's name had before; undefined where it tells none, as older ones do. */
export function leaderOf(line: { readonly [field: string]: unknown }, index: number): string | undefined {
  const directory = textOf(line.ofDirectory)
  const name = (textOf(line.ofNames) ?? textOf(line.names))?.split('/')[index]
  if (directory === undefined || name === undefined || name === '') return undefined
  return directory === '' ? name : `${directory}/${name}`
}

/** The paths that a line names. One without names is about the directory itself. */
function subjectsOf(line: TrailLine): string[] {
  const directory = textOf(line.directory)
  if (directory === undefined) return []
  const names = textOf(line.names) ?? ''
  if (names === '') return [directory]
  return names.split('/').map((name) => (directory === '' ? name : `${directory}/${name}`))
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function deed(line: TrailLine, kind: Deed['kind'], more: Partial<Deed>): Deed {
  const { above: directory, other, reason, planned } = more
  const epoch = typeof line.epoch === 'number' ? line.epoch : 0
  const undoes = textOf(line.undoes)
  const told = { kind, time: line.time, runId: String(line.runId), epoch, above: directory, other, reason, planned }
  return undoes === undefined ? told : { ...told, undoes }
}
