// The first frame of each side: who it is, which versions it speaks, what it can take. Sent by both at once. The
// version part is read first and alone, so that programs of any two versions can at least tell each other why they
// cannot talk; that part never changes.

import { Failure } from '../std/failure.ts'
import { decodeMessage, encodeMessage, list, record, type Schema, text, uint } from './schema.ts'
import { printable } from './told-failure.ts'
import { agreeVersion, MIN_WIRE_VERSION, type VersionRange, WIRE_VERSION } from './version.ts'

export const maxHelloBytes: number = 8 * 1024

/** What a side says of itself. */
export type Hello = VersionRange & {
  /** What the machine calls itself: for people. Who it is, its key has shown. */
  readonly machine: string
  readonly productVersion: string
  /** Names of things that both sides must know to use; unknown ones are ignored. */
  readonly features: readonly string[]
  /** The sender's wall clock when it sent this, ms since 1970: to measure skew, never to decide order. */
  readonly wallMs: number
  /** What this side takes: open streams and unanswered requests at a time, bytes under way in a stream and in all. */
  readonly streams: number
  readonly requests: number
  readonly streamWindowBytes: number
  readonly sessionWindowBytes: number
}

type VersionPart = VersionRange & { readonly productVersion: string }

const count = uint(2 ** 31)
const versionPart: Schema<VersionPart> = record({ wireVersion: count, minWireVersion: count, productVersion: text(64) })

export const helloSchema: Schema<Hello> = record({
  wireVersion: count,
  minWireVersion: count,
  machine: text(64),
  productVersion: text(64),
  features: list(text(64), 64),
  wallMs: uint(Number.MAX_SAFE_INTEGER),
  streams: count,
  requests: count,
  streamWindowBytes: uint(2 ** 40),
  sessionWindowBytes: uint(2 ** 40),
})

export function encodeHello(hello: Omit<Hello, keyof VersionRange>, range: VersionRange = ourVersions): Uint8Array {
  return encodeMessage(helloSchema, { ...hello, ...range })
}

export const ourVersions: VersionRange = { wireVersion: WIRE_VERSION, minWireVersion: MIN_WIRE_VERSION }

/**
 * The other side's hello and the version to speak. Throws Failure('version-mismatch') that names both sides' versions,
 * or Failure('protocol-broken').
 */
export function readHello(
  payload: Uint8Array,
  peer: string,
  ours: VersionPart,
): { readonly hello: Hello; readonly version: number } {
  const theirs = decodeMessage(versionPart, payload)
  const version = agreeVersion(ours, theirs)
  if (version === undefined) {
    const older = ours.wireVersion < theirs.wireVersion ? 'this machine' : peer
    throw new Failure(
      'version-mismatch',
      `this machine speaks ${describe(ours)}, ${peer} speaks ${describe(theirs)}: they have no version in common`,
      { hint: `Update Nightferry on ${older}.` },
    )
  }
  const hello = decodeMessage(helloSchema, payload)
  return {
    hello: { ...hello, machine: printable(hello.machine), productVersion: printable(hello.productVersion) },
    version,
  }
}

function describe({ wireVersion, minWireVersion, productVersion }: VersionPart): string {
  const range = minWireVersion === wireVersion ? `${wireVersion}` : `${minWireVersion} to ${wireVersion}`
  return `wire version ${range} (Nightferry ${printable(productVersion)})`
}
