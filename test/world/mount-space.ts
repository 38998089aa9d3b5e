// A mount namespace of its own for a test: commands of the program run inside it, disks are mounted, filled, cut off and
// taken away there, and the rest of the machine sees nothing of it. All of it ends with the namespace's one process.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { World } from './machines.ts'

const launcher = join(import.meta.dirname, '..', '..', 'nightferry')

/** EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number. */
const cutScript =
  'my $flags = pack("L", 2); open(my $disk, "<", $ARGV[0]) or die; ioctl($disk, 0x8004587d, $flags) or die'

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false
  const script = 'mount -t tmpfs tmpfs /mnt && nsenter --version'
  return spawnSync('unshare', ['-m', 'sh', '-c', script]).status === 0
}

/** Why there can be none, for the `skip` of a test; else false. */
export const noMountSpace: string | false = canMount()
  ? false
  : 'mounting needs root, unshare, nsenter and the right to mount'

export class MountSpace {
  /** Its machines run in here; their folders are made outside. */
  readonly world: World
  readonly #process: ChildProcess
  readonly #home: string

  private constructor(process: ChildProcess, inner: string) {
    this.#process = process
    this.#home = mkdtempSync(join(tmpdir(), 'nightferry-mounts-'))
    const entering = join(this.#home, 'nightferry')
    writeFileSync(entering, `#!/bin/sh\nexec nsenter -t ${process.pid} -m ${inner} "$@"\n`)
    chmodSync(entering, 0o755)
    this.world = new World({ launcher: entering })
  }

  /** `inner` starts the program in there: a tracing one, say. */
  static async open(inner = launcher): Promise<MountSpace> {
    // What the first start makes belongs to all.
    spawnSync(launcher, ['--version'])
    // It ends with what opened it, however long that goes on.
    const script = 'echo ready; exec cat'
    const child = spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
    return new MountSpace(child, inner)
  }

  /** Whether a command run inside ended well. */
  tries(name: string, ...args: readonly string[]): boolean {
    return spawnSync('nsenter', ['-t', String(this.#process.pid), '-m', name, ...args]).status === 0
  }

  /** What a command run inside says, and how it ended. */
  says(name: string, ...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
    return spawnSync('nsenter', ['-t', String(this.#process.pid), '-m', name, ...args], { encoding: 'utf8' })
  }

  must(name: string, ...args: readonly string[]): void {
    assert.ok(this.tries(name, ...args), `${name} ${args.join(' ')}`)
  }

  mountSmall(path: string, options: string): void {
    this.must('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', path)
  }

  /** A fresh ext4 file system of so many MiB in a file; false where such a thing can't be made. */
  makeDisk(image: string, mebibytes: number, ...options: readonly string[]): boolean {
    writeFileSync(image, new Uint8Array(mebibytes << 20))
    return this.tries('/sbin/mkfs.ext4', '-q', ...options, image)
  }

  /** The same of XFS, which wants 300 MiB and more; the file has holes. */
  makeXfs(image: string): boolean {
    writeFileSync(image, '')
    truncateSync(image, 320 << 20)
    return this.tries('/sbin/mkfs.xfs', '-q', image)
  }

  /** The file system at the path is shut down without writing its log: what was not synced is gone. False where that can't be. */
  cutPower(path: string): boolean {
    return this.tries('perl', '-e', cutScript, path)
  }

  /** The path as it is inside, for a look from outside. */
  inside(path: string): string {
    return `/proc/${this.#process.pid}/root${path}`
  }

  async close(): Promise<void> {
    const closed = once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await closed
    await this.world.close()
    rmSync(this.#home, { recursive: true, force: true })
  }
}
