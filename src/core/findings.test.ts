// What doctor makes of facts: the level of each finding, what it says, and that every problem has a remedy.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ClockFacts,
  type DoorFacts,
  type Finding,
  isSick,
  judgeClock,
  judgeDoor,
  judgeFiles,
  judgeLimits,
  judgeNode,
  judgeParts,
  judgePeer,
  judgeRoot,
  judgeSetting,
  judgeState,
  type RootFacts,
} from './findings.ts'
import { exactNaming } from './naming.ts'

const trouble = { code: 'bad-config', message: 'machines.json is damaged', hint: '' }
const away = { code: 'unreachable', message: 'cannot reach it', hint: '' }
const folding = { ...exactNaming, folds: 'simple' } as const
const traits = { timeGrainNs: 1, modeMask: 0o777, exchanges: true }
const own = { isLocked: false, staged: 0, hasJournal: false, kept: 0, trouble: '', traits }
const root: RootFacts = {
  path: '/t',
  role: 'target',
  trouble: '',
  fileSystem: 'ext4',
  freeBytes: 5e11,
  totalBytes: 1e12,
  freeInodes: 1e6,
  own,
}
const clock: ClockFacts = { nowMs: 1.8e12, newestRunMs: 1.79e12, peers: [] }
const door: DoorFacts = {
  daemon: undefined,
  failure: undefined,
  shares: 0,
  productVersion: '1.0',
  usual: { port: 5001, isTaken: false },
}
const peer = { machine: 'nas', isEnd: true }
const exact = { form: 'linux-ffi', because: '' }
const native = { form: 'native', because: '' }
const file = { path: '/c', mode: 0o700, isSecret: true }
const limits = { watches: 65_536, instances: 128, files: 20_000, directories: 10 }

