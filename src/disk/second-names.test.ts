// A name that shares its inode with another one: what is set on it is set on no other name, and where it can't get a file of
// its own, both are what they were, and nothing lies aside.

import assert from 'node:assert/strict'
import { linkSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { Stop, stopOf } from '../std/stop.ts'
import { Parting, type Setter } from './second-names.ts'
import { sysUntilStopped } from './stoppable.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-parting-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
const content = Buffer.alloc(5 << 20, 'content')
let made = 0

/** Two names of one file; `set` gives the first one another mode with this Sys as the one that copies. */
function twoNames(): { path: string; staging: string; set(copying: Sys): number } {
  const path = join(home, `case-${++made}`)
  const staging = join(path, 'staging')
  mkdirSync(staging, { recursive: true })
  writeFileSync(join(path, 'a'), content, { mode: 0o644 })
  linkSync(join(path, 'a'), join(path, 'b'))
  const place = { directory: real.openRoot(path), name: utf8('a'), staging: real.openRoot(staging) }
  const seen = new Uint32Array(statWidth)
  assert.equal(real.stat(place.directory, place.name, seen, 0), 0)
  const mode: Setter = (isSeen) => {
    const handle = real.openFile(place.directory, place.name)
    const code = isSeen(handle) ? real.setMode(handle, 0o600) : -errno.EEXIST
    real.close(handle)
    return code
  }
  const set = (copying: Sys): number => {
    const before = readdirSync('/proc/self/fd').length
    const code = new Parting(real, () => real.exactRenames, true, copying).set(place, seen, mode)
    assert.equal(readdirSync('/proc/self/fd').length, before, 'a handle is open')
    return code
  }
  return { path, staging, set }
}

const modes = (path: string): string[] =>
  ['a', 'b'].map((name) => {
    const { mode, nlink } = lstatSync(join(path, name))
    return `${(mode & 0o777).toString(8)} ${nlink}`
  })

describe('a name that shares its inode', {
  skip: process.platform !== 'linux' && 'handles are counted in /proc',
}, () => {
  it('is given a copy before anything is set on it', () => {
    const { path, staging, set } = twoNames()
    assert.equal(set(real), 0)
    assert.deepEqual(modes(path), ['600 1', '644 1'])
    assert.deepEqual([readFileSync(join(path, 'a')).equals(content), readdirSync(staging)], [true, []])
  })

  it('stays what it is where the copy is wanted no more, between two pieces', () => {
    const { path, staging, set } = twoNames()
    const stop = new Stop()
    let reads = 0
    const counting: Sys = {
      ...real,
      read(...input) {
        if (++reads === 3) stop.set()
        return real.read(...input)
      },
    }
    assert.equal(set(sysUntilStopped(counting, stopOf(stop.memory))), -errno.ECANCELED)
    assert.equal(reads, 3)
    assert.deepEqual([modes(path), readdirSync(staging)], [['644 2', '644 2'], []])
  })

  it('stays what it is where there is no room for the copy, and the system said so', () => {
    const { path, staging, set } = twoNames()
    assert.equal(set({ ...real, write: () => -errno.ENOSPC }), -errno.ENOSPC)
    assert.deepEqual([modes(path), readdirSync(staging)], [['644 2', '644 2'], []])
  })
})
