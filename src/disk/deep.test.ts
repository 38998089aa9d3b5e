// A tree far deeper than any path may be: somebody made a hundred thousand directories within each other. The scan takes
// what a path can name, tells the rest as a problem, and its work and stack do not grow with what lies below.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { openDomainDigester } from '../chunk/digest.ts'
import { pathMaxBytes, pathMaxDepth, type RelPath } from '../core/path.ts'
import { Tree } from '../core/tree.ts'
import { utf8 } from '../std/bytes.ts'
import { systemClock } from '../std/clock.ts'
import { scanRoot } from './scan.ts'
import { systemSys } from './system.ts'

/** In memory, where there is such a file system: on a disk each directory is a block of its own. */
const memory = '/dev/shm'
const isFast = existsSync(memory)
const home = mkdtempSync(join(isFast ? memory : tmpdir(), 'nf-deep-'))
// Only a program that goes down step by step gets such a tree away.
after(() => spawnSync('rm', ['-rf', home]))
const levels = isFast ? 100_000 : 5_000

it('a tree of a hundred thousand levels is taken as far as a path may go, and the rest is told', () => {
  const sys = systemSys()
  const name = utf8('d')
  const root = sys.openRoot(home)
  let at = sys.openDirectory(root, utf8(''))
  for (let level = 0; level < levels; level++) {
    assert.equal(sys.makeDirectory(at, name, 0o755), 0)
    const next = sys.openDirectory(at, name)
    assert.ok(next >= 0)
    sys.close(at)
    at = next
  }
  sys.close(at)
  const tree = new Tree([], '', () => openDomainDigester('listing 1'))
  const { entries, problems } = scanRoot(sys, root, tree, { overrides: [], ignoreFiles: [] }, systemClock.nowMs)
  sys.close(root)
  assert.ok(entries <= pathMaxDepth + 1, `${entries} entries`)
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['unreadable'],
  )
  assert.ok(utf8(problems[0]?.path ?? '').length <= pathMaxBytes)
  tree.setView({ modeMask: 0o777, timeGrainNs: 1, overrides: [], texts: [] }, 'view')
  assert.equal(tree.summary('' as RelPath)?.files, 0)
})
