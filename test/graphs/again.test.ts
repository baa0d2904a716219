/**
 * What a batch holds is a function of graph and plans: another driver with other executors, that knows nothing else, computes the
 * batches of random graphs in any order, one of them again and again, forgets, and loses executors between: the same every time.
 */
import { test } from "node:test"
import { Effect, Logger } from "effect"
import * as fc from "fast-check"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import type { BatchPlan } from "../../core/dstream/BatchPlan.ts"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import * as Settings from "../../core/settings/Settings.ts"
import { BlockLocations } from "../../runtime/driver/BlockLocations.ts"
import * as TaskScheduler from "../../runtime/driver/TaskScheduler.ts"
import { type Executors, Placement } from "../../runtime/placement/Placement.ts"
import * as Local from "../driver/local.ts"
import type { Partitions } from "../model/Partitions.ts"
import { type Graph, graphs } from "./Graph.ts"
import { appOf, deliver, nameOf, runsOf, same, secondsOf, settings, timeIn } from "./run.ts"

type Act =
  /** The batch of this number, counted around, is computed. */
  | { readonly kind: "compute"; readonly batch: number }
  /** All batches up to this one are called done: what could be computed again is dropped. */
  | { readonly kind: "done"; readonly batch: number }
  | { readonly kind: "kill"; readonly which: number }

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("compute" as const), batch: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("done" as const), batch: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("kill" as const), which: fc.nat(3) }) }
)

/** Each computed batch of each output, in the order of the acts; at last all batches, the latest first. */
const fromPlans = (graph: Graph, plans: ReadonlyArray<BatchPlan>, acts: ReadonlyArray<Act>, executors: number) => {
  const app = appOf(graph, new Map())
  const nodes = DStreamGraph.make(app)
  const resolved = Settings.resolve([settings], { batchMillis: 1000, executors })
  const times = plans.map(({ time }) => time)
  const timeAt = (batch: number) => times[batch % times.length]!
  const kill = new Local.Killer()
  const run = Effect.gen(function* () {
    const border = yield* Border
    const placement = yield* Placement
    let memo = GeneratedRDDs.make(nodes, resolved)
    for (const plan of plans) memo.addPlan(plan)
    const tasks = TaskScheduler.make({
      send: (...to: Parameters<Executors["send"]>) => started.send(...to),
      planLog: { plans: () => memo.plans() },
      digest: (rdd) => memo.digest(rdd),
      rdd: (id) => memo.rdd(id),
      snapshotOf: () => undefined,
      snapshotDue: ({ identity: { operator, time } }) => memo.isCheckpointDue(operator, time),
      reuseMillis: () => 0,
      blockLocations: new BlockLocations(),
      settings: resolved
    })
    const { manifest } = nodes
    const handshake = { appName: "", epoch: 1, batchMillis: 1000, settings: resolved, config: {}, manifest }
    const started: Executors = yield* placement.start(
      { ...handshake, codeFingerprint: "" },
      tasks.executorEvent.bind(tasks)
    )
    const computed: Array<ReadonlyMap<string, Partitions>> = []
    const compute = Effect.fnUntraced(function* (time: number) {
      const delivered = new Map<string, Partitions>()
      for (const [index, { id, stream }] of nodes.outputs.entries()) {
        const rdd = memo.getOrCompute(stream, time)
        if (rdd === undefined) continue
        const values = yield* tasks.runJob({ rdd, action: { kind: "collect" }, time, output: id })
        delivered.set(nameOf(index, time), values.map((value) => border.unpack(value!) as ReadonlyArray<unknown>))
      }
      computed.push(delivered)
    })
    for (const act of acts) {
      if (act.kind === "compute") yield* compute(timeAt(act.batch))
      if (act.kind === "done") {
        tasks.forget({ before: 1, blocks: [], done: timeAt(act.batch) })
        // The driver's own memory begins anew too.
        memo = GeneratedRDDs.make(nodes, resolved)
        for (const plan of plans) memo.addPlan(plan)
      }
      if (act.kind === "kill") {
        const alive = kill.alive()
        if (alive.length > 0) kill.now(alive[act.which % alive.length]!)
      }
    }
    for (const time of times.toReversed()) yield* compute(time)
    return computed
  })
  return Effect.runPromise(
    run.pipe(
      Effect.provide(Local.layerOf(app, { executors, coded: true, kill })),
      Effect.provide(Logger.layer([])),
      Effect.scoped
    )
  )
}

test("batches are computed again from graph and plans alone, in any order, record by record in their place", {
  timeout: 120_000
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      graphs,
      fc.array(act, { maxLength: 8 }),
      fc.integer({ min: 1, max: 3 }),
      async (graph: Graph, acts, executors) => {
        const plans = new Map<number, BatchPlan>()
        const { delivered } = await deliver(graph, {
          coded: true,
          seconds: secondsOf(graph),
          heard: (message) => {
            if (message.kind === "RunTasks") { for (const plan of message.plans) plans.set(plan.time, plan) }
          }
        })
        // Plans are data: they survive what a log or a wire does to them. That of a batch without tasks may not have been sent.
        const recorded = messagePack.decode(messagePack.encode([...plans.values()])) as ReadonlyArray<BatchPlan>
        const computed = await fromPlans(graph, recorded, acts, executors)
        for (const batch of computed) same(batch, new Map([...delivered].filter(([name]) => batch.has(name))))
        const sent = [...delivered].filter(([name, partitions]) => partitions.length > 0 || plans.has(timeIn(name)))
        same(new Map(computed.slice(-recorded.length).flatMap((batch) => [...batch])), new Map(sent))
      }
    ),
    runsOf(40)
  )
})
