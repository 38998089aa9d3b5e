// Reading what a row holds. The tables are STRICT, so another type than expected means that the file is damaged: that
// is a Failure('state-broken'), never a guess. JSON columns are looked through before they are believed.

import type { SQLOutputValue } from 'node:sqlite'
import { isProblemCode, type Problem } from '../core/problem.ts'
import { Failure } from '../std/failure.ts'

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, SQLOutputValue>>

export function broken(column: string): Failure {
  return new Failure('state-broken', `the state database holds no sound ${column}`, {
    hint: 'It may be deleted: it holds nothing that cannot be found again.',
  })
}

/** Whether something was thrown because what a row holds is not as it must be, while the file itself can be read. */
export function isUnsound(error: unknown): boolean {
  return error instanceof Failure && error.code === 'state-broken' && error.cause === undefined
}

export function textIn(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw broken(column)
  return value
}

/** Marks a byte in a path's column: a column holds text only. Itself it is written twice. */
const byteMark = '\u{10fffe}'

/** A path for a text column, one text a path. Order and parts of paths stay. */
export function pathText(path: string): string {
  if (path.isWellFormed() && !path.includes(byteMark)) return path
  return path.replace(/\u{10fffe}|\p{Surrogate}/gu, (one) =>
    one === byteMark ? byteMark.repeat(2) : `${byteMark}${String.fromCharCode(one.charCodeAt(0) - 0xdc00)}`,
  )
}

/** The path that `pathText` wrote. */
export function pathIn(row: Row, column: string): string {
  const text = textIn(row, column)
  if (!text.includes(byteMark)) return text
  return text.replace(/\u{10fffe}(.)/gsu, (_, one: string) =>
    one === byteMark ? byteMark : String.fromCharCode(one.charCodeAt(0) + 0xdc00),
  )
}

export function numberIn(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw broken(column)
  return value
}

export function bytesIn(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (!(value instanceof Uint8Array)) throw broken(column)
  return value
}

/** What `read` finds, or undefined for NULL. */
export function optionalIn<Value>(
  row: Row,
  column: string,
  read: (row: Row, column: string) => Value,
): Value | undefined {
  return row[column] === null ? undefined : read(row, column)
}

export function jsonIn(row: Row, column: string): unknown {
  try {
    return JSON.parse(textIn(row, column))
  } catch {
    throw broken(column)
  }
}

function listIn(row: Row, column: string): readonly unknown[] {
  const list = jsonIn(row, column)
  if (!Array.isArray(list)) throw broken(column)
  return list
}

export function stringsIn(row: Row, column: string): string[] {
  return listIn(row, column).map((item) => {
    if (typeof item !== 'string') throw broken(column)
    return item
  })
}

/** Problems as they were written: lists of path, code and detail. */
export function problemsIn(row: Row, column: string): Problem[] {
  return listIn(row, column).map((item) => {
    if (!Array.isArray(item)) throw broken(column)
    const [path, code, detail]: unknown[] = item
    if (typeof path !== 'string' || typeof code !== 'string' || typeof detail !== 'string' || !isProblemCode(code)) {
      throw broken(column)
    }
    return { path, code, detail }
  })
}

export function problemsText(problems: readonly Problem[]): string {
  return JSON.stringify(problems.map(({ path, code, detail }) => [path, code, detail]))
}

export function countsIn(row: Row, column: string): Record<string, number> {
  const value = jsonIn(row, column)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken(column)
  const counts: Record<string, number> = {}
  for (const [name, count] of Object.entries(value)) {
    if (typeof count !== 'number') throw broken(column)
    counts[name] = count
  }
  return counts
}
