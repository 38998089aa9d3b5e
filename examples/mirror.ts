// Mirrors one folder to another and says what happened. Run it: node mirror.ts SOURCE TARGET [STATE]
// An end may be `machine:share` of a paired machine as well. Old versions, guards and locks are those of the command line.

import { Failure, openMachine } from 'nightferry'

const [source = '', target = '', state] = process.argv.slice(2)

await using machine = openMachine(state === undefined ? {} : { stateDirectory: state })
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
try {
  const result = await machine.sync(
    { source, target, exclude: ['*.tmp', '/cache/'] },
    {
      signal: stop.signal,
      onEvent(event) {
        if (event.type === 'change') console.log(`${event.action} ${event.path}`)
        if (event.type === 'halt') console.log(`halted: ${event.reason}`)
      },
    },
  )
  for (const { path, code } of result.problems) console.log(`problem with ${path}: ${code}`)
  console.log(`${result.outcome}: ${result.summary.files} files, ${result.contentBytes} bytes of content`)
  process.exitCode = result.exitCode
} catch (error) {
  if (!(error instanceof Failure)) throw error
  console.error(`${error.code}: ${error.message}. ${error.hint}`)
  process.exitCode = error.exitCode
}
