/**
 * A driver and executors in one process, for tests: real scheduler and executors, a link of queues that keeps order,
 * and lineage that is written by hand in place of a graph. Executors can be killed: without a word, as a crash would.
 */
import { Cause, Context, Effect, Exit, Fiber, Queue, Scope } from "effect"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import type { BlockContents } from "../../core/blocks/BlockContents.ts"
import type { BatchPlan, Payload } from "../../core/dstream/BatchPlan.ts"
import type { Derivation, SealedRDD } from "../../core/dstream/Derivation.ts"
import type { InputDefinition } from "../../core/dstream/InputDStream.ts"
import type { JobFailed } from "../../core/dstream/Batch.ts"
import { digest } from "../../core/protocol/Digest.ts"
import type { Action, Forget, ToExecutor, ToPeer } from "../../core/protocol/ExecutorProtocol.ts"
import { Border, type RecordCodec } from "../../core/protocol/RecordCodec.ts"
import * as RDD from "../../core/rdd/RDD.ts"
import { make as makeId, statePosition } from "../../core/rdd/RddId.ts"
import type { StateRDD } from "../../core/rdd/Stage.ts"
import * as TaskScheduler from "../../runtime/driver/TaskScheduler.ts"
import type { ExecutorLink, Incoming } from "../../runtime/executor/ExecutorLink.ts"
import * as Executor from "../../runtime/executor/Executor.ts"
import * as Peers from "../../runtime/executor/Peers.ts"
import * as ShuffleStore from "../../runtime/executor/shuffle/ShuffleStore.ts"
import * as StateRunner from "../../runtime/executor/state/StateRunner.ts"
import * as StateSnapshots from "../../runtime/executor/state/StateSnapshots.ts"
import * as PartitionCache from "../../runtime/executor/tasks/PartitionCache.ts"
import * as OutputTask from "../../runtime/executor/tasks/OutputTask.ts"
import * as BlockStorage from "../../runtime/storage/BlockStorage.ts"
import { ofBlocks } from "../../runtime/storage/snapshots/snapshotStorage.ts"

/** JSON, which says so where a value cannot travel. */
export const jsonCodec: RecordCodec = {
  encode: (value) => {
    const text = JSON.stringify(value, (key, one: unknown) => {
      if (typeof one === "function") throw new Error(`the function at "${key}" cannot be encoded`)
      return one
    })
    return new TextEncoder().encode(text).buffer
  },
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as unknown
}

/** Names an RDD and its parents, as `getOrCompute` does. */
export const seal = (top: RDD.AnyRDD, stream: string, time: number): SealedRDD => {
  let position = 0
  const copies = new Map<RDD.AnyRDD, SealedRDD>()
  const walk = (rdd: RDD.AnyRDD): SealedRDD => {
    const known = copies.get(rdd)
    if (known !== undefined) return known
    const parents = RDD.parentsOf(rdd).map(walk)
    const id = makeId({ stream, time, position: rdd.lineage.kind === "state" ? statePosition : position++ })
    const copy = RDD.sealed(rdd, parents, { id, operator: stream, time })
    copies.set(rdd, copy)
    return copy
  }
  return walk(top)
}

const describe = (rdd: SealedRDD): string =>
  digest(
    [
      rdd.identity.id,
      rdd.lineage.kind,
      rdd.numPartitions,
      ...RDD.parentsOf(rdd).map((one) => describe(one as SealedRDD))
    ].join()
  )

/** A program: by name of an output, the RDD of a batch. Every process derives its own. */
export type Program = Readonly<Record<string, (plan: BatchPlan) => RDD.AnyRDD>>

export class Lineage implements Derivation {
  readonly log = new Map<number, BatchPlan>()
  private readonly program: Program
  private readonly rdds = new Map<string, SealedRDD>()
  readonly added: Array<number> = []

  constructor(program: Program) {
    this.program = program
  }

  addPlan(plan: BatchPlan): void {
    this.added.push(plan.time)
    this.log.set(plan.time, plan)
    for (const [stream, build] of Object.entries(this.program)) this.keep(seal(build(plan), stream, plan.time))
  }

  private keep(rdd: SealedRDD): void {
    this.rdds.set(rdd.identity.id, rdd)
    for (const parent of RDD.parentsOf(rdd)) this.keep(parent as SealedRDD)
  }

  plans(): ReadonlyArray<BatchPlan> {
    return [...this.log.values()]
  }

  top(stream: string, time: number): SealedRDD {
    return seal(this.program[stream]!(this.log.get(time)!), stream, time)
  }

  rdd(id: string): SealedRDD {
    const rdd = this.rdds.get(id)
    if (rdd === undefined) throw new Error(`no plan for ${id}`)
    return rdd
  }

  digest(rdd: SealedRDD): string {
    return describe(rdd)
  }

  forgetBefore(time: number): void {
    for (const at of this.log.keys()) if (at < time) this.log.delete(at)
  }
}

