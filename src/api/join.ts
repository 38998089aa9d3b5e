// Bringing a code to the machine that made it: both know each other then. For the command line and for programs.

import { ownListening } from '../daemon/client.ts'
import { machineName, type Places } from '../daemon/config.ts'
import { systemClock } from '../std/clock.ts'
import { openIdentity } from '../wire/identity.ts'
import { joinPairing } from '../wire/pairing.ts'
import { type Machine, openPeers } from '../wire/peers.ts'

/** Pairs this machine with the one at `host` that made `code`. Throws what `joinPairing` throws. */
export async function joinMachine(
  places: Places,
  { code, host, port }: { code: string; host: string; port: number },
): Promise<Machine> {
  const identity = openIdentity(places.config)
  const peers = openPeers(places.config, systemClock)
  // The port of this machine's daemon, so that the other one can call back; 0 where none runs.
  const own = (await ownListening(places)) ?? { port: 0 }
  const self = { identity, machine: machineName(places), port: own.port, peers, clock: systemClock }
  return await joinPairing({ ...self, code, host, remotePort: port })
}
