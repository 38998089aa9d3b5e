// Two-way runs by chance: two people change the same small tree, and a few runs later both have the same, with nothing lost
// that only one of them changed and nothing lost that they wrote. Every triple comes of a seed and a number.

import assert from 'node:assert/strict'
import { conflictPolicies } from '../../src/core/conflict.ts'
import { isWithin, joinPath } from '../../src/core/path.ts'
import type { TwoWayRules } from '../../src/core/two-way.ts'
import {
  type DirectoryItem,
  directory,
  directoryPaths,
  type FileItem,
  file,
  type Item,
  itemAt,
  special,
  symlink,
  unreadable,
  withItem,
} from './trees.ts'
import {
  agreedBase,
  type Course,
  contentOf,
  itemsBelow,
  noBase,
  type Ran,
  runTwoWay,
  type Scene,
  type Step,
  shapeOf,
  twoWay,
} from './two-way-runs.ts'

// ---- chance --------------------------------------------------------------------------------------------------------

/** A number from 0 up to this one. */
type Chance = (below: number) => number

/** Small and good enough: a Weyl sequence, mixed. */
function chanceOf(start: number): Chance {
  let state = start >>> 0
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return ((mixed ^ (mixed >>> 16)) >>> 0) % below
  }
}

function oneOf<Value>(chance: Chance, values: readonly Value[]): Value {
  return values[chance(values.length)] as Value
}

const names = ['a', 'b', 'B', 'c.txt', 'd']
const texts = ['', 'x', 'y', 'xx', 'yy', 'zzz']
const links = ['a', 'b', '../c']
const modes = [0o644, 0o600, 0o755]

function someFile(chance: Chance): Item {
  return file(oneOf(chance, texts), { mode: oneOf(chance, modes), seconds: 1000 + chance(3) })
}

function someTree(chance: Chance, depth: number): DirectoryItem {
  const items: Record<string, Item> = {}
  for (let left = chance(4); left > 0; left--) items[oneOf(chance, names)] = someItem(chance, depth)
  return directory(items, oneOf(chance, [0o755, 0o755, 0o700]))
}

function someItem(chance: Chance, depth: number): Item {
  const kind = chance(depth > 0 ? 8 : 5)
  if (kind === 0) return symlink(oneOf(chance, links), { seconds: 1000 + chance(3) })
  return kind < 5 ? someFile(chance) : someTree(chance, depth - 1)
}

/** What a person does to a tree in some steps. */
function changed(root: DirectoryItem, chance: Chance): DirectoryItem {
  let now = root
  for (let left = chance(4); left > 0; left--) now = changedOnce(now, chance)
  return scanned(root, now)
}

function changedOnce(root: DirectoryItem, chance: Chance): DirectoryItem {
  const parent = oneOf(chance, directoryPaths(root))
  const { items } = itemAt(root, parent) as DirectoryItem
  const known = [...items.keys()]
  const name = known.length > 0 && chance(3) > 0 ? oneOf(chance, known) : oneOf(chance, names)
  const path = joinPath(parent, name)
  const item = items.get(name)
  const how = chance(item === undefined ? 3 : 9)
  if (item === undefined || how === 2) return withItem(root, path, someItem(chance, 1))
  if (how < 2) return withItem(root, path, undefined)
  if (how === 3) return moved(root, path, item, chance)
  const seconds = 2000 + chance(4)
  const mode = oneOf(chance, modes)
  if (item.kind === 'symlink') return withItem(root, path, symlink(oneOf(chance, links), { seconds }))
  if (item.kind !== 'file') return withItem(root, path, { ...item, mode } as Item)
  if (how === 4) return withItem(root, path, { ...item, mode })
  if (how === 5) return withItem(root, path, { ...item, seconds })
  return withItem(root, path, { ...item, text: oneOf(chance, texts), seconds: how === 6 ? item.seconds : seconds })
}

function moved(root: DirectoryItem, path: string, item: Item, chance: Chance): DirectoryItem {
  const to = joinPath(oneOf(chance, directoryPaths(root)), oneOf(chance, names))
  return isWithin(to, path) || isWithin(path, to) ? root : withItem(withItem(root, path, undefined), to, item)
}

