/**
 * Runs what an example exports, and tells what it gives:
 *
 * | its default export | what it gives |
 * | --- | --- |
 * | a stream | a line for each batch that has a data set: `1 s: ` and the records as `print` shows them, or `no records` |
 * | an output, an app | what it prints |
 * | another Effect | what it prints; it runs on the real clock, all others on a virtual one |
 *
 * Streams and outputs run in an app with batches of one second.
 */
import { Console, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { DStream, type Output, StreamingApp } from "../../core/mod.ts"
import { formatRecord } from "../../core/output/Print.ts"
import { isOutput } from "../../core/dstream/Output.ts"
import type { Collected } from "../driver/collected.ts"
import * as Local from "../driver/local.ts"

/** A console that keeps its lines. */
const keeping = (lines: Array<string>): Console.Console =>
  Object.assign(Object.create(globalThis.console) as Console.Console, {
    log: (...values: ReadonlyArray<unknown>) => void lines.push(...values.map(String).join(" ").split("\n"))
  })

/** No example shows more. */
const batchesMax = 40

const appOf = (...outputs: ReadonlyArray<Output.AnyOutput>) =>
  StreamingApp.make({ name: "example", batchDuration: "1 second", outputs })

/** Runs until `isDone`, a second of the clock after the other. */
const runUntil = (app: StreamingApp.AnyStreamingApp, lines: Array<string>, isDone: (seconds: number) => boolean) =>
  Effect.scoped(Effect.gen(function* () {
    const running = yield* Local.run(app as StreamingApp.StreamingApp<unknown, never>)
    for (let second = 1; second <= batchesMax && !isDone(second - 1); second++) {
      yield* TestClock.adjust(1000)
      yield* Local.settled
      if (running.pollUnsafe() !== undefined) yield* Fiber.join(running)
    }
    yield* Fiber.interrupt(running)
  })).pipe(Effect.provideService(Console.Console, keeping(lines)), Effect.provide(TestClock.layer()))

/** The lines of a text, without what is empty around it. */
export const linesOf = (text: string): ReadonlyArray<string> =>
  text.trim() === "" ? [] : text.trim().split("\n").map((line) => line.trimEnd())

const batchLine = ({ records, time }: Collected<unknown>[number]): string =>
  `${time / 1000} s: ${records.length === 0 ? "no records" : records.map(formatRecord).join(", ")}`

/** What it gives, as far as the page shows it. */
export const run = (exported: unknown, expected: string): Effect.Effect<ReadonlyArray<string>, unknown> =>
  Effect.gen(function* () {
    const wanted = linesOf(expected)
    if (DStream.isDStream(exported)) {
      const collected: Collected<unknown> = []
      const last = Number.parseInt(wanted.at(-1)!, 10)
      yield* runUntil(appOf(exported.pipe(DStream.collectTo(collected))), [], (seconds) => seconds >= last)
      return collected.map(batchLine)
    }
    const lines: Array<string> = []
    const app = isOutput(exported)
      ? appOf(exported)
      : StreamingApp.isStreamingApp(exported)
      ? exported
      : yield* Effect.provideService(exported as Effect.Effect<unknown, unknown>, Console.Console, keeping(lines))
    if (StreamingApp.isStreamingApp(app)) {
      yield* runUntil(app, lines, () => linesOf(lines.join("\n")).length >= wanted.length)
    }
    return linesOf(lines.join("\n")).slice(0, StreamingApp.isStreamingApp(app) ? wanted.length : undefined)
  })
