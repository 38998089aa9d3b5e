// `nightferry complete`: what could come next on a command line, for the shells' scripts (completion.ts). The verbs and
// options are those of the program itself; machines, shares and runs come from what this machine knows, and paths are the
// shell's own business: it is only told that one may stand here. Whatever goes wrong, there is nothing to complete.

import type { Argument, Command, Option } from 'commander'
import { openPlaces } from '../daemon/config.ts'
import { allowedKinds, loadShares } from '../jobs/shares.ts'
import { listRuns } from '../state/history.ts'
import { openState } from '../state/open.ts'
import { systemClock } from '../std/clock.ts'
import { openPeers } from '../wire/peers.ts'

/**
 * What may stand somewhere: a thing that is looked up when it is asked for. `end`: what a run may have for one. `place`: the same, or a file in it. `right`: what
 * a share may allow.
 */
export type Wanted = 'machine' | 'share' | 'run' | 'end' | 'place' | 'file' | 'folder' | 'right' | 'none'

export type Candidate = { readonly value: string; readonly about: string }

/** What may stand where the cursor is: words of the program, and a kind of value. */
export type Place = {
  readonly words: readonly Candidate[]
  readonly wanted: Wanted
  /** Stands before the value in the same word: `--for=`. */
  readonly before: string
  /** The value as far as it is typed. */
  readonly typed: string
  /** As it was given before, where it was. */
  readonly state: string | undefined
}

/** By the name of an argument or of an option's value, and by verb where a name means several things. */
const wantedByName: Readonly<Record<string, Wanted>> = {
  source: 'end',
  target: 'end',
  end: 'end',
  machine: 'machine',
  share: 'share',
  run: 'run',
  folder: 'folder',
  dir: 'folder',
  path: 'place',
  job: 'end',
  file: 'file',
  'machines remove name': 'machine',
  'share remove name': 'share',
  'share limit name': 'share',
  'share allow name': 'share',
  'share allow what': 'right',
  'share add what': 'right',
}

/** What may come after `words`, the last of which is being typed (perhaps ''). Pure. */
export function placeOf(program: Command, words: readonly string[]): Place {
  const typed = words.at(-1) ?? ''
  let command = program
  let count = 0
  let onlyArguments = false
  let open: Option | undefined
  let state: string | undefined
  for (const word of words.slice(0, -1)) {
    const isValue = open !== undefined && isValueOf(open, word)
    if (isValue && open?.long === '--state') state = word
    open = undefined
    if (isValue) continue
    if (!onlyArguments && word === '--') onlyArguments = true
    else if (!onlyArguments && word.startsWith('-')) {
      const equals = word.indexOf('=')
      const option = optionOf(command, equals < 0 ? word : word.slice(0, equals))
      if (equals < 0 && takesValue(option)) open = option
      else if (option?.long === '--state') state = word.slice(equals + 1)
    } else {
      const sub = count === 0 ? verbsOf(command).find((one) => one.name() === word) : undefined
      if (sub === undefined) count++
      else command = sub
    }
  }
  const shared = { state, before: '', typed, words: [], wanted: 'none' as Wanted }
  if (open?.required === true) return { ...shared, ...optionValue(command, open) }
  const equals = typed.indexOf('=')
  if (!onlyArguments && typed.startsWith('-')) {
    const option = equals < 0 ? undefined : optionOf(command, typed.slice(0, equals))
    if (option === undefined) return { ...shared, words: optionsOf(command).map(optionCandidate) }
    const value = takesValue(option) ? optionValue(command, option) : {}
    return { ...shared, ...value, before: typed.slice(0, equals + 1), typed: typed.slice(equals + 1) }
  }
  const verbs = count === 0 && !onlyArguments ? verbsOf(command) : []
  const about = verbs.map((one) => ({ value: one.name(), about: firstSentence(one.description()) }))
  const argument = argumentOf(command, count)
  return { ...shared, ...argument, words: [...choices(open?.argChoices), ...argument.words, ...about] }
}

/** The verbs below a command that a person may type. */
export function verbsOf(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command)
}

/** Whether a command is a mere group of others, and does nothing itself. */
export function isGroup(command: Command): boolean {
  const isProgram = command.parent === null
  return verbsOf(command).some((one) => one.name() !== 'help') && (isProgram || command.options.length === 0)
}

/** A command's own options and those of the program, each once. */
function optionsOf(command: Command): readonly Option[] {
  const help = command.createHelp()
  const all = [...help.visibleOptions(command)]
  for (let above = command.parent; above !== null; above = above.parent) all.push(...above.options)
  return [...new Map(all.map((option) => [option.long, option])).values()].filter(({ hidden }) => !hidden)
}

/** The words of a command from the program's name on, without it: `share add`. */
export function nameOf(command: Command): string {
  const above = command.parent === null ? '' : nameOf(command.parent)
  return command.parent === null ? '' : `${above} ${command.name()}`.trim()
}

function takesValue(option: Option | undefined): boolean {
  return option?.required === true || option?.optional === true
}

/** What may be left out is a value only where it is one of those that there are: else a folder may follow. */
function isValueOf(option: Option, word: string): boolean {
  return option.required || option.argChoices?.includes(word) === true
}

