// A two-way run in which everything happens at once, cut off in front of each of its calls, or with a person at work on
// either side at that very moment: plain runs then make both sides equal, and nothing that anybody wrote is lost, or taken
// for agreed on. A sample of the calls within `npm test`.

import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { placesIn } from '../world/disk-trees.ts'
import { assertTidy } from '../world/oracle.ts'
import { allTexts, contents, plant } from '../world/planted.ts'
import { Simulation, type Trouble, type Way } from '../world/simulation.ts'
import { casesOf, isLeftOut, replay } from './options.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-steps-'))
after(() => rmSync(home, { recursive: true, force: true }))

const first = {
  stays: 'stays',
  'left edits': 'v1',
  'right edits': 'v1',
  'both edit.txt': 'v1',
  'both edit too': 'longer v1',
  'left empties': 'v1',
  'left deletes': 'v1',
  'right deletes': 'v1',
  'left deletes, right edits': 'v1',
  'chmod and edit': 'v1',
  'touched and deleted': 'v1',
  'd/stays': 'in d',
  'd/edited': 'in d, v1',
  'goes/a': 'goes a',
  'goes/b/c': 'goes c',
  'goes but/a': 'goes a',
  'goes but/b/c': 'edited c v1',
  'moves/a': 'moves a',
  'file to folder': 'a file v1',
  'folder to file/in': 'in v1',
  'folder to file, edited/in': 'in v1 too',
  link: { link: 'v1' },
  'both link': { link: 'v1' },
} as const

/** What both did since. */
function edit(left: string, right: string): void {
  const write = (root: string, name: string, text: string): void => writeFileSync(join(root, name), text)
  const remove = (root: string, name: string): void => rmSync(join(root, name), { recursive: true })
  write(left, 'left edits', 'v2 of left')
  write(right, 'right edits', 'v2 of right')
  for (const name of ['both edit.txt', 'both edit too']) {
    write(left, name, `${name} left v2`)
    write(right, name, `${name} right, v2`)
  }
  write(left, 'left empties', '')
  write(right, 'left empties', 'right v2')
  remove(left, 'left deletes')
  remove(right, 'right deletes')
  remove(left, 'left deletes, right edits')
  write(right, 'left deletes, right edits', 'v2')
  chmodSync(join(left, 'chmod and edit'), 0o600)
  write(right, 'chmod and edit', 'v2 of right')
  remove(left, 'touched and deleted')
  utimesSync(join(right, 'touched and deleted'), 1.65e9, 1.65e9)
  write(right, 'd/edited', 'in d, v2')
  write(left, 'd/new', 'new in d')
  remove(left, 'goes')
  remove(right, 'goes but')
  write(left, 'goes but/b/c', 'edited c v2')
  renameSync(join(left, 'moves'), join(left, 'moved'))
  remove(right, 'file to folder')
  plant(right, { 'file to folder/in': 'in a folder now' })
  write(left, 'file to folder', 'a file v2')
  remove(right, 'folder to file')
  write(right, 'folder to file', 'a file now')
  remove(left, 'folder to file, edited')
  write(left, 'folder to file, edited', 'a file now too')
  write(right, 'folder to file, edited/in', 'in v2')
  for (const [root, text] of [
    [left, 'left'],
    [right, 'right'],
  ] as const) {
    remove(root, 'both link')
    symlinkSync(text, join(root, 'both link'))
    plant(root, { [`new folder/${text}`]: `new ${text}`, 'new folder/both': `new both ${text}` })
  }
  remove(left, 'link')
  symlinkSync('v2', join(left, 'link'))
  mkdirSync(join(right, 'empty folder'))
}

type Scene = { readonly simulation: Simulation; readonly left: string; readonly right: string }

const run = (simulation: Simulation, trouble: Trouble = {}) =>
  simulation.run(trouble, { mode: 'two-way', keep: { kind: 'forever' } })

async function prepared(directory: string, way: Way): Promise<Scene> {
  const simulation = new Simulation(directory, way)
  const { source: left, target: right } = simulation
  plant(left, first)
  assert.equal((await run(simulation)).end?.outcome, 'done')
  edit(left, right)
  return { simulation, left, right }
}

/** What both sides come to where nothing happens. */
async function plain(directory: string, way: Way): Promise<{ calls: number; now: Record<string, string> }> {
  const { simulation, left, right } = await prepared(directory, way)
  const { calls, end, failure } = await run(simulation)
  assert.deepEqual([end?.outcome, failure], ['done', undefined])
  const now = contents(left)
  assert.deepEqual(contents(right), now)
  simulation.close()
  return { calls, now }
}

