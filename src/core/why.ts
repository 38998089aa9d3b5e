// Why one path is as it is: says, of everything that was gathered about it, what answers the question, the decisive thing
// first. Pure. Says only what the facts prove; where a fact is missing (the other machine's rules, logs that were
// deleted), it says that, so that silence is never an answer.

import type { IgnoreRule } from './ignore.ts'
import { endedWell, outcomeText, type RunFacts, tellingRuns } from './outcome.ts'
import { isReservedName, isWithin } from './path.ts'
import { isProblemCode, problemCodes } from './problem.ts'
import { adviceOn, haltRemedy, remedyOf } from './remedy.ts'
import type { Deed } from './trail.ts'
import { otherSide } from './two-way.ts'
import type { JobRun, Look, Statement, Telling, WhyFacts } from './why-facts.ts'
import { sideAsked, sidedState, sidedText } from './why-sides.ts'

/** What there is to say, the decisive thing first; never nothing. */
export function explain(facts: WhyFacts, telling: Telling): Statement[] {
  if (facts.path.split('/').some(isReservedName)) {
    return [
      { kind: 'own', text: "It is Nightferry's own, or looks like it to some system: never copied, never deleted." },
    ]
  }
  const statements = [
    ...ruleStatements(facts),
    ...kindStatements(facts),
    ...holdStatements(facts, telling),
    ...runStatements(facts, telling),
    ...problemStatements(facts, telling),
    ...facts.deeds.map((deed) => deedStatement(facts, deed, telling)),
    ...topStatements(facts),
    ...standingStatements(facts, telling),
  ]
  // That the rules are not known here answers nothing by itself.
  statements.sort((a, b) => Number(a.kind === 'rules-unknown') - Number(b.kind === 'rules-unknown'))
  return statements.length > 0 ? statements : [{ kind: 'nothing-known', text: nothingText(facts) }]
}

function nothingText({ logReached }: WhyFacts): string {
  const reach = logReached === undefined ? 'there is no log here' : `the log here was read back to ${logReached}`
  return `Nothing is known of it: no run told of it, and ${reach}.`
}

function ruleText({ label, directory, line, pattern }: IgnoreRule): string {
  if (label === 'command line') return `${JSON.stringify(pattern)}, number ${line} of --exclude and --include`
  if (label === '--no-dotfiles') return 'the option --no-dotfiles'
  return `${JSON.stringify(pattern)}, line ${line} of ${directory === '' ? label : `${directory}/${label}`}`
}

function ruleStatements({ ignored, path }: WhyFacts): Statement[] {
  // No rule is about the top folder.
  if (path === '') return []
  if (ignored.verdict === 'unknown') return [{ kind: 'rules-unknown', text: ignored.because }]
  const statements: Statement[] = []
  if (ignored.verdict === 'ignored' && ignored.rule !== undefined) {
    statements.push({
      kind: 'ignored',
      text: `It is ignored, by ${ruleText(ignored.rule)}.`,
      remedy: 'take the rule away, or add one that takes the path back in (! before it, or --include)',
    })
  } else if (ignored.rule !== undefined) {
    statements.push({ kind: 'kept-by-rule', text: `It is not ignored: ${ruleText(ignored.rule)} takes it back in.` })
  }
  if (ignored.partly && ignored.verdict === 'kept') {
    statements.push({ kind: 'rules-unknown', text: 'Rules that the driver of the run gives are not known here.' })
  }
  return statements
}

function kindStatements({ source, target, runs }: WhyFacts): Statement[] {
  const statements: Statement[] = []
  for (const [look, end] of [
    [source, 'source'],
    [target, 'target'],
  ] as const) {
    // A job that never came to anything says so by its failure.
    if (look?.kind === 'no-root' && runs.some(({ state }) => endedWell(state))) {
      statements.push({
        kind: 'no-root',
        text: `The ${end} folder of the job is not there now.`,
        remedy: 'is its disk mounted?',
      })
    }
    if (look?.kind !== 'special' && look?.kind !== 'unreadable') continue
    const text = `On the ${end} it ${problemCodes[look.kind]}.`
    statements.push({ kind: 'never-copied', text, ...(look.kind === 'unreadable' && { remedy: remedyOf(look.kind) }) })
  }
  return statements
}

