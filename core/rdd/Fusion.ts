/**
 * Fusion: a chain of record-wise operations and a sink become one loop over the records of a partition.
 *
 * `fuse(steps, sink)` is cheap and may be called for each task; `start` begins a run over one partition: `push` slices of its
 * records in order, then `finish`. `push` answers false once the sink wants no more. A run that threw is over. Loops are generated
 * code where the host allows it, composed closures otherwise; both do the same. A slice of `sliceRecords` records costs next to
 * nothing beside its work, and between slices the caller can look at the clock.
 *
 * A throw of a user's function is a `UserFunctionError` with the operator and the index of the record in the input of the loop. So is
 * what a user's function should not return, or an operator be given, as far as `FirstRecords` and samples of the sink see it.
 */
import { describeRecord } from "../protocol/describeValue.ts"
import { closureLoop } from "./fusion/ClosureLoop.ts"
import { FirstRecords } from "./fusion/FirstRecords.ts"
import { refuseDeferredReduction } from "./fusion/FunctionMistake.ts"
import { codeGenerationAllowed, generatedLoop, generatedStepsMax } from "./fusion/GeneratedLoop.ts"
import type { RecordStep } from "./Segment.ts"
import type { Sink, SinkState } from "./Sink.ts"
import { UserFunctionError } from "./UserFunctionError.ts"

/** How many records to push at a time, so that other fibers get their turn every few milliseconds. */
export const sliceRecords = 4096

export interface FusionOptions {
  /** `auto`: where the host allows it. */
  readonly codeGeneration: boolean | "auto"
}

/** One partition on its way through a loop. */
export interface Run<out R> {
  /** Takes the records `from` to `to` (exclusive) of a chunk; false: no more are wanted. Throws `UserFunctionError`. */
  readonly push: (chunk: ReadonlyArray<unknown>, from: number, to: number) => boolean
  /** The result. Throws `UserFunctionError` where keys cannot be partitioned. */
  readonly finish: () => R
  /** Records pushed so far. */
  readonly records: number
}

export interface Loop<out R> {
  readonly start: () => Run<R>
}

/** A compiled loop: works on the state of any run of its chain. */
export type Push = (run: LoopRun, state: any, chunk: ReadonlyArray<unknown>, from: number, to: number) => boolean

/** What a loop knows of its run: where to say that step `at` threw on the record `offset` of this push. */
export interface LoopRun {
  readonly fail: (at: number, offset: number, cause: unknown) => never
}

export const fuse = <R>(
  steps: ReadonlyArray<RecordStep>,
  sink: Sink<R>,
  options: FusionOptions = { codeGeneration: "auto" }
): Loop<R> => {
  const generate = options.codeGeneration === "auto" ? codeGenerationAllowed() : options.codeGeneration
  if (!generate || steps.length > generatedStepsMax) {
    return {
      start: () => {
        const state = sink.start()
        return new FusedRun(steps, sink, state, closureLoop(steps, state))
      }
    }
  }
  const loop = generatedLoop(steps, sink)
  return { start: () => new FusedRun(steps, sink, sink.start(), loop) }
}

/**
 * Loops whose steps have all been seen to do right: a chain is looked at in its first run, not in every one, for calls from another
 * place than the loop make engines give up what they know of the functions.
 */
const looked = new WeakSet<Push>()

class FusedRun<R> implements Run<R>, LoopRun {
  records = 0
  private readonly steps: ReadonlyArray<RecordStep>
  private readonly sink: Sink<R>
  private readonly state: SinkState<R>
  private readonly loop: Push
  private first: FirstRecords | undefined
  /** The records at work begin at `begin` of it. */
  private chunk: ReadonlyArray<unknown> = []
  private begin = 0
  private open: boolean

  constructor(steps: ReadonlyArray<RecordStep>, sink: Sink<R>, state: SinkState<R>, loop: Push) {
    this.steps = steps
    this.sink = sink
    this.state = state
    this.loop = loop
    this.first = looked.has(loop) ? undefined : new FirstRecords(steps, sink, state)
    this.open = !state.full
  }

  push(chunk: ReadonlyArray<unknown>, from: number, to: number): boolean {
    if (!this.open) return false
    this.chunk = chunk
    const begin = this.first === undefined ? from : this.look(this.first, chunk, from, to)
    if (this.open && begin < to) {
      this.begin = begin
      this.open = this.loop(this, this.state, chunk, begin, to)
      this.records += to - begin
    }
    if (this.state.samples !== undefined) this.check(this.state.samples())
    return this.open
  }

  /** Looks closely at the first records; where the others begin. */
  private look(first: FirstRecords, chunk: ReadonlyArray<unknown>, from: number, to: number): number {
    let at = from
    do {
      if (at >= to) return at
      this.begin = at
      this.open = first.push(this, chunk, at++)
      this.records++
    } while (this.open && first.isLooking)
    if (first.isDone) {
      this.first = undefined
      looked.add(this.loop)
    }
    return at
  }

  private check(samples: ReadonlyArray<unknown>): void {
    try {
      samples.forEach(refuseDeferredReduction)
    } catch (cause) {
      throw new UserFunctionError({ operator: this.sink.operator, index: undefined, cause })
    }
  }

  finish(): R {
    try {
      return this.state.finish()
    } catch (cause) {
      throw new UserFunctionError({ operator: this.sink.operator, index: undefined, cause })
    }
  }

  fail(at: number, offset: number, cause: unknown): never {
    const operator = at < 0 ? "input" : (this.steps[at] ?? this.sink).operator
    const index = this.records + offset
    const record = describeRecord(this.chunk[this.begin + offset])
    throw new UserFunctionError({ operator, index, record, cause })
  }
}
