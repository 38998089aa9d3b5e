// The thread side of a crew: runs what it is sent, one after the other. The file that a thread starts with calls this
// once, with the tasks of its crew.

import { parentPort } from 'node:worker_threads'
import { present } from './assert.ts'
import { type CrewAnswer, type CrewRequest, Handover, type TaskTable } from './crew.ts'
import { Failure } from './failure.ts'

/** Takes the seat: from now on this thread runs `tasks`. */
export function takeSeat(tasks: TaskTable): void {
  const port = present(parentPort, 'a seat is taken in a thread')
  port.on('message', (request: CrewRequest) => {
    try {
      const task = present(tasks[request.name], `no task is named ${request.name}`) as (input: unknown) => unknown
      const result = task(request.input)
      if (result instanceof Handover) port.postMessage({ id: request.id, value: result.value }, [...result.buffers])
      else port.postMessage({ id: request.id, value: result } satisfies CrewAnswer)
    } catch (error) {
      port.postMessage(toAnswer(request.id, error))
    }
  })
}

function toAnswer(id: number, error: unknown): CrewAnswer {
  if (error instanceof Failure) {
    return { id, failure: { code: error.code, message: error.message, hint: error.hint } }
  }
  return { id, bug: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}
