// What a run is asked for where a test asks for nothing in particular: a mirror that may take everything away, so that a
// guard stops only what a test wants stopped. For tests only.

import type { RunRequest } from '../../src/jobs/job.ts'

export function requestOf(source: string, target: string, change: Partial<RunRequest> = {}): RunRequest {
  return {
    source,
    target,
    mode: 'mirror',
    checksum: false,
    dryRun: false,
    overrides: [],
    ignoreFiles: [],
    limit: { kind: 'percent', percent: 100 },
    release: false,
    listsChanges: false,
    newTarget: false,
    keep: undefined,
    versions: undefined,
    ...change,
  }
}
