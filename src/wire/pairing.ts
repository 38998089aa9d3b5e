// Pairing: two machines that do not know each other learn each other's key, vouched for by a short code that a person
// carries from one to the other. Over TLS between the two (unknown) keys runs CPace, bound to both keys and to this very
// connection, so that somebody in between has one guess a try and nothing to take home. Both prove that they have the
// code before either tells its name or stores anything. What is read from a stranger is six messages of fixed size.
// A code is good for one pairing, ten minutes and three wrong tries; nobody learns more than right or wrong.

import { assert } from '../std/assert.ts'
import { concatBytes, fromUtf8, utf8 } from '../std/bytes.ts'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { type CpaceRun, confirmationTag, lengthValue, sameTag, shareBytes, startCpace, tagBytes } from './cpace.ts'
import { pairingProtocol } from './credentials.ts'
import { type DialOptions, dialForPairing } from './dial.ts'
import { Exchange } from './exchange.ts'
import type { Identity } from './identity.ts'
import type { Link } from './link.ts'
import { newPairingCode, parsePairingCode } from './pairing-code.ts'
import { digestOfPeerId, type PeerId } from './peer-id.ts'
import { freeName, isMachineName, type Machine, type Peers } from './peers.ts'

/** What a machine brings to a pairing. */
type PairingSelf = {
  readonly identity: Identity
  /** What this machine is called: told to the other once both have proved the code. */
  readonly machine: string
  /** Where this machine's daemon listens; 0 where it does not. */
  readonly port: number
  readonly peers: Peers
  readonly clock: Clock
}

export type PairingEvent = {
  readonly kind: 'pairing'
  readonly address: string
  readonly outcome: 'paired' | 'wrong-code' | 'too-fast' | 'no-code' | 'other-version' | 'broken'
}

export interface PairingOffer {
  /** To be read out: `7K2-M9Q-XT5`. A secret until it is used. */
  readonly code: string
  readonly state: 'open' | 'used' | 'expired' | 'spoiled' | 'withdrawn'
  /**
   * The machine that used the code. Rejects with `pairing-expired` after ten minutes, `pairing-failed` after three wrong
   * tries or when the line broke after the right code, `cancelled` after `withdraw`.
   */
  readonly paired: Promise<Machine>
  withdraw(): void
  /** Speaks with somebody who asks to pair. Never throws; the link is closed in the end. */
  answer(link: Link): void
}

const codeLifeMs = 10 * 60_000
const maxTries = 3
/** The least time between two tries from one address. */
const tryPauseMs = 1_000
/** So many addresses may try within that time: a try costs this machine milliseconds, and the pairing is for two. */
const maxAddresses = 16
/** Events that one offer tells of: strangers can make as many as they like. */
const maxEvents = 50
const exchangeMs = 10_000
const version = 1
const portBytes = 2
const nameBytes = 63
const cardBytes = 1 + nameBytes + portBytes
const dialerRole = utf8('dialer')
const listenerRole = utf8('listener')
const associated = { adA: dialerRole, adB: listenerRole }

const status = { fine: 0, noCode: 1, spoiled: 2, tooFast: 3, wrongCode: 4, refused: 5, otherVersion: 6 } as const
type Status = (typeof status)[keyof typeof status]

/** Makes a code and answers who brings it, until it is used, spoiled, expired or withdrawn. */
export function offerPairing(self: PairingSelf, onEvent: (event: PairingEvent) => void = () => {}): PairingOffer {
  const { clock } = self
  const code = newPairingCode()
  const paired = Promise.withResolvers<Machine>()
  paired.promise.catch(() => {})
  const lastTries = new Map<string, number>()
  let tries = 0
  let events = 0
  let state: PairingOffer['state'] = 'open'

  const note = (address: string, outcome: PairingEvent['outcome']): void => {
    events += 1
    if (events <= maxEvents || outcome === 'paired') onEvent({ kind: 'pairing', address, outcome })
  }
  const end = (next: PairingOffer['state'], failure?: Failure): void => {
    if (state !== 'open') return
    state = next
    expiry.cancel()
    if (failure !== undefined) paired.reject(failure)
  }
  const expiry = clock.timer(codeLifeMs, () => end('expired', new Failure('pairing-expired', 'the code has expired')))

  const isTooFast = (address: string): boolean => {
    const now = clock.monotonicMs()
    for (const [one, atMs] of lastTries) if (now - atMs >= tryPauseMs) lastTries.delete(one)
    if (lastTries.has(address) || lastTries.size >= maxAddresses) return true
    lastTries.set(address, now)
    return false
  }

  const desk: Desk = {
    code,
    admit(address) {
      if (state === 'spoiled') return status.spoiled
      if (state !== 'open') return status.noCode
      return isTooFast(address) ? status.tooFast : status.fine
    },
    judge(isRight) {
      if (state === 'spoiled') return status.spoiled
      if (state !== 'open') return status.noCode
      if (isRight) {
        end('used')
        return status.fine
      }
      tries += 1
      if (tries >= maxTries) {
        end(
          'spoiled',
          new Failure('pairing-failed', `a wrong code came ${maxTries} times`, {
            hint: 'If that was nobody you know, somebody in your network tried to guess it. Make a new code.',
          }),
        )
      }
      return status.wrongCode
    },
  }

  return {
    code,
    get state() {
      return state
    },
    paired: paired.promise,
    withdraw: () => end('withdrawn', new Failure('cancelled', 'the pairing was withdrawn')),
    answer(link) {
      const address = link.remoteAddress
      const conversation: Conversation = { said: status.fine, hasCode: false }
      answerCaller(link, self, desk, conversation).then(
        (machine) => {
          if (machine !== undefined) paired.resolve(machine)
          note(address, outcomeOf(conversation))
        },
        (error) => {
          if (!(error instanceof Failure)) throw error
          if (conversation.hasCode) paired.reject(brokenAfterCode(error))
          note(address, 'broken')
        },
      )
    },
  }
}

