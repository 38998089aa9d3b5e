// Every message between a driver and an end behind the wire: its name, its fields and their bounds. Listings, batches,
// wants and digests travel inside as the flat bytes that core and disk define, and are checked there. A change of any
// schema changes `messagesText`, whose digest a test holds against WIRE_VERSION.

import { outlineBytesMax, outlinePagesMax } from '../core/outline.ts'
import { accountNameMax, ownersMax } from '../core/owners.ts'
import { topMaxBytes } from '../core/top.ts'
import {
  bytes,
  choice,
  describeSchema,
  flag,
  int64,
  list,
  type Of,
  optional,
  path,
  record,
  type Schema,
  text,
  uint,
} from './schema.ts'

const pathBytes = 4096
const countMax = Number.MAX_SAFE_INTEGER
const digestBytes = 32
const idMax = 2 ** 32 - 2
/** The largest body of a call that goes by a stream. */
export const callBytesMax: number = 256 * 1024 * 1024

const ignoreText = record({ directory: path(pathBytes), label: text(255), text: text(1024 * 1024) })
const problem = record({ path: path(3 * pathBytes), code: text(64), detail: text(255) })
const time = { mtimeSeconds: int64, mtimeNs: uint(999_999_999) }

const openRequest = record({
  share: text(63),
  sub: path(pathBytes),
  /** What the driver does with it. */
  role: text(16),
  job: bytes(16),
  /** The driver's name for the run, packed, so that both machines tell the same story. */
  run: bytes(14),
  create: flag,
  expectedId: optional(text(128)),
  /** A person says that the target is one of its own, though it is a copy of another or lies inside one. */
  isNew: optional(flag),
  /** For a source: bytes a second of packs at most. */
  rateBytes: optional(uint(countMax)),
  /** For a source: whether packs are squeezed; `off`, `auto` or a level. */
  compress: optional(text(4)),
  /** For a target that is reached by ssh: the folder in which old versions are kept; absolute, or below `~/`. */
  versions: optional(path(pathBytes)),
  /** What a run asks for besides modes and times: a mask. */
  asks: optional(uint(0xffff)),
  /** For a target that may have to be made: the permissions of the source's folder. */
  mode: optional(uint(0o777)),
})
export type OpenRequest = Of<typeof openRequest>

const openAnswer = record({
  path: path(pathBytes),
  rootId: text(128),
  timeGrainNs: uint(4_000_000_000),
  /** Where a target does not hold every time: the last second that it holds, and the first where that is not usual. */
  latest: optional(int64),
  earliest: optional(int64),
  modeMask: uint(0o7777),
  /** Where a target does not take every name as it is: what it makes of them. */
  naming: optional(
    record({
      folds: choice('no', 'ascii', 'simple', 'full'),
      foldsForm: flag,
      ignores: flag,
      keeps: choice('all', 'nfc', 'nfd', 'lower', 'nothing'),
      refuses: uint(63),
      stores: uint(63),
    }),
  ),
  empty: flag,
  nowMs: uint(countMax),
  recovered: list(record({ path: path(pathBytes), outcome: text(32) }), 100_000),
  /** For a target: its owner lets in only some symlinks. */
  links: optional(text(16)),
  /** A run of this job was undone there since its last run. */
  undone: optional(record({ run: text(64), by: text(63), atMs: uint(countMax) })),
  /** Of what is asked for, what is held; and why the rest is not. */
  attributes: optional(uint(0xffff)),
  refused: optional(list(record({ what: text(16), why: text(16) }), 16)),
  /** For a source: the permissions of its folder. */
  mode: optional(uint(0o777)),
})
export type OpenAnswer = Of<typeof openAnswer>

const scanRequest = record({
  overrides: list(ignoreText, 64),
  ignoreFiles: list(text(255), 8),
  attributes: optional(uint(0xffff)),
})
const scanAnswer = record({
  entries: uint(countMax),
  /** Of these nothing where there are none. */
  problems: optional(list(problem, 1_000_000)),
  texts: optional(list(ignoreText, 100_000)),
  moves: optional(list(record({ from: path(pathBytes), to: path(pathBytes) }), 1_000_000)),
  /** Devices, FIFOs and sockets: how many, and some of them. */
  specials: optional(record({ count: uint(countMax), paths: list(path(pathBytes), 8) })),
})

