// A served end as a daemon opens it for one paired machine, for tests that speak to it without a daemon.

import { Allowance } from '../../src/jobs/body.ts'
import { grantsOfShares } from '../../src/jobs/grants.ts'
import type { Workshop } from '../../src/jobs/local.ts'
import { Served } from '../../src/jobs/serve.ts'
import { LateEnds } from '../../src/jobs/visit.ts'

/** Serves the shares that are configured in `configDirectory` to the peer that is called `machine`. */
export function servedTo(machine: string, workshop: Workshop, configDirectory: string): Served {
  const grants = grantsOfShares(configDirectory, machine)
  return new Served({ workshop, grants, machine, ends: new LateEnds(), allowance: new Allowance(2 ** 28) })
}
