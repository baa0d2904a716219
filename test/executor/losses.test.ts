/**
 * What executors do about losses and bad input: killed peers, lost blocks, repeated messages, forgetting, long tasks.
 */
import * as assert from "node:assert/strict"
import { Context, Effect, Fiber, Scope } from "effect"
import { ofBytes, ofRecords } from "../../core/blocks/BlockContents.ts"
import type { BatchPlan, PartitionSpec } from "../../core/dstream/BatchPlan.ts"
import { type ChunkReader, type InputDefinition } from "../../core/dstream/InputDStream.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import * as RDD from "../../core/rdd/RDD.ts"
import { it } from "../kit.ts"
import { type Cluster, cluster, type ClusterOptions, failureOf, jsonCodec } from "./cluster.ts"

const sums = () =>
  RDD.fromLineage<[string, number]>({
    kind: "literal",
    partitions: [[["a", 1], ["b", 2]], [["a", 3]], [["c", 4]], [["b", 5]]]
  }).pipe(
    RDD.reduceByKey((a, b) => a + b, { numPartitions: 3 })
  )

const total = (partitions: ReadonlyArray<unknown>) =>
  Object.fromEntries((partitions.flat() as Array<[string, number]>).sort())

it("an executor that is killed with its map outputs is made up for", () =>
  Effect.gen(function* () {
    for (const when of ["map", "result", "fetch"]) {
      const three = yield* cluster({ program: { sums }, executors: 3 })
      three.plan({ time: 1 })
      let killed = false
      const kill = (executor: string) => {
        if (!killed) three.kill(executor)
        killed = true
      }
      three.onSend = (executor, message) => message.kind === "RunTasks" && message.work.kind === when && kill(executor)
      three.onPeer = (_, to, message) => when === "fetch" && message.kind === "FetchShuffle" && kill(to)
      assert.deepEqual(total(yield* three.collect("sums")), { a: 4, b: 7, c: 4 }, when)
      assert.ok(killed)
    }
  }))

it("all executors lost: the job waits for a new one", () =>
  Effect.gen(function* () {
    const two = yield* cluster({ program: { sums } })
    two.plan({ time: 1 })
    yield* two.collect("sums")
    two.kill("executor-1")
    two.kill("executor-2")
    const job = yield* Effect.forkChild(two.collect("sums"))
    yield* two.settled(({ scheduler }) => scheduler.counts().executors === 0)
    assert.equal(job.pollUnsafe(), undefined)
    yield* two.start
    assert.deepEqual(total(yield* Fiber.join(job)), { a: 4, b: 7, c: 4 })
    const plans = two.members.get("executor-3")!.lineage.added
    assert.deepEqual(plans, [1], "a new executor is sent the whole log")
  }))

it("an executor that always dies of a task fails the job, which says so", () =>
  Effect.gen(function* () {
    const one = yield* cluster({ program: { sums }, executors: 1, limits: { maxTaskFailures: 4, maxStageRepairs: 2 } })
    one.plan({ time: 1 })
    one.onSend = (executor, message) => {
      if (message.kind === "RunTasks") one.kill(executor)
    }
    const job = yield* Effect.forkChild(Effect.exit(one.collect("sums")))
    for (let i = 2; job.pollUnsafe() === undefined && i < 10; i++) {
      yield* one.settled(({ scheduler }) => scheduler.counts().executors === 0 || job.pollUnsafe() !== undefined)
      yield* one.start
      yield* one.settled(({ members }) => members.size >= i)
      yield* Effect.yieldNow
    }
    const error = yield* failureOf(Effect.flatten(Fiber.join(job)))
    assert.match(error.message, /lost data more than 2 times \(maxStageRepairs\).*executor-\d was lost: killed/)
  }))

const block = (stream: string) => (plan: BatchPlan) => {
  const partitions = plan.inputs.find((input) => input.stream === stream)!.partitions
  return RDD.fromLineage<unknown>({ kind: "input", stream, partitions })
}

const planOf = (partitions: ReadonlyArray<PartitionSpec>) => ({
  time: 1,
  inputs: [{ stream: "in", records: 0, partitions }]
})

const spec = (id: string): PartitionSpec => ({ kind: "block", block: id, records: undefined })

const receiverInput = {
  kind: "receiver",
  receiver: undefined as never,
  decode: (bytes: Uint8Array) => [...bytes]
} as InputDefinition<any, any, any>

const withBlocks = (more: Partial<ClusterOptions> = {}) =>
  cluster({ program: { blocks: block("in") }, border: Border.local, inputs: () => receiverInput, ...more })