export interface ClusterOptions {
  readonly program: Program
  /** Another program in executors than in the driver. */
  readonly executorProgram?: Program
  readonly executors?: number
  readonly border?: Border["Service"]
  readonly inputs?: (stream: string) => InputDefinition<any, any, any> | undefined
  readonly outputs?: (output: string) => OutputTask.OutputTask["run"] | undefined
  readonly context?: Context.Context<any>
  readonly settings?: Partial<Executor.ExecutorSettings>
  readonly limits?: Partial<TaskScheduler.TaskSchedulerOptions["settings"]>
  readonly locations?: (block: string) => ReadonlyArray<string>
  /** Whether a snapshot is taken of the states of a batch. */
  readonly snapshotDue?: (time: number) => boolean
}

export interface Member {
  readonly executor: string
  readonly fiber: Fiber.Fiber<void>
  readonly blocks: Map<string, BlockContents>
  readonly removed: Array<string>
  readonly lineage: Lineage
  readonly receiverOrders: Array<string>
}

export class Cluster {
  readonly lineage: Lineage
  readonly members = new Map<string, Member>()
  readonly sent: Array<readonly [executor: string, message: ToExecutor]> = []
  readonly peerMessages: Array<readonly [from: string, to: string, message: ToPeer]> = []
  readonly ignored: Array<string> = []
  /** Blocks that were not where they should be: block and executor. */
  readonly notAt: Array<string> = []
  /** Called before a message is delivered. */
  onSend: (executor: string, message: ToExecutor) => void = () => {}
  onPeer: (from: string, to: string, message: ToPeer) => void = () => {}
  readonly scheduler: TaskScheduler.TaskScheduler
  readonly border: Border["Service"]
  readonly snapshotSpace = { storage: ofBlocks(BlockStorage.memory()), codec: messagePack }
  private readonly options: ClusterOptions
  private readonly inboxes = new Map<string, Queue.Queue<Incoming>>()
  private readonly scope: Scope.Scope
  private readonly toDriver: Queue.Queue<() => void>
  private count = 0

  constructor(options: ClusterOptions, scope: Scope.Scope, toDriver: Queue.Queue<() => void>) {
    this.options = options
    this.scope = scope
    this.toDriver = toDriver
    this.border = options.border ?? Border.coded(jsonCodec)
    this.lineage = new Lineage(options.program)
    this.scheduler = TaskScheduler.make({
      send: (executor, message) => {
        this.sent.push([executor, message])
        this.onSend(executor, message)
        const inbox = this.inboxes.get(executor)
        if (inbox !== undefined) Queue.offerUnsafe(inbox, { kind: "FromDriver", message })
      },
      planLog: this.lineage,
      digest: (rdd) => this.lineage.digest(rdd),
      rdd: (id) => this.lineage.rdd(id),
      reuseMillis: () => Infinity,
      snapshotDue: ({ identity }) => this.options.snapshotDue?.(identity.time) ?? false,
      blockLocations: {
        of: options.locations ?? (() => []),
        notAt: (block, at) => void this.notAt.push(`${block} ${at}`)
      },
      settings: { maxTaskFailures: 4, maxStageRepairs: 10, ...options.limits },
      onBlockIgnored: (block) => this.ignored.push(block)
    })
  }

  /** Starts one more executor. */
  readonly start = Effect.suspend(() => this.startExecutor(`executor-${++this.count}`))