function holdStatements({ hold, path }: WhyFacts, { when }: Telling): Statement[] {
  if (hold === undefined) return []
  const isShown = hold.sample.some((shown) => isWithin(shown, path) || isWithin(path, shown))
  const among = isShown ? ' This path is among what it would delete or replace.' : ''
  const text = `The job is held by a guard since ${when(hold.atMs)}: ${hold.reason}. Nothing of it is done until a person lets it.${among}`
  return [{ kind: 'held', text, remedy: haltRemedy }]
}

/** The last run, where it did not end well: then nothing newer reached the target. */
function runStatements({ runs }: WhyFacts, { when }: Telling): Statement[] {
  const [last] = tellingRuns(runs)
  if (last === undefined) return []
  const { runId } = last
  if (last.state === 'running')
    return [{ kind: 'running', text: `A run is at work since ${when(last.startedMs)}.`, runId }]
  if (last.state !== 'failed' && last.state !== 'cut-off' && last.state !== 'open') return []
  const { told, remedy } =
    last.failure === undefined ? { told: '', remedy: 'run again: it goes on from what landed' } : adviceOn(last.failure)
  const what = last.state === 'failed' ? 'failed' : `was ${outcomeText(last.state)}`
  const because = last.failure === undefined ? '' : `: ${told} (${last.failure.code})`
  const text = `The last run, ${when(last.endedMs ?? last.startedMs)}, ${what}${because}.`
  return [{ kind: 'failed', text, remedy, runId }]
}

function problemStatements({ runs, path }: WhyFacts, { when }: Telling): Statement[] {
  // Failed runs and those that were held know nothing newer of a problem.
  const run = runs.find(({ state }) => endedWell(state))
  if (run === undefined || run.problemCount === 0) return []
  const { runId } = run
  const at = when(run.endedMs ?? run.startedMs)
  const own = run.problems.find((problem) => isWithin(path, problem.path))
  if (own !== undefined) {
    const subject = own.path === path ? 'it' : own.path === '' ? 'the top folder' : own.path
    const detail = own.detail === '' ? '' : ` (${own.detail})`
    const what = isProblemCode(own.code) ? problemCodes[own.code] : own.code
    return [
      {
        kind: 'problem',
        text: `In the last run, ${at}, ${subject} ${what}${detail}.`,
        remedy: remedyOf(own.code),
        runId,
      },
    ]
  }
  const below = run.problems.filter((problem) => isWithin(problem.path, path))
  if (below.length > 0) {
    const text = `In the last run, ${at}, ${below.length} of the paths below it had problems, first ${below[0]?.path}.`
    return [{ kind: 'problems-below', text, runId }]
  }
  if (run.problems.length === run.problemCount) return []
  const text = `The last run had ${run.problemCount} problems, of which only the first ${run.problems.length} are kept: whether this path had one is not known.`
  return [{ kind: 'nothing-known', text, runId }]
}

const deedTexts: Readonly<Record<Deed['kind'], string>> = {
  created: 'was made on the target',
  replaced: 'got new content on the target',
  received: 'came to the target',
  sent: 'was read and sent to the target',
  copied: 'was made on the target, from equal content that lay there',
  further: 'was made a further name',
  attributes: 'got another mode, time or attributes on the target',
  deleted: 'was deleted on the target',
  came: 'was renamed on the target',
  went: 'was renamed on the target',
  'put-back': 'was put back on the target',
  kept: 'is kept in .nightferry/kept on the target',
  begun: 'was to be changed on the target',
  undeleted: 'was brought back on the target',
  conflicted: 'was changed on both sides',
}

