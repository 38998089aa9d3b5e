// A small disk in a file, of ext4 unless another is asked for, for tests as root: what lies on it can be damaged while it is not mounted, so that no time
// of any file tells of it, as a disk does that forgets.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'

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