async function converge({ simulation, left, right }: Scene, where: string): Promise<number> {
  for (let runs = 1; runs < 7; runs++) {
    const { end, failure } = await run(simulation)
    assert.equal(failure, undefined, `${where}: ${failure?.message}`)
    assert.notEqual(end?.outcome, 'halted', where)
    if (runs > 2) assert.deepEqual(end?.problems, [], where)
    if (end?.outcome !== 'unchanged') continue
    assert.deepEqual(contents(left), contents(right), where)
    for (const side of [left, right]) assertTidy(side, where)
    return runs
  }
  return assert.fail(`${where}: no end of runs`)
}

/** Every text that either side had before is somewhere, and every one that was anybody's edit has a name. */
function assertKept(owed: ReadonlySet<string>, named: readonly string[], { left, right }: Scene, where: string): void {
  const here = new Set([...allTexts(left), ...allTexts(right)])
  for (const text of owed) assert.ok(here.has(text), `${where}: lost: ${text}`)
  const now = new Set(Object.values(contents(left)))
  for (const text of named) assert.ok(now.has(text), `${where}: has no name: ${text}`)
}

/** What only one side wrote, or both: it beats whatever else happened. */
const edits = [
  'v2 of left',
  'v2 of right',
  'both edit.txt left v2',
  'both edit.txt right, v2',
  'both edit too left v2',
  'both edit too right, v2',
  'right v2',
  '',
  'v2',
  'in d, v2',
  'new in d',
  'edited c v2',
  'moves a',
  'in a folder now',
  'a file v2',
  'a file now',
  'a file now too',
  'in v2',
  'new left',
  'new right',
  'new both left',
  'new both right',
  '-> left',
  '-> right',
  '-> v2',
  'stays',
  'in d',
]

type Work = (path: string, text: string) => void

/** What somebody does to every file of a side; the text has the name in it. */
const works: Readonly<Record<string, Work>> = {
  appends: (path, text) => appendFileSync(path, text),
  // As long as the old one was: only times tell.
  overwrites(path, text) {
    const { length } = readFileSync(path, 'utf8')
    if (length > 0) writeFileSync(path, text.slice(-length).padStart(length, '#'))
  },
  replaces(path, text) {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  },
  deletes: (path) => rmSync(path),
}

for (const way of ['local', 'push', 'pull'] as const satisfies Way[]) {
  describe(`a two-way run, ${way}`, { skip: process.platform !== 'linux' && 'the disk is Linux' }, () => {
    let made = 0
    const next = (): string => join(home, `${way}-${++made}`)

    const part = `bothsteps-dies-${way}`
    it('that is cut off in front of any of its calls is made good by the next', { skip: isLeftOut(part) }, async () => {
      const { calls, now: wanted } = await plain(next(), way)
      for (const dieAt of casesOf(calls, 3, part)) {
        for (const loss of ['most', 'least'] as const) {
          const where = `${way}: dead at ${dieAt}, of what was not synced the ${loss} (${replay(part, dieAt)})`
          const scene = await prepared(next(), way)
          const owed = new Set([...allTexts(scene.left), ...allTexts(scene.right)])
          await run(scene.simulation, { dieAt, loss })
          await converge(scene, where)
          assertKept(owed, edits, scene, where)
          assert.deepEqual(contents(scene.left), wanted, where)
          scene.simulation.close()
        }
      }
    })

    for (const who of ['left', 'right'] as const) {
      const meanwhile = `bothsteps-meanwhile-${who}-${way}`
      it(`loses nothing that somebody writes on the ${who} while it goes on`, {
        skip: isLeftOut(meanwhile),
      }, async () => {
        const { calls } = await plain(next(), way)
        for (const at of casesOf(calls, 1, meanwhile)) {
          for (const [how, work] of Object.entries(works)) {
            const where = `${way}: the ${who} ${how} at ${at} (${replay(meanwhile, at)})`
            const scene = await prepared(next(), way)
            const texts: string[] = []
            const act = (): void => {
              const root = scene[who]
              for (const { path, kind } of placesIn(root)) {
                if (kind !== 'file') continue
                work(path, `${path.slice(root.length)} meanwhile`)
                if (existsSync(path)) texts.push(readFileSync(path, 'utf8'))
              }
            }
            await run(scene.simulation, { meanwhile: { at, act } })
            const early = new Set([...allTexts(scene.left), ...allTexts(scene.right)])
            for (const text of texts) assert.ok(early.has(text), `${where}: lost at once: ${text}`)
            await converge(scene, where)
            assertKept(new Set(), texts, scene, where)
            scene.simulation.close()
          }
        }
      })
    }
  })
}