/** The same where a run was undone: what stood there before it is there again. */
const undoneTexts: Partial<Readonly<Record<Deed['kind'], string>>> = {
  created: 'was brought back on the target',
  replaced: 'was put back on the target to what it was before',
  attributes: 'was given back its mode, time and attributes on the target',
  deleted: 'was taken away again on the target',
  came: 'was renamed back on the target',
  went: 'was renamed back on the target',
}

const reasonTexts: Readonly<Record<string, string>> = {
  'same-directory': 'on the source that very folder has the new name; what changed in it is told of its files',
  'same-content': 'the content was equal, by its digest',
  'not-empty': problemCodes['not-empty'],
}

function deedStatement(facts: WhyFacts, deed: Deed, telling: Telling): Statement {
  if (deed.kind === 'undeleted') return undeletedStatement(deed, telling)
  const run = facts.runs.find(({ runId }) => runId === deed.runId)
  const text = `${deedText(deed)}${causeText(facts, deed)}, ${telling.whenLogged(deed.time)}, by run ${deed.runId}${byText(run, deed, telling)}.`
  const told = text.charAt(0).toUpperCase() + text.slice(1)
  const side = sideAsked(facts)
  return {
    kind: 'deed',
    text: side === undefined ? told : sidedText(told, deed.kind === 'sent' ? otherSide(side) : side),
    runId: deed.runId,
  }
}

/** No run did it: a person asked for a version. */
function undeletedStatement({ version, by, time }: Deed, { whenLogged, self }: Telling): Statement {
  const where = by === self || by === '' ? '' : `, asked by ${by}`
  const text = `It ${deedTexts.undeleted}, from its version of run ${version}, ${whenLogged(time)}, by nightferry undelete${where}.`
  return { kind: 'deed', text }
}

function deedText(deed: Deed): string {
  if (deed.kind === 'conflicted') return conflictText(deed)
  const subject = deed.above === undefined ? 'it' : `with ${deed.above} it`
  const undone = deed.undoes === undefined ? undefined : undoneTexts[deed.kind]
  switch (deed.kind) {
    case 'came':
      return `${subject} ${undone ?? deedTexts.came}, from ${deed.other}`
    case 'went':
      return `${subject} ${undone ?? deedTexts.went}, to ${deed.other}`
    case 'further':
      return `${subject} ${deedTexts.further} of ${deed.other ?? 'a file'} on the target`
    case 'begun':
      return `${subject} was to be ${plannedText(deed)} on the target when the run broke: whether that happened, only that machine's log knows`
    default:
      return `${subject} ${undone ?? deedTexts[deed.kind]}`
  }
}

/** `other`: the conflict copy, or what this is the copy of; `reason`: whose value has the name. */
function conflictText({ other, reason, planned }: Deed): string {
  if (planned === 'copy') return `it was kept as what the other side had at ${other} when both sides had changed that`
  const lost = other === undefined || other === '' ? 'the other one was replaced' : `the other one is ${other}`
  return `both sides had changed it: the ${reason}'s value kept the name, ${lost}`
}

function plannedText({ planned, other }: Deed): string {
  if (planned === 'hard-linked') return `made a further name of ${other ?? 'a file'}`
  return planned === 'attributes-set'
    ? 'given another mode, time or attributes'
    : (planned ?? 'changed').replace('created-directory', 'created')
}

/** Why it was done: a mirror has one reason for each thing. */
function causeText(facts: WhyFacts, deed: Deed): string {
  if (deed.undoes !== undefined) return undoneCause(deed.kind, deed.undoes)
  const reason = deed.reason === undefined ? undefined : reasonTexts[deed.reason]
  if (reason !== undefined) return ` (${reason})`
  if (deed.kind === 'deleted') return ' because the source had it no more'
  if (deed.kind === 'put-back') return ' (a run that was cut off had displaced it)'
  if (deed.kind === 'kept') return ' (a run that was cut off had displaced it, and its name was taken)'
  if (deed.kind === 'replaced' || deed.kind === 'attributes') {
    const mode = facts.runs.find(({ runId }) => runId === deed.runId)?.mode
    return mode === 'update' ? " because the source's was newer" : ' because the source had it otherwise'
  }
  return ''
}

