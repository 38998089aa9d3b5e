// A large file whose transfer breaks anywhere: either side is killed, or the target's power is cut, at places that chance
// chose. What was written there before is not sent again, but for a chunk at most; what a break left is read before it is
// believed; and the file is the source's in the end. Bytes are asserted, times never.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Chance } from '../world/disk-trees.ts'
import { type Pair, pairedMachines, type Started, type Synced } from '../world/machines.ts'
import { MountSpace, noMountSpace } from '../world/mount-space.ts'
import { noise } from '../world/noise.ts'
import { casesOf, chanceFor, isLeftOut, isWhole, replay } from './options.ts'

const mib = 1024 * 1024
const oldBytes = 24 * mib
/** What may be sent again: the finest chunk at the longest. Beside it, what telling a file of this size takes, and calls. */
const chunkBytes = 64 * 1024
const toldBytes = 160_000

/** A large file of which much is new, and where. */
type Scene = {
  readonly old: Buffer | undefined
  readonly next: Buffer
  readonly fresh: readonly (readonly [number, number])[]
}

const scenes: readonly ((seed: number) => Scene)[] = [
  function isNew(seed) {
    const next = noise(seed, 32 * mib)
    return { old: undefined, next, fresh: [[0, next.length]] }
  },
  function isInserted(seed) {
    const old = noise(seed, oldBytes)
    const at = 5 * mib + 12_345
    const next = Buffer.concat([old.subarray(0, at), noise(seed + 1, 16 * mib), old.subarray(at)])
    return { old, next, fresh: [[at, at + 16 * mib]] }
  },
  function isChangedInPlace(seed) {
    const old = noise(seed, oldBytes)
    const next = Buffer.from(old)
    const fresh: (readonly [number, number])[] = []
    for (let at = mib / 2; at < oldBytes; at += mib) {
      noise(seed + at, mib / 2).copy(next, at)
      fresh.push([at, at + mib / 2])
    }
    return { old, next, fresh }
  },
]

/** How much of what is new does not lie in `left` where it belongs. */
function lacking({ next, fresh }: Scene, left: Buffer): number {
  let bytes = 0
  for (const [from, to] of fresh) {
    for (let at = from; at < to; at += 4096) {
      const end = Math.min(to, at + 4096)
      if (!next.subarray(at, end).equals(left.subarray(at, end))) bytes += end - at
    }
  }
  return bytes
}

function partialsOf(target: string): string[] {
  const place = join(target, '.nightferry', 'partials')
  return existsSync(place) ? readdirSync(place).map((name) => join(place, name)) : []
}

/** Until a run says that it sent so much, to one digit, or ends. */
async function untilSent(run: Started, megabytes: number): Promise<void> {
  const enough = new RegExp(`"sentBytes":(?:[${megabytes}-9]\\d{6}|\\d{8})`)
  await Promise.race([run.printed(enough).catch(() => {}), run.ended])
}

