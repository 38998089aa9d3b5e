// `nightferry help [VERB...]`: the help of the program, or of the verb that the words name. A word that names no verb is
// told as such, as it is where it is typed as one, instead of passing for the question after all verbs.

import type { Command } from 'commander'
import { isGroup, verbsOf } from './complete.ts'

/** Gives the command its `help`, in place of the one that takes any word for a verb. */
export function addHelp(command: Command, text: string): void {
  command
    .helpCommand(false)
    .command('help [verb...]')
    .description(text)
    .action((words: readonly string[]) => showHelp(command, words))
  // `frob --help` asks for the help of a verb too.
  command.addHelpText('beforeAll', ({ command: shown }) => {
    const word = shown.args.find((one) => !one.startsWith('-'))
    if (shown !== command || word === undefined || command.commands.some((one) => one.name() === word)) return ''
    return command.error(`error: unknown command '${word}'`)
  })
}

/** Shows the help of the verb below `command` that the words name. Throws what ends a command line that is wrong. */
async function showHelp(command: Command, words: readonly string[]): Promise<void> {
  let shown = command
  for (const word of words) {
    const below = verbsOf(shown).find((one) => one.name() === word)
    if (below !== undefined) shown = below
    // It does nothing but to say so, with what may have been meant.
    else if (isGroup(shown)) await shown.parseAsync([word], { from: 'user' })
    // What stands behind a verb are its own arguments.
    else break
  }
  shown.outputHelp()
}
