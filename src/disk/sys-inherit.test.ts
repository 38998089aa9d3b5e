// What is made in a directory that gives something (set-group-id, a default ACL) has it, though it was written elsewhere.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type Mirrored, mirror, problemsOf } from '../../test/world/one-mirror.ts'
import { facts, plant, staging } from '../../test/world/planted.ts'
import { openLinuxSys } from './sys-linux.ts'

// Not on a tmpfs mount that may know no ACLs, if the clone lies elsewhere.
const home = mkdtempSync(join(tmpdir(), 'nf-inherit-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

function folders(): { source: string; target: string } {
  const path = join(home, `case-${++made}`)
  mkdirSync(join(path, 'target'), { recursive: true })
  return { source: join(path, 'source'), target: join(path, 'target') }
}

async function bring(ends: { source: string; target: string }): Promise<Mirrored> {
  const end = await mirror({ sys: openLinuxSys(false), ...ends })
  assert.deepEqual(problemsOf(end), [])
  assert.deepEqual(staging(ends.target), [])
  return end
}

/** Python's calls: Node has none for extended attributes. */
function xattr(script: string, ...args: readonly string[]): string {
  return execFileSync('python3', ['-c', `import os, sys; ${script}`, ...args], { encoding: 'utf8' })
}

/** `/ 2755` as `/ 755`: the bit is the target's own. */
function withoutBits(all: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(all).map(([path, text]) => [path, text.replace(/^\/ 2(?=\d{3}$)/, '/ ')]))
}

// user::rwx, user:1234:rw-, group::r-x, mask::rwx, other::---
const acl =
  '02000000' + '01000700ffffffff' + '02000600d2040000' + '04000500ffffffff' + '10000700ffffffff' + '20000000ffffffff'

describe('what a directory gives', () => {
  it('of set-group-id: group and bit, to new directories and files, and no mode takes the bit away', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('only root can give a folder any group')
    const ends = folders()
    mkdirSync(join(ends.target, 'team'))
    chownSync(join(ends.target, 'team'), 0, 4321)
    chmodSync(join(ends.target, 'team'), 0o2775)
    plant(ends.source, {
      'team/new/f': 'f',
      'team/new/deep/g': { text: 'g', mode: 0o640 },
      'team/file': 'file',
      'team/flat/h': 'h',
      'plain/p': 'p',
    })
    chmodSync(join(ends.source, 'team'), 0o775)
    chmodSync(join(ends.source, 'team/new/deep'), 0o555)
    await bring(ends)
    assert.deepEqual(withoutBits(facts(ends.target)), facts(ends.source))
    for (const name of ['team/new', 'team/new/deep', 'team/flat']) {
      const { gid, mode } = statSync(join(ends.target, name))
      assert.deepEqual([name, gid, mode & 0o2000], [name, 4321, 0o2000])
    }
    for (const name of ['team/new/f', 'team/new/deep/g', 'team/file', 'team/flat/h']) {
      assert.deepEqual([name, statSync(join(ends.target, name)).gid], [name, 4321])
    }
    for (const name of ['plain', 'plain/p']) assert.equal(statSync(join(ends.target, name)).gid, process.getgid?.())
    chmodSync(join(ends.source, 'team/flat'), 0o700)
    writeFileSync(join(ends.source, 'team/file'), 'replaced')
    await bring(ends)
    assert.equal(statSync(join(ends.target, 'team/flat')).mode & 0o7777, 0o2700)
    assert.equal(statSync(join(ends.target, 'team/file')).gid, 4321)
  })

  it('of a default ACL: to new directories and files, cut to their modes', async (t) => {
    if (spawnSync('python3', ['--version']).status !== 0) return t.skip('python3 is not installed')
    const ends = folders()
    const team = join(ends.target, 'team')
    mkdirSync(team)
    try {
      xattr('os.setxattr(sys.argv[1], "system.posix_acl_default", bytes.fromhex(sys.argv[2]))', team, acl)
    } catch {
      return t.skip('this file system knows no ACLs')
    }
    plant(ends.source, {
      'team/new/f': { text: 'f', mode: 0o640 },
      'team/new/sub/g': 'g',
      'team/h': { text: 'h', mode: 0o600 },
    })
    await bring(ends)
    assert.deepEqual(facts(ends.target), facts(ends.source))
    const aclOf = (name: string, kind: string): string =>
      xattr(
        'print(os.getxattr(sys.argv[1], "system.posix_acl_" + sys.argv[2]).hex(), end="")',
        join(ends.target, name),
        kind,
      )
    for (const name of ['team/new', 'team/new/sub']) assert.equal(aclOf(name, 'default'), acl)
    // The named user stands in each of them; the mask is the group's part of the mode.
    for (const [name, mask] of [
      ['team/new/f', 4],
      ['team/new/sub/g', 4],
      ['team/h', 0],
      ['team/new', 5],
    ] as const) {
      assert.match(aclOf(name, 'access'), new RegExp(`02000600d2040000.*10000${mask}00ffffffff`), name)
    }
  })
})
