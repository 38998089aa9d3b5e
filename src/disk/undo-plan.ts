// What it takes to reverse a run: reads the run's manifest, looks at every name it tells of as it is now, and says what is
// to be done, what is as it was already, and what someone changed since. Changes nothing. A name that is neither as the
// run left it nor as it was before the run is a conflict; with one conflict nothing at all may be undone. It goes in
// steps: after each the caller may go on later, or not at all.

import type { Entry } from '../core/entry.ts'
import { joinPath, parentOf, parseRelPath, type RelPath } from '../core/path.ts'
import type { SectionHead, Step } from '../core/plan.ts'
import {
  forgetCtime,
  mtimeSecondsOf,
  sizeOf,
  statMode,
  statMtimeNs,
  statWidth,
  typeDirectory,
  typeSymlink,
} from '../core/stat.ts'
import type { Top } from '../core/top.ts'
import { decodeName, fromHex, hex, utf8 } from '../std/bytes.ts'
import { extendedDigest, type Had } from './attributes.ts'
import { sameDirectory } from './directories.ts'
import { type Change, type ListedFile, listingDigest, type Manifest, type Row, type TopChange } from './manifest.ts'
import type { SeenDirectory, StepNote } from './staged.ts'
import { EntryTable, type Sys } from './sys.ts'
import { dressOf, topBefore } from './top.ts'
import { isRowType, isTime, isType, Look, sameSetId } from './undo-look.ts'
import { MovesBack } from './undo-moves.ts'
import { forgetShared } from './undo-shared.ts'
import {
  directoryEntry,
  donorOf,
  entryOf,
  presentHead,
  sectionIn,
  type UndoConflict,
  type UndoPlan,
} from './undo-steps.ts'

/** Plans the undoing of a run whose old versions lie below the handle `files`. Yields how many names it looked at. */
export function planUndo(
  sys: Sys,
  root: number,
  files: number,
  manifest: Manifest,
  traits: Traits,
): Generator<number, UndoPlan> {
  return new UndoPlanner(sys, root, files, manifest, traits).plan()
}

type Traits = { readonly timeGrainNs: number; readonly modeMask: number }

class UndoPlanner {
  readonly #sys: Sys
  readonly #at: Look
  readonly #manifest: Manifest
  readonly #traits: Traits
  readonly #sections = new Map<RelPath, { head: SectionHead; steps: Step[] }>()
  readonly #deletions = new Map<RelPath, { head: SectionHead; steps: Step[] }>()
  readonly #notes = new Map<RelPath, StepNote>()
  readonly #moves: MovesBack
  readonly #donated: { version: RelPath; path: RelPath; isBack?: true }[] = []
  readonly #conflicts: UndoConflict[] = []
  /** Where the file that is at a path now goes back to. */
  readonly #goesTo = new Map<RelPath, RelPath>()
  readonly #sets = new Map<string, Uint8Array>()
  #already = 0
  #top: Top | undefined

  constructor(sys: Sys, root: number, files: number, manifest: Manifest, traits: Traits) {
    this.#sys = sys
    this.#at = new Look(sys, root, files, (path) => this.#moves.placeNow(path))
    this.#moves = new MovesBack(manifest, (path) => this.#at.lookAt(path))
    this.#manifest = manifest
    this.#traits = traits
  }

