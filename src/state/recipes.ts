// Recipes of large contents, so that a file that changed is not read again to know what it was made of. Found by the
// content's digest, bounded in all, the longest unused go first. A recipe that is damaged is as good as not there.

import { decodeRecipe } from '../chunk/recipe.ts'
import type { State } from './open.ts'
import { bytesIn, numberIn } from './row.ts'

/** All recipes of a machine together; some 100 GB of content at the finest grain. */
const allBytesMax = 256 * 1024 * 1024
/** One recipe: longer ones are made anew when they are wanted. */
const oneBytesMax = 32 * 1024 * 1024

/** The contents that have a recipe: digest and how long its recipes are, the last used first. */
export function knownRecipes(state: State): { readonly digest: Uint8Array; readonly bodyBytes: number }[] {
  return state.read(() => {
    const select = 'SELECT digest, sum(length(body)) AS bytes FROM recipes GROUP BY digest ORDER BY max(used_ms) DESC'
    return state
      .prepare(select)
      .all()
      .map((row) => ({ digest: bytesIn(row, 'digest'), bodyBytes: numberIn(row, 'bytes') }))
  })
}

/** The recipes of a content as they are kept: at most one a grain. None that is not sound. */
export function loadRecipes(state: State, digest: Uint8Array): Uint8Array[] {
  const bodies = state.read(() => {
    const rows = state.prepare('SELECT body FROM recipes WHERE digest = ? ORDER BY grain').all(digest)
    return rows.map((row) => bytesIn(row, 'body'))
  })
  return bodies.filter((body) => decodeRecipe(body)?.digest.every((byte, i) => byte === digest[i]) === true)
}

/** Keeps recipes, as `encodeRecipe` makes them, and lets go of the longest unused ones where there are too many. */
export function saveRecipes(state: State, bodies: readonly Uint8Array[], bytesMax: number = allBytesMax): void {
  const nowMs = state.clock.nowMs()
  state.write(() => {
    const put = state.prepare(`
      INSERT INTO recipes (digest, grain, body, used_ms) VALUES (?, ?, ?, ?)
      ON CONFLICT (digest, grain) DO UPDATE SET body = excluded.body, used_ms = excluded.used_ms
    `)
    for (const body of bodies) {
      const recipe = body.length > oneBytesMax ? undefined : decodeRecipe(body)
      if (recipe !== undefined) put.run(recipe.digest, recipe.grain, body, nowMs)
    }
    evict(state, bytesMax)
  })
}

/** What was of use stays longer. */
export function touchRecipes(state: State, digests: readonly Uint8Array[]): void {
  const nowMs = state.clock.nowMs()
  state.write(() => {
    const touch = state.prepare('UPDATE recipes SET used_ms = ? WHERE digest = ?')
    for (const digest of digests) touch.run(nowMs, digest)
  })
}

function evict(state: State, bytesMax: number): void {
  const rows = state.prepare('SELECT rowid AS id, length(body) AS bytes FROM recipes ORDER BY used_ms DESC').all()
  let total = 0
  for (const row of rows) {
    total += numberIn(row, 'bytes')
    if (total > bytesMax) state.prepare('DELETE FROM recipes WHERE rowid = ?').run(numberIn(row, 'id'))
  }
}
