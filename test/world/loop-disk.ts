// A small disk in a file, of ext4 unless another is asked for, for tests as root: what lies on it can be damaged while it is not mounted, so that no time
// of any file tells of it, as a disk does that forgets.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

function run(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

export class LoopDisk {
  readonly path: string
  readonly #image: string

  /** An empty disk, mounted at `path`, made by these words; undefined where this machine or user can't have one. */
  static make(image: string, path: string, ...mkfs: readonly string[]): LoopDisk | undefined {
    if (process.getuid?.() !== 0) return undefined
    writeFileSync(image, '')
    truncateSync(image, 16 * 1024 * 1024)
    mkdirSync(path, { recursive: true })
    const disk = new LoopDisk(image, path)
    const [command = 'mkfs.ext4', ...words] = mkfs.length === 0 ? ['mkfs.ext4', '-q', '-F'] : mkfs
    return run(command, ...words, image) && disk.#mount() ? disk : undefined
  }

  private constructor(image: string, path: string) {
    this.#image = image
    this.path = path
  }

  #mount(): boolean {
    return run('mount', '-o', 'loop', this.#image, this.path)
  }

  /** Changes the first byte of the one place where this content lies, behind the file system's back. */
  damage(content: Uint8Array): void {
    this.unmount()
    const image = readFileSync(this.#image)
    const at = image.indexOf(content)
    assert.ok(at > 0 && image.indexOf(content, at + 1) < 0, 'the content lies there once')
    image[at] = (image[at] as number) ^ 1
    writeFileSync(this.#image, image)
    assert.ok(this.#mount(), 'it is mounted again')
  }

  unmount(): void {
    run('umount', this.path)
  }
}

/** The disks of one test file: made below `folder`, unmounted together. */
export class LoopDisks {
  readonly #disks: LoopDisk[] = []

  /** A new disk, or undefined, and the test is skipped, where there can be none. */
  make(t: TestContext, folder: string, name: string): LoopDisk | undefined {
    const disk = LoopDisk.make(join(folder, `${name}.img`), join(folder, name))
    if (disk === undefined) t.skip('needs root, mkfs.ext4 and a loop device')
    else this.#disks.push(disk)
    return disk
  }

  unmount(): void {
    for (const disk of this.#disks) disk.unmount()
  }
}
