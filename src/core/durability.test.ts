// What a person is told of the level at which a run synced.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { durabilityNotices, isDurability } from './durability.ts'

it('a run that syncs as ever says nothing; any other says what was asked for and was not done, or is not on disk', () => {
  assert.deepEqual(durabilityNotices('group', 'group'), [])
  assert.match(durabilityNotices('none', 'group').join(), /not allowed there/)
  assert.match(durabilityNotices('none', 'none').join(), /nothing that this run wrote is synced/)
  assert.deepEqual(['group', 'none', 'each', undefined].map(isDurability), [true, true, false, false])
})
