// A process that changes files of one folder some thousand times a second, in every way that a reader may meet, and what a
// reader may come to see of them. Each version of a file repeats its own number from its first byte to its last, so that a
// mix of two shows. For tests only.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Small ones fit a pack with others; the large ones are told in portions. */
const sizes = { small: 1600, middle: 96_000, large: 3_200_000 } as const
type Size = keyof typeof sizes

/**
 * `place`: rewritten by one write in its place. `name`: replaced by a rename. `gone`: removed and made again, by a rename.
 * `kind`: a file, a directory, a symlink and nothing by turns. `grows` and `shrinks`: a log, and one that is cut off.
 */
const ways = ['place', 'name', 'gone', 'kind', 'grows', 'shrinks'] as const

/** So long is one number: each content is a repetition of it. */
const wordBytes = 16

const program = `
const fs = require('node:fs')
const [root, aside, list] = process.argv.slice(1)
const files = JSON.parse(list)
let version = 0
let changes = 0
const word = (number) => String(number).padStart(${wordBytes - 1}, '0') + '\\n'
const whole = (sizeBytes, number) => Buffer.alloc(sizeBytes, word(number))
const make = (path, sizeBytes) => {
  fs.writeFileSync(aside, whole(sizeBytes, ++version))
  fs.renameSync(aside, path)
}
const remove = (path) => fs.rmSync(path, { recursive: true, force: true })
const acts = {
  place(path, sizeBytes) {
    const handle = fs.openSync(path, 'r+')
    fs.writeSync(handle, whole(sizeBytes, ++version), 0, sizeBytes, 0)
    fs.closeSync(handle)
  },
  name: make,
  gone(path, sizeBytes) {
    if (fs.existsSync(path)) fs.unlinkSync(path)
    else make(path, sizeBytes)
  },
  kind(path, sizeBytes, turn) {
    remove(path)
    if (turn % 4 === 0) fs.mkdirSync(path)
    else if (turn % 4 === 1) fs.symlinkSync('/etc/hostname', path)
    else if (turn % 4 === 2) make(path, sizeBytes)
  },
  grows(path, sizeBytes) {
    if (fs.statSync(path).size < 2 * sizeBytes) fs.appendFileSync(path, word(0).repeat(5))
  },
  shrinks(path, sizeBytes) {
    const { size } = fs.statSync(path)
    if (size > sizeBytes / 2) fs.truncateSync(path, size - ${wordBytes})
    else make(path, sizeBytes)
  },
}
for (const { path, way, sizeBytes } of files) {
  if (way === 'grows') fs.writeFileSync(root + path, word(0))
  else make(root + path, sizeBytes)
}
process.stdout.write('ready ')
let turn = 0
let isEnding = false
process.stdin.on('end', () => (isEnding = true)).resume()
// Restless for a while, and then still for a while, so that some readers come through.
const round = () => {
  if (isEnding) {
    for (const { path, sizeBytes } of files) {
      remove(root + path)
      make(root + path, sizeBytes)
    }
    return void process.stdout.write(String(changes))
  }
  const until = performance.now() + 40
  while (performance.now() < until) {
    const { path, way, sizeBytes } = files[turn % files.length]
    acts[way](root + path, sizeBytes, Math.floor(turn / files.length))
    turn++
    changes++
  }
  setTimeout(round, turn % 3 === 0 ? 120 : 10)
}
round()
`

export class Restless {
  readonly #child: ChildProcess
  #told = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#told += text
    })
  }

  /** Starts to change files in the folder `root`; \`aside\` is a place beside it on its file system. */
  static async in(root: string, aside: string): Promise<Restless> {
    const files = Object.entries(sizes).flatMap(([size, sizeBytes]) =>
      ways.map((way) => ({ path: `/${size}/${way}`, way, sizeBytes })),
    )
    for (const size of Object.keys(sizes)) mkdirSync(join(root, size), { recursive: true })
    const child = spawn(process.execPath, ['-e', program, root, aside, JSON.stringify(files)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const restless = new Restless(child)
    while (!restless.#told.includes('ready')) await once(child.stdout as NodeJS.ReadableStream, 'data')
    return restless
  }

  /** Ends it; how often something was changed. */
  async end(): Promise<number> {
    const closed = once(this.#child, 'close')
    this.#child.stdin?.end()
    await closed
    return Number(this.#told.split(' ')[1])
  }
}

/** Fails where something below `root` is a mix of versions, or what no version was. Gives the numbers of the versions seen. */
export function assertWhole(root: string, where: string): Map<string, string> {
  const versions = new Map<string, string>()
  for (const size of Object.keys(sizes) as Size[]) {
    for (const name of readdirSync(join(root, size))) {
      const path = join(root, size, name)
      const facts = lstatSync(path)
      if (facts.isDirectory() && name === 'kind') assert.deepEqual(readdirSync(path), [], `${where}: ${path}`)
      else if (facts.isSymbolicLink()) assert.equal(readlinkSync(path), '/etc/hostname', `${where}: ${path}`)
      else versions.set(`${size}/${name}`, versionOf(path, sizes[size], where))
    }
  }
  return versions
}

function versionOf(path: string, sizeBytes: number, where: string): string {
  const content = readFileSync(path)
  const way = path.split('/').at(-1)
  const [least, most] =
    way === 'grows'
      ? [wordBytes, 3 * sizeBytes]
      : [way === 'shrinks' ? sizeBytes / 2 - wordBytes : sizeBytes, sizeBytes]
  const word = content.subarray(0, wordBytes)
  assert.match(word.toString('latin1'), /^\d{15}\n$/, `${where}: ${path} begins with a number`)
  assert.ok(content.equals(Buffer.alloc(content.length, word)), `${where}: ${path} mixes versions`)
  // What was made anew in the end is of its size, whatever its way.
  const isRight = content.length % wordBytes === 0 && content.length >= least && content.length <= most
  assert.ok(isRight || content.length === sizeBytes, `${where}: ${path} has ${content.length} bytes`)
  return word.toString('latin1').trim()
}
