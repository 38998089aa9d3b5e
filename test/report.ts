// The reporter of `npm test`: a line for each file that passed, each failure in full, each skip with its reason, and as
// the very last line `N passed, N failed, N skipped`. It counts events: a test that holds others counts too; a suite
// counts only where no test of its own would show it (a failed hook, a skip of the whole). A file without a test and a
// run without one are failures. What tests print passes through.

import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

type Passed = Extract<TestEvent, { type: 'test:pass' }>['data']
type Failed = Extract<TestEvent, { type: 'test:fail' }>['data']

/** Turns the events of one run into text; the run's exit code is Node's, and 1 where nothing was tested. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0
  const failures: string[] = []
  const skips: string[] = []
  const bad = new Set<string | undefined>()
  const names: string[] = []
  const fail = (title: string, why: string, data?: Failed | Passed): string => {
    failures.push(`\nFAILED ${title}${place(data)}\n${why.replace(/^(?=.)/gm, '  ')}\n`)
    bad.add(data?.file)
    process.exitCode = 1
    return `FAILED ${title}\n`
  }
  for await (const { type, data } of events) {
    if (type === 'test:start') {
      names.length = data.nesting
      names.push(data.name)
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      yield data.message
    } else if (type === 'test:summary' && data.file !== undefined && data.success && !bad.has(data.file)) {
      yield `ok ${relative('', data.file)} (${data.counts.passed} passed, ${Math.round(data.duration_ms)} ms)\n`
    } else if (type === 'test:pass' || type === 'test:fail') {
      const isSuite = data.details.type === 'suite'
      const isFile = data.nesting === 0 && data.file !== undefined && relative(data.file, data.name) === ''
      const title = isFile ? relative('', data.name) : [...names.slice(0, data.nesting), data.name].join(' > ')
      const skip = data.skip ?? data.todo ?? false
      if (skip !== false) skips.push(`skipped: ${title}: ${skip === true || skip === '' ? 'no reason given' : skip}\n`)
      else if (type === 'test:fail' && !(isSuite && isOnlyInner(data))) yield fail(title, explain(data), data)
      else if (type === 'test:pass' && isFile) yield fail(title, 'the file holds no test', data)
      else if (type === 'test:pass' && !isSuite) passed += 1
    }
  }
  if (passed + failures.length + skips.length === 0) yield fail('npm test', 'no test was found')
  yield* failures
  yield* skips
  yield `${passed} passed, ${failures.length} failed, ${skips.length} skipped\n`
}

/** Whether it failed only because a test inside it did, which has been told already. */
function isOnlyInner({ details: { error } }: Failed): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed'
}

function place(data: Failed | Passed | undefined): string {
  return data?.file === undefined ? '' : ` (${relative('', data.file)}:${data.line ?? 0})`
}

function explain({ details: { error } }: Failed): string {
  const cause = error.cause ?? error.message
  return typeof cause === 'string' ? cause : inspect(cause, { depth: 8, maxStringLength: 10_000 })
}
