// Fuzzing for as long as wanted: `npm run test:fuzz -- --seed N --minutes M [--only PART-OF-A-NAME]`. Half of the time goes to
// the readers, in a process whose memory is bounded and whose rounds are watched; half to hostile sessions with a real
// daemon. `--sessions N` makes N calls of one daemon instead. The first finding
// ends it, with the command that finds it again. `--record` records the corpus anew.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect, parseArgs } from 'node:util'
import { feed } from './campaign.ts'
import { loadCorpus, record } from './record.ts'
import { Soak } from './soak.ts'
import { openTargets } from './targets.ts'

/** What the readers may hold: the heap's bound and the process's own. */
const heapMib = 160
const residentMibMax = 512
/** A round is work of milliseconds: one that takes this long does not end. */
const roundMs = 60_000
const roundsUsual = 2000

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '2' },
    rounds: { type: 'string', default: String(roundsUsual) },
    only: { type: 'string', default: '' },
    /** Where the round that runs is written: this is the process that does the rounds. */
    mark: { type: 'string' },
    record: { type: 'boolean', default: false },
    /** So many calls of one daemon, and nothing else. */
    sessions: { type: 'string' },
  },
})

/** One campaign over all targets, in this process. The exit code. */
async function campaign(markPath: string): Promise<number> {
  const mark = openSync(markPath, 'w')
  const { targets, close } = openTargets(loadCorpus())
  const [seed, rounds] = [Number(values.seed), Number(values.rounds)]
  try {
    for (const target of targets) {
      if (!target.name.includes(values.only)) continue
      const tell = (round: number): void => void writeSync(mark, `${target.name}, round ${round}`.padEnd(60), 0)
      const { finding } = await feed(target, { seed, rounds, mark: tell })
      if (finding === undefined) continue
      const path = join(tmpdir(), `nightferry-finding-${target.name.replaceAll(' ', '-')}-${seed}`)
      writeFileSync(path, finding.input)
      console.log(
        `FOUND by ${target.name} in round ${finding.round}: ${inspect(finding.error)}\nthe input is in ${path}`,
      )
      console.log(`again: npm run test:fuzz -- --seed ${seed} --rounds ${rounds} --only '${target.name}'`)
      return 1
    }
    const residentMib = Math.round(process.resourceUsage().maxRSS / 1024)
    console.log(`seed ${seed}: ${targets.length} targets, at most ${residentMib} MiB`)
    if (residentMib <= residentMibMax) return 0
    console.log(`FOUND: more than ${residentMibMax} MiB were held`)
    return 1
  } finally {
    close()
  }
}

/** The same in a process of its own, which is watched. */
async function watched(seed: number): Promise<number> {
  const home = mkdtempSync(join(tmpdir(), 'nf-mark-'))
  const mark = join(home, 'mark')
  const args = ['--seed', String(seed), '--rounds', values.rounds, '--only', values.only, '--mark', mark]
  const child = spawn(process.execPath, [`--max-old-space-size=${heapMib}`, import.meta.filename, ...args], {
    stdio: 'inherit',
  })
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  const watch = watchMark(child, mark)
  const code = await ended
  clearInterval(watch)
  const last = readMark(mark)
  rmSync(home, { recursive: true, force: true })
  if (code !== 0)
    console.log(
      `seed ${seed} ended with ${code} at ${last}\nagain: npm run test:fuzz -- --seed ${seed} --rounds ${values.rounds}`,
    )
  return code
}

function readMark(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

function watchMark(child: ChildProcess, mark: string): NodeJS.Timeout {
  let last = ''
  let since = Date.now()
  return setInterval(() => {
    const now = readMark(mark)
    if (now !== last) {
      last = now
      since = Date.now()
    } else if (Date.now() - since > roundMs) {
      console.log(`FOUND: ${last} does not end`)
      child.kill('SIGKILL')
    }
  }, 1000)
}

/** Hostile sessions until the time is over, or so many. */
async function sessions(untilMs: number, count: number): Promise<number> {
  const soak = await Soak.begin()
  try {
    const first = Number(values.seed) * 1_000_000
    for (let seed = first; seed < first + count && Date.now() < untilMs; seed++) {
      await soak.session(seed)
      if (soak.told.sessions % 200 === 0) await soak.honestRun()
    }
    await soak.honestRun()
    const { levels, answered, callers, sessions: done } = soak.told
    console.log(
      `${done} sessions; of other kinds: ${[...callers].map(([name, times]) => `${name} ${times}`).join(', ')}`,
    )
    console.log(`answered: ${[...answered].map(([name, times]) => `${name} ${times}`).join(', ')}`)
    console.log(
      `after each 50: ${levels.map((one) => `${Math.round(one.residentKib / 1024)} MiB, ${one.handles} handles, ${one.threads} threads`).join(' · ')}`,
    )
    return soak.isLevel() ? 0 : 1
  } finally {
    await soak.close()
  }
}

async function main(): Promise<number> {
  if (values.record) {
    await record()
    return 0
  }
  if (values.mark !== undefined) return await campaign(values.mark)
  if (values.sessions !== undefined) return await sessions(Number.POSITIVE_INFINITY, Number(values.sessions))
  const endMs = Date.now() + Number(values.minutes) * 60_000
  const halfMs = values.only === '' ? (Date.now() + endMs) / 2 : endMs
  for (let seed = Number(values.seed); Date.now() < halfMs || seed === Number(values.seed); seed++) {
    const code = await watched(seed)
    if (code !== 0) return code
  }
  return values.only === '' ? await sessions(endMs, Number.POSITIVE_INFINITY) : 0
}

process.exitCode = await main()
