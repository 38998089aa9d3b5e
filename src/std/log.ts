// The log: one JSON line per action, one dated file a day below the state directory. For people and programs that
// look back; nothing reads it to decide. Names chosen by others are escaped by JSON plus C1 and bidi controls, so a
// line is a line. Secrets never come here: callers log codes, counts and paths, not messages of strangers.

import { join } from 'node:path'
import { type Clock, dayOf, isoTime } from './clock.ts'
import { appendOwnFile, ensureOwnDirectory } from './files.ts'

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Log {
  /** Records that `action` happened. Lines are written in batches; `flush` writes what is left. Neither ever throws. */
  note(action: string, fields?: LogFields): void
  flush(): void
}

/** A log whose lines all say these fields first: the run that they belong to. */
export function logWith(log: Log, always: LogFields): Log {
  return { note: (action, fields = {}) => log.note(action, { ...always, ...fields }), flush: () => log.flush() }
}

/** Escapes what JSON leaves alone but a terminal or a log reader might obey: C1 controls, bidi and line separators. */
export function escapeControls(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const flushBytes = 64 * 1024
const flushDelayMs = 200

/** A log in `directory` (made when first needed). `role` names the side: `sync`, `serve`. */
export function openLog(options: { directory: string; role: string; clock: Clock }): Log {
  const { directory, role, clock } = options
  let pending = ''
  let day = ''
  let timer: { cancel(): void } | undefined
  let lines = 0
  let lost = 0
  const lineOf = (action: string, fields: LogFields): string =>
    `${escapeControls(JSON.stringify({ time: isoTime(clock.nowMs()), action, ...fields }))}\n`
  const flush = (): void => {
    timer?.cancel()
    timer = undefined
    if (pending === '') return
    try {
      ensureOwnDirectory(directory, 0o700)
      const told = lost === 0 ? '' : lineOf('lines-lost', { count: lost })
      appendOwnFile(join(directory, `${day}-${role}.jsonl`), `${told}${pending}`)
      lost = 0
    } catch {
      // A full disk, or one that is gone: no reason to stop a run, and nowhere to say so but here, later.
      lost += lines
    }
    pending = ''
    lines = 0
  }
  return {
    note(action, fields = {}) {
      const today = dayOf(clock.nowMs())
      if (today !== day) {
        flush()
        day = today
      }
      pending += lineOf(action, fields)
      lines++
      if (pending.length > flushBytes) flush()
      else timer ??= clock.timer(flushDelayMs, flush)
    },
    flush,
  }
}
