// The command line's entry: names the verbs and their options, hands over, and turns what comes back into an exit code.
// It decides nothing. Verbs are loaded when they are called, so that a start costs what it uses.

import { Argument, Command, Option } from 'commander'
import { productVersion } from '../daemon/version.ts'
import { Bug } from '../std/assert.ts'
import { asFailure } from '../std/failure.ts'
import { exactArguments } from './arguments.ts'
import type { Shell } from './completion.ts'
import { addHelp } from './help.ts'
import { addLooking } from './looking.ts'
import { showFailure } from './print.ts'
import type { SyncOptions } from './sync.ts'
import {
  addConflictOptions,
  addDressOptions,
  addNarrowOptions,
  addPaceOptions,
  durabilityOption,
  linksOption,
  sshOption,
  withWhich,
} from './sync-options.ts'

const exitCodesText = `
Exit codes: 0 done or nothing to do · 1 failed · 2 wrong usage or settings · 3 done, but some paths had problems
  11 locked by another run · 12 not paired, wrong key or share · 13 unreachable · 15 held by a guard · 130 cancelled`

async function main(args: readonly string[]): Promise<number> {
  let exitCode = 0
  const run = (verb: () => Promise<number>): Promise<void> =>
    verb().then((code) => {
      exitCode = code
    })
  const program = new Command('nightferry')
    .description('Makes a folder on one machine a verified copy of a folder on another.')
    .version(productVersion)
    .option('--state <dir>', 'keep settings and state below this directory (for tests and demos)')
    .exitOverride()
    .showHelpAfterError('(nightferry help shows all verbs)')
    .addHelpText('after', exitCodesText)
  addSync(program, run)
  addPast(program, run)
  addMachines(program, run)
  addShells(program, run)
  addLooking(program, verb, run)
  addHelp(program, 'Show all verbs, or what a verb does and its options.')
  try {
    await program.parseAsync(withWhich(args), { from: 'user' })
    return exitCode
  } catch (error) {
    return ended(error)
  }
}

type Run = (verb: () => Promise<number>) => Promise<void>

/** A verb that knows --state too, so that it may stand before or after the verb. */
function verb(program: Command, text: string): Command {
  return program.command(text).option('--state <dir>', 'keep settings and state below this directory')
}

/** Patterns and their opposites keep the order in which they were given: the last one that matches wins. */
function addSync(program: Command, run: Run): void {
  const rules: string[] = []
  const collect = (text: string, all: readonly string[]): readonly string[] => [...all, text]
  const command = verb(program, 'sync <source> <target>')
    .description(
      'Make the target a verified copy of the source. An end is a folder here, machine:share[/folder], or ssh://[user@]host[:port]/path.',
    )
    .addOption(
      new Option(
        '--mode <mode>',
        'mirror: the target becomes the source; update: only missing and newer files go over; two-way: changes go both ways',
      )
        .choices(['mirror', 'update', 'two-way'])
        .default('mirror'),
    )
    .option('-n, --dry-run', 'list what would be done, and do nothing')
    .option('--exclude <pattern>', 'leave out what matches (gitignore rules; may be repeated)', (text) =>
      rules.push(text),
    )
    .option('--include <pattern>', 'take back in what an earlier --exclude leaves out', (text) =>
      rules.push(`!${text}`),
    )
    .option('--ignore-file <file>', 'read rules from a file (may be repeated)', collect, [])
    .option('--gitignore', 'obey .gitignore files too (.nightferryignore files always count)')
    .option('--no-dotfiles', 'leave out files and folders whose name begins with a dot')
    .option('--checksum', 'compare content wherever sizes are equal, whatever the times say')
  addConflictOptions(command)
  addNarrowOptions(command)
  addDressOptions(command)
    .option(
      '--max-delete <n>',
      'hold a run that deletes or replaces more than N entries, or P% (default: 50%, or 10000)',
    )
    .option('--release', 'let the run go on that was held, with exactly the changes that were shown')
    .option('--new-target', 'the target was replaced on purpose: forget what the last run knew of it')
    .option('--verify', "afterwards read the target's content again and hold it against its digests")
    .option(
      '--keep-versions <days>',
      'keep what is replaced and deleted for so many days, forever or none (default: 30)',
    )
    .option(
      '--versions <dir>',
      'keep it in this folder, on the same disk (default: .nightferry/versions in the target)',
    )
  addPaceOptions(command)
    .addOption(durabilityOption())
    .addOption(sshOption())
    .option('--json', 'one JSON event per line')
    .option('-q, --quiet', 'say nothing but problems and failures')
    .option('-v, --verbose', 'list every change and every problem')
    .addHelpText('after', exitCodesText)
    .action((source: string, target: string) =>
      run(async () => {
        const { sync } = await import('./sync.ts')
        return await sync(source, target, { ...command.optsWithGlobals<SyncOptions>(), exclude: rules })
      }),
    )
}

