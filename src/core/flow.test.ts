// When squeezing pays, as a table of links, contents and machines; how large packs are under a limit; what is a level.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkOf, type Measured, packBytesFor, parseCompress, squeezingPays } from './flow.ts'

const mega = 1_000_000
/** Megabytes a second that the link takes and that squeezing gets through, and what is left of a byte. */
function measured(link: number, squeeze: number, left: number): Measured {
  return {
    linkBytes: 10 * mega,
    linkMs: 10_000 / link,
    rawBytes: 10 * mega,
    squeezedBytes: left * 10 * mega,
    squeezeMs: 10_000 / squeeze,
  }
}

const cases: readonly [title: string, measured: Measured, isOn: boolean, pays: boolean][] = [
  ['loopback, text', measured(1000, 300, 0.3), true, false],
  ['loopback, text, off', measured(1000, 300, 0.3), false, false],
  ['ten gigabit, text', measured(1100, 300, 0.3), true, false],
  ['gigabit, text', measured(115, 300, 0.3), false, true],
  ['gigabit, text, a slow machine', measured(115, 60, 0.3), true, false],
  ['gigabit, photos', measured(115, 300, 1), true, false],
  ['wireless, text', measured(20, 300, 0.4), false, true],
  ['a line of 1 MB/s, photos', measured(1, 300, 0.99), true, false],
  ['a line of 1 MB/s, mixed', measured(1, 300, 0.7), false, true],
  ['ssh to this machine, text, processors are busy', measured(60, 120, 0.3), true, true],
  ['ssh to this machine, text, off', measured(60, 120, 0.35), false, false],
  ['ssh to this machine, mixed', measured(70, 120, 0.5), true, false],
  ['ten megabit, text, a busy machine', measured(1.2, 20, 0.3), false, true],
  ['a gain of a tenth does not begin it', measured(20, 300, 0.9), false, false],
  ['a gain of a tenth does not end it', measured(2, 300, 0.9), true, true],
  ['nothing is known of the link', { ...measured(1, 1, 1), linkBytes: 0, linkMs: 0 }, true, true],
  ['nothing is known of the content', { ...measured(1, 1, 1), rawBytes: 0 }, false, false],
  ['a link that took it all at once', { ...measured(1, 300, 0.1), linkMs: 0 }, true, false],
]

for (const [title, seen, isOn, pays] of cases) {
  test(`${title}${isOn ? '' : ', off'}: ${pays ? 'squeezed' : 'plain'}`, () => {
    assert.equal(squeezingPays(seen, isOn), pays)
  })
}

test('it settles: what it decides, it decides again', () => {
  for (const link of [0.1, 1, 10, 100, 1000, 10_000])
    for (const squeeze of [5, 50, 500])
      for (const left of [0.1, 0.5, 0.79, 0.8, 0.9, 0.95, 1, 1.01])
        for (const isOn of [true, false]) {
          const first = squeezingPays(measured(link, squeeze, left), isOn)
          assert.equal(squeezingPays(measured(link, squeeze, left), first), first, `${link} ${squeeze} ${left}`)
        }
})

test('packs are small enough for the rate, and never tiny', () => {
  assert.equal(packBytesFor(undefined, 500_000), 500_000)
  assert.equal(packBytesFor(100 * mega, 500_000), 500_000)
  assert.equal(packBytesFor(mega, 600_000), 500_000)
  assert.equal(packBytesFor(mega / 10, 500_000), 50_000)
  assert.equal(packBytesFor(1000, 500_000), 4096)
})

test('a level is auto, off, or 1 to 19', () => {
  const read = ['auto', 'off', '1', '19', '0', '20', '', 'on', '3.5', '-1', 'AUTO', '007'].map(parseCompress)
  assert.deepEqual(read, ['auto', 'off', 1, 19, ...new Array(8).fill(undefined)])
})

/** Megabytes a second, how many processors are idle, whether packs are squeezed now, and megabytes that were sent so far. */
const links: readonly [title: string, mb: number, idle: number | undefined, isOn: boolean, sent: number, is: string][] =
  [
    ['nothing was sent', 1, 0, true, 0, 'unknown'],
    ['more than a gigabit', 110, undefined, true, 10, 'fast'],
    ['more than a gigabit, processors are idle', 110, 4, true, 10, 'fast'],
    ['less than a gigabit', 90, undefined, true, 10, 'slow'],
    ['less than a gigabit, a processor is idle', 90, 1, false, 10, 'slow'],
    ['ssh to this machine, no processor is idle', 45, 0.05, true, 10, 'fast'],
    ['ssh to this machine, no processor is idle, off', 45, 0.3, false, 10, 'fast'],
    ['ssh to this machine, a processor is idle', 45, 0.9, false, 10, 'slow'],
    ['wireless, squeezing takes what was idle', 20, 0.2, true, 10, 'slow'],
    ['wireless, nothing was idle before', 20, 0.2, false, 10, 'fast'],
    ['a hundred megabit, a busy machine', 12, 0, true, 10, 'slow'],
    ['ten megabit, a busy machine', 1.2, 0, false, 10, 'slow'],
    ['a slow line whose buffers took the first bytes, a busy machine', 60, 0, true, 3, 'slow'],
  ]

for (const [title, mb, idle, isOn, sent, is] of links) {
  test(`a link is ${is}: ${title}`, () => {
    const seen = { ...measured(mb, 300, 1), linkBytes: sent * mega, linkMs: (sent * 1000) / mb }
    assert.equal(linkOf(seen, idle, isOn), is)
  })
}

test('a link that took it all at once is fast', () => {
  assert.equal(linkOf({ ...measured(1, 300, 1), linkMs: 0 }), 'fast')
})
