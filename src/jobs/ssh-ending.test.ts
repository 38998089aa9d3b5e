// What the end of ssh comes to.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FailureCode } from '../std/failure.ts'
import { endedEarly, endedLate } from './ssh-ending.ts'

const early: readonly (readonly [code: number | undefined, said: string, failure: FailureCode, message: RegExp])[] = [
  [255, 'ann@nas: Permission denied (publickey).', 'wrong-peer', /may not log in to nas \(ann@nas: Permission denied/],
  [255, 'Host key verification failed.', 'wrong-peer', /may not log in/],
  [255, 'ssh: connect to host nas port 22: Connection refused', 'unreachable', /cannot reach nas \(ssh: connect/],
  [255, '', 'unreachable', /cannot reach nas$/],
  [127, 'bash: line 1: nightferry: command not found', 'wrong-peer', /nas finds no program nightferry/],
  [126, 'bash: nightferry: Permission denied', 'wrong-peer', /nas cannot start nightferry/],
  [2, "error: unknown option '--stdio'", 'version-mismatch', /too old/],
  [2, 'nightferry: /x/machine.json is damaged', 'peer-failed', /ended with code 2 \(nightferry: \/x/],
  [0, '', 'wrong-peer', /not Nightferry/],
  [1, '', 'peer-failed', /ended with code 1$/],
  [undefined, '', 'connection-lost', /was ended/],
]

for (const [code, said, failure, message] of early) {
  test(`before Nightferry spoke: ${code} ${said}`, () => {
    const lastLines = said === '' ? [] : ['something before', said]
    const found = endedEarly({ code, signal: undefined, lastLines }, 'nas', 'nightferry')
    assert.equal(found.code, failure)
    assert.match(found.message, message)
  })
}

test('while a session was open: code 0 is an end in good order, everything else is told', () => {
  assert.equal(endedLate({ code: 0, signal: undefined, lastLines: ['x'] }, 'nas'), undefined)
  const broke = endedLate({ code: 255, signal: undefined, lastLines: ['client_loop: send disconnect'] }, 'nas')
  assert.equal(broke?.code, 'connection-lost')
  assert.match(broke?.message ?? '', /ssh ended with code 255 \(client_loop: send disconnect\)/)
  assert.match(endedLate({ code: undefined, signal: 'SIGKILL', lastLines: [] }, 'nas')?.message ?? '', /by SIGKILL/)
})
