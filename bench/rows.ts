// The rows of the benchmark, as a table: which tree, which programs, what is timed, and the target of the design. Only data
// and what can be read from it; cycle.ts, start.ts and durability.ts carry it out, report.ts judges by it.

import type { LargeEdit } from './changes.ts'
import type { LineName } from './network.ts'
import type { PeerName } from './peers.ts'
import type { PlaceName } from './places.ts'
import type { WorkKind } from './work.ts'

export type RowName =
  | 'first'
  | 'unchanged'
  | 'edits'
  | 'rename'
  | 'moved'
  | 'front-insert'
  | 'append'
  | 'vm-image'
  | 'slow'
  | 'slow-large'
  | 'lan'
  | 'lan-large'
  | 'far'
  | 'bwlimit'
  | 'ssh'
  | 'floor'
  | 'start'
  | 'durability'
  | 'million'
  | 'million-flat'
  | 'million-equal'

/** What happens to the source before a mirror run: nothing (`first` into an empty target), or a change. */
export type StepName = 'first' | 'unchanged' | 'edits' | 'rename' | 'moved' | LargeEdit

/** What the design promises of a step. */
export type Goal =
  | { readonly what: 'ratio'; readonly step: string; readonly against: PeerName; readonly most: number }
  | { readonly what: 'one rename'; readonly step: string; readonly mostWireBytes: number }
  | { readonly what: 'wire'; readonly step: string; readonly mostWireBytes: number }
  | { readonly what: 'seconds'; readonly step: string; readonly most: number }
  /** The peak of each side. */
  | { readonly what: 'memory'; readonly step: string; readonly mostBytes: number }

export type Row = {
  readonly name: RowName
  /** How it is measured: mirror runs of programs, starts of programs, our own writer with and without syncs, or our own runs under limits. */
  readonly kind: 'mirror' | 'start' | 'durability' | 'bwlimit'
  readonly work: WorkKind
  readonly network: 'loopback' | LineName
  readonly places: readonly PlaceName[]
  readonly peers: readonly PeerName[]
  readonly steps: readonly StepName[]
  /** How often a step that changes nothing is timed in a cycle. */
  readonly timesUnchanged: number
  /** It takes so long that it runs only when it is named. */
  readonly onlyNamed: boolean
  readonly goals: readonly Goal[]
}

const both: readonly PlaceName[] = ['tmpfs', 'ext4']
const overNetwork: readonly PeerName[] = ['nightferry', 'rsync daemon', 'rsync over ssh']
const mirror = {
  kind: 'mirror',
  work: 'tree',
  network: 'loopback',
  places: both,
  peers: overNetwork,
  timesUnchanged: 3,
  onlyNamed: false,
  goals: [],
} as const satisfies Partial<Row>

const mostRenameBytes = 1_000_000
const millions = {
  ...mirror,
  places: ['tmpfs'],
  peers: ['nightferry', 'rsync daemon'],
  steps: ['first', 'unchanged', 'edits'],
  timesUnchanged: 1,
  onlyNamed: true,
  goals: ['first', 'unchanged', 'edits'].map((step) => ({ what: 'memory', step, mostBytes: 350e6 }) as const),
} as const satisfies Partial<Row>