it("a block is read where it is, fetched where it is not, and decoded when it is read", () =>
  Effect.gen(function* () {
    const locations = () => ["executor-2"]
    const two = yield* withBlocks({ locations })
    const { blocks } = two.members.get("executor-2")!
    blocks.set("r", ofRecords([1, 2]))
    blocks.set("b", ofBytes(new Uint8Array([3, 4])))
    two.plan(planOf(["r", "b", "r", "b"].map(spec)))
    assert.deepEqual(yield* two.collect("blocks"), [[1, 2], [3, 4], [1, 2], [3, 4]])
    assert.ok(two.peerMessages.some(([from, , message]) => from === "executor-1" && message.kind === "FetchBlock"))
  }))

const attempts = ({ sent }: Cluster) => sent.filter(([, { kind }]) => kind === "RunTasks").length

it("a block that nobody holds fails its job at once, with what would have saved it", () =>
  Effect.gen(function* () {
    const failing = yield* withBlocks()
    failing.plan(planOf([spec("gone")]))
    const error = yield* failureOf(failing.collect("blocks"))
    assert.match(
      error.message,
      /block gone is lost: no executor is known to hold it.*survives: "hot".*onBlockLost: "ignore"/
    )
    assert.equal(attempts(failing), 1)
  }))

it("a block that nobody holds is empty in all outputs of its batch, and told once, where the settings say so", () =>
  Effect.gen(function* () {
    const ignoring = yield* withBlocks({ limits: { onBlockLost: "ignore" } })
    const { blocks } = ignoring.members.get("executor-1")!
    ignoring.plan(planOf([spec("gone"), spec("gone")]))
    assert.deepEqual(yield* ignoring.collect("blocks"), [[], []])
    // What executors say does not count: a block that was read as empty stays so.
    blocks.set("gone", ofRecords(["late"]))
    assert.deepEqual(yield* ignoring.collect("blocks"), [[], []])
    assert.deepEqual(ignoring.ignored, ["gone"])
  }))

it("a block is looked for where it is held by now; who should hold it and does not is told", () =>
  Effect.gen(function* () {
    const answers = [["executor-1", "executor-2"], ["executor-3"]]
    const three = yield* withBlocks({ executors: 3, locations: () => answers.shift()! })
    three.members.get("executor-3")!.blocks.set("b", ofRecords(["x"]))
    three.plan(planOf([spec("b")]))
    assert.deepEqual(yield* three.collect("blocks"), [["x"]])
    assert.deepEqual(three.notAt, ["b executor-1", "b executor-2"])
    assert.equal(attempts(three), 2)
  }))

it("a block that its holder cannot give is tried so often as a stage may lose data, then it is lost", () =>
  Effect.gen(function* () {
    const locations = () => ["executor-9"]
    const two = yield* withBlocks({ limits: { maxStageRepairs: 3 }, locations })
    two.plan(planOf([spec("b")]))
    assert.match((yield* failureOf(two.collect("blocks"))).message, /block b is lost/)
    assert.equal(attempts(two), 4)
  }))

it("a decoder that throws fails the job with the input's name", () =>
  Effect.gen(function* () {
    const decode = () => {
      throw new Error("no such text")
    }
    const one = yield* withBlocks({
      executors: 1,
      inputs: () => ({ ...receiverInput, decode }) as InputDefinition<any>
    })
    one.members.get("executor-1")!.blocks.set("b", ofBytes(new Uint8Array(1)))
    one.plan(planOf([spec("b")]))
    const error = yield* failureOf(one.collect("blocks"))
    assert.deepEqual([error.operator, /no such text/.test(error.message)], ["in", true])
  }))

class Source
  extends Context.Service<Source, { readonly open: () => void; readonly close: () => void }>()("test/Source") {}

it("an input's reader is built once per executor, with the app's services, and closed with it", () =>
  Effect.gen(function* () {
    const events: Array<string> = []
    const chunks = (value: unknown): ChunkReader<unknown> => {
      const left = [[value, 1], [value, 2]]
      return { next: Effect.sync(() => left.shift()) }
    }
    const reader = Effect.gen(function* () {
      const { close, open } = yield* Source
      yield* Effect.acquireRelease(Effect.sync(open), () => Effect.sync(close))
      return { read: ({ value }: { readonly value: unknown }) => Effect.succeed(chunks(value)) }
    })
    const input = { kind: "direct", planner: undefined as never, reader } as unknown as InputDefinition<any, any, any>
    const scope = yield* Scope.make()
    const two = yield* cluster({
      program: { read: block("in") },
      inputs: () => input,
      context: Context.make(Source, { open: () => events.push("open"), close: () => events.push("close") })
    }).pipe(Effect.provideService(Scope.Scope, scope))
    two.plan(planOf(["p", "q", "r", "s"].map((value) => ({ kind: "source", value, records: undefined }))))
    const once = yield* two.collect("read")
    assert.deepEqual(once, ["p", "q", "r", "s"].map((value) => [value, 1, value, 2]))
    assert.deepEqual(yield* two.collect("read"), once)
    assert.deepEqual(events, ["open", "open"])
    for (const { fiber } of two.members.values()) yield* Fiber.interrupt(fiber)
    assert.deepEqual(events, ["open", "open", "close", "close"])
  }))