/** What of the run that was undone it reverses, and whose version came back. */
function undoneCause(kind: Deed['kind'], undoes: string): string {
  if (kind === 'created' || kind === 'replaced') return `, from its version of run ${undoes}, which was undone`
  return kind === 'deleted'
    ? `, because run ${undoes} had put it there and was undone`
    : `, because run ${undoes} was undone`
}

function byText(run: JobRun | undefined, deed: Deed, { self }: Telling): string {
  if (run === undefined) return ''
  const epoch = deed.epoch === 0 ? run.epoch : deed.epoch
  return ` of ${run.driver ?? self}${epoch === 0 ? '' : ` (epoch ${epoch})`}`
}

const topOptions: readonly string[] = ['--owner', '--set-id', '--xattrs', '--xattrs all', '--acls']

/** No listing tells of the top folder: what it is itself goes over only where a run carries more than modes and times. */
function topStatements({ path, driver, runs }: WhyFacts): Statement[] {
  const last = runs.find(({ mode, state }) => mode !== 'undo' && endedWell(state))
  if (path !== '' || last === undefined) return []
  const told = (rest: string): Statement[] => [
    { kind: 'top-folder', text: `Its own owner, mode and attributes ${rest}.`, runId: last.runId },
  ]
  if (driver !== undefined) return told(`are carried where ${driver} asks for it and the share allows it (share allow)`)
  const asked = (last.options?.asked ?? []).filter((option) => topOptions.includes(option))
  if (asked.length === 0)
    return told('are not carried: the last run went with none of --owner, --set-id, --xattrs, --acls')
  if (last.mode === 'update') return told('are not carried: an update leaves them as they are')
  return told(`are carried: the last run went with ${asked.join(' ')}`)
}

function standingStatements(facts: WhyFacts, telling: Telling): Statement[] {
  const side = sideAsked(facts)
  if (side === undefined) return stateStatements(facts, telling)
  return sidedState(facts, side, telling.when, (run) => hasProblem(run, facts.path))
}