describe('a large file whose transfer breaks', () => {
  let pair: Pair
  let daemon: Started
  before(async () => {
    pair = await pairedMachines()
    daemon = pair.daemon
  })
  after(async () => await pair?.world.close())

  const part = 'resume-kills'
  it('is gone on with where it broke, whoever was killed and wherever', { skip: isLeftOut(part) }, async () => {
    for (const number of casesOf(24, 2, part)) {
      const chance = chanceFor(`${part} ${number}`)
      await breakAndGoOn(number, chance, replay(part, number))
    }
  })

  async function breakAndGoOn(number: number, chance: Chance, where: string): Promise<void> {
    const isPush = chance(2) === 0
    const name = `case-${number}`
    const [here, there] = [pair.world.folder(`here-${name}`), pair.world.folder(`shared/${name}`)]
    const [source, target] = isPush ? [here, there] : [there, here]
    const ends = isPush ? [here, `nas:data/${name}`] : [`nas:data/${name}`, here]
    const scene = (scenes[(number - 1) % scenes.length] as (seed: number) => Scene)(1000 * number)
    if (scene.old !== undefined) {
      writeFileSync(join(source, 'large'), scene.old)
      await pair.laptop.mustSync('done', ...ends)
    }
    writeFileSync(join(source, 'large'), scene.next)
    for (let breaks = 1 + chance(2); breaks > 0; breaks--) {
      const run = pair.laptop.start('sync', '--json', '--release', '--bwlimit', '12M', ...ends)
      await untilSent(run, 1 + chance(9))
      await sleep(chance(200))
      if (chance(2) === 0) run.kill('SIGKILL')
      else {
        daemon.kill('SIGKILL')
        await daemon.ended
        daemon = await pair.nas.serve()
      }
      await run.ended
      if (scene.old !== undefined) {
        const now = readFileSync(join(target, 'large'))
        assert.ok(now.equals(scene.old) || now.equals(scene.next), `the old version keeps its name (${where})`)
      }
    }
    const last = await again(ends)
    assert.equal(last.run.code, 0, `${last.run.stdout}${last.run.stderr} (${where})`)
    assert.ok(readFileSync(join(target, 'large')).equals(scene.next), where)
    assert.deepEqual(partialsOf(target), [], where)
    const lacked = last.left === undefined ? 0 : lacking(scene, last.left)
    const { wireBytes } = last.run
    if (last.run.outcome === 'done')
      assert.ok(wireBytes <= lacked + chunkBytes + toldBytes, `${lacked} lacked, ${wireBytes} came (${where})`)
    for (const folder of [here, there]) rmSync(folder, { recursive: true })

    /** The end of the run that died may still be closing, and writing. */
    async function again(of: readonly string[]): Promise<{ run: Synced; left: Buffer | undefined }> {
      for (let tries = 0; ; tries++) {
        const [path] = partialsOf(target)
        const left = path === undefined ? undefined : readFileSync(path)
        const run = await pair.laptop.sync('--release', ...of)
        if (run.code !== 11 || tries === 100)
          return { run, left: path === undefined ? (scene.old ?? Buffer.alloc(0)) : left }
        await sleep(100)
      }
    }
  }
})

describe('a large file whose power is cut', { skip: noMountSpace }, () => {
  /** EXT4_IOC_SHUTDOWN, without flushing the log: what was not synced is gone. */
  const cutScript =
    'my $flags = pack("L", 2); open(my $disk, "<", $ARGV[0]) or die; ioctl($disk, 0x8004587d, $flags) or die'
  const part = 'resume-power'

  it('is what it was or what it is to be, and goes on', { skip: isLeftOut(part) }, async (t) => {
    const space = await MountSpace.open()
    try {
      const [source, disk] = [space.world.folder('source'), space.world.folder('disk')]
      const laptop = space.world.machine('laptop')
      const image = join(space.world.directory, 'image')
      const mount = (): boolean => space.tries('mount', '-o', 'loop', image, disk)
      if (!space.makeDisk(image, 200, '-m', '0') || !mount()) return t.skip('no mkfs.ext4, or no loop devices')
      const target = join(disk, 'target')
      for (const number of casesOf(isWhole ? 9 : 1, 1, part)) {
        const chance = chanceFor(`${part} ${number}`)
        const where = replay(part, number)
        const scene = (scenes[number % scenes.length] as (seed: number) => Scene)(77 * number)
        const ends = [source, target, '--release', '--max-delete', '100%'] as const
        const large = join(source, 'large')
        rmSync(large, { force: true })
        await laptop.sync(...ends)
        if (scene.old !== undefined) {
          writeFileSync(large, scene.old)
          assert.equal((await laptop.sync(...ends)).code, 0, where)
        }
        writeFileSync(large, scene.next)
        const run = laptop.start('sync', '--json', '--bwlimit', '12M', ...ends)
        await untilSent(run, 1 + chance(9))
        // Some of it reaches the disk, and what then follows does not.
        if (chance(2) === 0) space.tries('sync', '-f', disk)
        await sleep(chance(300))
        space.must('perl', '-e', cutScript, disk)
        await run.ended
        space.must('umount', disk)
        assert.ok(mount(), where)
        if (scene.old !== undefined) {
          const now = readFileSync(join(space.inside(target), 'large'))
          assert.ok(now.equals(scene.old) || now.equals(scene.next), where)
        }
        const last = await laptop.sync(...ends)
        assert.equal(last.code, 0, `${last.stdout}${last.stderr} (${where})`)
        assert.ok(readFileSync(join(space.inside(target), 'large')).equals(scene.next), where)
        assert.ok(statSync(join(space.inside(target), 'large')).size === scene.next.length)
        assert.deepEqual(partialsOf(space.inside(target)), [], where)
      }
    } finally {
      await space.close()
    }
  })
})
