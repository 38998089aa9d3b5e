// Names between two machines: every odd one that Linux takes goes there and comes back, as file, directory and link; runs
// after that touch nothing. Names that are no text live through all that happens to others: changed, renamed, deleted,
// kept, brought back, undone, ignored, asked about.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { utf8 } from '../../src/std/bytes.ts'
import { assertSameTree, bytesOf, readTree, writeTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'
import { oddNames } from '../world/odd-names.ts'
import { plant } from '../world/planted.ts'

/** What shows that an entry was touched: inode and ctime of each, as bytes of names say which. */
function touches(path: string): string[] {
  const found: string[] = []
  const visit = (at: Buffer): void => {
    for (const entry of readdirSync(at, { withFileTypes: true, encoding: 'buffer' })) {
      if (entry.name.toString() === '.nightferry') continue
      const below = Buffer.concat([at, Buffer.from('/'), entry.name])
      const { ino, ctimeNs } = lstatSync(below, { bigint: true })
      found.push(`${below.toString('latin1')} ${ino} ${ctimeNs}`)
      if (entry.isDirectory()) visit(below)
    }
  }
  visit(Buffer.from(path))
  return found.sort()
}

/** A word for a shell, of bytes that no argument of a spawned process could be given. */
function word(text: string): string {
  return `"$(printf '${[...utf8(text)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}_')"`
}

describe('names', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  /** A command typed on the laptop, with words of any bytes. */
  function typed(...words: readonly string[]): { code: number | null; stdout: string; stderr: string } {
    // A substitution drops line breaks at its end, so each word ends with a mark that goes.
    const script = words.map((one, i) => `w${i}=${word(one)}; w${i}=\${w${i}%_}`).join('; ')
    const all = words.map((_, i) => `"$w${i}"`).join(' ')
    const launcher = join(import.meta.dirname, '../../nightferry')
    const { status, stdout, stderr } = spawnSync(
      'sh',
      ['-c', `${script}; exec "$0" --state "$1" ${all}`, launcher, pair.laptop.state],
      {
        cwd: pair.world.directory,
        encoding: 'utf8',
      },
    )
    return { code: status, stdout, stderr }
  }

  it('of every odd kind go there and come back; the second and third run touch nothing', async () => {
    const source = pair.world.folder('odd')
    const there = pair.world.folder('shared/odd')
    const back = pair.world.folder('back')
    const names = oddNames()
    assert.ok(names.length > 700, `${names.length}`)
    plant(source, {
      ...Object.fromEntries(names.map((name) => [name, `text of ${name}`])),
      ...Object.fromEntries(names.map((name) => [`links/${name}`, { link: name }])),
      ...Object.fromEntries(names.map((name) => [`directories/${name}/${name}`, 'deep'])),
    })
    for (const [from, to, here] of [
      [source, 'nas:data/odd', there],
      ['nas:data/odd', back, back],
    ] as const) {
      const first = await pair.laptop.mustSync('done', from, to)
      assert.deepEqual(first.problems, [])
      assertSameTree(here, source)
      const before = touches(here)
      for (const round of [2, 3]) {
        const again = await pair.laptop.mustSync('unchanged', from, to)
        assert.deepEqual([again.changes, again.problems], [[], []], `${round}`)
        assert.deepEqual(touches(here), before)
      }
      // Where every name and every content is compared once more, nothing is found to do either.
      const fresh = await pair.laptop.mustSync('unchanged', from, to, '--checksum')
      assert.deepEqual([fresh.changes, fresh.problems], [[], []])
      assert.deepEqual(touches(here), before)
    }
  })

  it('that are no text live through everything', async () => {
    const source = pair.world.folder('raw')
    const there = pair.world.folder('shared/raw')
    writeTree(source, {
      'caf\udce9': 'coffee',
      'd\udcff/x\udcfe': 'x',
      'd\udcff/y': 'y',
      'e/\udcc3(.log': 'ignored',
      'e/\udcc3(.txt': 'kept',
      'ä\udc80': 'both kinds',
    })
    writeTree(source, { '.nightferryignore': 'e/*.log\n' })
    await pair.laptop.mustSync('done', source, 'nas:data/raw')
    rmSync(bytesOf(join(source, 'e/\udcc3(.log')))
    assertSameTree(there, source)

    writeTree(source, { 'caf\udce9': 'other coffee' })
    renameSync(bytesOf(join(source, 'd\udcff')), bytesOf(join(source, 'f\udcff')))
    renameSync(bytesOf(join(source, 'ä\udc80')), bytesOf(join(source, 'ö\udc81')))
    rmSync(bytesOf(join(source, 'e/\udcc3(.txt')))
    const run = await pair.laptop.mustSync('done', source, 'nas:data/raw')
    assertSameTree(there, source)
    assert.deepEqual([run.counts['renamed'], run.counts['replaced'], run.counts['deleted']], [2, 1, 1], run.stdout)
    const told = run.changes.map(
      ({ action, path, from }) => `${action} ${path}${from === undefined ? '' : ` of ${from}`}`,
    )
    assert.ok(told.includes('replace-file caf\udce9'), told.join('\n'))
    assert.ok(
      told.some((line) => line.endsWith('ö\udc81 of ä\udc80')),
      told.join('\n'),
    )

    const listed = typed('versions', 'nas:data/raw/caf\udce9', '--json')
    assert.equal(listed.code, 0, listed.stderr)
    const { versions } = JSON.parse(listed.stdout) as { versions: { path: string; why: string }[] }
    assert.deepEqual(
      versions.map(({ path, why }) => [path, why]),
      [['caf\udce9', 'replaced']],
    )
    assert.match(typed('versions', 'nas:data/raw').stdout, /e\/\\xc3\(\.txt/)
    const why = typed('why', join(source, 'caf\udce9'))
    assert.match(why.stdout, /^caf\\xe9 on the source/)
    assert.match(why.stdout, /It got new content on the target/)
    assert.match(typed('log', String(run.lines[0]?.['runId'])).stdout, /replaced +caf\\xe9/)

    const brought = typed('undelete', 'nas:data/raw/e/\udcc3(.txt')
    assert.equal(brought.code, 0, brought.stderr)
    assert.ok(readTree(there).some((line) => line.startsWith('e/\xc3(.txt file')))
    // With what came back where it was, the whole run is undone.
    rmSync(bytesOf(join(there, 'e/\udcc3(.txt')))
    await pair.laptop.must('undo', String(run.lines[0]?.['runId']))
    const names = readTree(there).map((line) => Buffer.from(line.split(' ')[0] ?? '', 'latin1').toString('latin1'))
    assert.deepEqual(names.filter((name) => /[\x80-\xff]/.test(name)).sort(), [
      'caf\xe9',
      'd\xff',
      'd\xff/x\xfe',
      'd\xff/y',
      'e/\xc3(.txt',
      '\xc3\xa4\x80',
    ])
  })
})
