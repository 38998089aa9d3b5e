// Every code has a remedy, and docs/errors.md says the same one.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { failureCodes } from '../std/failure.ts'
import { problemCodes } from './problem.ts'
import { failureRemedies, haltRemedy, problemRemedies, remedyOf } from './remedy.ts'

const rows = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))

for (const [code, remedy] of Object.entries({ ...problemRemedies, ...failureRemedies })) {
  test(`${code} has a remedy, which its documentation says too`, () => {
    assert.ok(remedy.length > 5 && !/[.!]$/.test(remedy))
    assert.equal(remedyOf(code), remedy)
    assert.equal(rows.find(([, first]) => first === `\`${code}\``)?.at(-2), remedy)
  })
}

test('no code is left out, and an unknown one claims nothing', () => {
  assert.deepEqual(Object.keys(problemRemedies).sort(), Object.keys(problemCodes).sort())
  assert.deepEqual(Object.keys(failureRemedies).sort(), Object.keys(failureCodes).sort())
  assert.equal(remedyOf('never heard of'), '')
  assert.match(haltRemedy, /--release/)
})