/** In the order in which they run and are reported. */
export const rows: readonly Row[] = [
  {
    ...mirror,
    name: 'first',
    steps: ['first'],
    peers: [...overNetwork, 'rclone'],
    goals: [
      { what: 'ratio', step: 'first', against: 'rsync over ssh', most: 0.5 },
      { what: 'ratio', step: 'first', against: 'rsync daemon', most: 0.8 },
    ],
  },
  {
    ...mirror,
    name: 'unchanged',
    steps: ['unchanged'],
    peers: [...overNetwork, 'rclone'],
    goals: [{ what: 'ratio', step: 'unchanged', against: 'rsync daemon', most: 0.5 }],
  },
  { ...mirror, name: 'edits', steps: ['edits'] },
  {
    ...mirror,
    name: 'rename',
    steps: ['rename'],
    goals: [{ what: 'one rename', step: 'rename', mostWireBytes: mostRenameBytes }],
  },
  {
    ...mirror,
    name: 'moved',
    work: 'large',
    steps: ['moved'],
    goals: [{ what: 'one rename', step: 'moved', mostWireBytes: mostRenameBytes }],
  },
  {
    ...mirror,
    name: 'front-insert',
    work: 'large',
    steps: ['front-insert'],
    goals: [
      { what: 'wire', step: 'front-insert', mostWireBytes: 300_000 },
      { what: 'ratio', step: 'front-insert', against: 'rsync daemon', most: 1 },
    ],
  },
  {
    ...mirror,
    name: 'append',
    work: 'large',
    steps: ['append'],
    goals: [{ what: 'wire', step: 'append', mostWireBytes: 1_200_000 }],
  },
  {
    ...mirror,
    name: 'vm-image',
    work: 'large',
    steps: ['vm-image'],
    goals: [{ what: 'wire', step: 'vm-image', mostWireBytes: 16_000_000 }],
  },
  {
    ...mirror,
    name: 'slow',
    work: 'small',
    network: 'slow',
    places: ['tmpfs'],
    steps: ['first', 'unchanged', 'edits'],
    timesUnchanged: 1,
  },
  {
    ...mirror,
    name: 'slow-large',
    work: 'image',
    network: 'slow',
    places: ['tmpfs'],
    steps: ['front-insert', 'append', 'vm-image'],
    onlyNamed: true,
  },
  {
    ...mirror,
    name: 'lan',
    network: 'lan',
    places: ['tmpfs'],
    steps: ['first', 'unchanged', 'edits'],
    timesUnchanged: 1,
    onlyNamed: true,
  },
  {
    ...mirror,
    name: 'lan-large',
    work: 'large',
    network: 'lan',
    places: ['tmpfs'],
    steps: ['front-insert', 'append', 'vm-image'],
    onlyNamed: true,
  },
  {
    ...mirror,
    name: 'far',
    work: 'small',
    network: 'far',
    places: ['tmpfs'],
    steps: ['first', 'unchanged', 'edits'],
    timesUnchanged: 1,
    onlyNamed: true,
  },
  {
    ...mirror,
    name: 'bwlimit',
    kind: 'bwlimit',
    work: 'image',
    places: ['tmpfs'],
    steps: [],
    peers: [],
    onlyNamed: true,
  },
  {
    ...mirror,
    name: 'ssh',
    places: ['tmpfs'],
    steps: ['first', 'unchanged'],
    peers: ['nightferry over ssh', 'rsync over ssh'],
    onlyNamed: true,
  },
  {
    ...mirror,
    name: 'floor',
    places: ['tmpfs'],
    steps: ['first'],
    peers: ['nightferry', 'bare pipe', 'bare pipe, unhashed', 'rsync daemon', 'rsync over ssh'],
    onlyNamed: true,
  },
  {
    ...mirror,
    name: 'start',
    kind: 'start',
    work: 'small',
    places: ['tmpfs'],
    steps: [],
    peers: [...overNetwork, 'rclone'],
    goals: [{ what: 'seconds', step: 'version', most: 0.04 }],
  },
  { ...mirror, name: 'durability', kind: 'durability', places: ['ext4'], steps: [], peers: [] },
  { ...millions, name: 'million', work: 'many' },
  { ...millions, name: 'million-flat', work: 'flat' },
  { ...millions, name: 'million-equal', work: 'equal' },
]

/** The rows asked for, in our order; where none is named, all but those that run only when named. */
export function chooseRows(named: readonly string[]): readonly Row[] {
  return rows.filter((row) => (named.length === 0 ? !row.onlyNamed : named.includes(row.name)))
}

/** Rows that share a tree, a network and so their cycles. One that is run only when named has its steps to itself. */
export function groupRows(chosen: readonly Row[]): readonly (readonly Row[])[] {
  const groups = Map.groupBy(chosen, ({ name, kind, work, network, onlyNamed }) =>
    onlyNamed ? name : kind === 'start' ? kind : `${work} ${network}`,
  )
  return [...groups.values()]
}

/** What one program does in a cycle of these rows, in order. */
export type Task = { readonly row: RowName; readonly step: StepName; readonly times: number }

const stepOrder: readonly StepName[] = [
  'first',
  'unchanged',
  'edits',
  'rename',
  'moved',
  'append',
  'vm-image',
  'front-insert',
]

export function tasksOf(group: readonly Row[], peer: PeerName): readonly Task[] {
  const tasks = group
    .filter((row) => row.kind === 'mirror' && row.peers.includes(peer))
    .flatMap((row) =>
      row.steps.map((step) => ({ row: row.name, step, times: step === 'unchanged' ? row.timesUnchanged : 1 })),
    )
  return tasks.toSorted((a, b) => stepOrder.indexOf(a.step) - stepOrder.indexOf(b.step))
}

/** Whoever runs first finds caches colder: each cycle begins with another one. */
export function rotated<T>(all: readonly T[], cycle: number): readonly T[] {
  const first = all.length === 0 ? 0 : (cycle - 1) % all.length
  return [...all.slice(first), ...all.slice(0, first)]
}
