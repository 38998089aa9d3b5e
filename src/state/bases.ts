// Stand-in until the real one is merged.
import type { RelPath } from '../core/path.ts'
import type { State } from './open.ts'

export type BaseOf = { readonly job: string; readonly leftId: string; readonly rightId: string }
export type BaseChanges = {
  readonly put: readonly { readonly path: RelPath; readonly bytes: Uint8Array }[]
  readonly removed: readonly RelPath[]
}
function table(state: State): void {
  state.prepare('CREATE TABLE IF NOT EXISTS tmp_bases (job TEXT, path TEXT, bytes BLOB, PRIMARY KEY (job, path))').run()
}
export function loadBases(state: State, of: BaseOf, paths: readonly RelPath[]): Map<RelPath, Uint8Array> {
  return state.write(() => {
    table(state)
    const found = new Map<RelPath, Uint8Array>()
    for (const path of paths) {
      const row = state
        .prepare('SELECT bytes FROM tmp_bases WHERE job = ? AND path = ?')
        .get(`${of.job} ${of.leftId} ${of.rightId}`, path)
      if (row !== undefined) found.set(path, row['bytes'] as Uint8Array)
    }
    return found
  })
}
export function saveBases(state: State, of: BaseOf, { put, removed }: BaseChanges): void {
  table(state)
  const job = `${of.job} ${of.leftId} ${of.rightId}`
  for (const path of removed)
    state.prepare("DELETE FROM tmp_bases WHERE job = ? AND (path = ? OR path LIKE ? || '/%')").run(job, path, path)
  for (const { path, bytes } of put)
    state.prepare('INSERT OR REPLACE INTO tmp_bases VALUES (?, ?, ?)').run(job, path, bytes)
}
