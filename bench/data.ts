/**
 * The data of the workloads: 32-bit integers and IEEE doubles only, so that any language makes the same, bit for bit.
 *
 * Lines of exactly 100 characters, words drawn by Zipf's law (s = 1) from a vocabulary of 10,000.
 */

const vocabularySize = 10_000

/** xorshift32, seeded per data set and partition; values are unsigned. */
export const generator = (dataset: number, partition: number): () => number => {
  let x = Math.imul(dataset * 31 + partition + 1, 0x9E3779B1) | 0 || 1
  return () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return x >>> 0
  }
}

const letter = (n: number) => String.fromCharCode(97 + n % 26)

const wordOfRank = (rank: number): string => {
  let word = letter(Math.floor(rank / 676)) + letter(Math.floor(rank / 26)) + letter(rank)
  for (let j = 3; j < 3 + rank % 6; j++) word += letter(rank * 7 + j * 11)
  return word
}

export const vocabulary: ReadonlyArray<string> = Array.from({ length: vocabularySize }, (_, rank) => wordOfRank(rank))

/** The rarest word. */
export const needle: string = vocabulary[vocabularySize - 1]!

const thresholds = (() => {
  const cumulative = new Float64Array(vocabularySize)
  let sum = 0
  for (let rank = 0; rank < vocabularySize; rank++) cumulative[rank] = sum += 1 / (rank + 1)
  return cumulative.map((c) => c / sum * 4294967296)
})()

/** A number that counts of words have to agree in, word for word, in whatever order they come. */
export const digestOfCounts = (counts: Iterable<readonly [word: string, count: number]>): number => {
  let sum = 0
  for (const [word, count] of counts) {
    let hash = 0
    for (let i = 0; i < word.length; i++) hash = (Math.imul(hash, 31) + word.charCodeAt(i)) | 0
    sum += (hash >>> 0) % 65_521 * count
  }
  return sum
}

/** The smallest rank whose threshold lies above `u`. */
const rankOf = (u: number): number => {
  let low = 0
  let high = vocabularySize - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (u < thresholds[middle]!) high = middle
    else low = middle + 1
  }
  return low
}

const line = (next: () => number): string => {
  let text = ""
  while (true) {
    const word = vocabulary[rankOf(next())]!
    if (text.length + word.length + 1 > 98) return text.padEnd(100, "z")
    text += word + " "
  }
}

/** The lines of one partition of a data set, as flat strings. */
export const lines = (dataset: number, partition: number, count: number): ReadonlyArray<string> => {
  const next = generator(dataset, partition)
  const text = Array.from({ length: count }, () => line(next))
  // A line that was put together from pieces is slower to search than one that was read: write it flat.
  const bytes = new TextEncoder().encode(text.join("\n"))
  return new TextDecoder().decode(bytes).split("\n").map((flat) => flat)
}
