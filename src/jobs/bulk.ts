// Calls of an end over a session: a request and its answer as one stream each, so that neither has to fit a control
// frame. Bodies are collected up to a bound before they are decoded; a call's failure travels as the stream's.

import { asFailure, type Failure } from '../std/failure.ts'
import { type CallName, callBytesMax, calls } from '../wire/messages.ts'
import { decodeMessage, encodeMessage, type Of, type Schema } from '../wire/schema.ts'
import type { Session } from '../wire/session.ts'
import type { WireStream } from '../wire/stream.ts'
import { type Allowance, Body } from './body.ts'
import type { CallOrder } from './call-order.ts'

export type CallInput<Name extends CallName> = Of<(typeof calls)[Name][0]>
export type CallOutput<Name extends CallName> = Of<(typeof calls)[Name][1]>

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
  const answered = new Body(callBytesMax)
  // Waited for together: a stream may end, with its reason, while a line that stands still holds pieces of the body.
  await Promise.all([collect(stream, answered), sendWhole(stream, body).then(() => stream.end())])
  return decodeMessage(answer, answered.take())
}

async function sendWhole(stream: WireStream, bytes: Uint8Array): Promise<void> {
  const sent: Promise<void>[] = []
  const { pieceBytes } = stream
  for (let at = 0; at < bytes.length; at += pieceBytes) sent.push(stream.send(bytes.subarray(at, at + pieceBytes)))
  // A stream that is cancelled rejects here and in `collect`; the caller gets it once, from there.
  await Promise.allSettled(sent)
}

/** Everything the other side sends until it ends, into `body`. */
function collect(stream: WireStream, body: Body): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.onFrame((payload, release) => {
      body.add(payload)
      release()
    })
    stream.onEnd(resolve)
    stream.done.catch(reject)
  })
}

export type CallHandlers = { readonly [Name in CallName]: (input: CallInput<Name>) => Promise<CallOutput<Name>> }

/** What bounds the calls of a peer, and what it may be told. */
export type CallRules = {
  readonly order: CallOrder
  /** For the bodies of all its calls together. */
  readonly allowance: Allowance
  /** A failure as the peer may see it. */
  tellable(failure: Failure): Failure
}

/** Answers one call that the other side opened as a stream. False when the stream is none. Without rules any call may come at any time. */
export function answerCall(
  name: string,
  header: Uint8Array,
  stream: WireStream,
  handlers: CallHandlers,
  rules?: CallRules,
): boolean {
  if (name !== streamName) return false
  const wanted = new TextDecoder().decode(header)
  if (!Object.hasOwn(calls, wanted)) return false
  void answer(wanted as CallName, stream, handlers, rules)
  return true
}

async function answer(name: CallName, stream: WireStream, handlers: CallHandlers, rules?: CallRules): Promise<void> {
  const [request, reply] = calls[name] as unknown as [Schema<never>, Schema<unknown>]
  const handle = handlers[name] as (input: never) => Promise<unknown>
  const body = new Body(callBytesMax, rules?.allowance)
  const place = rules?.order.queue(name)
  const work = async (): Promise<unknown> => await handle(decodeMessage(request, body.take()))
  const tell = async (result: unknown): Promise<void> => {
    await sendWhole(stream, encodeMessage(reply, result))
    stream.end()
  }
  try {
    await collect(stream, body)
    if (rules === undefined) await tell(await work())
    else await rules.order.run(name, work, tell, place)
  } catch (error) {
    const failure = asFailure(error, 'peer-failed')
    stream.cancel(rules?.tellable(failure) ?? failure)
  } finally {
    body.release()
    place?.leave()
  }
}