/** As a scan tells it that knew the tree before: content that changed under the same size and time is a proven edit. */
function scanned(before: DirectoryItem, root: DirectoryItem): DirectoryItem {
  const items = new Map<string, Item>()
  for (const [name, item] of root.items) {
    const was = before.items.get(name)
    if (item.kind === 'directory' && was?.kind === 'directory' && was !== item) items.set(name, scanned(was, item))
    else items.set(name, item.kind === 'file' && was?.kind === 'file' && isQuiet(was, item) ? edited(was, item) : item)
  }
  return { ...root, items }
}

function isQuiet(was: FileItem, item: FileItem): boolean {
  return was.text !== item.text && was.text.length === item.text.length && was.seconds === item.seconds
}

function edited({ edits }: FileItem, item: FileItem): FileItem {
  return { ...item, edits: edits + 1 }
}

function shuffled(steps: readonly Step[], chance: Chance): Step[] {
  const mixed = [...steps]
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = chance(i + 1)
    const one = mixed[i] as Step
    mixed[i] = mixed[j] as Step
    mixed[j] = one
  }
  return mixed
}

// ---- what must hold ------------------------------------------------------------------------------------------------

type Made = {
  readonly before: DirectoryItem
  readonly scene: Scene
  /** Whether the base knows all digests; else a touched file counts as changed. */
  readonly isKnown: boolean
}
const runsMax = 3

/** Runs until nothing is to be done, and what there is then; fails where that takes too long, or both sides differ. */
function settled(scene: Scene, rules: TwoWayRules, course: Course): DirectoryItem {
  let now = scene
  for (let runs = 0; runs < runsMax; runs++) {
    const ran = runTwoWay(now, rules, course)
    assert.deepEqual(ran.problems, [])
    now = ran.scene
    if (shapeOf(now.left) === shapeOf(now.right)) break
  }
  assert.equal(shapeOf(now.left), shapeOf(now.right), 'both sides are equal')
  assert.deepEqual(runTwoWay(now, rules, course).done, [], 'a further run does nothing')
  return now.left
}

/** Files and links by path. */
function leavesOf(root: DirectoryItem): Map<string, Item> {
  return new Map(itemsBelow(root).filter(([, item]) => item.kind !== 'directory'))
}

/** What only one side changed is what both have then. */
function keepsOneSided({ before, scene, isKnown }: Made, now: DirectoryItem): void {
  const paths = new Set([before, scene.left, scene.right].flatMap((root) => [...leavesOf(root).keys()]))
  for (const path of paths) {
    for (const [mine, theirs] of [
      [scene.left, scene.right],
      [scene.right, scene.left],
    ] as const) {
      const [was, own, other] = [itemAt(before, path), itemAt(mine, path), itemAt(theirs, path)]
      if (valueIn(other) !== valueIn(was) || valueIn(own) === valueIn(was)) continue
      if (!isKnown && isTouched(was, other)) continue
      const after = valueIn(itemAt(now, path))
      if (own !== undefined && own.kind !== 'directory')
        assert.equal(after, valueIn(own), `${path}, changed on one side`)
      // Where the directory became a file, that may have lost its name to what the other side changed in it.
      if (own === undefined && !isBelowLeaf(mine, path)) assert.equal(after, undefined, `${path}, deleted on one side`)
    }
  }
}

/** Whether something above this path is a file or a link. */
function isBelowLeaf(root: DirectoryItem, path: string): boolean {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    const above = itemAt(root, path.slice(0, at))
    if (above !== undefined && above.kind !== 'directory') return true
  }
  return false
}

/** Content and mode, or all that is below. */
function valueIn(item: Item | undefined): string | undefined {
  if (item?.kind === 'directory') return shapeOf(item)
  return item?.kind === 'file' ? `${contentOf(item)} ${item.mode}` : contentOf(item)
}

function isTouched(was: Item | undefined, item: Item | undefined): boolean {
  return was?.kind === 'file' && item?.kind === 'file' && (was.seconds !== item.seconds || item.edits > 0)
}

