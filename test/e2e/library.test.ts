// The library as others get it: the examples, and the package, packed, installed into an empty folder and used there.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { filesOf, pagesOf } from '../../scripts/api-pages.ts'

const clone = join(import.meta.dirname, '..', '..')
const home = mkdtempSync(join(tmpdir(), 'nightferry-library-'))
after(() => rmSync(home, { recursive: true, force: true }))

type Ended = { readonly status: number | null; readonly stdout: string; readonly stderr: string }

/** Runs a program with the Node that runs this one first on the path. */
function run(command: string, args: readonly string[], cwd: string): Ended {
  const PATH = `${dirname(process.execPath)}:${process.env.PATH ?? '/usr/bin:/bin'}`
  const env = { PATH, HOME: process.env.HOME ?? cwd, NO_COLOR: '1' }
  return spawnSync(command, args, { cwd, env, encoding: 'utf8' })
}

function must(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = run(command, args, cwd)
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** The examples, by whatever runs them; `folder` is empty. */
function tryExamples(folder: string, example: (name: string, ...args: string[]) => Ended): void {
  const [source, target, state] = ['source', 'target', 'state'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  mkdirSync(source)
  mkdirSync(target)
  writeFileSync(join(source, 'letter.txt'), 'Dear')
  const first = example('mirror', source, target, state)
  assert.equal(first.stdout, 'create-file letter.txt\ndone: 1 files, 4 bytes of content\n', first.stderr)
  assert.equal(readFileSync(join(target, 'letter.txt'), 'utf8'), 'Dear')
  const wrong = example('mirror', source, source, state)
  assert.equal(wrong.status, 2)
  assert.match(wrong.stderr, /same-ends: source and target/)
  const two = example('two-machines', join(folder, 'two'))
  assert.match(two.stdout, /^paired with .*\ndone: 1 created\nunchanged; 2 runs so far\n$/, two.stderr)
  assert.ok(existsSync(join(folder, 'two', 'backup', 'first.txt')))
  const look = example('watch-runs', state)
  assert.match(look.stdout, /^well: .*source to .*target: done\n$/, look.stderr)
  writeFileSync(join(source, 'letter.txt'), 'Dear all')
  assert.equal(example('mirror', source, target, state).status, 0)
  const back = example('go-back', target, 'letter.txt', state)
  assert.match(
    back.stdout,
    /^why: It got new content .*\n(why: .*\n)*version: letter.txt, replaced by .*\nthe last run: replaced letter.txt\nwould replace-file letter.txt\ndone: 0 brought back, 1 put back\n$/,
    back.stderr,
  )
  assert.equal(readFileSync(join(target, 'letter.txt'), 'utf8'), 'Dear')
}

describe('the library', () => {
  it('runs its examples from the sources', () => {
    const folder = mkdtempSync(join(home, 'sources-'))
    const node = ['--disable-warning=ExperimentalWarning', '--conditions=nightferry-source']
    tryExamples(folder, (name, ...args) =>
      run(process.execPath, [...node, join(clone, 'examples', `${name}.ts`), ...args], folder),
    )
  })

  const folder = mkdtempSync(join(home, 'user-'))
  const tsc = join(clone, 'node_modules', 'typescript', 'bin', 'tsc')

  it('is built and packed', () => {
    must('sh', ['scripts/library.sh'], clone)
    must('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', home], clone)
  })

  it('is installed into an empty folder', () => {
    const packed = readdirSync(home).find((name) => name.endsWith('.tgz')) ?? ''
    // Its dependencies come from the clone, for there may be no network.
    const dependencies: Record<string, string> = { nightferry: `file:${join(home, packed)}` }
    const { dependencies: needed } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }
    const native = readdirSync(join(clone, 'node_modules', '@napi-rs')).map((name) => `@napi-rs/${name}`)
    const inner = ['@noble/hashes'].filter((name) => existsSync(join(clone, 'node_modules', name)))
    for (const name of [...Object.keys(needed), ...native, ...inner])
      dependencies[name] = `file:${join(clone, 'node_modules', name)}`
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true, dependencies }))
    must('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts'], folder)
  })

  it('runs its examples and the command line there', () => {
    cpSync(join(clone, 'examples'), folder, { recursive: true })
    tryExamples(folder, (name, ...args) => run('node', [`${name}.ts`, ...args], folder))
    const version = must(join(folder, 'node_modules', '.bin', 'nightferry'), ['--version'], folder)
    assert.match(version, /^\d+\.\d+\.\d+\n$/)
    const again = must(
      join(folder, 'node_modules', '.bin', 'nightferry'),
      ['sync', '--state', 'state', 'source', 'new'],
      folder,
    )
    assert.match(again, /1 created/)
  })

  it('has declarations that the examples are checked against there', () => {
    const types = [join(clone, 'node_modules', '@types')]
    const options = {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      target: 'esnext',
      lib: ['esnext'],
      types: ['node'],
    }
    const compilerOptions = { ...options, typeRoots: types, skipLibCheck: false }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    must('node', [tsc, '-p', folder], folder)
  })

  it('has a contract and a page for each thing that it exports, and no link that leads nowhere', () => {
    const types = join(home, 'types')
    must(
      'node',
      [join(clone, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.lib.json', '--outDir', types],
      clone,
    )
    const pages = pagesOf(types)
    const without = pages.filter(({ isExported, declaration }) => isExported && declaration.about === '')
    assert.deepEqual(
      without.map(({ name }) => name),
      [],
      'no contract',
    )
    const exported = pages.filter(({ isExported }) => isExported).map(({ name }) => name)
    for (const name of [
      'openMachine',
      'Machine',
      'Failure',
      'RunEvent',
      'PairedMachine',
      'UndoResult',
      'PathAnswer',
      'KeptVersions',
    ])
      assert.ok(exported.includes(name), name)
    const methods = pages.find(({ name }) => name === 'Machine')?.members ?? []
    assert.deepEqual(
      methods.filter(({ about }) => about === '').map(({ text }) => text),
      [],
    )

    const files = filesOf(types, clone, clone)
    for (const page of pages) assert.ok(files.has(`${page.name}.html`), page.name)
    for (const [name, text] of files) {
      for (const [, target = ''] of text.matchAll(/href="([^"#]*)/g)) {
        assert.ok(files.has(target) || existsSync(target), `${name} leads to ${target}`)
        assert.doesNotMatch(target, /^https?:/)
      }
      if (!name.endsWith('.html')) continue
      const open: string[] = []
      for (const [, end, tag = ''] of text.matchAll(/<(\/?)([a-z0-9]+)[^>]*>/g)) {
        if (end === '/') assert.equal(open.pop(), tag, `${name} closes what is open`)
        else if (!['meta', 'link'].includes(tag)) open.push(tag)
      }
      assert.deepEqual(open, [], name)
    }
  })
})