/** What was replaced and deleted, and how it comes back. */
function addPast(program: Command, run: Run): void {
  verb(program, 'conflicts [pattern...]')
    .description('List what both sides of a two-way job changed, or settle some of it: left, right or both stay.')
    .option('--keep <side>', 'of those that match: the value of the left, of the right, or both as they are')
    .option('--json', 'as one JSON object')
    .action((patterns: string[], _own: unknown, command: Command) =>
      run(async () => (await import('./conflicts.ts')).conflicts(patterns, command.optsWithGlobals())),
    )
  verb(program, 'versions <path>')
    .description(
      'List the old versions of a file, or of all below a folder, in a target here or in machine:share/path.',
    )
    .option('--run <run>', 'only those that this run left (the first part of its id is enough)')
    .addOption(sshOption())
    .option('--json', 'as one JSON object')
    .action((path: string, _own: unknown, command: Command) =>
      run(async () => (await import('./versions.ts')).versions(path, command.optsWithGlobals())),
    )
  verb(program, 'undelete <path>')
    .description('Bring the newest old version back, of a file or of all below a folder. Never overwrites anything.')
    .option('--run <run>', 'the versions that this run left')
    .option(
      '--to <dir>',
      'bring them into this folder instead, made where it is missing (of a share: a folder inside of it)',
    )
    .addOption(sshOption())
    .option('--json', 'as one JSON object')
    .action((path: string, _own: unknown, command: Command) =>
      run(async () => (await import('./undelete.ts')).undelete(path, command.optsWithGlobals())),
    )
  verb(program, 'undo <run>')
    .description('Reverse a whole run: all of it, or nothing where a path was changed since.')
    .option('--side <side>', 'of a run that went both ways: left or right')
    .option('-n, --dry-run', 'list what would be done, or why it can not be, and do nothing')
    .addOption(sshOption())
    .option('--json', 'one JSON event per line')
    .option('-v, --verbose', 'list every change')
    .action((id: string, _own: unknown, command: Command) =>
      run(async () => (await import('./undo.ts')).undo(id, command.optsWithGlobals())),
    )
}

function addMachines(program: Command, run: Run): void {
  verb(program, 'serve')
    .description('Answer paired machines: they reach the shares of this machine, and nothing else.')
    .option('--listen <address>', 'host:port, or a port alone, to listen on (default: 0.0.0.0:5001)')
    .option('--name <name>', 'what this machine is called from now on (default: its host name)')
    .option('--stdio', 'serve one session over input and output instead: what ssh:// ends start on the other side')
    .action((_own: unknown, command: Command) =>
      run(async () => (await import('./serve.ts')).serve(command.optsWithGlobals())),
    )
  addShare(program, run)
  verb(program, 'pair [code]')
    .description(
      'Without a code: make a one-time code and wait. With CODE@host[:port]: pair with the machine that made it.',
    )
    .option('--listen <address>', 'host:port, or a port alone, to wait on where no daemon runs (default: 0.0.0.0:5001)')
    .option('--name <name>', 'what this machine is called from now on (default: its host name)')
    .action((code: string | undefined, _own: unknown, command: Command) =>
      run(async () => (await import('./pair.ts')).pair(code, command.optsWithGlobals())),
    )
  const machines = verb(program, 'machines')
    .description('List the paired machines, where each can be called, and where it once was.')
    .option('--json', 'as one JSON object')
    .action((_own: unknown, command: Command) =>
      run(async () => (await import('./machines.ts')).machinesList(command.optsWithGlobals())),
    )
  machines
    .command('remove <name>')
    .description('End the pairing with a machine.')
    .action((name: string, _own: unknown, command: Command) =>
      run(async () => (await import('./machines.ts')).machinesRemove(name, command.optsWithGlobals())),
    )
  verb(program, 'demo [folder]')
    .description('Two machines on this computer: pair them, mirror a folder over mutual TLS, change it, mirror again.')
    .action((folder: string | undefined) => run(async () => (await import('./demo.ts')).demo(folder)))
}

