// How an end by ssh is written, and what is none.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../std/failure.ts'
import { endText, parseEnd } from './ends.ts'
import { isSshPlace, parseSshPlace, sshName, sshPlaceText } from './ssh-place.ts'

const good: readonly (readonly [text: string, name: string, share: string, sub: string, again?: string])[] = [
  ['ssh://nas/srv/data', 'nas', '/', 'srv/data'],
  ['ssh://ann@nas:2222/srv', 'ann@nas', '/', 'srv'],
  ['ssh://ann@corp.example@nas/srv', 'ann@corp.example@nas', '/', 'srv'],
  ['ssh://nas/', 'nas', '/', ''],
  ['ssh://nas/srv//data/', 'nas', '/', 'srv/data', 'ssh://nas/srv/data'],
  ['ssh://nas/~', 'nas', '~', ''],
  ['ssh://nas/~/', 'nas', '~', '', 'ssh://nas/~'],
  ['ssh://nas/~/my photos/100%20', 'nas', '~', 'my photos/100%20'],
  ['ssh://nas/it\'s "it" $HOME `x`;&|/ü/*', 'nas', '/', 'it\'s "it" $HOME `x`;&|/ü/*'],
  ['ssh://[::1]:22/x', '::1', '/', 'x'],
  ['ssh://[fe80::1%eth0]/x', 'fe80::1%eth0', '/', 'x'],
  ['ssh://büro/x', 'büro', '/', 'x'],
  ['ssh://nas/a@b:c', 'nas', '/', 'a@b:c'],
]

for (const [text, name, share, sub, again = text] of good) {
  test(`an end by ssh: ${text}`, () => {
    assert.ok(isSshPlace(text))
    const place = parseSshPlace(text)
    assert.deepEqual([sshName(place.ssh), place.share, place.sub], [name, share, sub])
    assert.equal(sshPlaceText(place), again)
    assert.deepEqual(parseSshPlace(again), place)
    const end = parseEnd(text, () => false)
    assert.equal(
      endText(end, () => ''),
      again,
    )
  })
}

const bad: readonly string[] = [
  'ssh://',
  'ssh:///x',
  'ssh://nas',
  'ssh://ann@nas',
  'ssh://-oProxyCommand=x/x',
  'ssh://-nas/x',
  'ssh://@nas/x',
  'ssh://-l@nas/x',
  'ssh://a b@nas/x',
  "ssh://ann';x@nas/x",
  'ssh://$(x)@nas/x',
  'ssh://na`s/x',
  'ssh://nas;x/x',
  'ssh://nas%h/x',
  'ssh://na s/x',
  'ssh://nas\n/x',
  'ssh://nas:/x',
  'ssh://nas:0/x',
  'ssh://nas:65536/x',
  'ssh://nas:22:22/x',
  'ssh://::1/x',
  'ssh://[nas]/x',
  'ssh://[::1/x',
  'ssh://[-::1]/x',
  'ssh://nas/../x',
  'ssh://nas/x/./y',
  'ssh://nas/~ann/x',
  'ssh://nas/x/.nightferry',
  'ssh://nas/x\0y',
  `ssh://nas/${'x'.repeat(5000)}`,
]

for (const text of bad) {
  test(`no end by ssh: ${JSON.stringify(text).slice(0, 50)}`, () => {
    assert.throws(
      () => parseEnd(text, () => true),
      (error) => error instanceof Failure && error.code === 'bad-end',
    )
  })
}

test('what is no URL of ssh is what it was: a machine of that name, a folder', () => {
  assert.equal(parseEnd('ssh:data', () => true).kind, 'remote')
  assert.equal(parseEnd('./ssh://nas/x', () => true).kind, 'local')
  assert.throws(() => parseEnd('ssh:data', () => false), /no paired machine/)
})
