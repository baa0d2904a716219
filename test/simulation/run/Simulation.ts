/**
 * Simulation: one seed of one reference program: the whole engine, unchanged, in a virtual world.
 *
 * The seed draws the settings, the number of executors and receivers, the program's dice and the faults. The run lasts until
 * `batches` batches are completed; then the faults end and the context is stopped gracefully, which has to leave nothing behind.
 * Invariants are checked after every observation; outputs are compared with the model after the run.
 */
import { Cause, Effect, Exit } from "effect"
import { messagePack } from "../../../adapters/codec/MessagePack.ts"
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import { Border } from "../../../core/protocol/RecordCodec.ts"
import { isReplicated } from "../../../core/receiving/StorageLevel.ts"
import type { StopReport } from "../../../runtime/driver/Engine.ts"
import * as StreamingContext from "../../../runtime/driver/StreamingContext.ts"
import { runExecutor } from "../../../runtime/executor/bootstrap.ts"
import { Placement } from "../../../runtime/placement/Placement.ts"
import { SnapshotSpace } from "../../../runtime/storage/SnapshotSpace.ts"
import { ofBlocks } from "../../../runtime/storage/snapshotStorage.ts"
import { SpillSpace } from "../../../runtime/storage/SpillSpace.ts"
import { type FaultKind, type FaultPlan, Faults } from "../Faults.ts"
import { makeChecker } from "../invariants/Invariant.ts"
import { invariants } from "../invariants/mod.ts"
import type { Observation, Observed } from "../invariants/Observation.ts"
import { Network } from "../kernel/Network.ts"
import type { Node } from "../kernel/Node.ts"
import type { Chance } from "../kernel/Chance.ts"
import { World } from "../kernel/World.ts"
import type { SimulationEvent } from "../kernel/EventLog.ts"
import type { ReferenceProgram } from "../programs/ReferenceProgram.ts"
import { SimulatedPlacement } from "../SimulatedPlacement.ts"
import { compare } from "./compare.ts"
import { slowDisk, SnapshotDisks } from "./disks.ts"
import { batchMillis, type Draw, draw } from "./Draw.ts"
import { type Delivery, Ledger } from "./Ledger.ts"
import { type Forgotten, Observer, probeOf } from "./Observer.ts"
import { type SimulatedApp, simulatedApp, type SimulatedAppOptions } from "./simulatedApp.ts"
import { Source } from "./Source.ts"

export interface SimulationOptions {
  readonly program: ReferenceProgram
  readonly seed: number
  /** Batches of 1 s that are completed before the stop. 30. */
  readonly batches?: number
  /** Instead of faults drawn from the seed. */
  readonly faults?: FaultPlan
  readonly trace?: (event: SimulationEvent) => void
  /** Instead of what the seed draws. */
  readonly settings?: Partial<Draw["settings"]>
  /** Sees what outputs are given. */
  readonly deliver?: (delivery: Delivery) => void
  /** For tests of the simulation itself: sees, and may change, every observation before it is checked. */
  readonly mutate?: (observed: Observed) => ReadonlyArray<Observed>
}

export interface SimulationResult {
  readonly program: string
  readonly seed: number
  /** Of all events and choices. */
  readonly hash: string
  /** What went wrong; empty: the seed passed. */
  readonly failures: ReadonlyArray<string>
  readonly faults: Readonly<Record<FaultKind, number>>
  readonly batches: number
  readonly lostLines: number
  readonly partialBatches: number
  readonly steps: number
  readonly events: number
}

export const batchesDefault = 30
export const faultsLeast = 3
/** Virtual time after which a run that has not ended is stuck. */
const runMillisMax = 20 * 60_000

/** The programs' windows over states, and states over states, ask for nothing that lies further back. */
const snapshotsMax = 10

/** How often an executor is asked for what it was told to forget, before it counts as held; its disk may be busy. */
const probeTries = 40

/** After so long, pauses and delays among it, all executors know who is there. */
const steadyMillis = 15_000

