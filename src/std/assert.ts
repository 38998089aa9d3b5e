// Assertions for bugs: a condition that our own code guarantees. When one fails the process must stop, because
// what we believe about the user's files is no longer true. Never used for input, peers, disks or networks.

export class Bug extends Error {
  override readonly name = 'Bug'
}

/** Throws `Bug` when our own code broke its promise. `message` says which promise. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Bug(message)
}

/** The value, which our own code guarantees to be there. */
export function present<Value>(value: Value | undefined | null, message: string): Value {
  assert(value !== undefined && value !== null, message)
  return value
}
