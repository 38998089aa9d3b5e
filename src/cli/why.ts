// `nightferry why PATH`: what is known of one path, and what it comes from.

import { arrowOf, endsOf } from '../core/outcome.ts'
import { explain } from '../core/why.ts'
import type { Statement } from '../core/why-facts.ts'
import { sideAsked } from '../core/why-sides.ts'
import { inquire, type JobAnswer } from '../jobs/inquiry.ts'
import { findRuns } from '../state/history.ts'
import { Failure } from '../std/failure.ts'
import { escapeControls } from '../std/log.ts'
import { atDesk, type Desk, sentence, showWhen } from './desk.ts'
import type { GlobalOptions } from './machine.ts'
import { safeText } from './print.ts'

export type WhyOptions = GlobalOptions & { readonly run?: string; readonly json?: true }

export function why(path: string, options: WhyOptions): Promise<number> {
  if (path === '')
    throw new Failure('bad-usage', 'the path is empty', { hint: 'name a file or folder, or machine:share/path' })
  return atDesk(options, (desk) => {
    const onlyRun = options.run === undefined ? undefined : oneRun(desk, options.run)
    const { state, isMachine } = desk
    const answers = inquire({ state, logs: desk.places.logs, isMachine }, path, onlyRun).map((answer) => {
      const telling = { when: showWhen, whenLogged: (time: string) => showWhen(Date.parse(time)), self: desk.machine }
      return { answer, statements: explain(answer.facts, telling) }
    })
    if (options.json) {
      const jobs = answers.map(({ answer, statements }) => asJson(answer, statements))
      process.stdout.write(`${escapeControls(JSON.stringify({ schema: 1, path, jobs }))}\n`)
      return 0
    }
    if (answers.length === 0)
      process.stdout.write(`${safeText(path)} belongs to no job that ran here: see nightferry status\n`)
    for (const { answer, statements } of answers) process.stdout.write(answerText(answer, statements))
    return 0
  })
}

/** The one run that a person means by the beginning of its name. */
export function oneRun({ state }: Desk, text: string): string {
  const found = findRuns(state, text)
  const [run] = found
  if (run === undefined)
    throw new Failure('bad-usage', `no run is called ${JSON.stringify(text)}`, { hint: 'see nightferry log' })
  if (found.length > 1) {
    throw new Failure('bad-usage', `several runs begin with ${JSON.stringify(text)}`, {
      hint: `write more of it: ${found.map(({ runId }) => runId).join(', ')}`,
    })
  }
  return run.runId
}

function asJson({ last, facts }: JobAnswer, statements: readonly Statement[]): object {
  const { role, path, driver, ignored, deeds, logReached } = facts
  const here = facts[role]
  return {
    job: last.job,
    ...endsOf(last),
    driver: driver ?? null,
    role,
    path,
    state: here?.kind ?? 'unknown',
    ignored: ignored.verdict,
    rule: ignored.verdict === 'unknown' ? null : (ignored.rule ?? null),
    statements,
    deeds,
    logReached: logReached ?? null,
  }
}

function answerText({ last, facts }: JobAnswer, statements: readonly Statement[]): string {
  const { source, target } = endsOf(last)
  const by = facts.driver === undefined ? '' : `, driven by ${facts.driver}`
  const name = facts.path === '' ? 'the top folder' : safeText(facts.path)
  const side = sideAsked(facts) ?? facts.role
  const lines = [`${name} on the ${side} of ${safeText(source)} ${arrowOf(last)} ${safeText(target)}${by}`]
  for (const { text, remedy } of statements) {
    lines.push(`  ${safeText(text)}`)
    if (remedy !== undefined && remedy !== '') lines.push(`    What to do: ${sentence(safeText(remedy))}`)
  }
  return `${lines.join('\n')}\n`
}
