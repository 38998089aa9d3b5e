// A small NTFS in a file, mounted by ntfs-3g so that it takes only names that Windows has, or any: a real disk that refuses
// names, on a kernel that has none itself. Needs root, ntfs-3g and FUSE. For tests only.

import { spawnSync } from 'node:child_process'
import { existsSync, truncateSync, writeFileSync } from 'node:fs'

export class NtfsDisk {
  readonly path: string
  readonly #image: string

  /** An empty disk, mounted at `path`, a folder that is there; undefined where this machine or user can't have one. */
  static make(image: string, path: string): NtfsDisk | undefined {
    if (process.getuid?.() !== 0 || !existsSync('/dev/fuse')) return undefined
    writeFileSync(image, '')
    truncateSync(image, 32 * 1024 * 1024)
    const disk = new NtfsDisk(image, path)
    return run('mkntfs', '-q', '-F', image) && disk.mount('windows_names') ? disk : undefined
  }

  private constructor(image: string, path: string) {
    this.#image = image
    this.path = path
  }

  mount(...options: readonly string[]): boolean {
    return run('ntfs-3g', '-o', ['permissions', ...options].join(','), this.#image, this.path)
  }

  unmount(): void {
    run('umount', this.path)
  }
}

function run(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}
