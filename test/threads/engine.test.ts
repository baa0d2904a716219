/**
 * Whole programs on real worker threads: what an app's layer provides, where it lives, errors with operator and partition,
 * records that cannot travel, inputs that live in the driver, programs that differ from the driver's.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { Effect } from "effect"
import type { JobFailed } from "../../core/dstream/Batch.ts"
import { it } from "../kit.ts"
import { collected, recordsOf } from "./programs/collected.ts"
import { lines } from "./programs/journal.ts"
import { batches as queued } from "./programs/queue.ts"
import * as Run from "./run.ts"

it.live("the app's layer is built in the driver and in each thread, serves Effects there, and is released at the stop", () =>
  Effect.gen(function* () {
    const journal = yield* Run.folder
    const { context } = yield* Run.start("service", { batches: 2, config: { JOURNAL: journal, RUN: "service" } })
    yield* context.awaitTermination
    assert.deepEqual(recordsOf("service", "words"), ["eins", "zwei", "drei", "vier", "vier", "drei", "zwei", "eins"])
    assert.deepEqual(lines(journal), [
      "driver builds",
      "driver releases",
      "thread builds",
      "thread builds",
      "thread partition 0: eins,zwei",
      "thread partition 0: vier,drei",
      "thread partition 1: drei,vier",
      "thread partition 1: zwei,eins",
      "thread releases",
      "thread releases"
    ])
  }))

it.live("an Effect that fails in a thread fails the batch with its text, operator and partition", () =>
  Effect.gen(function* () {
    const config = { JOURNAL: yield* Run.folder, RUN: "fails" }
    const running = yield* Run.start("service", { config })
    const error = (yield* Effect.flip(running.context.awaitTermination)) as JobFailed
    assert.equal(error._tag, "JobFailed")
    assert.deepEqual([error.operator, error.partition, error.output], ["translate", 1, "words"])
    assert.match(error.message, /"translate" failed 4 times in partition 1 .*no word for nine/)
    assert.match(error.stack ?? "", /service\.ts/)
    // Both outputs of the batch.
    assert.deepEqual(running.eventsOf("TaskRetried").map(({ attempt }) => attempt), [0, 1, 2, 0, 1, 2])
    for (const { partition, reason } of running.eventsOf("TaskRetried")) {
      assert.equal(partition, 1)
      assert.match(reason, /^operator "translate" failed: no word for nine( \(at .*service\.ts:\d+\))?$/)
    }
  }))

const unsendable: ReadonlyArray<readonly [where: string, operator: string, tag: string, message: RegExp]> = [
  ["shuffle", "prices", "JobFailed", /"prices" failed .*cannot leave .*\.price .*it is an instance of the class Money/],
  ["result", "functions", "JobFailed", /"functions" failed .*cannot leave .*\[0\]\.next .*it is a function/],
  ["queue", "purse", "PlanningFailed", /operator "purse": .*\[1\]\[0\] .*it is an instance of the class Money/]
]

for (const [where, operator, tag, message] of unsendable) {
  it.live(`records that cannot leave their thread fail the batch with operator and path: ${where}`, () =>
    Effect.gen(function* () {
      const running = yield* Run.start("unsendable", { config: { WHERE: where } })
      const error = (yield* Effect.flip(running.context.awaitTermination)) as JobFailed
      assert.deepEqual([error._tag, error.operator], [tag, operator])
      assert.match(error.message, message)
    }))
}

it.live("the records of a queue travel in the plans to every thread, batch after batch, and stay with the driver", () =>
  Effect.gen(function* () {
    yield* Run.run("queue", { batches: queued, config: { RUN: "queue" } })
    const all = collected("queue", "all")
    assert.equal(all.length, queued)
    all.forEach(({ partitions }, batch) => {
      assert.deepEqual(partitions.map((records) => records.length), [10, 10, 10, 10])
      assert.deepEqual(partitions.flat(1), Array.from({ length: 40 }, (_, i) => ({ batch, text: `record ${i}`, i })))
    })
    const sums = recordsOf("queue", "sums")
    for (const { key, sum, threadId: _ } of sums) assert.equal(sum % [14, 13, 13][key as number]!, 0)
    assert.equal(sums.length, 3 * queued)
    assert.equal(new Set(sums.map(({ threadId }) => threadId)).size, 2)
  }))

it.live("a thread that builds another graph than the driver ends the context with the difference", () =>
  Effect.gen(function* () {
    const { context, eventsOf } = yield* Run.make("twoFaced")
    const error = (yield* Effect.flip(context.start)) as { readonly _tag: string; readonly message: string }
    assert.equal(error._tag, "ExecutorRefused")
    assert.match(
      error.message,
      /runs another program: the operator "only-in-threads" is only in the executor's graph\. The program's module gives another/
    )
    assert.match(
      error.message,
      /no random numbers, no clock.*; take what varies from Config, or make it a sideValue\.$/
    )
    assert.equal(eventsOf("ExecutorAdded").length, 0)
    assert.deepEqual(yield* Effect.flip(context.awaitTermination), error)
    assert.equal(context.state(), "Stopped")
  }))

it.live("a program whose module reads random numbers is told that it gives another graph each time", () =>
  Effect.gen(function* () {
    const { context } = yield* Run.make("chance", { threads: 1 })
    const error = (yield* Effect.flip(Effect.andThen(context.start, context.awaitTermination))) as Error
    assert.match(error.message, /the lineage of RDD .* differs .*The program's module gives another graph each time/)
  }))

it.live("a program that is changed while it runs is refused to the thread that replaces a dead one", () =>
  Effect.gen(function* () {
    const file = path.join(yield* Run.folder, "program.ts")
    fs.copyFileSync(new URL("./programs/dies.ts", import.meta.url), file)
    const source = fs.readFileSync(file, "utf8")
    const resolved = (to: string) =>
      to.startsWith(".") ? new URL(to, Run.programUrl("dies")).href : import.meta.resolve(to)
    fs.writeFileSync(file, source.replaceAll(/from "(\.[^"]*|effect)"/g, (_, to) => `from "${resolved(to)}"`))
    const config = { JOURNAL: yield* Run.folder, HOW: "exit", WAIT: "true" }
    const running = yield* Run.start(pathToFileURL(file).href, { config })
    fs.appendFileSync(file, "\n// changed\n")
    fs.writeFileSync(path.join(config.JOURNAL, "go"), "")
    const error = (yield* Effect.flip(running.context.awaitTermination)) as {
      readonly _tag: string
      readonly message: string
    }
    assert.equal(error._tag, "ExecutorRefused")
    assert.match(error.message, /executor-3 runs another program: the code of .*program\.ts has changed/)
  }))
