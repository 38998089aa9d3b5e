// Large files that changed, between two machines: what goes over the wire is what differs, whatever the edit; what is told
// twice is sent once; and the result is the source's, to the last byte. Bytes are asserted, times never.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'
import { noise } from '../world/noise.ts'

const mib = 1024 * 1024

describe('a large file that changed', () => {
  let pair: Pair
  let source: string
  const content = noise(1, 32 * mib)

  before(async () => {
    pair = await pairedMachines()
    source = pair.world.folder('source')
  })
  after(async () => await pair.world.close())

  async function sync(): Promise<Synced> {
    return await pair.laptop.mustSync('done', source, 'nas:data', '--release')
  }

  function same(name: string): void {
    const [left, right] = [join(source, name), join(pair.shared, name)]
    assert.equal(digest(left), digest(right), name)
    const [a, b] = [statSync(left, { bigint: true }), statSync(right, { bigint: true })]
    assert.deepEqual([b.mtimeNs, b.mode], [a.mtimeNs, a.mode], name)
  }

  function digest(path: string): string {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  }

  it('comes whole the first time', async () => {
    writeFileSync(join(source, 'image'), content)
    writeFileSync(join(source, 'other'), noise(2, 4 * mib))
    const { wireBytes } = await sync()
    assert.ok(wireBytes > 36 * mib)
    same('image')
  })

  it('sends little where a byte was put before all of it', async () => {
    writeFileSync(join(source, 'image'), Buffer.concat([Buffer.from('x'), content]))
    chmodSync(join(source, 'image'), 0o640)
    const { wireBytes } = await sync()
    assert.ok(wireBytes < 120_000, `${wireBytes}`)
    same('image')
  })

  it('sends the end where something was put there', async () => {
    const bytes = Buffer.concat([readFileSync(join(source, 'image')), noise(3, mib)])
    writeFileSync(join(source, 'image'), bytes)
    const { wireBytes } = await sync()
    assert.ok(wireBytes > mib && wireBytes < mib + 120_000, `${wireBytes}`)
    same('image')
  })

  it('sends about as much as changed where blocks all over it did', async () => {
    const bytes = readFileSync(join(source, 'image'))
    for (let block = 0; block < 5; block++) noise(10 + block, 65536).copy(bytes, (block * 101 + 7) * 65536)
    writeFileSync(join(source, 'image'), bytes)
    const { wireBytes } = await sync()
    assert.ok(wireBytes > 5 * 65536 && wireBytes < 5 * 65536 + 250_000, `${wireBytes}`)
    same('image')
  })

  it('sends little more than one in a hundred of its blocks of 4 KiB where those changed', async () => {
    const bytes = readFileSync(join(source, 'image'))
    for (let block = 0; block < 84; block++) noise(900 + block, 4096).copy(bytes, (block * 100 + 3) * 4096)
    writeFileSync(join(source, 'image'), bytes)
    const { wireBytes } = await sync()
    assert.ok(wireBytes > 84 * 4096 && wireBytes < 84 * 4096 * 1.25, `${wireBytes} for ${84 * 4096}`)
    same('image')
  })

  it('sends next to nothing where it became shorter', async () => {
    truncateSync(join(source, 'image'), 20 * mib)
    assert.ok((await sync()).wireBytes < 60_000)
    same('image')
  })

  it('never sends what another known file has: under a new name, in other pieces, twice', async () => {
    const bytes = readFileSync(join(source, 'image'))
    const fresh = noise(20, mib)
    writeFileSync(
      join(source, 'made'),
      Buffer.concat([fresh, bytes.subarray(5 * mib + 3, 9 * mib), fresh, bytes.subarray(0, 3 * mib)]),
    )
    const { wireBytes } = await sync()
    assert.ok(wireBytes > mib && wireBytes < mib + 200_000, `${wireBytes}`)
    same('made')
  })

  it('keeps a hole a hole', async () => {
    const bytes = readFileSync(join(source, 'image'))
    const path = join(source, 'image')
    rmSync(path)
    writeFileSync(path, bytes.subarray(0, 2 * mib))
    truncateSync(path, 64 * mib)
    const { wireBytes } = await sync()
    assert.ok(wireBytes < 200_000, `${wireBytes}`)
    same('image')
    assert.ok(statSync(join(pair.shared, 'image')).blocks * 512 < 8 * mib)
  })

  it('finds a file that moved and changed, in a new directory', async () => {
    mkdirSync(join(source, 'sub'))
    renameSync(join(source, 'made'), join(source, 'sub', 'made'))
    const bytes = readFileSync(join(source, 'sub', 'made'))
    bytes[3 * mib] = 1
    writeFileSync(join(source, 'sub', 'made'), bytes)
    const { wireBytes } = await sync()
    assert.ok(wireBytes < 150_000, `${wireBytes}`)
    same('sub/made')
  })

  it('sends next to nothing where only its time changed', async () => {
    writeFileSync(join(source, 'image'), readFileSync(join(source, 'image')))
    assert.ok((await sync()).wireBytes < 60_000)
    same('image')
  })

  it('leaves nothing unfinished behind, and the next run does nothing', async () => {
    assert.equal((await pair.laptop.sync(source, 'nas:data')).outcome, 'unchanged')
    assert.deepEqual(readdirSync(join(pair.shared, '.nightferry', 'partials')), [])
  })
})
