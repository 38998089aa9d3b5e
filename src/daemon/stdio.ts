// One session over this process's own input and output: what `nightferry serve --stdio` is, started by the sshd of this
// machine for whoever logged in. Who that is, the system has checked; what they may reach, the system lets this user
// reach, and no share, key or daemon plays a part. Locks, guards, journals, versions and history are those of any run.
// Nothing but the session is ever written to the output. Ends with the session, or when it is told to.

import { homedir } from 'node:os'
import { Allowance, heldBytesMax } from '../jobs/body.ts'
import { grantsOfUser } from '../jobs/grants.ts'
import type { Workshop } from '../jobs/local.ts'
import { Served } from '../jobs/serve.ts'
import { LateEnds } from '../jobs/visit.ts'
import { Failure } from '../std/failure.ts'
import { greeting } from '../wire/greeting.ts'
import { linkOver } from '../wire/link.ts'
import { openSession } from '../wire/session.ts'
import { productVersion } from './version.ts'

/** Serves the session, and resolves when it is over and its end is closed. Throws Failure where none comes about. */
export async function serveStdio(workshop: Workshop, signal: AbortSignal): Promise<void> {
  const { stdin, stdout } = process
  if (stdin.isTTY || stdout.isTTY) {
    throw new Failure('bad-usage', 'serve --stdio speaks to another Nightferry, and this is a terminal', {
      hint: 'It is started by ssh: nightferry sync FOLDER ssh://this-machine/path, on the other machine.',
    })
  }
  const machine = callerName(process.env['SSH_CONNECTION'])
  stdout.write(greeting)
  const link = linkOver(
    { input: stdin, output: stdout },
    { peerId: undefined, machine, remoteAddress: '' },
    workshop.clock,
  )
  const served = new Served({
    workshop,
    grants: grantsOfUser(homedir()),
    machine,
    ends: new LateEnds(),
    allowance: new Allowance(heldBytesMax),
  })
  const told = new Failure('connection-lost', `Nightferry on ${workshop.machine} was told to end`)
  let leave = (): void => link.destroy(told)
  const stop = (): void => leave()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const session = await openSession(link, {
      side: 'listener',
      hello: { machine: workshop.machine, productVersion },
      clock: workshop.clock,
      onRequest: () => undefined,
      onStream: served.onStream,
      note: ({ kind, failure }) => workshop.log.note(kind, { machine, code: failure.code, message: failure.message }),
    })
    leave = () => session.fail(told)
    await served.attach(session)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** What the history here calls who logged in: no name, for none was proved; a paired machine's name has no colon. */
function callerName(connection: string | undefined): string {
  const address = /^[0-9A-Fa-f.:]{2,45}(?= )/.exec(connection ?? '')?.[0]
  return address === undefined ? 'ssh' : `ssh:${address}`
}
