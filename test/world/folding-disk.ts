// Real disks for which upper and lower case are one, by FUSE, on a kernel that has none itself: NTFS that shows every name in
// lower case (lowntfs-3g) and has hard links, and exFAT, which keeps the case that it was given, and gives a file another
// number each time it is met. Needs root, FUSE and their tools. For tests only.

import { spawnSync } from 'node:child_process'
import { existsSync, truncateSync, writeFileSync } from 'node:fs'

export type FoldingKind = 'ntfs' | 'exfat'

export class FoldingDisk {
  readonly path: string
  readonly #device: string | undefined

  /** An empty disk, mounted at `path`, a folder that is there; undefined where this machine or user can't have one. */
  static make(kind: FoldingKind, image: string, path: string): FoldingDisk | undefined {
    if (process.getuid?.() !== 0 || !existsSync('/dev/fuse')) return undefined
    writeFileSync(image, '')
    truncateSync(image, 32 * 1024 * 1024)
    if (kind === 'ntfs') {
      const options = 'permissions,ignore_case'
      const is = run('mkntfs', '-q', '-F', image) !== undefined
      return is && run('lowntfs-3g', '-o', options, image, path) !== undefined ? new FoldingDisk(path) : undefined
    }
    // This driver takes only block devices.
    const device = run('mkfs.exfat', image) === undefined ? undefined : run('losetup', '-f', '--show', image)?.trim()
    if (device === undefined) return undefined
    if (run('mount.exfat-fuse', device, path) !== undefined) return new FoldingDisk(path, device)
    run('losetup', '-d', device)
    return undefined
  }

  private constructor(path: string, device?: string) {
    this.path = path
    this.#device = device
  }

  unmount(): void {
    run('umount', this.path)
    if (this.#device !== undefined) run('losetup', '-d', this.#device)
  }
}

/** What it printed; undefined where it failed. */
function run(command: string, ...args: readonly string[]): string | undefined {
  const ended = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return ended.status === 0 ? ended.stdout : undefined
}