  *plan(): Generator<number, UndoPlan> {
    yield* this.#moves.plan()
    this.#conflicts.push(...this.#moves.conflicts)
    for (const change of this.#manifest.changes.values()) {
      if ('movedTo' in change && change.movedTo !== undefined)
        this.#goesTo.set(this.#moves.here(change.movedTo), this.#moves.here(change.path))
    }
    for (const change of this.#manifest.changes.values()) {
      yield 1
      yield* this.#planChange(change)
    }
    forgetShared(this.#notes.values())
    return {
      sections: this.#sections,
      deletions: this.#deletions,
      notes: this.#notes,
      moves: this.#moves.moves,
      emptied: this.#moves.emptied,
      movesFirst: this.#moves.areFirst,
      donated: this.#donated,
      top: this.#top,
      conflicts: this.#conflicts,
      sets: this.#sets,
      already: this.#already,
    }
  }

  *#planChange(told: Change): Generator<number> {
    const change = { ...told, path: this.#moves.here(told.path) }
    const now = this.#at.look(change.path)
    switch (change.a) {
      case 'made':
        return yield* this.#planMade(change.path, now)
      case 'created':
        // What lies in a directory that the run made goes with it.
        if (this.#goesWithParent(change.path)) return
        if (now === undefined) return void this.#already++
        if (!this.#at.isAfter(now, change.path, change)) return this.#refuse(change.path, 'changed')
        return this.#remove(change.path, now, undefined)
      case 'replaced':
        return this.#planReplaced(told.path, change, now)
      case 'retyped':
        return yield* this.#planRetyped(told.path, change, now)
      case 'deleted':
        return yield* this.#planDeleted(told.path, change, now)
      case 'attributes':
        return this.#planAttributes(change, now)
      case 'top':
        return this.#planTop(change)
    }
  }

  #goesWithParent(path: RelPath): boolean {
    return this.#isNewDirectory(parentOf(path))
  }

  /** Whether the run made this directory, so that what it put there is judged with it. */
  #isNewDirectory(path: RelPath): boolean {
    const change = path === '' ? undefined : this.#told(path)
    return change?.a === 'made' || (change?.a === 'retyped' && change.after === undefined)
  }

  /** The line about a path as it is now. */
  #told(path: RelPath): Change | undefined {
    return this.#manifest.changes.get(this.#moves.told(path))
  }

  *#planMade(path: RelPath, now: Uint32Array | undefined): Generator<number> {
    if (this.#goesWithParent(path)) return
    if (now === undefined) return void this.#already++
    if (!isType(now, typeDirectory)) return this.#refuse(path, 'changed')
    const below = yield* this.#ownBelow(path)
    if (below !== undefined) this.#remove(path, now, below)
  }