/** Runs one seed to its end. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const run = new Run(options)
  await run.drive().catch((error) => run.fail(`the run broke: ${error instanceof Error ? error.stack : String(error)}`))
  return run.result()
}

class Run {
  private readonly options: SimulationOptions
  private readonly drawn: Draw
  private readonly world: World
  private readonly driver: Node
  private readonly faults: Faults
  private readonly placement: SimulatedPlacement
  private readonly ledger = new Ledger()
  private readonly observer: Observer
  private readonly sources: ReadonlyArray<Source>
  private readonly checker: ReturnType<typeof makeChecker>
  private readonly failures: Array<string> = []
  private readonly snapshots: SnapshotDisks
  private readonly appOptions: SimulatedAppOptions
  private readonly app: SimulatedApp
  private completed = 0
  private probes = 0
  private stores = 0
  private losses = { lostLines: 0, partialBatches: 0 }

  constructor(options: SimulationOptions) {
    this.options = options
    const chance = new World({ seed: options.seed }).chance.split(`draw ${options.program.name}`)
    const drawn = draw(chance, options.program)
    this.drawn = { ...drawn, settings: { ...drawn.settings, ...options.settings } }
    this.world = new World({ seed: options.seed, preemption: this.drawn.preemption })
    const { trace } = options
    if (trace !== undefined) this.world.log.observe(trace)
    this.world.record("world", "Drawn", { program: options.program.name, seed: options.seed, ...this.drawn })
    this.faults = new Faults(this.world, options.faults ?? this.drawn.faults)
    this.driver = this.world.node("driver", { bendSleep: this.faults.bendSleep })
    const observe = (observation: Observation) => this.observe({ at: this.world.now, observation })
    this.snapshots = new SnapshotDisks({ chance: this.world.chance.split("snapshots"), faults: this.faults, observe })
    this.placement = this.makePlacement()
    const { sources } = this.drawn
    this.observer = new Observer({
      driver: this.driver.name,
      ledger: this.ledger,
      observe,
      isReplicated: (stream) => this.sources.some(({ name }, i) => name === stream && isReplicated(sources[i]!.level)),
      steady: () => this.placement.aliveSince(this.world.now - steadyMillis),
      later: (look) => this.later(look),
      stateWork: (phase, executor) => this.faults.stateWork(phase, executor),
      snapshotCompleted: (operator, time) => this.snapshots.completed(operator, time),
      taskArrived: (executor) => this.faults.taskBegins(this.nodeOf(executor)),
      told: (executor, forgotten) => this.probeLater(executor, forgotten, probeTries)
    })
    this.world.log.observe(this.observer.event)
    this.sources = this.drawn.sources.map((source, i) =>
      new Source({
        ...source,
        world: this.world,
        name: `lines${i}`,
        attemptAt: (node) => this.observer.attemptAt(`lines${i}`, node.name)
      })
    )
    this.appOptions = {
      program: options.program,
      drawn: this.drawn,
      sources: this.sources,
      faults: this.faults,
      deliver: (delivery) => {
        this.ledger.deliveries.push(delivery)
        options.deliver?.(delivery)
      },
      outputs: this.world.chance.split("outputs")
    }
    this.app = simulatedApp(this.appOptions, this.driver)
    const { concurrentJobs, missedTicks } = this.drawn.settings
    const { nodes, rememberMillis } = DStreamGraph.make(this.app)
    const states = nodes.flatMap(({ checkpointMillis, id }) => checkpointMillis === undefined ? [] : [id])
    this.checker = makeChecker(invariants, {
      batchMillis,
      concurrentJobs,
      missedTicks,
      states,
      snapshotsMax,
      rememberMillis
    })
  }

  /** Runs the world until the driver's program has ended and the executors with it. */
  async drive(): Promise<void> {
    const { world, driver, faults, placement } = this
    const root = driver.run("driver", this.driverProgram())
    faults.schedule(this.victims(), { fromMillis: 500, millis: (this.batches - 3) * batchMillis, batchMillis })
    const timeLimitMillis = world.now + runMillisMax
    const broken = () => this.checker.violations.length > 0
    const outcome = await world.settle({ until: () => root.exit !== undefined || broken(), timeLimitMillis })
    if (outcome.kind !== "Done") this.failures.push(outcome.report)
    for (const { at, invariant, message } of this.checker.violations) {
      this.failures.push(`at ${at - world.startMillis} ms: ${invariant}: ${message}`)
    }
    if (root.exit === undefined || this.failures.length > 0) return
    if (Exit.isFailure(root.exit)) return void this.failures.push(`the context ended: ${Cause.pretty(root.exit.cause)}`)
    this.judgeStop(root.exit.value)
    const ended = await world.settle({ until: () => placement.alive.length === 0, timeLimitMillis: world.now + 10_000 })
    if (ended.kind !== "Done") this.failures.push(`executors outlive their driver: ${ended.report}`)
    this.judgeOutputs()
  }

  fail(failure: string): void {
    this.failures.push(failure)
  }

  result(): SimulationResult {
    const { options: { program, seed }, world, faults, ledger, failures } = this
    const struck = Object.values(faults.counts).reduce((a, b) => a + b, 0)
    if (this.options.faults === undefined && struck < faultsLeast && failures.length === 0) {
      failures.push(`only ${struck} faults struck; a seed has at least ${faultsLeast}`)
    }
    return {
      program: program.name,
      seed,
      hash: world.log.digest(),
      failures,
      faults: faults.counts,
      batches: ledger.plans.size,
      ...this.losses,
      steps: world.steps,
      events: world.log.count
    }
  }

  private get batches(): number {
    return this.options.batches ?? batchesDefault
  }

  private driverProgram(): Effect.Effect<StopReport, unknown> {
    const listener = (event: Parameters<Observer["listener"]>[0]) => {
      if (event.kind === "BatchCompleted") this.completed++
      this.observer.listener(event)
    }
    const enough = Effect.gen({ self: this }, function* () {
      while (this.completed < this.batches) yield* Effect.sleep(250)
    })
    return Effect.gen({ self: this }, function* () {
      const context = yield* StreamingContext.make(this.app, { observers: [listener] })
      yield* context.start
      yield* Effect.raceFirst(context.awaitTermination, enough)
      this.faults.end()
      const report = yield* context.stop({ graceful: true })
      yield* context.awaitTermination
      return report
    }).pipe(
      Effect.scoped,
      Effect.provideService(Placement, this.placement.service),
      Effect.provideService(Border, Border.coded(messagePack))
    )
  }

  private makePlacement(): SimulatedPlacement {
    const { world, faults } = this
    const start = world.chance.split("starts of executors")
    return new SimulatedPlacement({
      world,
      network: new Network(world, messagePack, faults.network),
      driver: this.driver,
      executors: this.drawn.executors,
      startMillis: () => start.between(1, 300),
      noticeMillis: () => start.between(0, 500),
      nodeOptions: () => ({ clockOffsetMillis: start.between(-50, 50), bendSleep: faults.bendSleep }),
      runExecutor: (node) => ({ handshake, link }) =>
        runExecutor({ app: this.appOn(node), handshake, link }).pipe(
          Effect.provideService(Border, Border.coded(messagePack)),
          Effect.provideService(SpillSpace, {
            storage: slowDisk(world.chance.split(`disk ${node.name}`)),
            codec: messagePack
          }),
          Effect.provideService(SnapshotSpace, { storage: ofBlocks(this.snapshots.of(node.name)), codec: messagePack })
        )
    })
  }

  private appOn(node: Node): SimulatedApp {
    return simulatedApp(this.appOptions, node, {
      executor: node.name,
      observe: (observation) => this.observe({ at: this.world.now, observation }),
      nextStore: () => ++this.stores
    })
  }

  private victims() {
    return {
      driver: this.driver,
      executors: () => this.placement.alive,
      crash: (executor: string) => {
        this.ledger.crashed.add(executor)
        this.observe({ at: this.world.now, observation: { kind: "ExecutorDied", executor } })
        this.later(() => this.observer.lookForOrphans(executor))
        return this.placement.crash(executor, "a fault")
      },
      breakReceiver: (how: "receiverFailure" | "sourceClosed", chance: Chance) => {
        const first = chance.below(this.sources.length)
        return this.sources.some((_, i) => this.sources[(first + i) % this.sources.length]!.break(how))
      }
    }
  }

  private later(look: () => void): void {
    this.world.after(steadyMillis, undefined, look)
  }

  private nodeOf(executor: string): Node {
    return this.world.nodes.find(({ name }) => name === executor)!
  }

  private observe(observed: Observed): void {
    for (const one of this.options.mutate?.(observed) ?? [observed]) this.checker.observe(one)
  }

  /** Whether what was to be forgotten is gone; a removal that is under way is given time. */
  private probeLater(executor: string, forgotten: Forgotten, tries: number): void {
    const probe = probeOf(forgotten, ++this.probes)
    if (probe === undefined) return
    const name = probe.kind === "FetchBlock"
      ? `block ${probe.block}`
      : probe.kind === "FetchShuffle"
      ? `shuffle ${probe.shuffle}`
      : ""
    const ask = (left: number) =>
      this.nodeOf(executor).after(25, () =>
        this.placement.probe(executor, probe, (answer) => {
          if (answer.kind !== "Fetched" || answer.request !== this.probes) return
          const held = answer.found !== undefined
          if (held && left > 0) return void ask(left - 1)
          this.observe({ at: this.world.now, observation: { kind: "ExecutorProbed", executor, forgotten: name, held } })
        }))
    ask(tries)
  }

  private judgeStop(report: StopReport): void {
    this.observe({ at: this.world.now, observation: { kind: "Drained" } })
    const { graceful, openBatches, unallocatedBlocks } = report
    if (!graceful || openBatches.length > 0 || unallocatedBlocks) {
      this.failures.push(`the graceful stop left something: ${JSON.stringify(report)}`)
    }
    for (const { invariant, message } of this.checker.violations) {
      this.failures.push(`at the end: ${invariant}: ${message}`)
    }
  }

  private judgeOutputs(): void {
    const { ledger } = this
    const { mistakes, lostLines, partialBatches } = compare({
      ledger,
      graph: DStreamGraph.make(this.app),
      batchMillis,
      defaultParallelism: this.drawn.settings.defaultParallelism,
      taken: this.sources.flatMap((source) => source.taken),
      read: (stream, part, time, partition) => {
        const { read } = stream.params as { readonly read: (part: unknown) => ReadonlyArray<unknown> }
        return read({ batch: part.value, time, partition })
      }
    })
    this.losses = { lostLines, partialBatches }
    this.failures.push(...mistakes)
    if (ledger.plans.size < this.batches) {
      this.failures.push(`only ${ledger.plans.size} of ${this.batches} batches were planned`)
    }
  }
}
