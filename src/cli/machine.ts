// What a verb works with: the engine that programs have too (api/engine.ts), opened where --state says.

import { type Engine, openEngine } from '../api/engine.ts'

export type GlobalOptions = { readonly state?: string }

/** Opens what a run or a daemon needs. `role` names its log. What a person may want to know is told at once. */
export function openMachine(options: GlobalOptions, role: 'sync' | 'serve'): Engine {
  const engine = openEngine(options.state, role, process.stdin.isTTY === true)
  for (const notice of engine.notices) process.stderr.write(`${notice}\n`)
  return engine
}
