// An ordinary user for tests that root runs: nobody, with a copy of the clone that it can read and not write, as a
// service's user has it. Where the tests run as an ordinary user already, that user and this clone do.

import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { User } from './machines.ts'

const clone = join(import.meta.dirname, '..', '..')

export type OrdinaryUser = {
  /** Undefined where the tests run as an ordinary user themselves. */
  readonly user: User | undefined
  readonly launcher: string
  /** Removes what was made for it. */
  close(): void
}

export function ordinaryUser(): OrdinaryUser {
  const launcher = join(clone, 'nightferry')
  if (process.getuid?.() !== 0) return { user: undefined, launcher, close: () => {} }
  // What the first start makes has to be there before it is copied.
  spawnSync(launcher, ['--version'], { stdio: 'ignore' })
  const copy = mkdtempSync(join(tmpdir(), 'nightferry-clone-'))
  chmodSync(copy, 0o755)
  for (const path of neededPaths()) {
    if (!existsSync(join(clone, path))) continue
    mkdirSync(dirname(join(copy, path)), { recursive: true })
    cpSync(join(clone, path), join(copy, path), { recursive: true, preserveTimestamps: true })
  }
  const [uid, gid] = ['-u', '-g'].map((option) =>
    Number(spawnSync('id', [option, 'nobody'], { encoding: 'utf8' }).stdout),
  )
  return {
    user: { uid: uid || 65_534, gid: gid || 65_534 },
    launcher: join(copy, 'nightferry'),
    close: () => rmSync(copy, { recursive: true, force: true }),
  }
}

/** What a start needs: sources, bundle, the pinned Node, and the packages that are not for development alone. */
function neededPaths(): string[] {
  const lock = JSON.parse(readFileSync(join(clone, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  const packages = Object.entries(lock.packages).flatMap(([path, { dev }]) =>
    path === '' || dev === true ? [] : [path],
  )
  const own = ['nightferry', 'package.json', 'package-lock.json', 'scripts', 'src', 'dist']
  const node = ['package.json', 'package-lock.json', 'node_modules/.installed-lock.json']
  const binaries = ['x64', 'arm64'].map((processor) => `node/node_modules/node-linux-${processor}/bin/node`)
  return [...own, ...packages, 'node_modules/.installed-lock.json', ...node.map((path) => `node/${path}`), ...binaries]
}
