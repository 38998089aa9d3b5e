// Answers of chance: what an end on another machine could say to a driver, within the schemas and beyond what is true. Mostly
// right, so that a run gets somewhere; the same seed says the same. For tests only.

import type { Entry } from '../../src/core/entry.ts'
import type { RelPath } from '../../src/core/path.ts'
import { encodeWants } from '../../src/disk/wants.ts'
import type { CallHandlers } from '../../src/jobs/bulk.ts'
import { utf8 } from '../../src/std/bytes.ts'
import { Failure } from '../../src/std/failure.ts'
import { type CallName, calls } from '../../src/wire/messages.ts'
import type { Schema } from '../../src/wire/schema.ts'
import type { Chance } from '../world/disk-trees.ts'
import { type EvilSource, listingOf } from '../world/hostile.ts'
import { fileEntry } from '../world/steps.ts'
import { mutate, pick } from './mutate.ts'
import { anyValue, shapeOf } from './values.ts'

const names = ['a', 'b', 'd', 'e', 'mine', 'offered', '.env', 'ä', 'x.tmp']
const paths = ['', 'd', 'd/e', 'e', '..', '/etc', 'd//e', 'x'.repeat(300)]

function anyListing(chance: Chance): Uint8Array {
  const chosen = [...new Set(Array.from({ length: chance(5) }, () => pick(chance, names)))].sort()
  const summary = {
    fingerprint: new Uint8Array(32).fill(chance(4)),
    files: chance(9),
    directories: chance(3),
    sizeBytes: 9,
  }
  const entries = chosen.map((name): Entry => {
    const kind = pick(chance, ['file', 'file', 'directory', 'symlink', 'special', 'unreadable'] as const)
    const extra = kind === 'directory' ? { summary } : kind === 'symlink' ? { link: utf8('../..') } : {}
    return fileEntry(name, pick(chance, [0, 1, 4, 2 ** 52]), { kind, ...extra })
  })
  const good = listingOf(...entries)
  return chance(12) === 0 ? mutate(good, [good], chance) : good
}

function anyWants(chance: Chance): Uint8Array {
  const some = Array.from({ length: chance(3) }, () => ({
    path: pick(chance, paths.slice(0, 4)) as RelPath,
    names: Array.from({ length: chance(3) }, () => pick(chance, names)),
  }))
  return chance(6) === 0 ? mutate(encodeWants(some), [encodeWants(some)], chance) : encodeWants(some)
}

function hint(field: string, chance: Chance): unknown {
  switch (field) {
    case 'path':
    case 'from':
    case 'to':
    case 'directory':
      return pick(chance, paths)
    case 'bytes':
      return anyListing(chance)
    case 'wants':
    case 'asks':
    case 'again':
      return anyWants(chance)
    case 'digests':
      return new Uint8Array(32 * chance(4)).fill(chance(3))
    case 'wantCount':
    case 'askCount':
    case 'count':
    case 'packs':
    case 'entries':
      return chance(4)
    case 'known':
      return chance(5) > 0
    case 'nowMs':
      return Date.now()
    case 'timeGrainNs':
      return 1
    case 'text':
      return pick(chance, ['*\n', '!a\n**/d\n[', '\u001b[2J'])
    default:
      return undefined
  }
}

/** Answers to every call: by chance, or as `usual` has it, with now and then a failure. */
export function chanceAnswers(chance: Chance, usual: Partial<CallHandlers>, source: EvilSource): Partial<CallHandlers> {
  const answers = (Object.keys(calls) as CallName[]).map((name) => {
    const shape = shapeOf((calls[name][1] as unknown as Schema<unknown>).text)
    const answer = async (input: never): Promise<unknown> => {
      const honest = usual[name] as ((input: never) => Promise<unknown>) | undefined
      const isLying = chance(name === 'open' || name === 'scan' || name === 'view' ? 8 : 3) === 0
      if (chance(40) === 0)
        throw new Failure(pick(chance, ['disk-error', 'root-held', 'peer-failed', 'cancelled']), 'no')
      if (name === 'supply' && chance(3) === 0)
        await source.send(chance(2), { number: chance(3), text: pick(chance, ['evil', '', 'good']) })
      if (!isLying && honest !== undefined) return await honest(input)
      const value = anyValue(shape, chance, hint)
      if (name !== 'listings') return value
      // As many as were asked for, or the run would end there each time.
      const { listings } = value as { listings: unknown[] }
      const one = { known: true, bytes: anyListing(chance), mtimeSeconds: 1n, mtimeNs: 0 }
      const { paths: asked } = input as { paths: string[] }
      return { listings: asked.map((_, i) => listings[i] ?? { ...one, bytes: anyListing(chance) }) }
    }
    return [name, answer]
  })
  return Object.fromEntries(answers) as Partial<CallHandlers>
}