/** What a person wrote where something else was before is somewhere; what was there before may have been written back. */
function keepsContents(
  before: DirectoryItem | readonly DirectoryItem[],
  scene: Pick<Scene, 'left' | 'right'>,
  now: DirectoryItem,
): void {
  const there = new Set(itemsBelow(now).map(([, item]) => contentOf(item)))
  const known = [before].flat()
  for (const root of [scene.left, scene.right]) {
    for (const [path, item] of itemsBelow(root)) {
      const content = contentOf(item)
      if (content === undefined || known.some((one) => contentOf(itemAt(one, path)) === content)) continue
      assert.ok(there.has(content), `${content}, written at ${path}, is kept`)
    }
  }
}

function swapped({ left, right, base }: Scene): Scene {
  return { left: right, right: left, base }
}

const swappedRules: TwoWayRules = { ...twoWay, machines: { left: twoWay.machines.right, right: twoWay.machines.left } }

function otherWords(text: string): string {
  return text.replace(/ (left|right) /, (_, side: string) => (side === 'left' ? ' right ' : ' left '))
}

/** What is asked of a triple besides: each costs as much as the first three, so a triple is asked one of them. */
export const questions = {
  'mean nothing by left and right': askMirrored,
  'delete and replace nothing where the base is lost': askLostBase,
  'lose nothing where one was cut off between any two steps': askCut,
  'leave a base that serves the next ones': askGoesOn,
  'end equal by whatever policy': askPolicies,
  'touch nothing that is never copied': askUncopied,
  'delete nothing because it was hidden for a while': askHidden,
} as const

type Asked = Made & {
  readonly rules: TwoWayRules
  readonly course: Course
  readonly chance: Chance
  readonly now: DirectoryItem
}

/** Makes the triple of a seed and a number, and asks it. Throws what does not hold. */
export function checkTriple(seed: number, number: number, question: keyof typeof questions): void {
  const chance = chanceOf(Math.imul(seed, 0x01000193) ^ number)
  const before = someTree(chance, 2)
  // Who compares all content knows all of it.
  const rules: TwoWayRules = chance(8) === 0 ? { ...twoWay, checksum: true } : twoWay
  const knowing = rules.checksum ? 2 : chance(3)
  const course: Course = {
    order: (steps) => shuffled(steps, chance),
    ...(knowing === 0 ? { knows: () => false } : knowing === 1 ? { knows: (path) => path.length % 2 === 0 } : {}),
  }
  const [left, right] = [changed(before, chance), changed(before, chance)]
  const scene: Scene = { left, right, base: agreedBase(before, rules, course) }
  const isKnown = course.knows === undefined
  const now = settled(scene, rules, course)
  keepsOneSided({ before, scene, isKnown }, now)
  keepsContents(before, scene, now)
  questions[question]({ before, scene, isKnown, rules, course, chance, now })
}

/** Who is left and who is right means nothing. */
function askMirrored({ scene, rules, course }: Asked): void {
  const [one, other] = [
    runTwoWay(scene, rules, course),
    runTwoWay(swapped(scene), { ...swappedRules, checksum: rules.checksum }, course),
  ]
  assert.deepEqual(
    [shapeOf(other.scene.right), shapeOf(other.scene.left)],
    [shapeOf(one.scene.left), shapeOf(one.scene.right)],
  )
  assert.deepEqual(other.done.map(otherWords).sort(), [...one.done].sort())
}

/** Without a base nothing goes and nothing is replaced. */
function askLostBase({ scene, course }: Asked): void {
  const lost = { ...scene, base: noBase }
  const ran: Ran = runTwoWay(lost, twoWay, course)
  assert.deepEqual(
    ran.done.filter((text) => !/^(create|attributes|copy) /.test(text)),
    [],
  )
  const now = settled(lost, twoWay, course)
  keepsContents(directory(), scene, now)
  for (const [root, other] of [
    [scene.left, scene.right],
    [scene.right, scene.left],
  ] as const) {
    for (const [path, item] of leavesOf(root)) {
      if (itemAt(other, path) === undefined && !isBelowLeaf(other, path))
        assert.equal(contentOf(itemAt(now, path)), contentOf(item))
    }
  }
}

/** A run that was cut off between any two steps. */
function askCut({ rules, course, chance, ...made }: Asked): void {
  const { scene } = runTwoWay(made.scene, rules, { ...course, steps: chance(4) })
  const now = settled(scene, rules, course)
  keepsContents(made.before, made.scene, now)
  keepsOneSided(made, now)
}

