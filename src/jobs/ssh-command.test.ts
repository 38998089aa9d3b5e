// The command lines of a session by ssh: what ssh is given, and that no word of a person becomes more than a word in the
// shell of the other side. The shells are real ones.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { Failure } from '../std/failure.ts'
import { remoteCommandLine, sshArguments, wordsOf } from './ssh-command.ts'

const split: readonly (readonly [string, readonly string[]])[] = [
  ['nightferry', ['nightferry']],
  ['  a   b ', ['a', 'b']],
  [`'a b' "c d" e\\ f`, ['a b', 'c d', 'e f']],
  [`--state="/my dir"`, ['--state=/my dir']],
  [`a'b'"c"d`, ['abcd']],
  [`'' ""`, ['', '']],
  [`"a\\"b\\\\c\\$d\\e"`, ['a"b\\c$d\\e']],
  [`'a"b' "a'b"`, ['a"b', "a'b"]],
  ['$HOME;x|y&z', ['$HOME;x|y&z']],
]

for (const [text, words] of split) {
  test(`words of ${text}`, () => assert.deepEqual(wordsOf(text), words))
}

test('a command that is none is refused', () => {
  const none = [
    '',
    '  ',
    "''",
    '-x',
    'A=b c',
    `'open`,
    '"open',
    'end\\',
    'a\nb',
    'a\tb',
    'x '.repeat(65),
    'x'.repeat(5000),
  ]
  for (const text of none) {
    assert.throws(
      () => remoteCommandLine(text),
      (error) => error instanceof Failure && error.code === 'bad-usage',
      JSON.stringify(text),
    )
  }
})

test('plain words stay plain, so that any shell understands them', () => {
  assert.equal(remoteCommandLine('nightferry'), 'nightferry serve --stdio')
  assert.equal(remoteCommandLine('sudo -n /opt/n'), 'sudo -n /opt/n serve --stdio')
  assert.equal(remoteCommandLine('~/bin/n --state ~/x'), "~/bin/n --state '~/x' serve --stdio")
  assert.equal(remoteCommandLine("'~/my bin/n'"), "~/'my bin/n' serve --stdio")
})

/** Arguments as a program gets them that a shell starts with this command line. */
function received(shell: string, line: string): string[] {
  const print = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
  const { stdout, stderr } = spawnSync(shell, ['-c', line], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', HOME: '/home/ann', PRINT: print, NODE: process.execPath },
  })
  assert.equal(stderr, '')
  return JSON.parse(stdout) as string[]
}

const naughty = [
  'a b',
  "it's",
  '"',
  '\\',
  '$HOME',
  '$(id)',
  '`id`',
  ';id',
  '&&',
  '|',
  '>x',
  '<x',
  '*',
  '?',
  '[a]',
  '{a,b}',
  '~',
  '~root',
  '!1',
  '#x',
  '=ls',
  '-n',
  'ü 漢',
  '',
  "'\\''",
  '%s',
  '^',
  '(x)',
]

for (const shell of ['sh', 'bash', 'dash']) {
  const isThere = spawnSync(shell, ['-c', ':']).status === 0
  test(`each word reaches the program as it is, through ${shell}`, { skip: isThere ? false : `no ${shell}` }, () => {
    const program = [process.execPath, '-e', 'process.stdout.write(JSON.stringify(process.argv.slice(1)))', '--']
    const typed = [...program, ...naughty].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
    assert.deepEqual(received(shell, remoteCommandLine(typed)), [...naughty, 'serve', '--stdio'])
  })
}

test('ssh gets words, never a line for a shell, and all that a session has no use for is off', () => {
  const options = { commandLine: 'nightferry serve --stdio', isAttended: true }
  const plain = sshArguments({ host: 'nas', user: undefined, port: undefined }, options)
  assert.deepEqual(plain.slice(-3), ['--', 'nas', 'nightferry serve --stdio'])
  for (const off of ['ForwardAgent=no', 'ClearAllForwardings=yes', 'RemoteCommand=none', 'PermitLocalCommand=no'])
    assert.ok(plain.includes(`-o${off}`), off)
  assert.ok(!plain.includes('-oBatchMode=yes'), 'somebody may be asked')
  const full = sshArguments({ host: '::1', user: 'ann', port: 2222 }, { ...options, isAttended: false })
  assert.deepEqual(full.slice(-7), ['-l', 'ann', '-p', '2222', '--', '::1', 'nightferry serve --stdio'])
  assert.ok(full.includes('-oBatchMode=yes'), 'nobody is there to be asked')
})
