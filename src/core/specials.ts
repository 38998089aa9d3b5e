// Devices, FIFOs and sockets that a run came by: how many there were and some of them. They are never opened, never
// copied and never deleted, so they are no problem of a run: it says once that it left them out.

/** `paths` are some of them. */
export type Specials = { readonly count: number; readonly paths: readonly string[] }

/** So many are named. */
const specialsNamed = 5

/** One more. */
export function withSpecial(known: Specials | undefined, path: string): Specials {
  const { count = 0, paths = [] } = known ?? {}
  return { count: count + 1, paths: paths.length < specialsNamed ? [...paths, path] : paths }
}

/** What a run says of those on its source, and of those that only its target has; undefined where there are none. */
export function specialsText(source: Specials | undefined, target: Specials | undefined): string | undefined {
  const parts = [
    source === undefined ? '' : `left out ${amount(source.count)}, never copied: ${named(source)}`,
    target === undefined ? '' : `left alone ${amount(target.count)} on the target: ${named(target)}`,
  ].filter((part) => part !== '')
  return parts.length === 0 ? undefined : parts.join('; ')
}

function amount(count: number): string {
  return count === 1 ? '1 device, FIFO or socket' : `${count} devices, FIFOs or sockets`
}

function named({ count, paths }: Specials): string {
  const more = count - paths.length
  return `${paths.toSorted().join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
