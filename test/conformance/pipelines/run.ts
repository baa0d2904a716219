/**
 * Runs a pipeline as a program: real inputs, operators and outputs, on the whole engine with three executors whose records
 * cross the real codec, batch by batch on the virtual clock.
 */
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as File from "../../../adapters/file/mod.ts"
import * as Memory from "../../../adapters/memory/mod.ts"
import { DStream, Output, StreamingApp } from "../../../core/mod.ts"
import type { SettingsInput } from "../../../core/settings/Settings.ts"
import type { Collected } from "../../driver/collected.ts"
import * as Local from "../../driver/local.ts"
import type { Json } from "../Vector.ts"
import { applyOps, type Stream } from "./operators.ts"

export interface Pipeline {
  readonly inputs: ReadonlyArray<{ readonly partitions: number; readonly batches: ReadonlyArray<Json> }>
  readonly ops: ReadonlyArray<Json>
  readonly checkpointMs?: number | undefined
  /** Directory for what the pipeline saves. */
  readonly saveIn?: string | undefined
}

const stateful = ["mapWithState", "updateStateByKey", "countByWindow", "countByValueAndWindow"]

const keepsState = (op: Json): boolean => stateful.includes(op.op) || op.inverse !== undefined

interface Built {
  readonly stream: Stream
  /** The stream that mapWithState made last on the way there. */
  readonly mapped: Stream | undefined
  /** What is saved on the way there. */
  readonly saved: ReadonlyArray<Output.AnyOutput>
}

/** The streams of the inputs, and what the pipeline makes of the first. */
export const build = ({ inputs, ops, checkpointMs, saveIn }: Pipeline): Built => {
  const streams = inputs.map(({ batches, partitions }): Stream => Memory.batches<any>(batches, partitions))
  const source = {
    other: (named: Json): Stream => applyOps(named.ops, source)(streams[named.stream]!)
  }
  const saved: Array<Output.AnyOutput> = []
  let mapped: Stream | undefined
  const between = (stream: Stream, op: Json): Stream => {
    const millis = op.checkpointMs ?? checkpointMs
    const made = millis !== undefined && keepsState(op) ? DStream.checkpoint(millis)(stream) : stream
    if (op.op === "mapWithState") mapped = made
    if (op.op === "saveFiles") {
      if (saveIn === undefined) throw new Error("files are saved by a run that has a directory for them")
      saved.push(made.pipe(File.saveAsTextFiles(`${saveIn}/${op.prefix}`, op.suffix)))
    }
    return made
  }
  return { stream: applyOps(ops, source, between)(streams[0]!), mapped, saved }
}

export const streamOf = (pipeline: Pipeline): Stream => build(pipeline).stream

export const batchMsDefault = 1000

const executors = 3

export interface Outcome {
  /** What ended the context before it was stopped. */
  readonly error: unknown
}

/** Runs so many batches of the outputs to their ends, then stops: a graceful stop would make one batch more. */
export const runOutputs = (
  outputs: ReadonlyArray<Output.AnyOutput>,
  options: { readonly batchMs: number; readonly batches: number; readonly settings?: SettingsInput | undefined }
): Effect.Effect<Outcome> =>
  Effect.scoped(Effect.gen(function* () {
    const app = StreamingApp.make({ name: "conformance", batchDuration: options.batchMs, outputs })
    const context = yield* Local.make(app as StreamingApp.StreamingApp, {
      executors,
      coded: true,
      settings: options.settings
    })
    const ended = yield* Effect.forkChild(Effect.exit(context.awaitTermination))
    yield* Effect.exit(context.start)
    yield* Local.settled
    for (let batch = 0; batch < options.batches && context.state() === "Active"; batch++) {
      yield* TestClock.adjust(options.batchMs)
      yield* Local.settled
    }
    yield* Local.settled
    yield* context.stop()
    const exit = yield* Fiber.join(ended)
    return { error: Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined }
  }))

export const collect = (stream: Stream, into: Collected<any>): Output.AnyOutput => stream.pipe(Output.collectTo(into))
