/**
 * SourceOrder: the blocks of one receiver attempt that hold numbered records of a source, in the order in which they were given.
 *
 * They are stored side by side, and reported to the driver one after the other: its mark of a source only follows what is stored
 * without a hole. A block that is not stored is a hole behind the mark: what was given after it is refused, until one comes that has
 * where it begins. A run of the receiver that has ended reports nothing more, so that the next goes on from the marks that it was told.
 */
import { Deferred, Effect } from "effect"
import type { SourceRange } from "../../core/blocks/ReceivedBlock.ts"

/** The place of one block among those of its source. */
export interface Place {
  readonly range: SourceRange
  /** Waits for those before it; then why it may not be reported; undefined: it may. */
  readonly turn: Effect.Effect<string | undefined>
  /** Once. */
  readonly end: (stored: boolean) => void
}

interface Source {
  mark: number | undefined
  /** Where the first hole begins; what is at or below the mark is none. */
  hole: number | undefined
  /** Waits for all that was given so far. */
  last: Effect.Effect<void>
}

export class SourceOrder {
  private readonly sources = new Map<string, Source>()
  private run = 0

  /** A run begins, with what the driver says is stored. */
  begin(marks: ReadonlyArray<readonly [source: string, mark: number]>): void {
    this.run++
    for (const source of this.sources.values()) source.hole = undefined
    for (const [name, mark] of marks) this.of(name).mark = mark
  }

  markOf(source: string): number | undefined {
    return this.sources.get(source)?.mark
  }

  place(range: SourceRange): Place {
    const { run } = this
    const source = this.of(range.source)
    const before = source.last
    const ended = Deferred.makeUnsafe<void>()
    source.last = Deferred.await(ended)
    let over = false
    return {
      range,
      turn: Effect.map(before, () => run !== this.run ? runEnded : holeBefore(source, range)),
      end: (stored) => {
        if (over) return
        over = true
        if (stored) follow(source, range)
        else if (run === this.run) source.hole = Math.min(source.hole ?? Infinity, range.from)
        Deferred.doneUnsafe(ended, Effect.void)
      }
    }
  }

  private of(name: string): Source {
    let source = this.sources.get(name)
    if (source === undefined) {
      source = { mark: undefined, hole: undefined, last: Effect.void }
      this.sources.set(name, source)
    }
    return source
  }
}

const runEnded = "its run of the receiver has ended: the next goes on from the high-water mark"

const holeOf = ({ hole, mark = -Infinity }: Source): number | undefined =>
  hole === undefined ? undefined : Math.max(hole, mark + 1)

const holeBefore = (source: Source, range: SourceRange): string | undefined => {
  const hole = holeOf(source)
  return hole === undefined || range.from <= hole
    ? undefined
    : `records of source "${range.source}" from ${hole} on were not stored: store those first, or begin behind the high-water mark`
}

const follow = (source: Source, { from, to }: SourceRange): void => {
  const hole = holeOf(source)
  source.mark = Math.max(source.mark ?? -Infinity, to)
  if (hole !== undefined && from <= hole && hole <= to) source.hole = undefined
}