it("records of the plan itself cross the border", () =>
  Effect.gen(function* () {
    const two = yield* cluster({ program: { inline: block("in") } })
    const inline = (records: ReadonlyArray<number>): PartitionSpec => ({
      kind: "inline",
      data: { kind: "bytes", bytes: jsonCodec.encode(records) },
      records: records.length
    })
    two.plan(planOf([inline([1, 2]), inline([])]))
    assert.deepEqual(yield* two.collect("inline"), [[1, 2], []])
  }))

it("a plan is sent to each executor once; what is forgotten is forgotten everywhere", () =>
  Effect.gen(function* () {
    const two = yield* cluster({ program: { sums } })
    for (const time of [1, 2, 3]) {
      two.plan({ time })
      yield* two.collect("sums", time)
    }
    for (const { lineage } of two.members.values()) assert.deepEqual(lineage.added, [1, 2, 3])
    assert.equal(two.scheduler.counts().stages, 3)
    two.scheduler.forget({ before: 3, blocks: ["b1"] })
    yield* two.settled(({ members }) => [...members.values()].every(({ removed }) => removed.length > 0))
    for (const { lineage } of two.members.values()) assert.deepEqual([...lineage.log.keys()], [3])
    assert.equal(two.scheduler.counts().stages, 1)
    assert.deepEqual(total(yield* two.collect("sums", 3)), { a: 4, b: 7, c: 4 })
  }))

it("a message that comes twice runs nothing twice; orders to receivers reach their supervisor", () =>
  Effect.gen(function* () {
    const seen: Array<number> = []
    const one = yield* cluster({
      program: { numbers: () => RDD.of([1, 2], 2) },
      executors: 1,
      outputs: () => (_, { partition }) => Effect.sync(() => seen.push(partition))
    })
    one.plan({ time: 1 })
    yield* one.run("numbers", 1, { kind: "foreachPartition", output: "out" })
    const [executor, message] = one.sent[0]!
    one.repeat(executor, message)
    one.repeat(executor, { kind: "UpdateRate", stream: "in", rate: 5 })
    yield* one.settled(({ members }) => members.get(executor)!.receiverOrders.length > 0)
    assert.deepEqual(one.members.get(executor)!.receiverOrders, ["rate in 5"])
    yield* one.run("numbers", 1, { kind: "count" })
    assert.deepEqual(seen, [0, 1])
  }))

it("a job that is interrupted is cancelled, and an executor ends when told to", () =>
  Effect.gen(function* () {
    const one = yield* cluster({
      program: { never: () => RDD.of([1]), fine: () => RDD.of([2]) },
      executors: 1,
      outputs: () => () => Effect.never
    })
    one.plan({ time: 1 })
    const job = yield* Effect.forkChild(one.run("never", 1, { kind: "foreachPartition", output: "out" }))
    yield* one.settled(({ sent }) => sent.length > 0)
    yield* Fiber.interrupt(job)
    assert.equal(one.scheduler.counts().jobs, 0)
    one.repeat("executor-1", { kind: "StopExecutor" })
    yield* Fiber.await(one.members.get("executor-1")!.fiber)
  }))

it.live("peers are answered while a long task runs", () =>
  Effect.gen(function* () {
    let slices = 0
    let fetchedAt = 0
    const slow = (n: number) => {
      if (n % 1000 === 0) { for (let i = 0; i < 400_000; i++) slices = Math.max(slices, i % 3) }
      return n
    }
    const numbers = Array.from({ length: 200_000 }, (_, i) => i)
    let done = false
    const two = yield* cluster({
      program: { sums, long: () => RDD.of(numbers).pipe(RDD.map(slow)) },
      border: Border.local
    })
    two.plan({ time: 1 })
    yield* two.run("sums", 1, { kind: "count" })
    two.onPeer = (_, __, message) => message.kind === "Fetched" && !done ? void fetchedAt++ : undefined
    const long = yield* Effect.forkChild(
      Effect.tap(two.run("long", 1, { kind: "count" }), () => Effect.sync(() => done = true))
    )
    yield* two.settled(({ sent }) =>
      sent.some(([, message]) => message.kind === "RunTasks" && message.stage.startsWith("long"))
    )
    yield* two.run("sums", 1, { kind: "count" }, [1])
    assert.ok(!done && fetchedAt > 0)
    assert.deepEqual(yield* Fiber.join(long), [numbers.length])
  }))