  private readonly startExecutor = Effect.fnUntraced(function* (this: Cluster, executor: string) {
    const inbox = yield* Queue.unbounded<Incoming>()
    this.inboxes.set(executor, inbox)
    let handler: (incoming: Incoming) => void = () => {}
    const link: ExecutorLink = {
      executor,
      host: "here",
      toDriver: (message) => {
        if (!this.inboxes.has(executor)) return
        Queue.offerUnsafe(
          this.toDriver,
          () => this.scheduler.executorEvent({ kind: "FromExecutor", executor, message })
        )
      },
      toPeer: (peer, message) => {
        if (!this.inboxes.has(executor)) return
        this.peerMessages.push([executor, peer, message])
        this.onPeer(executor, peer, message)
        const other = this.inboxes.get(peer)
        if (other !== undefined) Queue.offerUnsafe(other, { kind: "FromPeer", peer: executor, message })
        else Queue.offerUnsafe(inbox, { kind: "PeerLost", peer })
      },
      onMessage: (handle) => {
        handler = handle
      }
    }
    const blocks = new Map<string, BlockContents>()
    const removed: Array<string> = []
    const receiverOrders: Array<string> = []
    const lineage = new Lineage(this.options.executorProgram ?? this.options.program)
    const note = (what: string) => (...rest: ReadonlyArray<unknown>) =>
      void receiverOrders.push([what, ...rest].join(" "))
    const shuffles = ShuffleStore.make()
    const get = (block: string) => Effect.sync(() => blocks.get(block))
    const { toDriver } = link
    const snapshots = yield* Scope.provide(
      StateSnapshots.make({ space: this.snapshotSpace, app: "cluster", toDriver }),
      this.scope
    )
    const states = StateRunner.make(executor, snapshots)
    const held: Peers.Held = {
      shuffles,
      states: (state, partition, view) => {
        const chunks = states.read(lineage.rdd(state) as StateRDD, partition, view)
        return chunks === undefined ? undefined : [...chunks].flat(1)
      },
      blocks: { get, getPacked: () => Effect.undefined },
      accept: () => Effect.undefined
    }
    const kept = new Map<string, BlockContents>()
    const cache = PartitionCache.make({
      get: (name) => Effect.sync(() => kept.get(name)),
      put: (name, contents) => Effect.sync(() => (kept.set(name, contents), { records: undefined, bytes: 0 })),
      remove: (names) => Effect.sync(() => [...names].forEach((name) => kept.delete(name)))
    })
    const options = {
      shuffles,
      states,
      cache,
      forget: ({ done = 0 }: Forget) => states.forgetBefore(() => done),
      derivation: lineage,
      inputs: this.options.inputs ?? (() => undefined),
      outputs: (output: string) => {
        const run = this.options.outputs?.(output)
        return run === undefined ? undefined : OutputTask.ofFunction(run)
      },
      blocks: { get, remove: (gone) => void removed.push(...gone), peers: () => {}, peerLost: () => {} },
      receivers: { start: note("start"), stop: note("stop"), updateRate: note("rate"), answer: note("answer") },
      context: this.options.context ?? Context.empty() as Context.Context<any>,
      app: "cluster",
      epoch: 1,
      line: undefined,
      settings: { codeGeneration: true, ...this.options.settings }
    } satisfies Omit<Executor.ExecutorOptions, "link" | "peers">
    const run = Effect.flatMap(Peers.make(link, held), (peers) => Executor.run({ ...options, link, peers }))
    const pump = Effect.forever(Effect.map(Queue.takeAll(inbox), (all) => all.forEach((one) => handler(one))))
    const alive = Effect.scoped(run).pipe(Effect.provideService(Border, this.border), Effect.raceFirst(pump))
    const fiber = yield* Effect.forkIn(alive, this.scope)
    this.members.set(executor, { executor, fiber, blocks, removed, lineage, receiverOrders })
    return executor
  })

  /** It neither speaks nor hears from now on; the others are told after what it said before. */
  readonly kill = (executor: string): void => {
    this.inboxes.delete(executor)
    const { fiber } = this.members.get(executor)!
    fiber.interruptUnsafe()
    for (const inbox of this.inboxes.values()) Queue.offerUnsafe(inbox, { kind: "PeerLost", peer: executor })
    const lost = { kind: "ExecutorLost", executor, reason: "killed" } as const
    Queue.offerUnsafe(this.toDriver, () => this.scheduler.executorEvent(lost))
  }

  /** Delivers a message past the scheduler. */
  readonly repeat = (executor: string, message: ToExecutor): void =>
    void Queue.offerUnsafe(this.inboxes.get(executor)!, { kind: "FromDriver", message })

  /** Lets the others go on until something holds. */
  readonly settled = Effect.fnUntraced(function* (this: Cluster, holds: (cluster: Cluster) => boolean) {
    for (let turns = 0; !holds(this); turns++) {
      if (turns > 10_000) throw new Error(`this never comes to hold: ${holds.toString()}`)
      yield* Effect.yieldNow
    }
  })

  readonly plan = (plan: Partial<BatchPlan> & { readonly time: number }): void =>
    this.lineage.addPlan({ zeroTime: 0, inputs: [], sideValues: [], ...plan })

  readonly run = (
    stream: string,
    time: number,
    action: Action,
    partitions?: ReadonlyArray<number>
  ): Effect.Effect<ReadonlyArray<unknown>, JobFailed> =>
    Effect.suspend(() =>
      this.scheduler.runJob({ rdd: this.lineage.top(stream, time), action, partitions, time, output: stream })
    ).pipe(
      Effect.map((values) => values.map((value: Payload | undefined) => value && this.border.unpack(value)))
    )

  readonly collect = (stream: string, time = 1) => this.run(stream, time, { kind: "collect" })
}

/** A running cluster; two executors unless told otherwise. */
export const cluster = Effect.fnUntraced(
  function* (options: ClusterOptions): Effect.fn.Return<Cluster, never, Scope.Scope> {
    const toDriver = yield* Queue.unbounded<() => void>()
    const made = new Cluster(options, yield* Effect.scope, toDriver)
    yield* Effect.forkScoped(
      Effect.forever(Effect.map(Queue.takeAll(toDriver), (all) => all.forEach((tell) => tell())))
    )
    for (let i = 0; i < (options.executors ?? 2); i++) yield* made.start
    yield* made.settled((two) => two.scheduler.counts().executors === two.members.size)
    return made
  }
)

/** The error of an effect that has to fail. */
export const failureOf = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<E> =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) throw new Error("it succeeded")
    return Cause.squash(exit.cause) as E
  })