const accounts = list(record({ id: uint(idMax), name: text(4 * accountNameMax) }), ownersMax)
const owners = record({ users: accounts, groups: accounts })
const becomes = list(record({ from: uint(idMax), to: uint(idMax) }), ownersMax)
const ownerMap = record({ users: becomes, groups: becomes })

const viewRequest = record({
  modeMask: uint(0o7777),
  timeGrainNs: uint(4_000_000_000),
  /** Nothing: those of the scan. */
  overrides: optional(list(ignoreText, 64)),
  /** Nothing: those that the end's own scan found. */
  texts: optional(list(ignoreText, 100_000)),
  /** What may be told along: what `changed` since the end stored it, or `all`; from the root on, some 64 KiB. */
  along: optional(choice('changed', 'all')),
  /** A target that is just this has nothing done to it: it is closed, and what was seen is kept. */
  expected: optional(bytes(digestBytes)),
  /** Files of other sizes are never taken away. */
  sizes: optional(record({ minBytes: uint(countMax), maxBytes: uint(countMax) })),
  /** What of an entry is told besides mode, time and size: a mask. */
  attributes: optional(uint(0xffff)),
  /** For a source: the numbers that its owners have at the target. */
  owners: optional(ownerMap),
})
const summary = record({
  fingerprint: bytes(digestBytes),
  files: uint(countMax),
  directories: uint(countMax),
  sizeBytes: uint(countMax),
})

/** The most that is told along with what is asked for. */
export const alongBytesMax: number = 4 * 1024 * 1024
/** With `outlined` a long listing is told by its outline, and its `bytes` are none. */
const listingsRequest = record({
  paths: list(path(pathBytes), 4096),
  outlined: flag,
  /** What may be told along: what `changed` since the end stored it, from the root on; `all` below what is asked for. */
  along: optional(choice('changed', 'all')),
  alongBytes: optional(uint(alongBytesMax)),
})
const listing = {
  bytes: bytes(callBytesMax),
  outline: optional(bytes(outlineBytesMax)),
  ...time,
  /** Of the root, where the top folder itself is carried. */
  top: optional(bytes(topMaxBytes)),
}
/** Outlined; nothing where nothing is told along. */
const along = optional(list(record({ path: path(pathBytes), ...listing }), 65_536))
const listingsAnswer = record({ listings: list(record({ known: flag, ...listing }), 4096), along })
const viewAnswer = record({ summary: optional(summary), closed: optional(flag), along })
const listingPartRequest = record({
  path: path(pathBytes),
  /** Names from `from` on and before `to`. */
  ranges: list(record({ from: bytes(pathBytes), to: bytes(pathBytes) }), outlinePagesMax),
})
const listingPartAnswer = record({ bytes: bytes(callBytesMax) })

const digestsRequest = record({ files: bytes(callBytesMax), fresh: flag })
const digestsAnswer = record({ digests: bytes(callBytesMax) })

/** Files that have several names, from the one of this number on; with the view's paths, as `encodeLinked`. */
const linkedRequest = record({ from: uint(countMax) })
const linkedAnswer = record({ bytes: bytes(callBytesMax), next: optional(uint(countMax)) })

const beginRequest = record({
  deletes: uint(countMax),
  replaces: uint(countMax),
  steps: uint(countMax),
  hasBase: flag,
  leftEntries: uint(countMax),
  limitKind: text(16),
  limitValue: uint(countMax),
  released: flag,
  /** Bytes of content that come; missing where the source is still being listed. */
  bringsBytes: optional(uint(countMax)),
  /** For how long versions are kept: a number of days, `forever` or `none`. */
  keep: optional(text(16)),
  /** Nothing that is new is to be synced. */
  unsynced: optional(flag),
})
const beginAnswer = record({
  /** The lease's, for the driver's history. */
  epoch: uint(countMax),
  keep: text(16),
  expired: uint(countMax),
  early: uint(countMax),
  /** Nothing that is new will be. */
  unsynced: optional(flag),
})

