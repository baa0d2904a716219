/**
 * Runs random graphs on the engine, and says what the model has for them.
 */
import * as assert from "node:assert/strict"
import { Effect, Logger, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { DStream, StreamingApp } from "../../core/mod.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import type { Time } from "../../core/time/Time.ts"
import * as Local from "../driver/local.ts"
import { batchOf, type ModelWorld } from "../model/model.ts"
import { keyText, type Partitions } from "../model/Partitions.ts"
import { timesOf } from "../model/World.ts"
import { build, type Graph, inputAt } from "./Graph.ts"

const batchMillis = 1000

/** So many runs of a property, unless RUNS says otherwise; SEED repeats what failed. */
export const runsOf = (usual: number): { readonly numRuns: number; readonly seed?: number } => {
  const { RUNS, SEED } = process.env
  return { numRuns: RUNS === undefined ? usual : Number(RUNS), ...SEED === undefined ? {} : { seed: Number(SEED) } }
}

/** By output and batch time. */
export type Delivered = ReadonlyMap<string, Partitions>

export const settings = { defaultParallelism: 3 }

/** Every batch of every output goes into `delivered`; `hold`: how long the last output takes at a batch, in milliseconds. */
export const appOf = (
  graph: Graph,
  delivered: Map<string, Partitions>,
  hold: (time: Time) => number = () => 0
) =>
  StreamingApp.make({
    name: "graph",
    batchDuration: batchMillis,
    outputs: build(graph).outputs.map(({ stream }, index, { length }) =>
      stream.pipe(DStream.foreachBatch((batch) =>
        Effect.tap(batch.partitions, (partitions) => {
          delivered.set(nameOf(index, batch.time), partitions)
          return index === length - 1 ? Effect.sleep(hold(batch.time)) : Effect.void
        })
      ))
    )
  })

export const nameOf = (output: number, time: Time): string => `output ${output} at ${time}`

export interface RunOptions extends Local.LocalOptions {
  readonly seconds: number
  readonly hold?: (time: Time) => number
  /** When executors die, in milliseconds, and which of those alive; in order. */
  readonly kills?: ReadonlyArray<readonly [at: number, which: number]>
}

export interface Run {
  readonly delivered: Delivered
  /** The batches that there were: all ticks but those that were passed over. */
  readonly times: ReadonlyArray<Time>
  readonly events: ReadonlyArray<StreamingEvent>
}

export const deliver = (graph: Graph, options: RunOptions): Promise<Run> =>
  Effect.runPromise(
    running(graph, options).pipe(
      Effect.scoped,
      Effect.provide([TestClock.layer(), Logger.layer([])])
    ) as Effect.Effect<Run>
  )

/** Turns of 200 yields without any event, before time goes on while batches are under way: an output holds them. */
const idleTurnsMax = 5

/** Seconds more that a run is given to work off what has waited for executors. */
const moreMax = 60

const running = Effect.fnUntraced(function* (
  graph: Graph,
  { hold, kills = [], seconds, ...options }: RunOptions
): Effect.fn.Return<Run, unknown, Scope.Scope> {
  const delivered = new Map<string, Partitions>()
  const events: Array<StreamingEvent> = []
  const kill = new Local.Killer()
  const observers = [(event: StreamingEvent) => void events.push(event)]
  const context = yield* Local.start(appOf(graph, delivered, hold), {
    ...options,
    settings: { ...settings, ...options.settings },
    kill,
    observers
  })
  const count = (kind: StreamingEvent["kind"]) => events.filter((event) => event.kind === kind).length
  let now = 0
  const goTo = Effect.fnUntraced(function* (time: number) {
    yield* TestClock.adjust(time - now)
    now = time
    let seen = -1
    for (let idle = 0; idle < idleTurnsMax && count("BatchCompleted") < count("BatchSubmitted"); idle++) {
      if (seen < events.length) idle = 0
      seen = events.length
      yield* Local.settled
      if (context.state() === "Stopped") yield* context.awaitTermination
    }
  })
  const end = seconds * batchMillis + 900
  for (const [at, which] of kills.filter(([at]) => at < end)) {
    yield* goTo(at)
    const alive = kill.alive()
    if (alive.length > 0) kill.now(alive[which % alive.length]!)
  }
  yield* goTo(end)
  const isLate = () => count("BatchCompleted") < count("BatchSubmitted")
  // An executor that died again and again is replaced after a pause.
  for (let more = 0; kills.length > 0 && hold === undefined && isLate() && more < moreMax; more++) {
    yield* goTo(now + batchMillis)
  }
  yield* Local.settled
  if (context.state() === "Stopped") yield* context.awaitTermination
  yield* context.stop()
  return {
    delivered: upTo(delivered, seconds * batchMillis),
    times: ticksTo(seconds).filter((time) => !isPassedOver(events, time)),
    events
  }
})

/** When an output's batch was, by the name under which it was delivered. */
export const timeIn = (name: string): Time => Number(name.split(" at ")[1])

const upTo = (delivered: Delivered, time: Time): Delivered =>
  new Map([...delivered].filter(([name]) => timeIn(name) <= time))

const ticksTo = (seconds: number) => Array.from({ length: seconds }, (_, i) => (i + 1) * batchMillis)

const isPassedOver = (events: ReadonlyArray<StreamingEvent>, time: Time): boolean =>
  events.some((event) =>
    event.kind === "TicksMissed" && event.policy !== "replay" && event.first <= time && time <= event.last
  )

/** Seconds until all inputs are read, and one more. */
export const secondsOf = ({ inputs }: Graph): number => Math.max(...inputs.map(({ batches }) => batches.length)) + 1

/** What the model has for the batches of these times. */
export const wanted = (
  graph: Graph,
  times: ReadonlyArray<Time>,
  run: { readonly batchMillis: number; readonly zeroTime: Time } = { batchMillis, zeroTime: 0 }
): Delivered => {
  const { inputs, outputs } = build(graph, run.batchMillis)
  const batches = { ...run, times }
  const world: ModelWorld = {
    ...settings,
    batches,
    input: (stream, time) => inputAt(inputs.get(stream)!, (time - run.zeroTime) / run.batchMillis - 1)
  }
  const delivered = new Map<string, Partitions>()
  outputs.forEach(({ stream }, index) => {
    for (const time of timesOf(stream, batches)) {
      const partitions = batchOf(stream, time, world)
      if (partitions !== undefined) delivered.set(nameOf(index, time), partitions)
    }
  })
  return delivered
}

/** What was delivered of batches that were done: one that was under way at the end may have delivered some outputs. */
export const done = ({ delivered, events }: Run): Delivered => {
  const times = new Set(events.flatMap((event) => event.kind === "BatchCompleted" ? [event.batch.time] : []))
  return new Map([...delivered].filter(([name]) => times.has(timeIn(name))))
}

/** As the model has it: record by record where the plan says their order, else as multisets, partition by partition. */
export const sameAsModel = (graph: Graph, actual: Delivered, model: Delivered): void => {
  const { outputs } = build(graph)
  const shown = (delivered: Delivered) =>
    [...delivered].map(([name, partitions]) => {
      const { isOrdered } = outputs[Number(name.split(" ")[1])]!
      return `${name}: ${
        partitions.map((records) => {
          const texts = records.map(keyText)
          return `[${(isOrdered ? texts : texts.sort()).join(", ")}]`
        }).join(" ")
      }`
    }).sort()
  assert.deepEqual(shown(actual), shown(model))
}

/** Two runs: every record of every partition in its place. */
export const same = (one: Delivered, other: Delivered): void => {
  const shown = (delivered: Delivered) =>
    [...delivered].map(([name, partitions]) => `${name}: ${keyText(partitions)}`).sort()
  assert.deepEqual(shown(one), shown(other))
}