function optionOf(command: Command, flag: string): Option | undefined {
  return optionsOf(command).find(({ long, short }) => long === flag || short === flag)
}

function optionCandidate(option: Option): Candidate {
  return { value: option.long ?? option.short ?? '', about: firstSentence(option.description) }
}

function firstSentence(text: string): string {
  return text.split(/(?<=\.) |;| \(/)[0]?.trim() ?? ''
}

function wantedFor(command: Command, name: string): Wanted {
  return wantedByName[`${nameOf(command)} ${name}`] ?? wantedByName[name] ?? 'none'
}

function optionValue(command: Command, option: Option): { words: readonly Candidate[]; wanted: Wanted } {
  const name = /[<[]([\w-]+)/.exec(option.flags)?.[1] ?? ''
  return { words: choices(option.argChoices), wanted: wantedFor(command, name) }
}

function argumentOf(command: Command, index: number): { words: readonly Candidate[]; wanted: Wanted } {
  const all: readonly Argument[] = command.registeredArguments
  const last = all.at(-1)
  const argument = all[index] ?? (last?.variadic ? last : undefined)
  if (argument === undefined) return { words: [], wanted: 'none' }
  return { words: choices(argument.argChoices), wanted: wantedFor(command, argument.name()) }
}

function choices(values: readonly string[] | undefined): readonly Candidate[] {
  return (values ?? []).map((value) => ({ value, about: '' }))
}

/** Where values that this machine knows come from; each may throw. */
export type Sources = {
  machines(): readonly string[]
  /** Shares of this machine. */
  shares(): readonly string[]
  /** The latest first. */
  runs(): readonly { readonly runId: string; readonly source: string; readonly target: string }[]
}

/** The lines for a shell: what it may add itself (`file`, `folder` or `-`), then each candidate, a tab, what it is. */
export function completionLines(place: Place, sources: Sources): readonly string[] {
  const known = place.wanted === 'none' ? [] : quietly(() => knownFor(place, sources))
  const fits = [...place.words, ...known].filter(({ value }) => value.startsWith(place.typed) && isPlain(value))
  const isPath = place.wanted === 'end' || place.wanted === 'folder'
  const isFile = place.wanted === 'file' || place.wanted === 'place'
  const hint = isRemote(place, sources) ? '-' : isPath ? 'folder' : isFile ? 'file' : '-'
  const seen = new Map(fits.map(({ value, about }) => [`${place.before}${value}`, about]))
  return [hint, ...[...seen].map(([value, about]) => `${value}\t${about}`)]
}

/** Only what needs no quotes in any shell: such are the names that we give, and nothing else is offered. */
function isPlain(value: string): boolean {
  return /^[\w.:@%+,/=-]+$/.test(value)
}

function quietly<Value>(look: () => readonly Value[]): readonly Value[] {
  try {
    return look()
  } catch {
    return []
  }
}

function isRemote({ wanted, typed }: Place, sources: Sources): boolean {
  if (wanted !== 'end' && wanted !== 'place') return false
  return quietly(() => sources.machines()).some((machine) => typed.startsWith(`${machine}:`))
}

function knownFor({ wanted, typed }: Place, sources: Sources): readonly Candidate[] {
  switch (wanted) {
    case 'machine':
      return sources.machines().map((value) => ({ value, about: 'paired machine' }))
    case 'share':
      return sources.shares().map((value) => ({ value, about: 'share of this machine' }))
    case 'run':
      return sources.runs().map(({ runId, source, target }) => ({ value: runId, about: `${source} to ${target}` }))
    case 'right':
      return [...allowedKinds, 'none'].map((value) => ({ value, about: '' }))
    case 'end':
    case 'place': {
      const machines = sources.machines()
      const machine = machines.find((one) => typed.startsWith(`${one}:`))
      if (machine === undefined) return machines.map((one) => ({ value: `${one}:`, about: 'paired machine' }))
      const ends = quietly(() => sources.runs()).flatMap(({ source, target }) => [source, target])
      return ends.filter((end) => end.startsWith(`${machine}:`)).map((value) => ({ value, about: 'used before' }))
    }
    default:
      return []
  }
}

const runsLookedAt = 200

function sourcesOf(state: string | undefined): Sources {
  const places = openPlaces(state, process.env)
  return {
    machines: () =>
      openPeers(places.config, systemClock)
        .list()
        .map(({ name }) => name),
    shares: () => loadShares(places.config).map(({ name }) => name),
    runs() {
      using database = openState({ directory: places.state, clock: systemClock })
      return listRuns(database, { limit: runsLookedAt })
    },
  }
}

/** Prints the lines for a shell. Never fails. */
export function complete(program: Command, words: readonly string[], stateOption: string | undefined): number {
  const lines = quietly(() => {
    // PowerShell drops an empty word on its way to a program, so its script writes this one.
    const place = placeOf(
      program,
      words.map((word) => (word === '""' ? '' : word)),
    )
    return completionLines(place, sourcesOf(place.state ?? stateOption))
  })
  // Values were let through by `isPlain`; descriptions hold paths that others may have named, and lose their controls.
  for (const line of lines) process.stdout.write(`${line.replace(/[^\P{C}\t]/gu, ' ')}\n`)
  return 0
}
