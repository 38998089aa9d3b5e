// Calls of an end over a session: a request and its answer as one stream each, so that neither has to fit a control
// frame. Bodies are collected up to a bound before they are decoded; a call's failure travels as the stream's.

import { concatBytes } from '../std/bytes.ts'
import { asFailure, Failure } from '../std/failure.ts'
import { type CallName, callBytesMax, calls } from '../wire/messages.ts'
import { decodeMessage, encodeMessage, type Of, type Schema } from '../wire/schema.ts'
import type { Session } from '../wire/session.ts'
import type { WireStream } from '../wire/stream.ts'

export type CallInput<Name extends CallName> = Of<(typeof calls)[Name][0]>
export type CallOutput<Name extends CallName> = Of<(typeof calls)[Name][1]>

const pieceBytes = 1024 * 1024
const streamName = 'call'

/** Calls the other side. Throws the failure of the handler there, or what ended the session. */
export async function call<Name extends CallName>(
  session: Session,
  name: Name,
  input: CallInput<Name>,
): Promise<CallOutput<Name>> {
  const [request, answer] = calls[name] as unknown as [Schema<CallInput<Name>>, Schema<CallOutput<Name>>]
  // Before the stream is opened: what can't be said must leave none behind.
  const body = encodeMessage(request, input)
  const stream = session.openStream(streamName, new TextEncoder().encode(name))
  const received = collect(stream)
  await sendWhole(stream, body)
  stream.end()
  const bytes = await received
  return decodeMessage(answer, bytes)
}

async function sendWhole(stream: WireStream, bytes: Uint8Array): Promise<void> {
  const sent: Promise<void>[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) sent.push(stream.send(bytes.subarray(at, at + pieceBytes)))
  // A stream that is cancelled rejects here and in `collect`; the caller gets it once, from there.
  await Promise.allSettled(sent)
}

/** Everything the other side sends until it ends. */
function collect(stream: WireStream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = []
    let length = 0
    stream.onFrame((payload, release) => {
      length += payload.length
      if (length > callBytesMax) throw new Failure('limit-exceeded', 'a call is larger than its bound')
      parts.push(payload.slice())
      release()
    })
    stream.onEnd(() => resolve(parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts)))
    stream.done.catch(reject)
  })
}

export type CallHandlers = { readonly [Name in CallName]: (input: CallInput<Name>) => Promise<CallOutput<Name>> }

/** Answers one call that the other side opened as a stream. False when the stream is none. */
export function answerCall(name: string, header: Uint8Array, stream: WireStream, handlers: CallHandlers): boolean {
  if (name !== streamName) return false
  const wanted = new TextDecoder().decode(header)
  if (!Object.hasOwn(calls, wanted)) return false
  void answer(wanted as CallName, stream, handlers)
  return true
}

async function answer(name: CallName, stream: WireStream, handlers: CallHandlers): Promise<void> {
  try {
    const [request, reply] = calls[name] as unknown as [Schema<never>, Schema<unknown>]
    const bytes = await collect(stream)
    const result = await (handlers[name] as (input: never) => Promise<unknown>)(decodeMessage(request, bytes))
    await sendWhole(stream, encodeMessage(reply, result))
    stream.end()
  } catch (error) {
    stream.cancel(asFailure(error, 'peer-failed'))
  }
}
