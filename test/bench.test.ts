// The parts of the benchmark that judge and that touch a tree: were they wrong, its figures would be too. Nothing is timed.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, lutimesSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { editFiles, movePath } from '../bench/changes.ts'
import { compareMetadata, exact, takeCensus } from '../bench/compare.ts'
import type { Run } from '../bench/cycle.ts'
import { generateTree } from '../bench/generate.ts'
import { Lane } from '../bench/lane.ts'
import { makeMany } from '../bench/many.ts'
import { nodeScript } from '../bench/network.ts'
import { chooseRows, type Goal, groupRows, rotated, tasksOf } from '../bench/rows.ts'
import { median, verdictsOf } from '../bench/verdicts.ts'

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nightferry-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function runOf(peer: string, wallSeconds: number, more: Partial<Run> = {}): Run {
  return {
    row: 'first',
    step: 'first',
    place: 'tmpfs',
    peer,
    cycle: 1,
    wallSeconds,
    cpuSeconds: { source: 1, target: 1 },
    memoryBytes: { source: 100e6, target: 200e6 },
    settleSeconds: 0,
    networkBytes: 0,
    harnessCpuSeconds: 0,
    verified: 'content',
    told: {},
    ...more,
  }
}

describe('the slow link', () => {
  const line = { bytesPerSecond: 1000, oneWayMs: 25, queueBytes: 100 }

  it('carries so many bytes a second, so late', () => {
    const lane = new Lane(line)
    assert.deepEqual([lane.arrival(0, 50), lane.arrival(0, 50)], [75, 125])
    assert.equal(lane.arrival(1000, 10), 1035, 'an idle line holds nothing back')
  })

  it('drops what does not fit into the queue, and takes the next when there is room', () => {
    const lane = new Lane(line)
    assert.deepEqual([lane.arrival(0, 60), lane.arrival(0, 60), lane.arrival(0, 40)], [85, undefined, 125])
    assert.equal(lane.arrival(60, 60), 185)
  })
})

describe('the rows', () => {
  it('leave out what takes long unless it is named', () => {
    const all = chooseRows([]).map(({ name }) => name)
    assert.ok(all.includes('first') && all.includes('slow') && !all.includes('million'))
    assert.deepEqual(
      chooseRows(['million', 'first']).map(({ name }) => name),
      ['first', 'million'],
    )
  })

  it('share a cycle where they share a tree, each program with its own steps in order', () => {
    const [group = []] = groupRows(chooseRows(['rename', 'unchanged', 'edits', 'slow']))
    assert.deepEqual(
      group.map(({ name }) => name),
      ['unchanged', 'edits', 'rename'],
    )
    assert.deepEqual(
      tasksOf(group, 'nightferry').map(({ step, times }) => `${step} ${times}`),
      ['unchanged 3', 'edits 1', 'rename 1'],
    )
    assert.deepEqual(
      tasksOf(group, 'rclone').map(({ step }) => step),
      ['unchanged'],
    )
  })

  it('let another program begin in each cycle', () => {
    assert.deepEqual(
      [1, 2, 3, 4].map((cycle) => rotated(['a', 'b', 'c'], cycle).join('')),
      ['abc', 'bca', 'cab', 'abc'],
    )
    assert.deepEqual(rotated([], 2), [])
  })
})