  /** What lies in a directory that the run made, where all of it is the run's; else undefined, and a conflict is noted. */
  *#ownBelow(top: RelPath): Generator<number, SeenDirectory[] | undefined> {
    const seen: SeenDirectory[] = []
    const stack: RelPath[] = [top]
    let isOwn = true
    for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
      const listed = this.#at.list(path)
      if (listed === undefined) return this.#refuse(path, 'changed')
      yield listed.names.length
      const rest: ListedFile[] = []
      for (const [i, name] of listed.names.entries()) {
        const child = joinPath(path, decodeName(name))
        const row = listed.rows.subarray(i * statWidth, (i + 1) * statWidth)
        const told = parseRelPath(child) === undefined ? undefined : this.#told(child)
        if (isType(row, typeDirectory) && this.#isNewDirectory(child)) stack.push(child)
        else if (told?.a === 'created' && this.#at.isAfter(row, child, told)) continue
        else if (told === undefined && !isType(row, typeDirectory))
          rest.push({ name, stats: listed.rows, at: i * statWidth })
        else {
          isOwn = false
          this.#refuse(child, 'changed')
        }
      }
      const change = this.#told(path)
      if (change?.a === 'made' ? listingDigest(rest) !== change.digest : rest.length > 0) {
        isOwn = false
        this.#refuse(path, 'changed')
      }
      seen.push({ path, ...listed, movedTo: this.#forgetGoing(path, listed) })
    }
    return isOwn ? seen : undefined
  }

  /** Files that only go back to where they were: no version is kept of them, and our link moves their ctime. */
  #forgetGoing(path: RelPath, listed: { names: readonly Uint8Array[]; rows: Uint32Array }): (RelPath | undefined)[] {
    return listed.names.map((name, i) => {
      const to = this.#goesTo.get(joinPath(path, decodeName(name)))
      if (to !== undefined) forgetCtime(listed.rows, i * statWidth)
      return to
    })
  }

  #planReplaced(told: RelPath, change: Change & { a: 'replaced' | 'retyped' }, now: Uint32Array | undefined): void {
    const { path } = change
    if (now === undefined) return this.#refuse(path, 'gone')
    if (this.#isBefore(now, told, path, change.before)) return void this.#already++
    if (!this.#at.isAfter(now, path, change)) return this.#refuse(path, 'changed')
    this.#bring(told, change, 'replace', now, undefined)
  }

  *#planRetyped(
    told: RelPath,
    change: Change & { a: 'replaced' | 'retyped' },
    now: Uint32Array | undefined,
  ): Generator<number> {
    const { path } = change
    if (now === undefined) return this.#refuse(path, 'gone')
    const wasDirectory = isRowType(change.before, typeDirectory)
    if (change.after === undefined) {
      if (!isType(now, typeDirectory)) {
        if (this.#isBefore(now, told, path, change.before)) return void this.#already++
        return this.#refuse(path, 'changed')
      }
      const below = yield* this.#ownBelow(path)
      if (below === undefined) return
      return this.#bring(told, change, 'retype', now, below)
    }
    if (wasDirectory && isType(now, typeDirectory))
      return yield* this.#planDeleted(told, { ...change, a: 'deleted', sizeBytes: change.sizeBytes ?? 0 }, now)
    if (!wasDirectory && this.#isBefore(now, told, path, change.before)) return void this.#already++
    if (!this.#at.isAfter(now, path, change)) return this.#refuse(path, 'changed')
    if (!wasDirectory) return this.#bring(told, change, 'retype', now, undefined)
    const entry = directoryEntry(path, change.before)
    this.#add(parentOf(path), { action: 'retype', entry, from: undefined, digest: undefined })
    this.#note(path, { expected: now })
    yield* this.#bringTree(told, path, change.before, 'retype', change.sizeBytes ?? 0)
  }

  *#planDeleted(told: RelPath, change: Change & { a: 'deleted' }, now: Uint32Array | undefined): Generator<number> {
    const { path, before } = change
    if (isRowType(before, typeDirectory)) {
      if (now !== undefined && !isType(now, typeDirectory)) return this.#refuse(path, 'occupied')
      // The very directory: it never went, or came back in part.
      const isBack = now !== undefined && sameDirectory(now, Uint32Array.from(before))
      return yield* this.#bringTree(
        told,
        path,
        before,
        now === undefined ? 'new' : 'present',
        isBack ? 0 : change.sizeBytes,
      )
    }
    if (now !== undefined && this.#isBefore(now, told, path, before)) return this.#keepMoved(change, now)
    if (now !== undefined) return this.#refuse(path, 'occupied')
    this.#bring(told, change, 'create', undefined, undefined)
  }

  /** A name that did not go after all. Where its file was about to move, that may have got its new mode already. */
  #keepMoved({ path, before, movedTo }: Change & { a: 'deleted' }, now: Uint32Array): void {
    const mode = (before[statMode] ?? 0) & this.#traits.modeMask
    if (movedTo === undefined || ((now[statMode] as number) & this.#traits.modeMask) === mode)
      return void this.#already++
    this.#add(parentOf(path), {
      action: 'attributes',
      entry: entryOf(path, Uint32Array.from(before), undefined),
      from: undefined,
      digest: undefined,
    })
    this.#note(path, { expected: now })
  }

  #planAttributes(change: Change & { a: 'attributes' }, now: Uint32Array | undefined): void {
    const { path, before } = change
    if (now === undefined) return this.#refuse(path, 'gone')
    const seen = Uint32Array.from(before)
    const isDirectory = isType(now, typeDirectory)
    const mask = isType(now, typeSymlink) ? 0 : this.#traits.modeMask
    const mode = (now[statMode] as number) & mask
    const isSame = isDirectory
      ? isType(seen, typeDirectory)
      : (now[statMode] as number) >>> 12 === (seen[statMode] as number) >>> 12 && sizeOf(now, 0) === sizeOf(seen, 0)
    const isMode = (wanted: number): boolean => mode === (wanted & mask)
    const isWhen = (seconds: number, ns: number): boolean =>
      isDirectory || isTime(now, seconds, ns, this.#traits.timeGrainNs)
    const isAsBefore = (mask === 0 || sameSetId(now, seen)) && this.#hasDress(change)
    if (
      isSame &&
      isAsBefore &&
      isMode(seen[statMode] as number) &&
      isWhen(mtimeSecondsOf(seen, 0), seen[statMtimeNs] as number)
    ) {
      return void this.#already++
    }
    if (!isSame || !isMode(change.mode) || !isWhen(change.mtimeSeconds, change.mtimeNs))
      return this.#refuse(path, 'changed')
    const link = isType(now, typeSymlink) ? this.#at.link(this.#at.root, path) : undefined
    const entry = isDirectory ? directoryEntry(path, before) : entryOf(path, seen, link)
    const dressed = change.had === undefined ? entry : { ...entry, attributes: this.#giveBack(change.had) }
    this.#add(parentOf(path), { action: 'attributes', entry: dressed, from: undefined, digest: undefined })
    this.#note(path, { expected: now })
  }

  #planTop(change: TopChange): void {
    const top = topBefore(this.#sys, this.#at.root, change)
    if (top === 'changed') return this.#refuse(change.path, top)
    if (top === 'already') this.#already++
    else this.#top = top
  }

  /** Whether it has again what it had besides modes and times, as far as the run told. */
  #hasDress({ path, had }: Change & { a: 'attributes' }): boolean {
    const now = had === undefined ? undefined : this.#at.dress(path)
    return had === undefined || (now?.block === had.block && now.set === had.set)
  }

  #giveBack({ block, set }: Had): Uint8Array {
    const bytes = fromHex(set)
    if (bytes.length > 0) this.#sets.set(hex(extendedDigest(bytes)), bytes)
    return fromHex(block)
  }

  /** Plans a file or link to come back to its name, from the store or from where it only moved to. */
  #bring(
    told: RelPath,
    change: Change & { a: 'replaced' | 'retyped' | 'deleted' },
    action: 'create' | 'replace' | 'retype',
    now: Uint32Array | undefined,
    below: readonly SeenDirectory[] | undefined,
  ): void {
    const { path } = change
    const moved = change.movedTo === undefined ? undefined : this.#moves.here(change.movedTo)
    const base = moved === undefined ? this.#at.files : this.#at.root
    const place = moved ?? told
    const row = this.#at.lookIn(base, place)
    if (row === undefined || !this.#at.isVersion(row, change.before)) return this.#refuse(path, 'no-version')
    const goesTo = this.#goesTo.get(path)
    if (now !== undefined && goesTo !== undefined) forgetCtime(now, 0)
    const found = entryOf(path, row, this.#at.link(base, place))
    // What only moved may have got another mode on its way.
    const isMoved = moved !== undefined && found.kind === 'file'
    const entry = isMoved
      ? { ...found, mode: (change.before[statMode] ?? 0) & 0o777 }
      : this.#dressed(found, base, place)
    this.#add(parentOf(path), { action, entry, from: moved, digest: undefined })
    const donor =
      moved === undefined
        ? donorOf(place, row, this.#at.files)
        : donorOf(this.#at.place(place) ?? place, row, undefined)
    this.#note(path, {
      ...(now && { expected: now }),
      ...(below && { below }),
      ...(goesTo !== undefined && now && { movedTo: goesTo }),
      ...(donor && { donor }),
    })
    if (moved === undefined) this.#donated.push({ version: told, path })
  }

  /** Plans a directory to come back with all that the store has of it. */
  *#bringTree(
    told: RelPath,
    path: RelPath,
    before: Row,
    state: SectionHead['state'],
    sizeBytes: number,
  ): Generator<number> {
    const handle = this.#sys.openDirectory(this.#at.files, utf8(told))
    if (handle < 0) {
      // A directory that held nothing but what moved, or whose content went back, is made anew.
      if (sizeBytes > 0) this.#refuse(path, 'no-version')
      else if (state !== 'present') this.#section(path, Uint32Array.from(before), state)
      return
    }
    const own = new Uint32Array(statWidth)
    this.#sys.statHandle(handle, own, 0)
    own[statMode] = before[statMode] as number
    const had = dressOf(this.#sys, handle)
    const table = new EntryTable()
    const count = this.#sys.list(handle, table)
    this.#sys.close(handle)
    if (count < 0) return this.#refuse(path, 'no-version')
    yield count
    if (state !== 'present') this.#section(path, own, state, had)
    for (let i = 0; i < table.count; i++) {
      const name = decodeName(table.name(i))
      const row = table.stats.slice(i * statWidth, (i + 1) * statWidth)
      yield* this.#bringBelow(joinPath(told, name), joinPath(path, name), row, state)
    }
  }

  *#bringBelow(version: RelPath, path: RelPath, row: Uint32Array, state: SectionHead['state']): Generator<number> {
    const now = state === 'present' ? this.#at.look(path) : undefined
    if (isType(row, typeDirectory)) {
      if (now !== undefined && !isType(now, typeDirectory)) return this.#refuse(path, 'occupied')
      return yield* this.#bringTree(version, path, [...row], now === undefined ? 'new' : 'present', 0)
    }
    if (now !== undefined) {
      if (!this.#at.isVersion(now, [...row])) return this.#refuse(path, 'occupied')
      this.#already++
      return void this.#donated.push({ version, path, isBack: true })
    }
    const entry = this.#dressed(entryOf(path, row, this.#at.link(this.#at.files, version)), this.#at.files, version)
    this.#add(parentOf(path), { action: 'create', entry, from: undefined, digest: undefined })
    const donor = donorOf(version, row, this.#at.files)
    if (donor !== undefined) this.#note(path, { donor })
    this.#donated.push({ version, path })
  }

  /** Whether what is there is what was there before the run: the very file, or the version of it. */
  #isBefore(now: Uint32Array, told: RelPath, path: RelPath, before: Row): boolean {
    if (!this.#at.isBefore(now, told, path, before)) return false
    // Cut off between giving it back its name and taking it from the store: the store's name has to go.
    this.#donated.push({ version: told, path, isBack: true })
    return true
  }

  #remove(path: RelPath, now: Uint32Array, below: readonly SeenDirectory[] | undefined): void {
    const goesTo = this.#goesTo.get(path)
    if (goesTo !== undefined) forgetCtime(now, 0)
    const link = isType(now, typeSymlink) ? this.#at.link(this.#at.root, path) : undefined
    const entry = isType(now, typeDirectory) ? directoryEntry(path, [...now]) : entryOf(path, now, link)
    const { steps } = sectionIn(this.#deletions, presentHead(parentOf(path)))
    steps.push({ action: 'delete', entry, from: undefined, digest: undefined })
    this.#note(path, { expected: now, ...(below && { below }), ...(goesTo !== undefined && { movedTo: goesTo }) })
  }

  #add(directory: RelPath, step: Step): void {
    sectionIn(this.#sections, presentHead(directory)).steps.push(step)
  }

  /** What is made anew gets what its version has besides; what comes back as the very file has it. */
  #dressed(entry: Entry, base: number, place: RelPath): Entry {
    if (entry.kind !== 'symlink' && entry.sizeBytes > 0) return entry
    const had = this.#at.dressIn(base, place)
    return had === undefined ? entry : { ...entry, attributes: this.#giveBack(had) }
  }

  #section(path: RelPath, row: Uint32Array, state: SectionHead['state'], had?: Had): void {
    const mode = (row[statMode] as number) & 0o7777
    const known = this.#sections.get(path)
    const head: SectionHead = {
      path,
      state,
      mode,
      mtimeSeconds: mtimeSecondsOf(row, 0),
      mtimeNs: row[statMtimeNs] as number,
      ...(had && { attributes: this.#giveBack(had) }),
    }
    this.#sections.set(path, { head, steps: known?.steps ?? [] })
  }

  #note(path: RelPath, note: StepNote): void {
    this.#notes.set(path, note)
  }

  #refuse(path: RelPath, why: UndoConflict['why']): undefined {
    this.#conflicts.push({ path, why })
  }
}