/** Answers somebody who asks to pair while no code is open. */
export function declinePairing(link: Link, clock: Clock): void {
  const exchange = new Exchange(link, clock, exchangeMs)
  exchange
    .read(1 + shareBytes)
    .then(() => exchange.write(Uint8Array.of(status.noCode), new Uint8Array(shareBytes)))
    .catch(() => {})
    .finally(() => exchange.end())
}

/** The offer as one conversation sees it. */
type Desk = {
  readonly code: string
  /** Whether somebody from this address may try now. */
  admit(address: string): Status
  /** Spends the code, or a try. */
  judge(isRight: boolean): Status
}

/** How far a conversation came. */
type Conversation = {
  /** The last thing that was said to the caller. */
  said: Status
  /** The caller has proved that it has the code, which is spent. */
  hasCode: boolean
}

function outcomeOf({ said, hasCode }: Conversation): PairingEvent['outcome'] {
  if (hasCode) return 'paired'
  if (said === status.wrongCode) return 'wrong-code'
  if (said === status.tooFast) return 'too-fast'
  return said === status.otherVersion ? 'other-version' : 'no-code'
}

function brokenAfterCode(failure: Failure): Failure {
  return new Failure('pairing-failed', `the code was right, but then: ${failure.message}`, {
    hint: 'Make a new code and pair again.',
    cause: failure,
  })
}

/** The listening side: the machine that is paired now, or undefined where the caller was told no. */
async function answerCaller(
  link: Link,
  self: PairingSelf,
  desk: Desk,
  conversation: Conversation,
): Promise<Machine | undefined> {
  const exchange = new Exchange(link, self.clock, exchangeMs)
  const say = (said: Status, content: Uint8Array): undefined => {
    conversation.said = said
    exchange.write(Uint8Array.of(said), content)
  }
  try {
    const opening = await exchange.read(1 + shareBytes)
    const peerId = strangerOf(link, self.identity)
    const admission = opening[0] === version ? desk.admit(link.remoteAddress) : status.otherVersion
    if (admission !== status.fine) return say(admission, new Uint8Array(shareBytes))
    const shareA = opening.subarray(1)
    const run = startRun(link, desk.code, peerId, self.identity.peerId)
    const key = run.finish('responder', shareA)
    if (key === undefined) return say(desk.judge(false), new Uint8Array(shareBytes))
    say(status.fine, run.share)

    const tagA = await exchange.read(tagBytes)
    const verdict = desk.judge(sameTag(tagA, confirmationTag(key, run.session, shareA, dialerRole)))
    if (verdict !== status.fine) return say(verdict, new Uint8Array(tagBytes))
    conversation.hasCode = true
    say(status.fine, confirmationTag(key, run.session, run.share, listenerRole))

    const card = readCard(await exchange.read(cardBytes))
    const machine = store(self, peerId, card, link.remoteAddress)
    say(status.fine, writeCard(self))
    return machine
  } finally {
    exchange.end()
  }
}

