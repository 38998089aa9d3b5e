// What a run leaves free of a volume.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { utf8 } from '../std/bytes.ts'
import { Room, reserveOf, sysWithRoom, volumeAt } from './room.ts'
import { errno } from './sys.ts'
import { systemSys } from './system.ts'

const mib = 1024 * 1024

test('a hundredth of a volume stays free, and a gibibyte at most', () => {
  for (const [volume, reserve] of [
    [0, 0],
    [99, 0],
    [1000 * mib, 10 * mib],
    [100 * 1024 * mib, 1024 * mib],
    [2 ** 50, 1024 * mib],
  ] as const)
    assert.equal(reserveOf(volume), reserve)
})

test('nothing is written into what stays free, and room that comes is found', () => {
  let freeBytes = 50 * mib
  let looks = 0
  const room = new Room(() => {
    looks++
    return { totalBytes: 1000 * mib, freeBytes }
  })
  let written = 0
  while (room.has(100_000)) {
    written += 100_000
    freeBytes -= 100_000
  }
  assert.ok(freeBytes >= 10 * mib && freeBytes < 10 * mib + 200_000, `${freeBytes} are free`)
  assert.ok(looks < written / mib + 10, `${looks} looks`)
  assert.equal(room.has(200_000), false)
  freeBytes = 20 * mib
  assert.ok(room.has(9 * mib))
})

test('a write that finds no room is none, and answers as a full disk', () => {
  const home = mkdtempSync(join(tmpdir(), 'nf-room-'))
  const real = systemSys()
  const own = real.openRoot(home)
  let freeBytes = 20
  const sys = sysWithRoom(real, () => ({ totalBytes: 1000, freeBytes }))
  const file = sys.createFile(own, utf8('a'), 0o600)
  assert.equal(sys.write(file, utf8('0123456789'), 0, 10), 0)
  freeBytes = 10
  assert.equal(sys.write(file, utf8('x'), 0, 1), -errno.ENOSPC)
  freeBytes = 11
  assert.equal(sys.write(file, utf8('y'), 0, 1), 0)
  sys.close(file)
  assert.equal(readFileSync(join(home, 'a'), 'utf8'), '0123456789y')
  const { totalBytes, freeBytes: free } = volumeAt(own)
  assert.ok(totalBytes > 0 && free > 0 && free <= totalBytes)
  sys.close(own)
  assert.equal(volumeAt(-1).freeBytes, Number.POSITIVE_INFINITY)
  rmSync(home, { recursive: true })
})
