// What a thread of the crew's tests starts with. For tests only.

import { takeSeat } from '../../src/std/crew-worker.ts'
import { tasks } from './crew-tasks.ts'

takeSeat(tasks)