type JoinOptions = PairingSelf & {
  /** As it was typed. */
  readonly code: string
  readonly host: string
  /** Where the other machine listens. */
  readonly remotePort: number
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/**
 * Pairs with the machine that made the code. Afterwards both know each other. Throws Failure: `pairing-failed` for a
 * wrong or mistyped code, `pairing-expired` when no such code is open any more, or what `dial` throws.
 */
export async function joinPairing(options: JoinOptions): Promise<Machine> {
  const { clock, host, identity, remotePort, signal, timeoutMs } = options
  const code = parsePairingCode(options.code)
  if (code === undefined) {
    throw new Failure('pairing-failed', 'the code has a typing error', {
      hint: 'It has nine letters and digits, like 7K2-M9Q-XT5. No try was spent.',
    })
  }
  const dialling: DialOptions = {
    host,
    port: remotePort,
    identity,
    clock,
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
  const link = await dialForPairing(dialling)
  const exchange = new Exchange(link, clock, exchangeMs)
  try {
    return await callWithCode(exchange, link, options, code)
  } finally {
    exchange.end()
  }
}

async function callWithCode(exchange: Exchange, link: Link, self: JoinOptions, code: string): Promise<Machine> {
  const place = link.machine
  const peerId = strangerOf(link, self.identity)
  const run = startRun(link, code, self.identity.peerId, peerId)
  exchange.write(Uint8Array.of(version), run.share)
  const opening = await exchange.read(1 + shareBytes)
  if (opening[0] !== status.fine) throw refusal(opening[0], place)
  const shareB = opening.subarray(1)
  const key = run.finish('initiator', shareB)
  if (key === undefined) throw new Failure('protocol-broken', `${place} does not pair as it should`)

  exchange.write(confirmationTag(key, run.session, run.share, dialerRole))
  const proof = await exchange.read(1 + tagBytes)
  if (proof[0] !== status.fine) throw refusal(proof[0], place)
  if (!sameTag(proof.subarray(1), confirmationTag(key, run.session, shareB, listenerRole))) {
    throw new Failure('pairing-failed', `${place} could not prove that it knows the code`, {
      hint: 'It may not be the machine that made it. Check the address, and make a new code.',
    })
  }

  exchange.write(writeCard(self))
  const ending = await exchange.read(1 + cardBytes)
  if (ending[0] !== status.fine) throw refusal(ending[0], place)
  return store(self, peerId, { ...readCard(ending.subarray(1)), port: self.remotePort }, self.host)
}

/** The key at the other end, which must not be our own. */
function strangerOf(link: Link, identity: Identity): PeerId {
  const { peerId } = link
  if (peerId === undefined || peerId === identity.peerId) {
    throw new Failure('pairing-failed', 'a machine cannot be paired with itself')
  }
  return peerId
}

function startRun(link: Link, code: string, dialer: PeerId, listener: PeerId): CpaceRun & { session: Uint8Array } {
  const session = link.exportKey('EXPORTER-nightferry-pairing', new Uint8Array(0), 32)
  const channel = lengthValue(utf8(pairingProtocol), digestOfPeerId(dialer), digestOfPeerId(listener))
  return { ...startCpace({ code: utf8(code), channel, session }, associated), session }
}

type Card = { readonly name: string; readonly port: number }

function writeCard({ machine, port }: PairingSelf): Uint8Array {
  assert(isMachineName(machine) && port >= 0 && port < 65536, 'a machine has a proper name and port when it pairs')
  const name = utf8(machine)
  const padding = new Uint8Array(nameBytes - name.length)
  return concatBytes([Uint8Array.of(name.length), name, padding, Uint8Array.of(port & 0xff, port >> 8)])
}

function readCard(bytes: Uint8Array): Card {
  const name = fromUtf8(bytes.subarray(1, 1 + Math.min(bytes[0] ?? 0, nameBytes))) ?? ''
  if (!isMachineName(name)) throw new Failure('protocol-broken', 'the other machine gave no proper name')
  return { name, port: (bytes[1 + nameBytes] ?? 0) | ((bytes[2 + nameBytes] ?? 0) << 8) }
}

/** Keeps the other machine, under the name it had here before, or else its own, or that with a number. */
function store({ peers }: PairingSelf, peerId: PeerId, { name, port }: Card, host: string): Machine {
  const known = peers.byId(peerId)?.name ?? freeName(name, peers.list(), peerId)
  return peers.add({ name: known, peerId, ...(port === 0 ? {} : { address: { host, port } }) })
}

/** What a status other than fine means to the caller. */
function refusal(code: number | undefined, place: string): Failure {
  const again = 'Make a new code on the other machine.'
  switch (code) {
    case status.noCode:
      return new Failure('pairing-expired', `no code is open on ${place}: it was used, has expired or was never made`, {
        hint: again,
      })
    case status.spoiled:
      return new Failure('pairing-expired', `the code on ${place} is void after ${maxTries} wrong tries`, {
        hint: again,
      })
    case status.tooFast:
      return new Failure('pairing-failed', `${place} was tried a moment ago`, {
        hint: 'Wait a second and try again.',
      })
    case status.wrongCode:
      return new Failure('pairing-failed', 'the code is wrong', { hint: 'A code has three tries.' })
    case status.otherVersion:
      return new Failure('version-mismatch', `${place} pairs in another way than this version`, {
        hint: 'Update Nightferry on the older of the two machines.',
      })
    default:
      return new Failure('pairing-failed', `${place} refused to pair`)
  }
}
