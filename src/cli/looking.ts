// The verbs that only look: what was done, why, how things stand, and what is wrong. Named here, loaded when called.

import type { Command } from 'commander'

type Run = (verb: () => Promise<number>) => Promise<void>
type Verb = (program: Command, text: string) => Command

export function addLooking(program: Command, verb: Verb, run: Run): void {
  verb(program, 'log [run]')
    .description('What each run did, the last one first; with the beginning of a run id: all that is known of it.')
    .option('--failed', 'only runs that failed, were held, cut off, or had problems')
    .option('--job <job>', 'only runs of this job: one of its ends, or the beginning of its id')
    .option('--limit <n>', 'how many runs (default: 20), or problems and changes of one run')
    .option('--json', 'as one JSON object')
    .action((text: string | undefined, _own: unknown, command: Command) =>
      run(async () => (await import('./log.ts')).log(text, command.optsWithGlobals())),
    )
  verb(program, 'why <path>')
    .description('Why a path is as it is: rules, guards, problems, and what was done to it last, by which run.')
    .option('--run <run>', 'only what this run knows of it')
    .option('--json', 'as one JSON object')
    .action((path: string, _own: unknown, command: Command) =>
      run(async () => (await import('./why.ts')).why(path, command.optsWithGlobals())),
    )
  verb(program, 'status')
    .description('How this machine and its jobs stand. Ends with 15 where something is held, 3 where it needs you.')
    .option('--json', 'as one JSON object')
    .action((_own: unknown, command: Command) =>
      run(async () => (await import('./status.ts')).status(command.optsWithGlobals())),
    )
  verb(program, 'doctor')
    .description(
      'Look at state, settings, folders, disks, clocks, limits, the daemon and paired machines; say what to do.',
    )
    .option('--json', 'as one JSON object')
    .action((_own: unknown, command: Command) =>
      run(async () => (await import('./doctor.ts')).doctor(command.optsWithGlobals())),
    )
}
