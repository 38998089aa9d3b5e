// `nightferry doctor`: what is well and what is not on this machine, with a remedy for each finding.

import { type Finding, isSick } from '../core/findings.ts'
import { openPlaces } from '../daemon/config.ts'
import { examine, versions } from '../daemon/doctor.ts'
import { escapeControls } from '../std/log.ts'
import { sentence, showTable } from './desk.ts'
import type { GlobalOptions } from './machine.ts'
import { safeText } from './print.ts'
import { defaultPort } from './serve.ts'

export type DoctorOptions = GlobalOptions & { readonly json?: true }

export async function doctor(options: DoctorOptions): Promise<number> {
  const findings = await examine(openPlaces(options.state, process.env), defaultPort)
  if (options.json) {
    const report = { schema: 1, versions: versions(), findings }
    process.stdout.write(`${escapeControls(JSON.stringify(report))}\n`)
  } else {
    process.stdout.write(findings.map(findingText).join(''))
    process.stdout.write(
      `\nversions\n${showTable(Object.entries(versions()).map(([name, version]) => [`  ${name}`, version]))}`,
    )
    process.stdout.write(`\n${conclusion(findings)}\n`)
  }
  return isSick(findings) ? 1 : 0
}

const marks: Readonly<Record<Finding['level'], string>> = { ok: 'ok', note: 'note', problem: 'PROBLEM' }

function findingText({ level, check, text, remedy }: Finding): string {
  const line = `${marks[level].padEnd(8)} ${check.padEnd(9)} ${safeText(text)}\n`
  return remedy === '' ? line : `${line}${' '.repeat(19)}What to do: ${sentence(safeText(remedy))}\n`
}

function conclusion(findings: readonly Finding[]): string {
  const problems = findings.filter(({ level }) => level === 'problem').length
  const notes = findings.filter(({ level }) => level === 'note').length
  if (problems > 0) return `${problems === 1 ? '1 problem' : `${problems} problems`}; see above what to do.`
  return notes === 0 ? 'All is well.' : 'No problem; the notes are worth knowing.'
}
