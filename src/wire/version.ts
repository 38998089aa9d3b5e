// The wire's version, and what each version changed. Two machines speak the highest version that both know; where the
// highest of one is below the lowest of the other they refuse each other, and both say which versions met.
// A change of a frame, of the handshake or of a message's schema that an older program would misread needs a new
// version here; optional messages and optional fields do not.

type WireVersionNote = { readonly version: number; readonly since: string; readonly change: string }

/** Newest last. Never edited after a release, only added to. */
export const wireHistory: readonly WireVersionNote[] = [
  { version: 1, since: '0.1.0', change: 'first: 12-byte frames, hello, requests, streams with credit, heartbeat' },
  {
    version: 2,
    since: '0.2.0',
    change:
      'the notice addresses; open tells the run, the job in fewer bytes, isNew, a rate, squeezed packs; begin answers with the ' +
      'epoch of the lease; moves makes missing parents of new names; view: sizes that count; calls verify and distrust; ' +
      'begin says how long versions are kept and how many bytes come, finish tells of lost ones; calls versions, which follow renames, undelete and undo (in ' +
      'slices); open tells of an undone run; stage, answer, written and supply speak of portions; ' +
      'listings may be outlines, call listingPart; open tells which symlinks the target lets in; names and paths are bytes of any kind; ' +
      'view may say what is expected, closes a target that is that, and leaves out what the end itself knows; ' +
      'open tells what a target makes of names, which it refuses and which it stores under others, and which times it holds; scan tells of specials; ' +
      'what is asked for besides modes and times (open, scan, view), its blocks in entries and heads, its sets (attributes, stage), the top folder itself (listings, finish), and ' +
      'owners by name (calls owners and ownersHere, view); open tells where a target by ssh keeps versions; ' +
      'begin asks for no syncs, and says whether there are none; packs name contents that were sent before; ' +
      'listings tells along what changed or lies below, stage may follow begin at once, finish may come while batches are written and closes the end; ' +
      'calls linked and landed, steps about files of several names; open tells the permissions of a source, for a target that is made; ends that are read from and written to',
  },
]

/** The version this program speaks best. */
export const WIRE_VERSION: number = 2

/** The oldest version this program still speaks. */
export const MIN_WIRE_VERSION: number = 2

export type VersionRange = { readonly wireVersion: number; readonly minWireVersion: number }

/** The version both sides speak, or undefined where there is none. Symmetrical: both sides find the same. */
export function agreeVersion(ours: VersionRange, theirs: VersionRange): number | undefined {
  const version = Math.min(ours.wireVersion, theirs.wireVersion)
  return version >= ours.minWireVersion && version >= theirs.minWireVersion ? version : undefined
}