describe('the verdicts', () => {
  const ratio: Goal = { what: 'ratio', step: 'first', against: 'rsync daemon', most: 0.5 }
  const rename: Goal = { what: 'one rename', step: 'rename', mostWireBytes: 1000 }
  const moved = { told: { wireBytes: 999, renamed: 1 }, sameInode: true }
  const cases: readonly [what: string, goals: readonly Goal[], runs: readonly Run[], said: string][] = [
    [
      'met',
      [ratio],
      [runOf('nightferry', 1), runOf('rsync daemon', 2)],
      '  0.50 x rsync daemon (target: at most 0.5): met',
    ],
    ['missed', [ratio], [runOf('nightferry', 1.5), runOf('rsync daemon', 2)], 'MISSED by 50 %'],
    ['not there', [ratio], [runOf('nightferry', 1)], 'it did not run'],
    ['ours not there', [ratio], [runOf('rsync daemon', 1)], 'nightferry did not run'],
    ['no goal', [], [runOf('nightferry', 1), runOf('rclone', 2)], '  0.50 x rclone (no target)'],
    [
      'durable',
      [],
      [runOf('nightferry', 2), runOf('rsync daemon', 1, { settleSeconds: 3 })],
      '  2.00 x rsync daemon, until on the disk 0.50 (no target)',
    ],
    [
      'one rename',
      [rename],
      [runOf('nightferry', 1, moved)],
      'one rename on the target (target: below 1000, one): met',
    ],
    ['another inode', [rename], [runOf('nightferry', 1, { ...moved, sameInode: false })], 'NOT one rename'],
    ['resent', [rename], [runOf('nightferry', 1, { ...moved, told: { wireBytes: 1000, renamed: 1 } })], 'MISSED'],
    ['untold', [rename], [runOf('nightferry', 1, { sameInode: true })], 'MISSED'],
    ['seconds', [{ what: 'seconds', step: 'version', most: 0.04 }], [runOf('nightferry', 0.05)], 'MISSED by 25 %'],
    [
      'memory of the larger side',
      [{ what: 'memory', step: 'first', mostBytes: 160e6 }],
      [runOf('nightferry', 1)],
      'memory 100 MB (source) and 200 MB (target) at most (target: 160): MISSED by 25 %',
    ],
  ]
  for (const [what, goals, runs, said] of cases)
    it(what, () => {
      const [first = ''] = verdictsOf(goals, runs, 'nightferry')
      assert.ok(first.includes(said), `${first}\nlacks: ${said}`)
    })

  it('take the middle of the runs', () => {
    assert.deepEqual([median([3, 1, 2]), median([1, 4]), median([])], [2, 2.5, Number.NaN])
  })
})

describe('the tree', () => {
  it('is another one after a change, and the same again when that is taken back', (t) => {
    const root = join(folderFor(t), 'tree')
    const heavy = generateTree(root, 1500, 1e6, t.signal)
    const before = takeCensus(root)
    const edits = editFiles(root)
    const edited = takeCensus(root)
    const rename = movePath(root, heavy, `${heavy}-renamed`)
    const renamed = takeCensus(root)
    assert.notEqual(edited.metadataDigest, before.metadataDigest)
    assert.notEqual(renamed.metadataDigest, edited.metadataDigest)
    assert.ok(edited.sizeBytes > before.sizeBytes && edited.files === before.files)
    rename.undo()
    edits.undo()
    assert.deepEqual(takeCensus(root), before)
  })

  it('is edited in the same hundred files each time', async (t) => {
    const root = join(folderFor(t), 'tree')
    mkdirSync(root)
    await makeMany(root, 2000, 20, t.signal)
    const sizes: number[] = []
    for (let i = 0; i < 2; i++) {
      const { undo } = editFiles(root)
      sizes.push(takeCensus(root).sizeBytes)
      undo()
    }
    assert.equal(sizes[0], sizes[1])
  })

  it('of many tiny files has as many as were asked for, in as many directories', async (t) => {
    const root = join(folderFor(t), 'tree')
    mkdirSync(root)
    await makeMany(join(root, 'many'), 1000, 100, t.signal)
    await makeMany(join(root, 'flat'), 100, 1, t.signal)
    const { files, directories } = takeCensus(root)
    assert.deepEqual({ files, directories }, { files: 1100, directories: 103 })
  })
})

describe('the writer of the row durability', () => {
  for (const way of ['none', 'group', 'each'])
    it(`writes all there is: ${way}`, (t) => {
      const folder = folderFor(t)
      const [source, target] = [join(folder, 'source'), join(folder, 'target')]
      generateTree(source, 300, 1e5, t.signal)
      mkdirSync(join(source, 'empty'), { mode: 0o750 })
      symlinkSync('nowhere', join(source, 'link'))
      lutimesSync(join(source, 'link'), 1_000_000_000, 1_000_000_000)
      writeFileSync(join(source, 'nothing'), '', { mode: 0o600 })
      mkdirSync(target)
      execFileSync(process.execPath, [...nodeScript('writer.ts').slice(1), way, source, target])
      assert.equal(compareMetadata(source, target, exact), '')
      assert.equal(lstatSync(join(target, 'link')).mtimeMs, 1_000_000_000_000)
    })
})
