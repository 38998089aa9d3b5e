// Completion in real shells, and the manual page as real programs read it.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pairedMachines } from '../world/machines.ts'

const clone = join(import.meta.dirname, '..', '..')

const missing = (program: string): string | false =>
  spawnSync(program, ['--version']).error === undefined ? false : `needs ${program}`

/** What is typed before TAB, and the words of the line after it, an X typed behind the cursor. */
const cases: readonly (readonly [string, readonly string[]])[] = [
  ['mach', ['machines', 'X']],
  ['sync --dry', ['sync', '--dry-run', 'X']],
  ['sync --mode u', ['sync', '--mode', 'update', 'X']],
  ['sync --mode=u', ['sync', '--mode=update', 'X']],
  ['sync na', ['sync', 'nas:X']],
  ['sync nas:d', ['sync', 'nas:data', 'X']],
  ['sync fold', ['sync', 'folder one/X']],
  ['sync ./fold', ['sync', './folder one/X']],
  ['share add x fold', ['share', 'add', 'x', 'folder one/X']],
  ['sync a b --ignore-file rul', ['sync', 'a', 'b', '--ignore-file', 'rules.txt', 'X']],
  ['why nas:d', ['why', 'nas:data', 'X']],
  ['why rul', ['why', 'rules.txt', 'X']],
  ['share allow x to', ['share', 'allow', 'x', 'top', 'X']],
  ['machines remove n', ['machines', 'remove', 'nas', 'X']],
]

const [tab, home, enter] = ['\t', '\x01', '\r']

/** Types each line into an interactive shell on a terminal; the words that it became. */
async function typed(command: string, options: { cwd: string; env: NodeJS.ProcessEnv }): Promise<string[][]> {
  const child = spawn('script', ['-qec', command, '/dev/null'], { ...options, stdio: ['pipe', 'pipe', 'inherit'] })
  let screen = ''
  let asked = 0
  const shown = (): RegExpExecArray[] => [...screen.matchAll(/[\r\n]<nightferry>((?:<[^<>%]*>)+)/g)]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
    // The next line when the words of the one before were shown, and the prompt stands there again.
    const before = shown()
    const from = before.at(-1)
    const isReady = screen.indexOf('READY%', from === undefined ? 0 : from.index + from[0].length) >= 0
    if (before.length < asked || asked > cases.length || !isReady) return
    const line = cases[asked++]?.[0]
    // Put before the line once it is completed, so that the shell itself says which words it has.
    const show = `X${home}printf '<%s>' ${enter}`
    child.stdin.write(line === undefined ? `exit${enter}` : `nightferry ${line}${tab}${show}`)
  })
  await once(child, 'close')
  return shown().map(([, words = '']) => words.slice(1, -1).split('><'))
}

describe('completion', async () => {
  const { world, laptop } = await pairedMachines()
  after(() => world.close())
  const program = join(world.directory, 'nightferry')
  const folder = world.folder('folder one')
  for (const path of [join(folder, 'a'), join(world.directory, 'rules.txt')]) writeFileSync(path, '')
  await laptop.mustSync('done', folder, 'nas:data')
  const quoted = [join(clone, 'nightferry'), laptop.state].map((text) => `'${text}'`)
  writeFileSync(program, `#!/bin/sh\nexec ${quoted[0]} --state ${quoted[1]} "$@"\n`, { mode: 0o755 })
  const { PATH = '/usr/bin:/bin' } = process.env
  const cwd = world.directory
  const env = { PATH: `${cwd}:${PATH}`, HOME: cwd, ZDOTDIR: cwd, TERM: 'dumb', LC_ALL: 'C.UTF-8' }
  const wanted = cases.map(([, words]) => words)

  it('bash', { skip: missing('bash') || missing('script') }, async () => {
    writeFileSync(
      join(cwd, 'rc'),
      'PS1=READY%\nbind "set enable-bracketed-paste off"\nsource <(nightferry completion bash)\n',
    )
    assert.deepEqual(await typed('bash --noprofile --rcfile rc -i', { cwd, env }), wanted)
  })

  it('zsh', { skip: missing('zsh') || missing('script') }, async () => {
    const lines = ['unsetopt zle_bracketed_paste prompt_sp', 'bindkey -e', 'autoload -Uz compinit', 'compinit -u']
    writeFileSync(
      join(cwd, '.zshrc'),
      [...lines, 'source <(nightferry completion zsh)', "PS1='READY%%'", ''].join('\n'),
    )
    assert.deepEqual(await typed('zsh -d -i', { cwd, env }), wanted)
  })

  it('fish', { skip: missing('fish') }, () => {
    const script = 'nightferry completion fish | source; complete -C "$argv[1]"'
    for (const [line, words] of cases) {
      const { stdout } = spawnSync('fish', ['--no-config', '-c', script, `nightferry ${line}`], {
        cwd,
        env,
        encoding: 'utf8',
      })
      const values = stdout.split('\n').filter((one) => one !== '')
      // fish sets the blank itself, and none behind : and /.
      const last = words
        .filter((word) => word !== 'X')
        .at(-1)
        ?.replace(/X$/, '')
      assert.deepEqual(
        values.map((one) => one.split('\t')[0]),
        [last],
        line,
      )
    }
  })

  it('PowerShell', { skip: missing('pwsh') }, () => {
    const script = `& $env:PROGRAM completion powershell | Out-String | Invoke-Expression
      foreach ($m in (TabExpansion2 'nightferry mach' 15).CompletionMatches) { $m.CompletionText }`
    const { stdout } = spawnSync('pwsh', ['-NoProfile', '-Command', script], {
      cwd,
      env: { ...env, PROGRAM: program },
      encoding: 'utf8',
    })
    assert.equal(stdout.trim(), 'machines')
  })

  it('is for the shells that are named', async () => {
    const { code, stderr } = await laptop.run('completion', 'csh')
    assert.equal(code, 2)
    assert.match(stderr, /bash, zsh, fish, powershell/)
    for (const empty of ['', '""'])
      assert.equal(await laptop.must('complete', '--', 'machines', 'remove', empty), '-\nnas\tpaired machine\n')
  })
})

describe('the manual page', () => {
  const page = readFileSync(join(clone, 'docs', 'nightferry.1'), 'utf8')

  it('is the one that the program prints; else: ./nightferry man > docs/nightferry.1', () => {
    const { stdout } = spawnSync(join(clone, 'nightferry'), ['man'], { encoding: 'utf8' })
    assert.equal(stdout, page)
  })

  it('is well-formed for mandoc', { skip: missing('mandoc') }, () => {
    const { stdout } = spawnSync('mandoc', ['-T', 'lint'], { input: page, encoding: 'utf8' })
    const complaints = stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))
    assert.deepEqual(complaints, [])
  })

  it('is shown by man', { skip: missing('man') }, () => {
    const env = { ...process.env, MANWIDTH: '100', LC_ALL: 'C' }
    const path = join(clone, 'docs', 'nightferry.1')
    const { stdout, stderr } = spawnSync('man', ['--warnings', '-l', path], { env, encoding: 'utf8' })
    assert.equal(stderr, '')
    for (const text of ['sync [OPTION...] SOURCE TARGET', '--max-delete', '--xattrs [WHICH]', 'EXIT STATUS'])
      assert.ok(stdout.replace(/.\x08/g, '').includes(text), text)
  })
})
