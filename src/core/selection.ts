// What narrows a mode: which names count, which sizes, and by what two files are told apart. Plain data that a person
// chose; `reconcile` obeys it, and a base that was made under another selection does not count.

import { type LinkPolicy, narrowerLinks } from './links.ts'
import type { Mode } from './reconcile.ts'

/** Files below `minBytes` or above `maxBytes` are outside: not looked at on the left, never taken away on the right. */
export type SizeLimits = { readonly minBytes: number; readonly maxBytes: number }

export type Selection = {
  /** `existing`: nothing new comes. `lacking`: what is there stays as it is. */
  readonly only?: 'existing' | 'lacking' | undefined
  /** Files of equal size are equal, unless their content was seen to change. */
  readonly sizeOnly?: boolean | undefined
  /** Times that differ by no more are equal. */
  readonly windowNs?: number | undefined
  readonly sizes?: SizeLimits | undefined
  /** Which symlinks are made; undefined: as the target lets them in. */
  readonly links?: LinkPolicy | undefined
}

/** The selection as the target's own policy lets it be. */
export function underPolicy(selection: Selection, policy: LinkPolicy | undefined): Selection {
  const links = narrowerLinks(selection.links, policy)
  return links === 'portable' ? { ...selection, links } : selection
}

export function isOutside(sizeBytes: number, limits: SizeLimits | undefined): boolean {
  return limits !== undefined && (sizeBytes < limits.minBytes || sizeBytes > limits.maxBytes)
}

/** Text that is equal exactly when two selections are; '' where nothing is narrowed. */
export function selectionText({ only, sizeOnly, windowNs, sizes, links }: Selection): string {
  const parts = [
    only === undefined ? '' : ` ${only}`,
    sizeOnly === true ? ' size-only' : '',
    windowNs === undefined || windowNs === 0 ? '' : ` window ${windowNs}`,
    sizes === undefined ? '' : ` sizes ${sizes.minBytes} ${sizes.maxBytes}`,
    links === 'portable' ? ' links portable' : '',
  ]
  return parts.join('')
}

/** The same as a person would write it, an option each; none where nothing is narrowed. */
export function selectionOptions({ only, sizeOnly, windowNs, sizes, links }: Selection): string[] {
  const options: string[] = []
  if (only !== undefined) options.push(only === 'existing' ? '--existing' : '--ignore-existing')
  if (sizeOnly === true) options.push('--size-only')
  if (windowNs !== undefined && windowNs > 0) options.push(`--modify-window ${windowNs / 1e9}`)
  if (sizes !== undefined && sizes.minBytes > 0) options.push(`--min-size ${sizes.minBytes}`)
  if (sizes !== undefined && sizes.maxBytes < Number.MAX_SAFE_INTEGER) options.push(`--max-size ${sizes.maxBytes}`)
  if (links === 'portable') options.push('--links portable')
  return options
}

/** Why options that a person gave do not go together, or undefined where they do. */
export function selectionProblem(
  given: Selection & { existing: boolean; ignoreExisting: boolean },
  mode: Mode,
  checksum: boolean,
): string | undefined {
  if (given.existing && given.ignoreExisting)
    return '--existing brings nothing new and --ignore-existing nothing else: together nothing is left to bring'
  if (given.sizeOnly === true && checksum)
    return '--size-only compares no content and --checksum compares all of it: choose one'
  if (given.sizeOnly === true && given.windowNs !== undefined && mode === 'mirror')
    return '--modify-window says when times are equal, and a mirror with --size-only looks at none: choose one'
  if (given.ignoreExisting && (checksum || given.sizeOnly === true || given.windowNs !== undefined))
    return '--ignore-existing compares no file with another: --checksum, --size-only and --modify-window mean nothing with it'
  const { sizes } = given
  if (sizes !== undefined && sizes.minBytes > sizes.maxBytes)
    return `--min-size (${sizes.minBytes} bytes) is above --max-size (${sizes.maxBytes} bytes): no file is of such a size`
  return undefined
}
