// Marks of processes: this one lives, one that ended does not, and a number that was given out again is another process.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, processMark } from './alive.ts'

const mark = processMark()

test('this process is alive, by its own mark', { skip: mark === '' && 'this system tells no process' }, () => {
  assert.equal(isAlive(mark), true)
  assert.equal(isAlive(''), undefined)
  const [boot, pid, start] = mark.split('/')
  assert.equal(isAlive(`${boot}/${pid}/${Number(start) + 1}`), false, 'another process has the number now')
  assert.equal(isAlive(`another-boot/${pid}/${start}`), false)
  assert.equal(isAlive('not a mark'), false)
})

test('a process that ended is not, even while its parent has not asked after it', {
  skip: mark === '' && 'this system tells no process',
}, async () => {
  const program = `import { processMark } from ${JSON.stringify(new URL('./alive.ts', import.meta.url).href)}
    process.stdout.write(processMark())
    setTimeout(() => {}, 300)`
  // The shell becomes another program, which knows nothing of the shell's child.
  const script = '"$0" --input-type=module -e "$1" & exec sleep 60'
  const parent = spawn('sh', ['-c', script, process.execPath, program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [bytes] = await once(parent.stdout, 'data')
  const told = String(bytes)
  try {
    for (let tries = 0; isAlive(told) === true && tries < 200; tries++) await sleep(25)
    assert.equal(isAlive(told), false)
    assert.match(readFileSync(`/proc/${told.split('/')[1]}/stat`, 'utf8'), /\) Z /, 'it is still listed')
  } finally {
    parent.kill('SIGKILL')
    await once(parent, 'close')
  }
})

test('a process that was killed is not', { skip: mark === '' && 'this system tells no process' }, async () => {
  const program = `import { processMark } from ${JSON.stringify(new URL('./alive.ts', import.meta.url).href)}
    process.stdout.write(processMark())
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [bytes] = await once(child.stdout, 'data')
  const told = String(bytes)
  assert.equal(isAlive(told), true)
  child.kill('SIGKILL')
  await once(child, 'close')
  assert.equal(isAlive(told), false)
})
