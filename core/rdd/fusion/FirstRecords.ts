/**
 * FirstRecords: the first records of a chain go through closures that look at what each function is given and returns (see
 * `FunctionMistake`), all others through the bare loop.
 *
 * Records are looked at until each step has been reached by one: at most `firstRecordsMax` at the beginning of a run, and then, as
 * long as a filter has let nothing through, one per push. Once all have been reached, the chain's later runs are not looked at.
 */
import type { LoopRun, Push } from "../Fusion.ts"
import type { RecordOp, RecordStep } from "../Segment.ts"
import type { Sink, SinkState } from "../Sink.ts"
import { closureLoop } from "./ClosureLoop.ts"
import { refuseDeferred, refuseNoPair } from "./FunctionMistake.ts"

export const firstRecordsMax = 16

export class FirstRecords {
  private readonly loop: Push
  private readonly state: SinkState<unknown>
  private readonly places: number
  private reached = 0
  private looks = 0

  constructor(steps: ReadonlyArray<RecordStep>, sink: Sink<unknown>, state: SinkState<unknown>) {
    this.state = state
    this.loop = closureLoop(steps.map(checked), state, (at, record) => {
      if (at === this.reached) this.reached++
      const what = at < steps.length ? needsPair(steps[at]!) : sink.takesPairs ? "its operation" : undefined
      if (what !== undefined) refuseNoPair(what, record)
    })
    this.places = steps.length + 1
  }

  /** Every step has seen a record. */
  get isDone(): boolean {
    return this.reached === this.places
  }

  /** Takes the next record; false: no more are wanted. */
  push(run: LoopRun, chunk: ReadonlyArray<unknown>, at: number): boolean {
    this.looks++
    return this.loop(run, this.state, chunk, at, at + 1)
  }

  /** Whether the next record of this push is looked at too. */
  get isLooking(): boolean {
    return !this.isDone && this.looks < firstRecordsMax
  }
}

const needsPair = ({ op: { kind } }: RecordStep): string | undefined =>
  kind === "mapValues" || kind === "flatMapValues" ? kind : undefined

/** Lists are looked at wherever they are none. */
const checked = (step: RecordStep): RecordStep => {
  const { f, kind } = step.op
  if (kind === "flatMap" || kind === "flatMapValues") return step
  const where = `${kind}'s function`
  const op = {
    kind,
    f: (value: any) => {
      const returned = f(value)
      refuseDeferred(where, returned)
      return returned
    }
  } as RecordOp
  return { ...step, op }
}
