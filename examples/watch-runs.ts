// Looks at a machine without changing it: who it is paired with, what it shares, how its last runs went.
// Run it: node watch-runs.ts [STATE]. Exit code 1 when the last run of any pair of folders did not go well.

import { openMachine } from 'nightferry'

const [state] = process.argv.slice(2)
await using machine = openMachine(state === undefined ? {} : { stateDirectory: state })
for (const { name, addresses } of machine.machines())
  console.log(`machine ${name}: ${addresses.map(({ host, port }) => `${host}:${port}`).join(', ')}`)
for (const { name, path } of machine.shares()) console.log(`share ${name}: ${path}`)

const seen = new Set<string>()
for (const run of machine.log()) {
  if (seen.has(run.job)) continue
  seen.add(run.job)
  const isWell = run.outcome === 'done' || run.outcome === 'unchanged'
  console.log(`${isWell ? 'well' : 'NOT WELL'}: ${run.source} to ${run.target}: ${run.outcome ?? 'running'}`)
  if (!isWell) process.exitCode = 1
}
