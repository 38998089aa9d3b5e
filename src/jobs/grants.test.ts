// What each kind of session may reach. That a paired machine reaches shares and nothing else, with real machines:
// test/e2e/hostile-driver.test.ts.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Failure, type FailureCode } from '../std/failure.ts'
import { grantsOfShares, grantsOfUser } from './grants.ts'
import { addShare } from './shares.ts'

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'nightferry-grants-')))
after(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string): string => join(directory, name)
for (const name of ['config', 'home', 'data/sub', 'open', 'elsewhere']) mkdirSync(at(name), { recursive: true })
symlinkSync(at('elsewhere'), at('data/out'))
symlinkSync(at('elsewhere'), at('home/link'))
const shared = { for: undefined, maxDelete: undefined }
addShare(at('config'), { name: 'data', path: at('data'), readOnly: true, ...shared })
addShare(at('config'), { name: 'open', path: at('open'), readOnly: false, ...shared, for: ['ann'] })

function refuses(code: FailureCode, call: () => unknown): void {
  assert.throws(call, (error) => error instanceof Failure && error.code === code)
}

test('a paired machine reaches its shares, under their names, and never the names of a session by ssh', () => {
  const grants = grantsOfShares(at('config'), 'ann')
  const grant = grants.end('data', 'sub')
  assert.deepEqual([grant.path, grant.label], [at('data/sub'), 'data/sub'])
  refuses('share-read-only', () => grant.mayWrite())
  grants.end('open', '').mayWrite()
  for (const share of ['/', '~', 'none']) {
    refuses('unknown-share', () => grants.end(share, 'etc'))
    refuses('unknown-share', () => grants.past(share, 'etc'))
  }
  refuses('unknown-share', () => grants.end('data', 'out'))
  refuses('unknown-share', () => grantsOfShares(at('config'), 'bee').end('open', ''))
  refuses('protocol-broken', () => grants.end('data', '../open'))
  // Where versions lie in a share its owner says, and nobody else.
  for (const folder of [at('open'), '~/x', '']) refuses('protocol-broken', () => grants.end('open', '', folder))
  const told = grant.told(new Failure('source-missing', `there is no folder ${at('data')}/x`))
  assert.equal(told.message, 'there is no folder data/x')
})

test('who logged in by ssh reaches any folder by its path, links followed as the shell would, and no share', () => {
  const grants = grantsOfUser(at('home'))
  const top = grants.end('/', at('data/sub').slice(1))
  assert.deepEqual([top.path, top.label, top.ownerLimit], [at('data/sub'), at('data/sub'), undefined])
  top.mayWrite()
  assert.equal(grants.end('~', '').path, at('home'))
  assert.equal(grants.end('~', 'link').path, at('elsewhere'))
  assert.equal(grants.end('~', 'new').path, at('home/new'))
  assert.equal(grants.end('/', '').path, '/')
  assert.equal(grants.end('~', '').versions.directory, undefined)
  assert.equal(grants.end('~', '', '/mnt/old').versions.directory, '/mnt/old')
  assert.equal(grants.end('~', '', '~/old').versions.directory, at('home/old'))
  for (const folder of ['', '~', '/', 'old', './old', '~ann/old', '/a/../b', '~/../x', '/a\0b'])
    refuses('protocol-broken', () => grants.end('~', '', folder))
  for (const share of ['data', 'open', '', '..']) refuses('unknown-share', () => grants.end(share, ''))
  for (const sub of ['../x', 'a/../..', '/etc', 'a//b', '.nightferry', 'a\0']) {
    refuses('protocol-broken', () => grants.end('/', sub))
    refuses('protocol-broken', () => grants.past('~', sub))
  }
  mkdirSync(at('data/sub/.nightferry'))
  writeFileSync(at('data/sub/.nightferry/root.json'), '{}')
  const past = grants.past('/', `${at('data/sub').slice(1)}/gone/file`)
  assert.deepEqual(past.placed, { rootPath: at('data/sub'), path: 'gone/file' })
  assert.equal(grants.past('~', 'x').placed, undefined)
})
