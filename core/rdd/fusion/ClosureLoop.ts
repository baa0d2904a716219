/**
 * ClosureLoop: a chain and a sink as composed closures, for hosts that forbid code generation and for chains too long for it.
 *
 * It does what `GeneratedLoop` does, to the last error: the step at work is noted before each call of a user's function, so that a
 * throw in a later step is never put down to an earlier one. About ten times slower on numbers than generated code.
 */
import type { LoopRun, Push } from "../Fusion.ts"
import type { RecordOp, RecordStep } from "../Segment.ts"
import type { SinkState } from "../Sink.ts"
import { listOf } from "./FunctionMistake.ts"

/** The step whose function is at work. */
interface Cursor {
  at: number
}

type Accept = (record: any) => boolean

/** Sees each record that enters step `at`, or, after the last, the sink. */
export type Watch = (at: number, record: unknown) => void

/** A loop for one run: closures hold the state of its sink. */
export const closureLoop = (steps: ReadonlyArray<RecordStep>, state: SinkState<unknown>, watch?: Watch): Push => {
  const cursor: Cursor = { at: -1 }
  const last: Accept = (record) => {
    cursor.at = steps.length
    return state.accept(record)
  }
  const watched = (at: number, accept: Accept): Accept =>
    watch === undefined ? accept : (record) => {
      cursor.at = at
      watch(at, record)
      return accept(record)
    }
  const accept = steps.reduceRight(
    (next: Accept, step, at) => watched(at, compose(cursor, at, step.op, next)),
    watched(steps.length, last)
  )
  return (run: LoopRun, _state, chunk, from, to) => {
    let i = from
    try {
      for (; i < to; i++) if (!accept(chunk[i])) return false
    } catch (cause) {
      run.fail(cursor.at, i - from, cause)
    }
    return true
  }
}

const compose = (cursor: Cursor, at: number, op: RecordOp, next: Accept): Accept => {
  const f: (value: any) => any = op.f
  switch (op.kind) {
    case "map":
      return (record) => {
        cursor.at = at
        return next(f(record))
      }
    case "filter":
      return (record) => {
        cursor.at = at
        return f(record) ? next(record) : true
      }
    case "mapValues":
      return (record) => {
        cursor.at = at
        return next([record[0], f(record[1])])
      }
    case "flatMap":
      return (record) => {
        cursor.at = at
        const list = listOf(f(record), op.kind)
        for (let j = 0; j < list.length; j++) if (!next(list[j])) return false
        return true
      }
    case "flatMapValues":
      return (record) => {
        cursor.at = at
        const key = record[0]
        const list = listOf(f(record[1]), op.kind)
        for (let j = 0; j < list.length; j++) if (!next([key, list[j]])) return false
        return true
      }
  }
}
