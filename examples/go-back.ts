// Goes back: what happened to a file, which old versions there are of it, and how a whole run is reversed.
// Run it: node go-back.ts TARGET FILE [STATE]. TARGET is a folder (or machine:share) that was mirrored to, FILE a path in it.
// The last run into the target is undone, after what that would do was shown.

import { openMachine } from 'nightferry'

const [target = '', file = '', state] = process.argv.slice(2)
await using machine = openMachine(state === undefined ? {} : { stateDirectory: state })

for (const { statements } of machine.why(`${target}/${file}`))
  for (const { text } of statements) console.log(`why: ${text}`)
for (const { path, why, run } of (await machine.versions(target)).versions)
  console.log(`version: ${path}, ${why} by ${run}`)

const last = machine.log().find((run) => run.target.endsWith(target) && run.outcome === 'done')
if (last === undefined) throw new Error(`no run went to ${target}`)
console.log(
  `the last run: ${machine
    .run(last.runId)
    .changes.map(({ action, path }) => `${action} ${path}`)
    .join(', ')}`,
)

await machine.undo(
  last.runId,
  { dryRun: true },
  { onEvent: (event) => event.type === 'change' && console.log(`would ${event.action} ${event.path}`) },
)
const undone = await machine.undo(last.runId)
console.log(`${undone.outcome}: ${undone.counts.created} brought back, ${undone.counts.replaced} put back`)
for (const { path, why } of undone.conflicts) console.log(`in the way: ${path} (${why})`)
process.exitCode = undone.exitCode
