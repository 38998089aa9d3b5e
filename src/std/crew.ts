// The one worker pool. A crew has seats; a seat is a thread that keeps its own state, so work that belongs together is
// given to one seat and runs there in order. Tasks are named functions of one module; they are synchronous and take a
// bounded piece of work at a time, so that no seat ever waits for another.

import { availableParallelism } from 'node:os'
import { isMainThread, Worker } from 'node:worker_threads'
import { Bug } from './assert.ts'
import { Failure, type FailureCode } from './failure.ts'

export type TaskTable = Readonly<Record<string, (input: never) => unknown>>

/** What the caller of a task gets. */
export type TaskResult<Task extends (input: never) => unknown> =
  ReturnType<Task> extends Handover<infer Value> ? Value : ReturnType<Task>

/** One thread. */
export interface Seat<Tasks extends TaskTable> {
  /** Runs a task there. `transfer` names buffers of the input that are given away. Failures arrive as they were thrown. */
  run<Name extends keyof Tasks & string>(
    name: Name,
    input: Parameters<Tasks[Name]>[0],
    transfer?: readonly ArrayBuffer[],
  ): Promise<TaskResult<Tasks[Name]>>
  /** Runs a task there before all that is run later; where the thread is not started, once it is. Must not fail. */
  tell<Name extends keyof Tasks & string>(name: Name, input: Parameters<Tasks[Name]>[0]): void
  /** Whether it has, or had, anything to do. */
  readonly isStarted: boolean
}

export interface Crew<Tasks extends TaskTable> {
  readonly seats: readonly Seat<Tasks>[]
  /** The number of the seat that the fewest hold, held once more until `release`: who is alone always gets the same, warm one. */
  hold(): number
  release(seat: number): void
  close(): Promise<void>
}

/** What a task may return to give buffers away instead of copying them. */
export class Handover<Value> {
  readonly value: Value
  readonly buffers: readonly ArrayBuffer[]
  constructor(value: Value, buffers: readonly ArrayBuffer[]) {
    this.value = value
    this.buffers = buffers
  }
}

export type CrewRequest = { readonly id: number; readonly name: string; readonly input: unknown }
export type CrewAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: { code: FailureCode; message: string; hint: string } }
  | { readonly id: number; readonly bug: string }

/** In the bundle (scripts/build.sh) all files lie in one folder, as JavaScript. */
export const isBundled: boolean = /\.c?js$/.test(import.meta.url)

/** Whether this thread is one of a crew's, and not the process's own. */
export const isSeat: boolean = !isMainThread

type Waiting = { resolve(value: unknown): void; reject(reason: unknown): void }

/** As many seats as help on this machine. */
export function crewSize(): number {
  return Math.max(1, Math.min(4, availableParallelism()))
}

/** Opens a crew whose threads start with `seatFile`, which takes the seat (crew-worker.ts) with these tasks. A thread starts with its first task and never keeps the process alive alone. */
export function openCrew<Tasks extends TaskTable>(seatFile: URL, size: number): Crew<Tasks> {
  const seats: (Seat<Tasks> & { end(): Promise<unknown> })[] = []
  for (let i = 0; i < size; i++) seats.push(openSeat<Tasks>(seatFile))
  const holders = seats.map(() => 0)
  const change = (seat: number, by: number): number => {
    holders[seat] = (holders[seat] ?? 0) + by
    return seat
  }
  return {
    seats,
    hold: () => change(holders.indexOf(Math.min(...holders)), 1),
    release: (seat) => void change(seat, -1),
    async close() {
      await Promise.all(seats.map((seat) => seat.end()))
    },
  }
}

/** A seat whose thread starts with its first task: what a run does not need costs it nothing. */
function openSeat<Tasks extends TaskTable>(seatFile: URL): Seat<Tasks> & { end(): Promise<unknown> } {
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let gone: Error | undefined
  let worker: Worker | undefined
  const whenIdle: (() => void)[] = []
  const untold: CrewRequest[] = []
  const rest = (thread?: Worker): void => {
    if (waiting.size > 0) return
    thread?.unref()
    for (const idle of whenIdle.splice(0)) idle()
  }
  const fail = (error: Error): void => {
    gone = error
    for (const waiter of waiting.values()) waiter.reject(error)
    waiting.clear()
    rest()
  }
  const start = (): Worker => {
    const started = new Worker(seatFile)
    started.on('message', (answer: CrewAnswer) => {
      const waiter = waiting.get(answer.id)
      waiting.delete(answer.id)
      if (waiter !== undefined) settle(waiter, answer)
      rest(started)
    })
    started.on('error', (error: unknown) => fail(error instanceof Error ? error : new Bug(String(error))))
    started.on('exit', () => fail(gone ?? new Bug('a worker thread ended')))
    for (const request of untold.splice(0)) started.postMessage(request)
    return started
  }
  return {
    run(name, input, transfer) {
      return new Promise((resolve, reject) => {
        if (gone !== undefined) return reject(gone)
        worker ??= start()
        if (waiting.size === 0) worker.ref()
        const id = ++lastId
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
        try {
          worker.postMessage({ id, name, input } satisfies CrewRequest, transfer === undefined ? [] : [...transfer])
        } catch (error) {
          // Never sent, so never answered: nothing waits for it, and nothing may keep the process alive for it.
          waiting.delete(id)
          if (waiting.size === 0) worker.unref()
          reject(error)
        }
      })
    },
    tell(name, input) {
      // Nobody waits for what is told: its answer finds no one.
      const request: CrewRequest = { id: ++lastId, name, input }
      if (worker === undefined) untold.push(request)
      else if (gone === undefined) worker.postMessage(request)
    },
    get isStarted() {
      return worker !== undefined
    },
    async end() {
      // RACE: a thread that is terminated within a call of node:ffi takes the whole process with it. What it was given is
      // let to finish; then no code of ours runs in it.
      gone ??= new Bug('the crew was closed')
      if (waiting.size > 0) await new Promise<void>((resolve) => whenIdle.push(resolve))
      await worker?.terminate()
    },
  }
}

function settle(waiter: Waiting, answer: CrewAnswer): void {
  if ('value' in answer) waiter.resolve(answer.value)
  else if ('failure' in answer) {
    const { code, message, hint } = answer.failure
    waiter.reject(new Failure(code, message, { hint }))
  } else waiter.reject(new Bug(answer.bug))
}
