// The daemon's door as testssl.sh sees it, where that is installed: TLS 1.3 and nothing older, and none of the weaknesses
// that it knows. (`apt-get install testssl.sh`; takes a minute, most of it waiting.)

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { World } from '../world/machines.ts'

type Finding = { readonly id: string; readonly severity: string; readonly finding: string }

const program = ['testssl', 'testssl.sh'].find((name) => spawnSync(name, ['--version']).status === 0)
const skip = program === undefined ? 'testssl.sh is not installed' : false

test('testssl.sh finds TLS 1.3, nothing older, and nothing to fear', { skip, timeout: 600_000 }, async () => {
  const world = new World()
  try {
    const nas = world.machine('nas')
    await nas.serve()
    const told = join(world.directory, 'told.json')
    const how = ['--warnings', 'off', '--quiet', '--color', '0', '--nodns', 'none', '-p', '-U', '--jsonfile', told]
    const child = spawn(program ?? '', [...how, `127.0.0.1:${nas.port}`], { stdio: 'ignore' })
    await once(child, 'close')
    const findings = JSON.parse(readFileSync(told, 'utf8')) as Finding[]
    // What it could not do itself (its openssl may know no TLS 1.3) is no finding.
    assert.deepEqual(
      findings.filter(({ severity }) => ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'].includes(severity)),
      [],
    )
    const protocols = findings.filter(({ id }) => /^(SSLv\d|TLS1(_\d)?)$/.test(id))
    assert.deepEqual(
      protocols.filter(({ finding }) => /^offered/.test(finding)).map(({ id }) => id),
      ['TLS1_3'],
    )
    assert.equal(protocols.length, 6)
    assert.ok(findings.filter(({ severity }) => severity === 'OK').length > 10)
  } finally {
    await world.close()
  }
})
