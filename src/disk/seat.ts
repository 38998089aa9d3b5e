// What a thread that works for disk starts with. In the bundle it is a file of its own (scripts/build.sh).

import { readyDigests } from '../chunk/digest.ts'
import { takeSeat } from '../std/crew-worker.ts'
import { tasks } from './tasks.ts'

// What was asked meanwhile waits in the port.
void readyDigests().then(() => takeSeat(tasks))
