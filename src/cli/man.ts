// `nightferry man`: the manual page, made from the program's own definitions, so that help and manual say the same. The
// page that lies in docs is this one (a test holds it so). Written in man(7), which both man-db and mandoc read.

import type { Command, Option } from 'commander'
import { isGroup, nameOf, verbsOf } from './complete.ts'

/** Text for roff: no backslash, hyphen or leading dot of ours is taken for markup. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('·', '\\(bu')
    .replace(/^(?=[.'])/gm, '\\&')
}

/** Verbs that do something themselves, in the order of the help: all but mere groups of others. */
function leaves(command: Command): readonly Command[] {
  const below = verbsOf(command).filter((one) => one.name() !== 'help')
  return [...(isGroup(command) ? [] : [command]), ...below.flatMap(leaves)]
}

const columns = 78

/** A paragraph in lines that an editor shows whole; roff fills them again. */
function filled(text: string): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > columns && line !== '') {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  return [...lines, line].map(roff)
}

function usage(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name().toUpperCase()}${argument.variadic ? '...' : ''}`
    return argument.required ? name : `[${name}]`
  })
  const options = visible(command).length > 0 ? ['[OPTION...]'] : []
  return [nameOf(command), ...options, ...words].join(' ')
}

/** What the help shows of a verb, without what every verb has. */
function visible(command: Command): readonly Option[] {
  const own = command.createHelp().visibleOptions(command)
  return own.filter(({ long }) => long !== '--help' && (command.parent === null || long !== '--state'))
}

function optionLines(option: Option): readonly string[] {
  // A value that may be left out keeps its brackets.
  const flags = option.flags.replace(/<([\w-]+)>|\[[\w-]+\]/g, (value, name?: string) => (name ?? value).toUpperCase())
  const choices = option.argChoices === undefined ? '' : ` (${option.argChoices.join(', ')})`
  const standard =
    option.defaultValue === undefined || Array.isArray(option.defaultValue) || option.negate
      ? ''
      : ` Default: ${option.defaultValue}.`
  return ['.TP', `.B ${roff(flags)}`, ...filled(`${option.description}${choices}.${standard}`)]
}

/** The whole page. */
function manualPage(program: Command, exitCodes: string): string {
  const title = program.name().toUpperCase()
  const lines = [
    `.\\" Made by "nightferry man" from the program's own definitions: change those, not this.`,
    `.TH ${title} 1 "" "Nightferry ${program.version()}" "User Commands"`,
    '.SH NAME',
    roff(`${program.name()} - keep the folders of a small network mirrored`),
    '.SH SYNOPSIS',
    ...leaves(program)
      .flatMap((verb) => ['.br', `.B ${program.name()}`, roff(usage(verb))])
      .slice(1),
    '.SH DESCRIPTION',
    ...filled(program.description()),
    'An end is a folder here, or',
    `.IR machine : share [/ folder ]`,
    'of a paired machine.',
    '.SH OPTIONS OF EVERY VERB',
    ...visible(program).flatMap(optionLines),
    '.SH VERBS',
    ...leaves(program).flatMap((verb) => [
      `.SS ${roff(usage(verb))}`,
      ...filled(verb.description()),
      ...visible(verb).flatMap(optionLines),
    ]),
    '.SH EXIT STATUS',
    ...exitCodes
      .replace(/^[^:]*:/, '')
      .split(/·|\n/)
      .map((text) => text.trim())
      .filter((text) => text !== '')
      .flatMap((text) => ['.TP', `.B ${text.split(' ')[0]}`, roff(text.replace(/^\d+ /, ''))]),
    '.SH FILES',
    '.TP',
    '.I ~/.config/nightferry',
    'Settings: the key of this machine, pairings, shares.',
    'They cannot be found again: back them up.',
    '.TP',
    '.I ~/.local/state/nightferry',
    'State and logs. May be deleted; the next run looks at everything again.',
    '.TP',
    '.I .nightferry',
    'In a target: its marker, lock and staging. Never copied, compared or deleted.',
  ]
  return `${lines.join('\n')}\n`
}

/** Prints the page. */
export function man(program: Command, exitCodes: string): number {
  process.stdout.write(manualPage(program, exitCodes))
  return 0
}
