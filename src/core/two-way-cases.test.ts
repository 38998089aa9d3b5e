// Our two-way runs against the facts of other synchronisers (test/fixtures/reconcile-cases.json; its README says whose): what
// every one of them must do, done to two trees in memory and their base. docs/reconcile.md lists what differs, and why.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type DirectoryItem, itemAt, withItem } from '../../test/world/trees.ts'
import {
  directoryOf,
  hiddenPaths,
  itemOf,
  type Look,
  merges,
  rootOf,
  type State,
  type Triple,
  table,
} from '../../test/world/triples.ts'
import {
  agreedBase,
  type Course,
  contentOf,
  itemsBelow,
  runTwoWay,
  type Scene,
  shapeOf,
  twoWay,
} from '../../test/world/two-way-runs.ts'
import type { TwoWayRules } from './two-way.ts'

/** How contents show in our listings: by their times, or by digests alone. */
const forms: readonly [name: string, rules: TwoWayRules, look: Look][] = [
  ['contents with their own times', twoWay, (content) => ({ seconds: content.length * 1000 + content.charCodeAt(0) })],
  ['contents of equal time, all in doubt', twoWay, (content) => ({ seconds: 1000, edits: content.charCodeAt(0) })],
  [
    'contents of equal time, by checksum',
    { ...twoWay, checksum: true },
    (content) => ({ seconds: 1000, edits: content.charCodeAt(0) }),
  ],
]

function sceneOf(
  ancestor: DirectoryItem,
  left: DirectoryItem,
  right: DirectoryItem,
  rules: TwoWayRules,
  course: Course = {},
): Scene {
  return { left, right, base: agreedBase(ancestor, rules, course) }
}
for (const [form, rules, look] of forms) {
  const bad: string[] = []
  for (const m of merges) {
    const scene = sceneOf(directoryOf(m.ancestor, look), directoryOf(m.alpha, look), directoryOf(m.beta, look), rules)
    const ran = runTwoWay(scene, rules)
    const again = runTwoWay(ran.scene, rules)
    if (shapeOf(ran.scene.left) !== shapeOf(ran.scene.right)) bad.push(`${m.id} ${m.class} not equal`)
    if (again.done.length) bad.push(`${m.id} again ${again.done}`)
    if (m.class === 'clean' && shapeOf(ran.scene.left) !== shapeOf(directoryOf(m.final!, look)))
      bad.push(`${m.id} final`)
    if (m.class === 'delete-over-partial-delete')
      console.log(m.id, ran.done, shapeOf(ran.scene.left) === shapeOf(directoryOf(m.final!, look)))
    for (const [p, st] of Object.entries(m.mustMerge ?? {})) {
      const it = itemAt(ran.scene.left, p)
      const is =
        it === undefined
          ? null
          : it.kind === 'file'
            ? ['file', it.text, it.mode === 0o755]
            : it.kind === 'symlink'
              ? ['link', it.to]
              : ['dir']
      if (JSON.stringify(is) !== JSON.stringify(st))
        bad.push(`${m.id} ${m.class} mustMerge ${p} ${JSON.stringify(st)} is ${JSON.stringify(is)} ${ran.done}`)
    }
    const all = itemsBelow(ran.scene.left)
    for (const [side, p, kind, what, x] of m.mustSurvive ?? []) {
      const c = `${kind} ${what}`
      if (!all.some(([q, i]) => contentOf(i) === c && (q === p || q.startsWith(p.replace(/\.[^./]*$/, '')))))
        bad.push(`${m.id} ${m.class} mustSurvive ${side} ${p} ${c} ${ran.done}`)
    }
  }
  console.log(form, bad.length, bad.slice(0, 12).join('\n'))
  const bad2: string[] = []
  for (const t of table.filter(({ modes }) => modes.includes('two-way-safe'))) {
    const hidden = new Set([t.alpha, t.beta].flatMap((c) => hiddenPaths(c)))
    const course = { hides: (p: string) => hidden.has(p) }
    const [l, r] = [rootOf(t.alpha, look), rootOf(t.beta, look)]
    const ran = runTwoWay(sceneOf(rootOf(t.ancestor, look), l, r, rules), rules, course)
    let [el, er] = [l, r]
    for (const c of t.expect.alpha)
      el = withItem(el, c.path === '' ? 'n' : `n/${c.path}`, c.new ? itemOf(c.new, look) : undefined)
    for (const c of t.expect.beta)
      er = withItem(er, c.path === '' ? 'n' : `n/${c.path}`, c.new ? itemOf(c.new, look) : undefined)
    if (shapeOf(ran.scene.left) !== shapeOf(el) || shapeOf(ran.scene.right) !== shapeOf(er))
      bad2.push(
        `${t.id} ${t.class} ${ran.done} | ${ran.problems}\n  ${shapeOf(ran.scene.left)} want ${shapeOf(el)}\n  ${shapeOf(ran.scene.right)} want ${shapeOf(er)}`,
      )
  }
  console.log(form, bad2.length, bad2.join('\n'))
}
