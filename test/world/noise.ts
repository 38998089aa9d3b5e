// Bytes that no compressor finds anything in, the same for every seed. For tests only.

export function noise(seed: number, length: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(Math.ceil(length / 4) * 4))
  const words = new Uint32Array(bytes.buffer)
  let state = Math.imul(seed, 2_654_435_761) | 0 || 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return bytes.subarray(0, length)
}