/** The base that a run leaves serves the next one. */
function askGoesOn({ now, scene, rules, course, chance, isKnown }: Asked): void {
  let first = scene
  for (let runs = 0; runs < runsMax; runs++) first = runTwoWay(first, rules, course).scene
  const next: Scene = { left: changed(first.left, chance), right: changed(first.right, chance), base: first.base }
  const then = settled(next, rules, course)
  keepsOneSided({ before: now, scene: next, isKnown }, then)
  keepsContents(now, next, then)
}

/** Who loses by a policy is replaced; all the rest is as ever. */
function askPolicies({ scene, rules, course, chance }: Asked): void {
  const policy = oneOf(chance, conflictPolicies)
  const by: TwoWayRules = { ...rules, policyFor: () => policy }
  settled(scene, by, course)
  if (policy.startsWith('prefer')) return
  const [one, other] = [
    runTwoWay(scene, by, course),
    runTwoWay(swapped(scene), { ...by, machines: swappedRules.machines }, course),
  ]
  assert.deepEqual(other.done.map(otherWords).sort(), [...one.done].sort())
}

/** Devices, and what can not be read, wherever they lie: they stay, and what was written is on one of both sides. */
function askUncopied({ before, scene, rules, course, chance }: Asked): void {
  const [left, right] = [withUncopied(scene.left, chance), withUncopied(scene.right, chance)]
  let now: Scene = { ...scene, left, right }
  for (let runs = 0; runs < runsMax; runs++) now = runTwoWay(now, rules, course).scene
  for (const [root, after] of [
    [left, now.left],
    [right, now.right],
  ] as const) {
    for (const [path, item] of itemsBelow(root)) if (isUncopied(item)) assert.deepEqual(itemAt(after, path), item, path)
  }
  const there = directory({ left: now.left, right: now.right })
  keepsContents(before, { left, right }, there)
  const { scene: again } = runTwoWay(now, rules, course)
  assert.deepEqual([shapeOf(again.left), shapeOf(again.right)], [shapeOf(now.left), shapeOf(now.right)])
}

function isUncopied({ kind }: Item): boolean {
  return kind === 'special' || kind === 'unreadable'
}

function withUncopied(root: DirectoryItem, chance: Chance): DirectoryItem {
  let now = root
  for (let left = chance(3); left > 0; left--) {
    const path = joinPath(oneOf(chance, directoryPaths(now)), oneOf(chance, names))
    now = withItem(now, path, oneOf(chance, [special, unreadable]))
  }
  return now
}

/** Runs that do not see a name, or files of some sizes, and then runs that do. */
function askHidden({ before, scene, rules, course, chance }: Asked): void {
  const hidden = `/${oneOf(chance, names)}/`
  const hides: Course = chance(2) === 0 ? { ...course, hides: (path) => `/${path}/`.includes(hidden) } : course
  const sized: TwoWayRules = hides === course ? { ...rules, sizes: { minBytes: chance(2), maxBytes: 1 } } : rules
  const first = runTwoWay(scene, sized, hides).scene
  // A file that gets the base's size and time again, by way of others that no run saw, would pass for unchanged.
  const left = scanned(before, changed(first.left, chance))
  const then = runTwoWay({ ...first, left }, sized, hides).scene
  const now = settled(then, rules, course)
  keepsContents(before, scene, directory({ now, changed: left, first: first.left }))
  keepsContents([before, first.left], { left, right: left }, now)
}

/** Asks so many triples; a failure says how to see it again. */
export function checkTriples(seed: number, count: number, question: keyof typeof questions): void {
  const only = process.env.NIGHTFERRY_TRIPLE
  const numbers = only === undefined ? Array.from({ length: count }, (_, number) => number) : [Number(only)]
  for (const number of numbers) {
    try {
      checkTriple(seed, number, question)
    } catch (error) {
      const what = error instanceof Error ? error.stack : error
      throw new Error(`to see it again: NIGHTFERRY_SEED=${seed} NIGHTFERRY_TRIPLE=${number}\n${what}`)
    }
  }
}
