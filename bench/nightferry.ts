// Our own program as one of those measured, started as a person starts it: a daemon with a share on the target's side,
// paired by a one-time code, and the one-shot command that dials it over mutual TLS. Each target gets two new states, so
// that no run knows anything of an earlier one but what its own target's runs left behind.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exact } from './compare.ts'
import type { Measured } from './measure.ts'
import type { Peer, Told } from './peers.ts'
import { findProgram, must, own, run, startDaemon } from './processes.ts'
import { lookForSsh, openSshd } from './ssh.ts'

const clone = dirname(dirname(fileURLToPath(import.meta.url)))
/** The launcher: what a start costs a person, it costs here. */
export const program = join(clone, 'nightferry')
const machine = 'bench-target'

export const nightferry: Peer = {
  name: 'nightferry',
  async look(signal) {
    if (!existsSync(program)) return { missing: `${program} is not there` }
    const help = await run([program, 'sync', '--help'], signal)
    if (help.code !== 0 || !help.stdout.includes('--mode'))
      return { missing: `nightferry sync --help: ${lastLine(help.stderr || help.stdout)}` }
    const { version } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8')) as { version: string }
    return { version: `nightferry ${version}, Node ${process.version}` }
  },
  async open({ source, target, network }, scope, signal) {
    const here = [program, '--state', join(source.beside, 'state')]
    const there = [program, '--state', join(target.beside, 'state')]
    await must([...there, 'share', 'add', 'mirror', target.tree], signal)
    const serve = network.onTarget([...there, 'serve', '--listen', `${network.host}:0`, '--name', machine])
    const daemon = own(await startDaemon(serve, (output) => listening.test(output), signal), scope)
    const address = listening.exec(daemon.output())?.[1]
    const wait = network.onTarget([...there, 'pair'])
    const pairing = own(await startDaemon(wait, (output) => code.test(output), signal), scope)
    const bring = [...here, 'pair', `${code.exec(pairing.output())?.[1]}@${address}`, '--name', 'bench-source']
    await must(network.onSource(bring), signal)
    if ((await pairing.ended) !== 0) throw new Error(`nightferry pair: ${lastLine(pairing.output())}`)
    const command = network.onSource([...here, 'sync', source.tree, `${machine}:mirror`, '--json', '--quiet'])
    return { command, daemonPid: daemon.pid, keeps: exact, read: readEvents }
  },
}

/** The same end by ssh: no daemon of ours, the one that is measured is sshd with what it starts. */
export const nightferryOverSsh: Peer = {
  name: 'nightferry over ssh',
  async look(signal) {
    const [ours, ssh] = [await nightferry.look(signal), await lookForSsh(signal)]
    if ('missing' in ours || 'missing' in ssh) return 'missing' in ours ? ours : ssh
    return { version: `${ours.version}; ${ssh.version}` }
  },
  async open({ source, target, network }, scope, signal) {
    const { shell, login, pid } = await openSshd({ source, target, network }, scope, signal)
    const programs = join(source.beside, 'programs')
    mkdirSync(programs)
    const real = findProgram('ssh') ?? 'ssh'
    writeFileSync(join(programs, 'ssh'), `#!/bin/sh\nexec ${shell.replace(/^ssh/, `'${real}'`)} "$@"\n`, {
      mode: 0o755,
    })
    const there = `'${program}' --state '${join(target.beside, 'state')}'`
    const words = [
      'env',
      `PATH=${programs}:${process.env.PATH ?? ''}`,
      program,
      '--state',
      join(source.beside, 'state'),
    ]
    const run = ['sync', source.tree, `ssh://${login}${target.tree}`, '--remote-command', there, '--json', '--quiet']
    return { command: network.onSource([...words, ...run]), daemonPid: pid, keeps: exact, read: readEvents }
  },
}

const listening = /listening on (\S+:\d+)/
const code = /code: *(\S+)/

/** The figures of the `run-end` event, and the time from each `phase` event to the next. */
function readEvents({ output, wallSeconds }: Measured): Told {
  const phases: { name: string; atSeconds: number }[] = [{ name: 'start', atSeconds: 0 }]
  let told: Told = {}
  for (const { line, atSeconds } of linesOf(output)) {
    // A first run may print a line for every file: only those that matter are parsed.
    if (!/"type":"(phase|run-end)"/.test(line)) continue
    const event = JSON.parse(line) as Record<string, unknown>
    if (event.type === 'phase') phases.push({ name: String(event.phase), atSeconds })
    else told = readEnd(event)
  }
  phases.push({ name: '', atSeconds: wallSeconds })
  const seconds: Record<string, number> = {}
  for (const [i, { name, atSeconds }] of phases.entries())
    if (name !== '') seconds[name] = (seconds[name] ?? 0) + (phases[i + 1]?.atSeconds ?? atSeconds) - atSeconds
  return phases.length > 2 ? { ...told, phases: seconds } : told
}

function readEnd(event: Record<string, unknown>): Told {
  const counts = event.counts as Record<string, number> | undefined
  return {
    wireBytes: Number(event.wireBytesOut) + Number(event.wireBytesIn),
    contentBytes: Number(event.contentBytes),
    ...(counts?.renamed === undefined ? {} : { renamed: counts.renamed }),
  }
}

function linesOf(output: Measured['output']): { line: string; atSeconds: number }[] {
  const lines: { line: string; atSeconds: number }[] = []
  let rest = ''
  for (const { text, atSeconds } of output) {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) lines.push({ line, atSeconds })
  }
  return lines
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