const movesRequest = record({ moves: list(record({ from: path(pathBytes), to: path(pathBytes) }), 1_000_000) })
const problemsAnswer = record({ problems: list(problem, 1_000_000) })

/** Files and directories of a source whose extended attributes and ACLs are wanted, as wants; a set each, as `joinSets`. */
const attributesRequest = record({ files: bytes(callBytesMax) })
const attributesAnswer = record({ sets: bytes(callBytesMax) })

const stageRequest = record({
  batch: uint(2 ** 32 - 1),
  bytes: bytes(callBytesMax),
  /** Sets of extended attributes that the batch names, as `joinSets`. */
  extended: optional(bytes(callBytesMax)),
})
const answerRequest = record({ batch: uint(2 ** 32 - 1), digests: bytes(callBytesMax) })
const needsAnswer = record({
  wants: bytes(callBytesMax),
  wantCount: uint(countMax),
  asks: bytes(callBytesMax),
  askCount: uint(countMax),
  /** Of the wants, those of which only portions are to come; nothing where there are none. */
  portions: optional(bytes(callBytesMax)),
})

const supplyRequest = record({
  batch: uint(2 ** 32 - 1),
  wants: bytes(callBytesMax),
  portions: optional(bytes(callBytesMax)),
})
/** How many packs the batch had: the driver waits until it has taken as many. */
const supplyAnswer = record({ packs: uint(countMax) })

const writtenRequest = record({ batch: uint(2 ** 32 - 1), last: flag })
const writtenAnswer = record({
  again: bytes(callBytesMax),
  count: uint(countMax),
  portions: optional(bytes(callBytesMax)),
})

const finishRequest = record({
  /** Only where no batch wants anything again; else nothing is done, and it is asked for once more. */
  ifWhole: optional(flag),
  /** The end is to be closed afterwards, and what was seen is kept. */
  close: optional(flag),
  /** What the top folder gets: no call of its own, which might come behind this one. */
  top: optional(bytes(topMaxBytes)),
})
const finishAnswer = record({
  applied: optional(
    record({
      summary,
      created: uint(countMax),
      replaced: uint(countMax),
      attributes: uint(countMax),
      renamed: uint(countMax),
      deleted: uint(countMax),
      copied: uint(countMax),
      /** Runs whose versions went too soon for want of space. */
      early: uint(countMax),
      problems: list(problem, 1_000_000),
    }),
  ),
  closed: optional(flag),
})