/** What was judged, the levels of its findings in order, and a part of what they say. */
const cases: readonly (readonly [string, readonly Finding[], string, RegExp])[] = [
  ['exact parts', judgeParts({ sys: exact, digest: native }), 'ok ok', /exact form.*native/s],
  [
    'portable and WASM',
    judgeParts({ sys: { form: 'portable', because: 'no ffi' }, digest: { form: 'wasm', because: 'no binary' } }),
    'note note',
    /no ffi.*no binary/s,
  ],
  ['this Node', [judgeNode('26.10.0')], 'ok', /26\.10/],
  ['the next Node', [judgeNode('27.0.0')], 'ok', /27/],
  ['an older Node', [judgeNode('26.8.1')], 'problem', /older than 26\.9/],
  ['another Node', [judgeNode('20.20.2')], 'problem', /older/],
  ['sound state', judgeState({ kind: 'opened', check: 'ok', notices: [], path: '/p' }), 'ok', /sound \(\/p\)/],
  [
    'state set aside',
    judgeState({ kind: 'opened', check: 'ok', notices: ['It was set aside.'], path: '/p' }),
    'note ok',
    /set aside/,
  ],
  [
    'damaged state',
    judgeState({ kind: 'opened', check: 'row 3 missing', notices: [], path: '/p' }),
    'problem',
    /row 3 missing/,
  ],
  [
    'state that does not open',
    judgeState({ kind: 'failed', failure: { code: 'format-too-new', message: 'newer', hint: '' } }),
    'problem',
    /newer \(format-too-new\)/,
  ],
  [
    'closed files',
    judgeFiles([file, { path: '/m', mode: undefined, isSecret: true }, { path: '/s', mode: 0o644, isSecret: false }]),
    'ok',
    /nobody else/,
  ],
  [
    'a key that others read',
    judgeFiles([file, { path: '/key', mode: 0o640, isSecret: true }]),
    'problem',
    /\/key can be read or changed by others \(mode 0640\)/,
  ],
  [
    'shares that others write',
    judgeFiles([{ path: '/s', mode: 0o664, isSecret: false }]),
    'problem',
    /\/s can be changed by others/,
  ],
  ['a setting', [judgeSetting({ what: 'name', told: 'nas', failure: undefined })], 'ok', /name: nas/],
  [
    'a damaged setting',
    [judgeSetting({ what: 'name', told: '', failure: trouble })],
    'problem',
    /machines\.json is damaged/,
  ],
  ['a good target', judgeRoot(root), 'ok ok', /500\.0 GB free \(50 %\), ext4.*exactly/s],
  ['a target that no run has marked', judgeRoot({ ...root, own: undefined }), 'ok', /free/],
  ['a source, however full', judgeRoot({ ...root, role: 'source', freeBytes: 0, own: undefined }), 'ok', /0\.0 GB/],
  ['no folder', judgeRoot({ ...root, trouble: 'ENOENT' }), 'problem', /is not there/],
  ['read-only', judgeRoot({ ...root, trouble: 'EROFS' }), 'problem', /mounted read-only/],
  ['refused', judgeRoot({ ...root, trouble: 'EACCES' }), 'problem', /may not be read and written/],
  ['a refused source', judgeRoot({ ...root, role: 'source', trouble: 'EACCES' }), 'problem', /may not be read$/],
  ['a file', judgeRoot({ ...root, trouble: 'ENOTDIR' }), 'problem', /no folder/],
  ['anything else', judgeRoot({ ...root, trouble: 'EIO' }), 'problem', /EIO/],
  ['little room', judgeRoot({ ...root, freeBytes: 4e10 }), 'note ok', /little room/],
  ['nearly full', judgeRoot({ ...root, freeBytes: 9e9 }), 'problem ok', /nearly full/],
  ['a small disk, nearly full', judgeRoot({ ...root, totalBytes: 1e8, freeBytes: 4e7 }), 'problem ok', /nearly full/],
  ['no inodes', judgeRoot({ ...root, freeInodes: 12 }), 'problem ok', /12 more files/],
  ['uncounted inodes', judgeRoot({ ...root, freeInodes: undefined }), 'ok ok', /free/],
  [
    'a run at work',
    judgeRoot({ ...root, own: { ...own, isLocked: true, traits: undefined } }),
    'ok note',
    /works on it now/,
  ],
  ['stale staging', judgeRoot({ ...root, own: { ...own, staged: 3 } }), 'ok note ok', /cut off .*3 in staging/],
  ['a journal', judgeRoot({ ...root, own: { ...own, hasJournal: true } }), 'ok note ok', /cut off/],
  ['kept files', judgeRoot({ ...root, own: { ...own, kept: 2 } }), 'ok note ok', /2 in \.nightferry\/kept/],
  [
    'a damaged marker',
    judgeRoot({ ...root, own: { ...own, trouble: 'the marker is damaged', traits: undefined } }),
    'ok problem',
    /marker is damaged/,
  ],
  [
    'a FAT stick',
    judgeRoot({
      ...root,
      own: { ...own, traits: { timeGrainNs: 2e9, modeMask: 0, exchanges: false, naming: folding } },
    }),
    'ok note note note note',
    /to 2 s.*no permissions.*exchanged.*case/s,
  ],
  [
    'coarse times',
    judgeRoot({ ...root, own: { ...own, traits: { ...traits, timeGrainNs: 1e6 } } }),
    'ok note',
    /to 1 ms/,
  ],
  [
    'microseconds',
    judgeRoot({ ...root, own: { ...own, traits: { ...traits, timeGrainNs: 1000 } } }),
    'ok ok',
    /exactly/,
  ],
  ['a plausible clock', judgeClock(clock), 'ok', /plausible/],
  ['a clock that went back', judgeClock({ ...clock, newestRunMs: 1.8e12 + 60_000 }), 'problem', /60 s in the future/],
  ['a clock without battery', judgeClock({ ...clock, nowMs: 1000, newestRunMs: undefined }), 'problem', /in the past/],
  ['clocks that agree', judgeClock({ ...clock, peers: [{ machine: 'nas', aheadMs: -1900 }] }), 'ok', /nas agrees/],
  [
    'skew',
    judgeClock({
      ...clock,
      peers: [
        { machine: 'nas', aheadMs: 5000 },
        { machine: 'pc', aheadMs: -3000 },
      ],
    }),
    'problem problem',
    /5 s ahead.*3 s behind/s,
  ],
  ['limits', judgeLimits(limits), 'ok ok', /65536 watches.*20000 files/s],
  ['few watches', judgeLimits({ ...limits, directories: 40_000 }), 'note ok', /40000 directories/],
  ['few files', judgeLimits({ ...limits, files: 256 }), 'ok problem', /only 256/],
  [
    'a system that tells nothing',
    judgeLimits({ ...limits, watches: undefined, files: undefined }),
    'note',
    /no limits/,
  ],
  ['no daemon, nothing shared', judgeDoor(door), 'ok', /nothing is shared/],
  ['no daemon, and shares', judgeDoor({ ...door, shares: 2 }), 'problem', /nobody reaches/],
  [
    'a port that is taken',
    judgeDoor({ ...door, shares: 2, usual: { port: 5001, isTaken: true } }),
    'problem problem',
    /port 5001 is taken/,
  ],
  ['a port that nobody needs', judgeDoor({ ...door, usual: { port: 5001, isTaken: true } }), 'ok note', /taken/],
  ['a daemon', judgeDoor({ ...door, daemon: { port: 7, productVersion: '1.0' } }), 'ok', /port 7/],
  ['a daemon of before', judgeDoor({ ...door, daemon: { port: 7, productVersion: '0.9' } }), 'ok note', /0\.9.*1\.0/],
  [
    'a daemon that hangs',
    judgeDoor({ ...door, failure: { code: 'peer-failed', message: 'no answer', hint: '' } }),
    'problem',
    /no answer/,
  ],
  [
    'a machine that answers',
    [
      judgePeer({
        ...peer,
        reached: { kind: 'yes', address: '10.0.0.2', productVersion: '1.0', wireVersion: 2, tookMs: 9 },
      }),
    ],
    'ok',
    /10\.0\.0\.2 in 9 ms: Nightferry 1\.0, wire version 2/,
  ],
  ['a machine that calls', [judgePeer({ ...peer, reached: { kind: 'no-address' } })], 'note', /it calls/],
  [
    'an end that is away',
    [judgePeer({ ...peer, reached: { kind: 'no', failure: away } })],
    'problem',
    /nas: cannot reach it \(unreachable\)/,
  ],
  [
    'another machine that is away',
    [judgePeer({ ...peer, isEnd: false, reached: { kind: 'no', failure: away } })],
    'note',
    /cannot reach/,
  ],
  [
    'a machine with another key',
    [judgePeer({ ...peer, isEnd: false, reached: { kind: 'no', failure: { ...away, code: 'wrong-peer' } } })],
    'problem',
    /wrong-peer/,
  ],
]

for (const [what, findings, levels, text] of cases) {
  test(what, () => {
    assert.equal(findings.map(({ level }) => level).join(' '), levels)
    assert.match(findings.map((one) => one.text).join('\n'), text)
    for (const { level, remedy, text: told } of findings) if (level === 'problem') assert.ok(remedy.length > 5, told)
    assert.equal(isSick(findings), levels.includes('problem'))
  })
}
