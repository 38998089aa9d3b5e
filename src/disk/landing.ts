// A batch on its way into a target: its files are written aside (below `.nightferry/staging`), each verified against its
// digest before anything gives it a name, and then the whole batch is landed at its places. New directories are built
// aside with all their files and land by one rename. Between writing and landing the caller syncs. No peer is trusted:
// numbers, sizes and digests of every record are checked against what was asked for.

import { isCopied } from '../core/entry.ts'
import { hasGrown } from '../core/growth.ts'
import { digestBytes } from '../core/page.ts'
import type { RelPath } from '../core/path.ts'
import type { ProblemCode } from '../core/problem.ts'
import { equalBytes, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { Assemblies, type LargeFiles } from './assemblies.ts'
import { BuildHandle } from './build-handle.ts'
import { copyDonor } from './copied.ts'
import { dress, stageSymlink, Wardrobe } from './dress.ts'
import { packHolesMax } from './holes.ts'
import { Incoming } from './incoming.ts'
import { linkAside } from './link-aside.ts'
import {
  emptyRecord,
  flagEntries,
  flagFailed,
  flagFirst,
  flagLast,
  flagSame,
  type PackRecord,
  takeRecord,
} from './pack.ts'
import { lacksLinks, refusalCode, refusedStaging } from './refusal.ts'
import { type Arrived, placesOf, type SameFacts, Sames } from './sames.ts'
import { type Donor, type LandingOrder, StagedBatch, type StagedStep } from './staged.ts'
import { errno, errnoName, type Sys } from './sys.ts'

/** Handles of a target's own places; they belong to the run. */
export type TargetHandles = {
  readonly root: number
  readonly staging: number
  /** Where large files are written until they are whole; missing or negative where nothing is resumed. */
  readonly partials?: number
}

const permissionBits = 0o777

/** So often the content of a step is asked for again after it came to nothing. */
const failuresMax = 2

export class Landing {
  readonly batch: StagedBatch
  /** What is set besides permissions and times. */
  readonly wardrobe: Wardrobe
  /** Its large files. */
  readonly large: Assemblies
  /** Contents that are named instead of sent, and what may be named. */
  readonly sames: Sames = new Sames()
  /** Contents that were on the target: copied there, and files that only moved. */
  copied = 0
  moved = 0
  /** Wall time when the last of it was written; set by whoever ends the writing. */
  writtenMs = 0
  contentBytes = 0
  /** Steps whose content has to be asked for (again), by number of the want. */
  readonly #wants: number[] = []
  readonly #sys: Sys
  readonly #handles: TargetHandles
  readonly #order: LandingOrder
  readonly #umask: number
  /** How often the content of a step came to nothing. */
  readonly #failures = new Map<number, number>()
  readonly #build: BuildHandle
  #incoming: Incoming | undefined
  /** Bytes of holes in the pack that is being taken. */
  #holes = 0
  readonly #record: PackRecord = emptyRecord()

  constructor(sys: Sys, handles: TargetHandles, order: LandingOrder, umask: number, large?: LargeFiles) {
    this.#sys = sys
    this.#handles = handles
    this.#order = order
    this.#umask = umask
    this.#build = new BuildHandle(sys, handles.staging)
    this.batch = new StagedBatch(order)
    this.wardrobe = new Wardrobe(order.attributes, order.modeMask, order.extended)
    this.large = new Assemblies(sys, handles, large?.deltas, large?.basis)
    for (let number = 0; number < this.batch.count; number++) {
      if (order.wanted[number] === 1) this.#wants.push(number)
    }
  }

  /** Whether everything is synced as it is written, not by group. */
  get syncEach(): boolean {
    return this.#order.syncEach
  }

  /** Makes all that needs no content from the source: directories to build in, symlinks, empty files, local copies. */
  begin(): void {
    for (const section of this.batch.sections) {
      if (section.build === undefined) continue
      const made = this.#sys.makeDirectory(this.#handles.staging, section.build, section.head.mode | 0o700)
      if (made < 0) throw refusedStaging(made)
    }
    for (const staged of this.batch.steps()) {
      if (staged.note?.refused !== undefined) staged.problem = { code: staged.note.refused, detail: '' }
      else if (this.#order.wanted[staged.number] !== 1) this.#prepare(staged)
      if (staged.note?.isUnlinked === true) this.batch.remark(staged.path, { code: 'not-linked', detail: '' })
    }
  }

  #prepare(staged: StagedStep): void {
    const { action, kind } = staged
    if (action === 'attributes' || action === 'delete' || !isCopied(kind) || kind === 'directory') return
    if (kind === 'symlink') this.#makeSymlink(staged)
    else if (staged.entry.sizeBytes === 0 && staged.note?.donor?.links !== true) this.#makeEmpty(staged)
    else if (staged.note?.donor !== undefined) this.#copyDonor(staged, staged.note.donor)
  }

  #place(staged: StagedStep): { directory: number; name: Uint8Array } {
    return this.#build.placeOf(staged)
  }

  #makeSymlink(staged: StagedStep): void {
    const { code, lacks } = stageSymlink(this.#sys, this.#place(staged), staged.entry, this.wardrobe, {
      rows: this.batch.rows,
      row: staged.number,
    })
    this.lacks(staged.path, lacks)
    if (code === 0) staged.isWritten = true
    else this.#refuse(staged, code)
    if (lacksLinks(code)) staged.problem = { code: 'no-links', detail: errnoName(code) }
  }

  #makeEmpty(staged: StagedStep): void {
    const { directory, name } = this.#place(staged)
    const { entry } = staged
    const handle = this.#sys.createFile(directory, name, entry.mode & permissionBits)
    if (handle < 0) return this.#refuse(staged, handle)
    this.#seal(staged, handle, name, entry.mode, entry.mtimeSeconds, entry.mtimeNs)
  }

  /** Takes content that the target has: by a second name where the file only moved, else by a verified copy. */
  #copyDonor(staged: StagedStep, donor: Donor): void {
    const sys = this.#sys
    const from = sys.openDirectory(donor.store ?? this.#handles.root, utf8(donor.directory))
    if (from < 0) return
    try {
      const linked = donor.moves ? this.#linkDonor(staged, from, donor) : -errno.EINVAL
      if (linked === 0) return
      if (donor.links === true && this.#staysUnlinked(staged, linked)) return
      this.#readDonor(staged, from, donor)
    } finally {
      sys.close(from)
    }
  }

  /** A file of its own is no less: where its content is there already, nothing is done at all. */
  #staysUnlinked(staged: StagedStep, code: number): boolean {
    const isThere = staged.note?.isEqual === true
    if (isThere) staged.problem = { code: 'stays-apart', detail: errnoName(code) }
    else this.batch.remark(staged.path, { code: 'not-linked', detail: errnoName(code) })
    return isThere
  }

  #linkDonor(staged: StagedStep, from: number, donor: Donor): number {
    const code = linkAside(this.#sys, donor, from, this.#place(staged), this.batch, staged.number)
    if (code < 0) return code
    // Its time is its own, which is the plan's as far as both sides tell times, and its mode too until it lands: the old
    // name still is this very file.
    staged.isWritten = true
    if (donor.links !== true) this.moved++
    if (donor.digest !== undefined) this.batch.digests.set(staged.number, donor.digest)
    return 0
  }

  #readDonor(
    staged: StagedStep,
    from: number,
    donor: Pick<Donor, 'name' | 'digest' | 'store'>,
    facts: Omit<SameFacts, 'number' | 'digest'> = staged.entry,
  ): void {
    const place = this.#place(staged)
    const { sizeBytes, mode, mtimeSeconds, mtimeNs } = facts
    const copied = copyDonor(this.#sys, from, donor, place, { sizeBytes, mode: mode & permissionBits })
    if (copied === undefined) return
    if (typeof copied === 'number') return this.#refuse(staged, copied)
    this.#seal(staged, copied.handle, place.name, mode, mtimeSeconds, mtimeNs)
    if (!staged.isWritten) return
    this.copied++
    this.batch.digests.set(staged.number, copied.digest)
  }

  /** Takes what was named instead of sent from where it lies: aside, or at its name by now. What is not taken is asked for. */
  takeSames(found: readonly (Arrived | undefined)[]): void {
    for (const [i, { number, digest, ...told }] of this.sames.take().entries()) {
      const facts = { ...told, mode: told.mode & this.#order.modeMask }
      for (const { top, path, name } of placesOf(found[i], this.#handles)) {
        const staged = this.batch.step(number)
        const from = staged.isWritten || staged.problem !== undefined ? -1 : this.#sys.openDirectory(top, path)
        if (from < 0) continue
        try {
          this.#readDonor(staged, from, { name, digest }, facts)
        } finally {
          this.#sys.close(from)
        }
      }
    }
  }

  /** Writes what a pack holds. The pack is the caller's again afterwards. */
  receive(pack: Uint8Array): void {
    const view = new DataView(pack.buffer, pack.byteOffset, pack.byteLength)
    this.#holes = 0
    for (let at = 0; at < pack.length; ) {
      at = takeRecord(view, at, pack.length, this.#record)
      this.#receiveRecord(pack, this.#record)
    }
  }

  #receiveRecord(pack: Uint8Array, record: PackRecord): void {
    const number = this.#wants[record.number]
    const staged = number === undefined ? undefined : this.batch.step(number)
    if (number === undefined || staged === undefined || staged.isWritten) {
      throw new Failure('unsolicited', 'the source sent a file that was not asked for', {
        hint: 'the session was ended, and nothing of that file was kept',
      })
    }
    this.sames.forget(number)
    if ((record.flags & flagFailed) !== 0) {
      this.#drop()
      this.large.drop(number)
      if (record.code === 'vanished') this.large.discard(staged.path)
      staged.problem = { code: record.code as ProblemCode, detail: 'source' }
      return
    }
    if (staged.problem?.code === 'no-space') return
    if (hasGrown(record.sizeBytes, staged, this.#order.holdsSizes)) return this.#refuseGrown(staged)
    if ((record.flags & flagSame) !== 0) return this.#receiveSame(staged, pack, record)
    if (this.large.has(number)) return this.#receiveTold(staged, pack, record)
    if ((record.flags & flagFirst) !== 0) this.#openIncoming(staged, number, record)
    if (staged.problem !== undefined && this.#incoming?.step !== number) return
    const incoming = this.#incoming
    if (incoming === undefined || incoming.step !== number) {
      throw new Failure('unsolicited', 'the source went on with a file that it had not begun')
    }
    const length = record.contentEnd - record.contentStart
    if (incoming.written + length + record.holeBytes > record.sizeBytes) return this.#spoil(staged)
    this.#holes += record.holeBytes
    if (this.#holes > packHolesMax) throw new Failure('protocol-broken', 'a pack tells more holes than a pack may')
    const wrote = incoming.take(pack, record)
    if (wrote < 0) {
      this.#drop()
      return this.#refuseLarge(staged, wrote)
    }
    this.contentBytes += length
    if ((record.flags & flagLast) !== 0) this.#closeIncoming(staged, incoming, pack, record)
  }

  #receiveSame(staged: StagedStep, pack: Uint8Array, record: PackRecord): void {
    this.#forget(staged)
    staged.problem = undefined
    this.sames.tell(staged.number, record, pack.subarray(record.digestStart, record.digestStart + digestBytes))
  }

  #refuseGrown(staged: StagedStep): void {
    this.#forget(staged)
    staged.problem = { code: 'changing', detail: 'source' }
  }

  /** What came of it so far counts no more. */
  #forget({ number }: StagedStep): void {
    if (this.#incoming?.step === number) this.#drop()
    this.large.drop(number)
  }

  /** A record of a file that is told in portions. */
  #receiveTold(staged: StagedStep, pack: Uint8Array, record: PackRecord): void {
    if ((record.flags & flagFirst) !== 0) staged.problem = undefined
    if (staged.problem !== undefined) return
    const code = this.large.take(staged.number, record, pack)
    if (code === -errno.EPROTO) {
      throw new Failure('unsolicited', 'the source went on with a file that it had not begun')
    }
    if (code < 0) return this.#refuseLarge(staged, code)
    if ((record.flags & flagEntries) === 0) this.contentBytes += record.contentEnd - record.contentStart
  }

  /** What there is of a file whose content can't be written stays if it is large, unless it is what fills the disk. */
  #refuseLarge(staged: StagedStep, code: number): void {
    this.large.drop(staged.number)
    this.#refuse(staged, code)
    if (staged.problem?.code === 'no-space') this.large.discard(staged.path)
  }

  #openIncoming(staged: StagedStep, number: number, record: PackRecord): void {
    this.#drop()
    staged.problem = undefined
    if ((record.flags & flagEntries) !== 0) {
      throw new Failure('unsolicited', 'the source tells of a file that was to come whole')
    }
    const { directory, name } = this.#place(staged)
    const whole = (record.flags & flagLast) !== 0
    const isPartial = !whole && this.large.keeps(record.sizeBytes)
    const mode = record.mode & this.#order.modeMask & permissionBits
    const handle = isPartial ? this.large.create(staged.path) : this.#sys.createFile(directory, name, mode)
    if (handle < 0) return this.#refuse(staged, handle)
    this.#incoming = new Incoming(this.#sys, { step: number, handle, name, isPartial }, whole)
  }

  #closeIncoming(staged: StagedStep, incoming: Incoming, pack: Uint8Array, record: PackRecord): void {
    const digest = incoming.finish()
    const told = pack.subarray(record.digestStart, record.digestStart + digestBytes)
    if (incoming.written !== record.sizeBytes || !equalBytes(digest, told)) return this.#spoil(staged)
    this.#incoming = undefined
    const settled = incoming.settle()
    if (settled < 0) {
      this.#incoming = incoming
      this.#drop()
      return this.#refuseLarge(staged, settled)
    }
    if (incoming.isPartial) return this.#adopt(staged, incoming.handle, record, digest)
    const mode = record.mode & this.#order.modeMask
    this.#seal(staged, incoming.handle, incoming.name, mode, record.mtimeSeconds, record.mtimeNs)
    this.#arrived(staged, record, digest)
  }

  #arrived(staged: StagedStep, { sizeBytes }: Pick<PackRecord, 'sizeBytes'>, digest: Uint8Array): void {
    if (!staged.isWritten) return
    this.batch.digests.set(staged.number, digest)
    this.sames.arrive(staged, sizeBytes, digest)
  }

  /** A large file is whole and right: it goes where the others wait for their names. */
  #adopt(staged: StagedStep, handle: number, record: PackRecord, digest: Uint8Array): void {
    const { directory, name } = this.#place(staged)
    const mode = record.mode & this.#order.modeMask
    let code = this.large.moveOut(staged.path, directory, name)
    if (code === 0) code = this.#sys.setMode(handle, mode & permissionBits)
    if (code < 0) {
      this.#sys.close(handle)
      return this.#refuse(staged, code)
    }
    this.#seal(staged, handle, name, mode, record.mtimeSeconds, record.mtimeNs)
    this.#arrived(staged, record, digest)
  }

  #spoil(staged: StagedStep): void {
    if (this.#incoming?.isPartial === true) this.large.discard(staged.path)
    this.#drop()
    staged.problem = { code: 'damaged-in-transit', detail: '' }
  }

  /** Notes what could not be given to something that is brought all the same; `code` is Sys's answer. */
  lacks(path: RelPath, code: number): void {
    if (code < 0) this.batch.remark(path, { code: 'attributes-refused', detail: errnoName(code) })
  }

  /** Ends a staged file: owner, attributes, mode, time, its row; closes the handle. From here it only needs its name. */
  #seal(staged: StagedStep, handle: number, name: Uint8Array, mode: number, seconds: number, ns: number): void {
    const sys = this.#sys
    const hasMode = (mode & ~this.#umask & permissionBits) === mode && staged.note?.donor === undefined
    let code = 0
    if (this.wardrobe.mask !== 0) {
      const dressed = dress(sys, handle, { mode, attributes: staged.entry.attributes }, this.wardrobe)
      this.lacks(staged.path, dressed.code)
      code = sys.setMode(handle, dressed.mode)
    } else if (!hasMode) code = sys.setMode(handle, mode)
    if (code === 0) code = sys.setTimes(handle, seconds, ns)
    if (code === 0 && this.#order.syncEach) code = sys.syncHandle(handle)
    if (code === 0) code = sys.statHandle(handle, this.batch.rows, staged.number)
    sys.close(handle)
    if (code < 0) {
      const { directory } = this.#place(staged)
      sys.unlink(directory, name)
      return this.#refuse(staged, code)
    }
    staged.isWritten = true
  }

  /** Forgets the file that was being written. */
  #drop(): void {
    const incoming = this.#incoming
    if (incoming === undefined) return
    this.#incoming = undefined
    this.#sys.close(incoming.handle)
    if (incoming.isPartial) return
    const { directory } = this.#place(this.batch.step(incoming.step))
    this.#sys.unlink(directory, incoming.name)
  }

  #refuse(staged: StagedStep, code: number): void {
    staged.isWritten = false
    staged.problem = { code: refusalCode(code), detail: errnoName(code) }
  }

  /**
   * Ends writing. Returns the numbers of the wants that are worth asking for again: what arrived damaged, what changed
   * while it was read, and local content that turned out not to be what was known of it; with `hasRoom` also what did not
   * fit before.
   */
  finishWriting(hasRoom = false): number[] {
    this.#drop()
    for (const number of [...this.large.underWay]) this.#goOn(this.batch.step(number))
    this.#build.leave()
    const again: number[] = []
    for (const staged of this.batch.steps()) {
      if (staged.isWritten || !staged.bringsContent) continue
      const code = staged.problem?.code
      const isFull = hasRoom && code === 'no-space'
      // A large file that is being told has come on since it failed.
      const hasFailed = !this.large.isAsking(staged.number) && (this.#failures.get(staged.number) ?? 0) >= failuresMax
      if (hasFailed) continue
      if (isFull || code === undefined || code === 'changing' || code === 'damaged-in-transit')
        again.push(staged.number)
    }
    return again
  }

  /** Lets go of all that is under way: what there is of large files stays for another run. */
  close(): void {
    this.#drop()
    this.large.close()
    this.#build.leave()
  }

  /** Does for a large file what can be done before more of it comes. */
  #goOn(staged: StagedStep): void {
    const { number } = staged
    if (staged.problem !== undefined) return this.large.drop(number)
    const next = this.large.next(number)
    if (next.kind === 'failed') this.#refuseLarge(staged, next.code)
    else if (next.kind === 'whole')
      staged.problem = next.hasChanged
        ? { code: 'changing', detail: 'source' }
        : { code: 'damaged-in-transit', detail: '' }
    else if (next.kind === 'complete') this.#adopt(staged, next.handle, next.facts, next.digest)
  }

  /** Starts another round of wants, for the steps that `finishWriting` named. */
  wantAgain(numbers: readonly number[]): void {
    this.#wants.length = 0
    for (const number of numbers) {
      this.#wants.push(number)
      const staged = this.batch.step(number)
      if (!this.large.isAsking(number)) this.#failures.set(number, (this.#failures.get(number) ?? 0) + 1)
      staged.problem = { code: 'changing', detail: '' }
      staged.dropDonor()
    }
  }
}
