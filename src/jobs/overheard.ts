// What a child says on standard error, as lines for a person: cleaned of what moves a cursor, cut where a line is too long,
// and told only so far: a flood is read to its end, so that the child never waits, and dropped. Remembers the last lines,
// for a failure to quote.

import { printable } from '../wire/told-failure.ts'

const lineCharsMax = 500
const linesToldMax = 200
const linesKept = 8

export class Overheard {
  readonly #tell: (line: string) => void
  readonly #decoder = new TextDecoder()
  readonly #last: string[] = []
  #rest = ''
  #told = 0
  #isHushed = false

  constructor(tell: (line: string) => void) {
    this.#tell = tell
  }

  push(chunk: Uint8Array): void {
    this.#rest += this.#decoder.decode(chunk, { stream: true })
    const lines = this.#rest.split(/\r\n|[\r\n]/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#line(line)
    // A line without an end is no reason to keep it all.
    while (this.#rest.length > lineCharsMax) {
      this.#line(this.#rest.slice(0, lineCharsMax))
      this.#rest = this.#rest.slice(lineCharsMax)
    }
  }

  /** Nothing more comes: what has no end of line is a line too. */
  end(): void {
    const rest = this.#rest
    this.#rest = ''
    this.#line(rest)
  }

  /** From here on nothing is told; it is read, and the last lines are known, all the same. */
  hush(): void {
    this.#isHushed = true
  }

  /** The last lines that said anything, the newest last. */
  get lastLines(): readonly string[] {
    return this.#last
  }

  /** A line about all of it, which came another way; for a failure, what was said here counts more. */
  note(text: string): void {
    const line = cleaned(text)
    if (line === '') return
    if (this.#last.length < linesKept) this.#last.unshift(line)
    this.#count(line)
  }

  #line(text: string): void {
    const line = cleaned(text)
    if (line === '') return
    this.#last.push(line)
    if (this.#last.length > linesKept) this.#last.shift()
    this.#count(line)
  }

  #count(line: string): void {
    if (this.#isHushed) return
    this.#told += 1
    if (this.#told <= linesToldMax) this.#tell(line)
    else if (this.#told === linesToldMax + 1) this.#tell('more was said, and is not shown')
  }
}

function cleaned(text: string): string {
  return printable(text.slice(0, lineCharsMax)).trim()
}