/** What stands there now, against what the last run saw that remembered this end. */
function stateStatements(facts: WhyFacts, { when }: Telling): Statement[] {
  if (facts.ignored.verdict === 'ignored') return []
  const own = facts.role === 'source' ? facts.source : facts.target
  const look = own ?? facts.source ?? facts.target
  if (look === undefined || look.kind === 'no-root' || look.kind === 'special' || look.kind === 'unreadable') return []
  // Of a peer's run that found nothing to do here too, what it saw is kept.
  const isUndo = ({ mode, counts = {} }: JobRun): boolean =>
    mode === 'undo' && Object.values(counts).some((count) => count > 0)
  const seen = facts.runs.find((run) => run.mode !== 'undo' && (endedWell(run.state) || run.state === 'looked'))
  if (seen === undefined) {
    const text = 'No run of this job that came to an end is known here, so nothing of it is in sync for sure.'
    return [{ kind: 'nothing-known', text }]
  }
  const end = look === facts.source ? 'source' : 'target'
  const at = `run ${seen.runId}, ${when(seen.endedMs ?? seen.startedMs)},`
  const { runId } = seen
  const undo = facts.runs.slice(0, facts.runs.indexOf(seen)).find(isUndo)
  if (undo !== undefined) return [{ kind: 'undone', text: undoneText(seen, undo), runId: undo.runId }]
  if (
    facts.deeds[0]?.kind === 'undeleted' &&
    look === facts.target &&
    look.since !== 'same' &&
    look.kind !== 'missing'
  ) {
    const text = `The last run, ${at} knew nothing of it; the next mirror deletes or replaces it again, unless the source has it like this.`
    return [{ kind: 'new-since', text }]
  }
  if (look.kind === 'missing') return [{ kind: 'missing', text: missingText(facts, end, look, seen, at), runId }]
  if (look.since === 'unseen') {
    return [{ kind: 'new-since', text: `It came to the ${end} after ${at} looked; the next run looks at it.`, runId }]
  }
  if (look.since === 'changed') {
    const isOverwritten = end === 'target' && seen.mode === 'mirror'
    const next = isOverwritten ? 'the next run makes it equal to the source again' : 'the next run looks at it'
    return [{ kind: 'changed-since', text: `It was changed on the ${end} after ${at} looked; ${next}.`, runId }]
  }
  if (look.since !== 'same' || hasProblem(seen, facts.path)) return []
  const narrowed = narrowedText(seen)
  // What it changed itself it did not leave out.
  if (facts.driver === undefined && narrowed !== '' && facts.deeds[0]?.runId !== runId) {
    const text = `It has not changed on the ${end} since ${at} looked; but that run went with ${narrowed}, which may have left it out or taken it for equal: whether the other end has it equal is not known.`
    return [{ kind: 'nothing-known', text, runId }]
  }
  if (facts.driver === undefined) return [{ kind: 'equal', text: equalText(facts, end, seen, at), runId }]
  // What the source could not read, its own machine knows.
  const text = `It is on the ${end} as ${at} left it; whether the other end has it equal, ${facts.driver} knows.`
  return [{ kind: 'nothing-known', text, runId }]
}

/** Until the next run looks, nobody knows how the two ends compare. */
function undoneText(seen: RunFacts, undo: RunFacts): string {
  const next = 'the next run is held where it would do something, until a person lets it'
  return `Since run ${seen.runId} looked, run ${undo.runId} undid a run of the job: whether both ends have it equal is not known; ${next}.`
}

/** Whether the path, or anything above or below it, may have had a problem. */
function hasProblem({ problems, problemCount }: RunFacts, path: string): boolean {
  return problems.length < problemCount || problems.some((one) => isWithin(path, one.path) || isWithin(one.path, path))
}

function equalText({ deeds }: WhyFacts, end: string, good: RunFacts, at: string): string {
  const isEqual = good.mode === 'mirror'
  const agreed = isEqual ? `Both ends had it equal at the end of ${at}` : `Both ends were compared by ${at}`
  const still = `and it has not changed on the ${end} since.`
  return deeds.length === 0
    ? `Nothing was to be done: ${agreed.charAt(0).toLowerCase()}${agreed.slice(1)} ${still}`
    : `${agreed} ${still}`
}

/** What a run went with that makes less of it than a whole one; '' where that is nothing. */
function narrowedText({ options }: RunFacts): string {
  return (options?.narrowed ?? []).join(' ')
}

function missingText(facts: WhyFacts, end: string, look: Look, seen: RunFacts, at: string): string {
  const isOnSource = ['file', 'directory', 'symlink'].includes(facts.source?.kind ?? '')
  const narrowed = narrowedText(seen)
  const comes =
    narrowed === '' ? 'the next run puts it there' : `the last run went with ${narrowed}, which may leave it out`
  const next = isOnSource ? `it is on the source, and ${comes}` : 'the next run looks at that'
  if (look.since === 'changed') {
    return `It went from the ${end} after ${at} looked; ${end === 'target' ? next : 'the next run takes it away on the target'}.`
  }
  if (end === 'target' && isOnSource) return `It is not on the target yet: ${next}.`
  if (look.since === 'unknown') return `It is not on the ${end} now.`
  const never = facts.deeds.length === 0 ? ` ${nothingText(facts)}` : ''
  return `It is not on the ${end} now, and was not when ${at} looked.${never}`
}
