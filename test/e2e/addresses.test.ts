// Machines tell each other where they can be called: real daemons on loopback, and in network namespaces of their own.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Machine, pairedMachines, World } from '../world/machines.ts'

type Known = {
  readonly host: string
  readonly port: number
  readonly usedMs: number
  readonly isTold: boolean
  readonly isFormer: boolean
}

/** The addresses that a machine knows of its one peer. */
async function knows(machine: Machine): Promise<readonly Known[]> {
  const { machines } = JSON.parse(await machine.must('machines', '--json')) as { machines: { addresses: Known[] }[] }
  return machines[0]?.addresses ?? []
}

const told = (addresses: readonly Known[]): readonly string[] =>
  addresses.filter(({ isTold }) => isTold).map(({ host, port }) => `${host}:${port}`)

async function until(isTrue: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 240; tries++) {
    if (await isTrue()) return
    await sleep(250)
  }
  assert.fail(`waited in vain for ${what}`)
}

describe('addresses of machines on one computer', async () => {
  const { world, laptop, nas } = await pairedMachines()
  after(() => world.close())
  const folder = world.folder('folder')
  writeFileSync(join(folder, 'a'), 'a')

  it('are told in a run, by a daemon that runs and by no other', async () => {
    await laptop.mustSync('done', folder, 'nas:data')
    assert.deepEqual(told(await knows(laptop)), [`127.0.0.1:${nas.port}`])
    assert.deepEqual(await knows(nas), [], 'no daemon runs on the laptop')
    await laptop.serve()
    await until(async () => told(await knows(nas)).length > 0, 'the laptop to tell that it can be called now')
    assert.deepEqual(told(await knows(nas)), [`127.0.0.1:${laptop.port}`])
    await laptop.mustSync('unchanged', folder, 'nas:data')
  })

  it('are told anew by the machine that moved, which is found then, and the move is shown', async () => {
    const oldPort = nas.port
    await nas.stop()
    nas.port = 0
    // What is at the old address now takes calls and says nothing.
    const silent = createServer(() => {}).listen(oldPort, '127.0.0.1')
    await nas.serve()
    assert.notEqual(nas.port, oldPort)
    await laptop.logged('address-changed')
    assert.deepEqual(told(await knows(laptop)), [`127.0.0.1:${nas.port}`])
    assert.match(
      await laptop.must('machines'),
      new RegExp(`127\\.0\\.0\\.1:${oldPort}\\tknown since .*, told until .*, has moved since\n`),
    )
    writeFileSync(join(folder, 'b'), 'b')
    await laptop.mustSync('done', folder, 'nas:data')
    assert.equal((await knows(laptop))[0]?.port, nas.port, 'where it was reached comes first')
    silent.close()
  })

  it('are told by the run that gets through, after one that did not', async () => {
    const { world: other, laptop: one, nas: two } = await pairedMachines()
    try {
      await two.stop()
      await one.serve()
      await one.logged('address-not-told')
      assert.equal((await one.sync(folder, 'nas:data')).failure?.code, 'unreachable')
      await two.serve()
      await one.mustSync('done', folder, 'nas:data')
      assert.deepEqual(told(await knows(two)), [`127.0.0.1:${one.port}`])
    } finally {
      await other.close()
    }
  })

  it('are no credential: who has only the address gets nowhere', async () => {
    const stranger = new World()
    const thief = stranger.machine('thief')
    await laptop.stop()
    thief.port = laptop.port
    await thief.serve()
    await nas.must('share', 'list')
    const back = await nas.sync('laptop:data', nas.state)
    assert.equal(back.failure?.code, 'wrong-peer', back.stdout)
    await stranger.close()
  })
})

/** Runs a command that must succeed. */
function must(...command: readonly [string, ...string[]]): void {
  const { status, stderr } = spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
  assert.equal(status, 0, `${command.join(' ')}: ${stderr}`)
}

function whyNoNamespaces(): string | false {
  const name = `nf${process.pid}probe`
  const { status } = spawnSync('ip', ['netns', 'add', name])
  if (status !== 0) return 'needs root and ip netns'
  spawnSync('ip', ['netns', 'delete', name])
  return false
}

describe('addresses of machines in networks of their own', { skip: whyNoNamespaces() }, async () => {
  const [a, b] = [`nf${process.pid}a`, `nf${process.pid}b`]
  const directory = mkdtempSync(join(tmpdir(), 'nightferry-net-'))
  /** The launcher, inside a namespace. */
  const launcherIn = (namespace: string): string => {
    const path = join(directory, namespace)
    const real = join(import.meta.dirname, '..', '..', 'nightferry')
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${namespace} '${real}' "$@"\n`, { mode: 0o755 })
    return path
  }
  for (const name of [a, b]) must('ip', 'netns', 'add', name)
  const worlds = [new World({ launcher: launcherIn(a) }), new World({ launcher: launcherIn(b) })] as const
  after(async () => {
    await Promise.all(worlds.map((world) => world.close()))
    for (const name of [a, b]) spawnSync('ip', ['netns', 'delete', name])
    rmSync(directory, { recursive: true, force: true })
  })

  it('a machine that gets another address while it runs is found again', async () => {
    must('ip', 'link', 'add', 'nf0', 'netns', a, 'type', 'veth', 'peer', 'name', 'nf0', 'netns', b)
    for (const [name, address] of [
      [a, '10.77.0.1/24'],
      [b, '10.77.0.2/24'],
    ] as const) {
      must('ip', '-n', name, 'address', 'add', address, 'dev', 'nf0')
      for (const device of ['lo', 'nf0']) must('ip', '-n', name, 'link', 'set', device, 'up')
    }
    const [laptop, nas] = [worlds[0].machine('laptop'), worlds[1].machine('nas')]
    await laptop.serve('0.0.0.0')
    await nas.serve('0.0.0.0')
    await nas.must('share', 'add', 'data', worlds[1].folder('shared'))
    await nas.pairWith(laptop, '10.77.0.2')
    const folder = worlds[0].folder('folder')
    writeFileSync(join(folder, 'a'), 'a')
    await laptop.mustSync('done', folder, 'nas:data')
    assert.deepEqual(told(await knows(laptop)), [`10.77.0.2:${nas.port}`], 'no loopback over a network')
    assert.deepEqual(told(await knows(nas)), [`10.77.0.1:${laptop.port}`])

    must('ip', '-n', b, 'address', 'delete', '10.77.0.2/24', 'dev', 'nf0')
    must('ip', '-n', b, 'address', 'add', '10.77.0.3/24', 'dev', 'nf0')
    await laptop.logged('address-changed', 0, 2400)
    assert.deepEqual(told(await knows(laptop)), [`10.77.0.3:${nas.port}`])
    writeFileSync(join(folder, 'b'), 'b')
    await laptop.mustSync('done', folder, 'nas:data')
  })
})
