/**
 * enumerate: every sequence of up to so many events over what the outside may do, for a machine that changes in place or not.
 *
 * A machine comes with what surrounds it: `moves` says what may happen next, `take` lets it happen, both `take` and `check`, which is
 * called at the end of each sequence, throw where an invariant breaks, `key` is a text of all that matters for what may follow.
 * Sequences that lead to the same key are followed further once: they are counted all the same. Whatever is thrown is told with the
 * shortest sequence that leads there.
 */

export interface Surrounded<Move> {
  readonly moves: () => ReadonlyArray<Move>
  readonly take: (move: Move) => void
  readonly check?: () => void
  readonly key: () => string
}

export interface Enumerated {
  /** All sequences of 1 to `length` events. */
  readonly sequences: number
  /** Different situations that they lead to. */
  readonly situations: number
}

interface Place {
  /** The numbers of the moves that lead here. */
  readonly path: ReadonlyArray<number>
  /** How many sequences lead here. */
  ways: number
}

export const sequenceLength = 7

/** The key of a plain state, Maps and Sets in it in their order. */
export const keyOf = (state: unknown): string => JSON.stringify(state, plain) ?? ""

const plain = (_: string, value: unknown): unknown =>
  value instanceof Map
    ? ["Map", ...value]
    : value instanceof Set
    ? ["Set", ...value]
    : typeof value === "function"
    ? "<function>"
    : value === undefined
    ? "<undefined>"
    : value

export const enumerate = <Move>(make: () => Surrounded<Move>, length: number = sequenceLength): Enumerated => {
  let level = new Map<string, Place>([[make().key(), { path: [], ways: 1 }]])
  const seen = new Set(level.keys())
  let sequences = 0
  for (let step = 0; step < length; step++) {
    const next = new Map<string, Place>()
    for (const { path, ways } of level.values()) {
      const count = follow(make, path).moves().length
      for (let move = 0; move < count; move++) {
        const there = [...path, move]
        const key = follow(make, there).key()
        sequences += ways
        seen.add(key)
        const known = next.get(key)
        if (known === undefined) next.set(key, { path: there, ways })
        else known.ways += ways
      }
    }
    level = next
  }
  return { sequences, situations: seen.size }
}

const follow = <Move>(make: () => Surrounded<Move>, path: ReadonlyArray<number>): Surrounded<Move> => {
  const machine = make()
  const taken: Array<Move> = []
  try {
    for (const index of path) {
      const move = machine.moves()[index]!
      taken.push(move)
      machine.take(move)
    }
    machine.check?.()
  } catch (error) {
    throw new Error(`after ${taken.map((one) => JSON.stringify(one)).join(", ")}: ${String(error)}`, { cause: error })
  }
  return machine
}