const verifyPoint = record({ directory: uint(countMax), row: uint(countMax) })
const verifyRequest = record({ from: verifyPoint })
const verifyAnswer = record({
  files: uint(countMax),
  bytes: uint(countMax),
  problems: list(problem, 1_000_000),
  asks: bytes(callBytesMax),
  digests: bytes(callBytesMax),
  next: optional(verifyPoint),
})
const distrustRequest = record({ files: bytes(callBytesMax) })
/** What is asked about old versions needs no open end: it names the share and the path itself. */
const placeFields = { share: text(63), sub: path(pathBytes) }
const versionsRequest = record({ ...placeFields, run: optional(text(64)) })
const versionsAnswer = record({
  versions: list(
    record({
      run: text(64),
      atMs: uint(countMax),
      path: path(pathBytes),
      /** What it was called then, where that is another name. */
      was: optional(path(pathBytes)),
      why: text(16),
      kind: text(16),
      sizeBytes: uint(countMax),
      mtimeSeconds: int64,
    }),
    10_000,
  ),
  more: flag,
})
/** Opens an undelete, which the session has until its end: it is carried out by one call a slice. */
const undeleteRequest = record({ ...placeFields, run: optional(text(64)), as: optional(path(pathBytes)) })
const undeleteAnswer = record({
  /** Where in the share the target lies that they are in. */
  root: path(pathBytes),
})
/** Asked again until it is done. `undeleteStop` lets the call that is under way, or the next one, be the last, as soon as it may. */
const undeleteMoreAnswer = record({
  /** What came since the call before: names as they are now, with the run whose version each is. */
  brought: list(record({ path: path(pathBytes), run: text(64), sizeBytes: uint(countMax) }), 1000),
  existing: list(path(pathBytes), 1000),
  problems: list(problem, 10_000),
  isDone: flag,
  isStopped: flag,
})
/** Opens an undo, which the session has until it ends: looked at, listed and carried out by one call a slice. */
const undoRequest = record({ ...placeFields, run: text(64), job: bytes(16) })
const move = record({ from: path(pathBytes), to: path(pathBytes) })
const undoLookAnswer = record({
  names: uint(countMax),
  /** Once all names were looked at. */
  found: optional(
    record({
      conflicts: list(record({ path: path(pathBytes), why: text(16) }), 1000),
      conflictCount: uint(countMax),
      already: uint(countMax),
      steps: uint(countMax),
      isEmpty: flag,
    }),
  ),
})
/** Sections as a batch; none when all was listed. */
const undoListAnswer = record({
  page: optional(record({ moves: list(move, 1000), sections: bytes(callBytesMax) })),
})
/** The id of the undo's own run. */
const undoBeginRequest = record({ as: text(64) })
const undoCarryRequest = record({ stop: flag })
const undoCarryAnswer = record({
  phase: text(16),
  steps: uint(countMax),
  /** What is done for good since the call before. */
  moved: list(move, 1000),
  sections: optional(bytes(callBytesMax)),
  done: optional(
    record({
      created: uint(countMax),
      replaced: uint(countMax),
      attributes: uint(countMax),
      renamed: uint(countMax),
      deleted: uint(countMax),
      problems: list(problem, 1000),
      problemCount: uint(countMax),
      isBegun: flag,
      isStopped: flag,
    }),
  ),
})

const closeRequest = record({ save: flag })
const empty = record({})

/** Every call by its name, with what it takes and gives. */
export const calls = {
  open: [openRequest, openAnswer],
  scan: [scanRequest, scanAnswer],
  /** Who owns something in a source, and what these are at a target. */
  owners: [empty, owners],
  ownersHere: [owners, ownerMap],
  view: [viewRequest, viewAnswer],
  listings: [listingsRequest, listingsAnswer],
  listingPart: [listingPartRequest, listingPartAnswer],
  digests: [digestsRequest, digestsAnswer],
  linked: [linkedRequest, linkedAnswer],
  begin: [beginRequest, beginAnswer],
  moves: [movesRequest, problemsAnswer],
  attributes: [attributesRequest, attributesAnswer],
  stage: [stageRequest, needsAnswer],
  answer: [answerRequest, needsAnswer],
  supply: [supplyRequest, supplyAnswer],
  written: [writtenRequest, writtenAnswer],
  landed: [empty, empty],
  finish: [finishRequest, finishAnswer],
  verify: [verifyRequest, verifyAnswer],
  distrust: [distrustRequest, empty],
  close: [closeRequest, empty],
  versions: [versionsRequest, versionsAnswer],
  undelete: [undeleteRequest, undeleteAnswer],
  undeleteMore: [empty, undeleteMoreAnswer],
  undeleteStop: [empty, empty],
  undo: [undoRequest, empty],
  undoLook: [empty, undoLookAnswer],
  undoList: [empty, undoListAnswer],
  undoBegin: [undoBeginRequest, empty],
  undoCarry: [undoCarryRequest, undoCarryAnswer],
} as const

export type CallName = keyof typeof calls

/** So many addresses a machine may tell of itself. */
export const maxToldAddresses = 8
/** The notice `addresses`: where the sender's daemon can be called. IP addresses as text. */
export const addressesNotice = record({ hosts: list(text(45), maxToldAddresses), port: uint(65_535) })
export const addressesName = 'addresses'

/** The whole contract as stable text. */
export function messagesText(): string {
  const said = Object.entries(calls).map(
    ([name, [request, answer]]) =>
      `${name} ${describeSchema(request as Schema<unknown>)} ${describeSchema(answer as Schema<unknown>)}`,
  )
  return [...said, `${addressesName} ${describeSchema(addressesNotice)}`].join('\n')
}