function addShare(program: Command, run: Run): void {
  const share = program.command('share').description('Say which folders paired machines may use.')
  const collect = (text: string, all: readonly string[] | undefined): readonly string[] => [
    ...(all ?? []),
    ...text.split(','),
  ]
  verb(share, 'add <name> <folder>')
    .description('Share a folder under a name.')
    .option('--read-only', 'machines may read it, not write it')
    .option('--for <machine>', 'only this machine (may be repeated; default: every paired machine)', collect)
    .option('--max-delete <n>', 'a run may delete and replace N entries, or P%, at most, whatever its person releases')
    .addOption(linksOption('symlinks that others may make in it'))
    .option('--max-bytes <size>', 'a run may bring so much content at most (500M, 2TB)')
    .option(
      '--allow <what>',
      'let runs of other machines set owner, set-id, system-xattrs or top in it, or leave out syncs: no-sync (may be repeated; default: none)',
      collect,
    )
    .option('--keep-versions <days>', 'keep what others replace and delete at least so long (default: 30)')
    .option(
      '--versions <dir>',
      'keep it in this folder, on the same disk (default: .nightferry/versions in the folder)',
    )
    .action((name: string, path: string, _own: unknown, command: Command) =>
      run(async () => (await import('./share.ts')).shareAdd(name, path, command.optsWithGlobals())),
    )
  verb(share, 'list')
    .description('List what is shared.')
    .option('--json', 'as one JSON object')
    .action((_own: unknown, command: Command) =>
      run(async () => (await import('./share.ts')).shareList(command.optsWithGlobals())),
    )
  verb(share, 'limit <name> [limit]')
    .description('Let a run delete and replace N entries, or P%, at most in a share; none lifts the limit.')
    .addOption(linksOption('symlinks that others may make in it from now on'))
    .option('--max-bytes <size>', 'let a run bring so much content at most; none lifts the limit')
    .action((name: string, limit: string | undefined, _own: unknown, command: Command) =>
      run(async () => (await import('./share.ts')).shareLimit(name, limit, command.optsWithGlobals())),
    )
  verb(share, 'allow <name> <what...>')
    .description(
      'Let runs of other machines set these in a share (owner, set-id, system-xattrs, top: the folder itself) or leave out syncs (no-sync); or none.',
    )
    .action((name: string, what: readonly string[], _own: unknown, command: Command) =>
      run(async () => (await import('./share.ts')).shareAllow(name, what, command.optsWithGlobals())),
    )
  verb(share, 'remove <name>')
    .description('Stop sharing a folder; the folder stays.')
    .action((name: string, _own: unknown, command: Command) =>
      run(async () => (await import('./share.ts')).shareRemove(name, command.optsWithGlobals())),
    )
  addHelp(share, 'Show the verbs of share, or the options of one.')
}

/** What is made from these definitions: completion and the manual. */
function addShells(program: Command, run: Run): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish', 'powershell']))
    .description('Print the script that completes verbs, options, machines, shares and runs in a shell.')
    .addHelpText('after', completionText)
    .action((shell: Shell) => run(async () => (await import('./completion.ts')).completion(shell)))
  program
    .command('complete [words...]', { hidden: true })
    .action((words: readonly string[], _own: unknown, command: Command) =>
      run(async () => (await import('./complete.ts')).complete(program, words, command.optsWithGlobals().state)),
    )
  program
    .command('man')
    .description('Print the manual page: nightferry man | man -l -')
    .action(() => run(async () => (await import('./man.ts')).man(program, exitCodesText)))
}

const completionText = `
bash: nightferry completion bash > ~/.local/share/bash-completion/completions/nightferry
zsh: nightferry completion zsh > a folder of $fpath, as _nightferry
fish: nightferry completion fish > ~/.config/fish/completions/nightferry.fish
powershell: nightferry completion powershell >> $PROFILE (written by its rules, not tried yet)`

/** The exit code for what ended the program early. A bug is not caught: it shows its stack and stops the process. */
function ended(error: unknown): number {
  if (error instanceof Bug) throw error
  if (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code.startsWith('commander.')
  ) {
    return 'exitCode' in error && error.exitCode === 0 ? 0 : 2
  }
  const failure = asFailure(error, 'disk-error')
  showFailure(failure, process.argv.includes('--json'))
  return failure.exitCode
}

// Whoever reads our output may stop reading; a run goes on all the same.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: Error & { code?: string }) => {
    if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') throw error
  })
}
// Until it has ended, ending is a failure.
process.exitCode = 1
void main(exactArguments(process.argv.slice(2))).then((exitCode) => {
  process.exitCode = exitCode
})
