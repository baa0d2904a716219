/**
 * Run: the world of one seed: the whole engine, unchanged, with a subject as its program; network and faults, and the drivers that live
 * in it one after the other.
 *
 * It lasts until `batches` batches are completed; then the faults end, what is left has to be done soon, and the context is stopped
 * gracefully, which has to leave nothing behind. Invariants are checked after every observation; the subject judges what came of it.
 */
import { Cause, Effect, Exit } from "effect"
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import type { StreamId } from "../../../core/protocol/Ids.ts"
import { survivalOf } from "../../../core/receiving/Survival.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { StopReport } from "../../../runtime/driver/Engine.ts"
import { keeping, namesOf } from "../faults/FaultPlan.ts"
import { Faults } from "../faults/Faults.ts"
import { lifeOfName, type Observation } from "../invariants/Observation.ts"
import type { Chance } from "../kernel/Chance.ts"
import type { Node } from "../kernel/Node.ts"
import { World } from "../kernel/World.ts"
import type { SimulatedPlacement } from "../SimulatedPlacement.ts"
import { type Checker, checkerOf } from "./checkerOf.ts"
import { Ledger } from "./Ledger.ts"
import { type End, Life } from "./Life.ts"
import { observeStates } from "./ObservedStates.ts"
import { Observer } from "./Observer.ts"
import { makeProbes } from "./probes.ts"
import { Scene } from "../outside/Scene.ts"
import type { RunOptions, RunResult } from "./RunOptions.ts"
import type { Performance, Place, SimulatedApp, Subject } from "./Subject.ts"
import { type BreakableBrokers, type BreakableSource, victimsOf } from "./victims.ts"

/** Virtual time after which a run that has not ended is stuck, besides what its batches last. */
const runMillisMax = 5 * 60_000

/** After so long, pauses and delays among it, all executors know who is there. */
const steadyMillis = 15_000

/** What struck before the faults ended may go on for so long. */
const strikingMillisMax = 8000

/** A driver that ended because of a fault is started again after this. */
const restartMillis = 700

/** Runs a seed to its end. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const run = new Run(options)
  await run.drive().catch((error) => run.fail(`the run broke: ${error instanceof Error ? error.stack : String(error)}`))
  return run.result()
}

class Run {
  private readonly options: RunOptions
  private readonly subject: Subject
  readonly world: World
  private readonly faults: Faults
  private readonly ledger = new Ledger()
  private readonly checker: Checker
  private readonly failures: Array<string> = []
  private readonly scene: Scene
  private readonly performance: Performance
  private readonly lives: Array<Life> = []
  /** Of the program, by life. */
  private readonly versions: Array<number> = [0]
  private readonly observers: Array<Observer> = []
  private readonly completed = new Set<Time>()
  private checkpointed = 0
  /** Calls of sinks that had failed when the newest driver was started. */
  private failedCalls = 0
  private readonly modelNode: Node
  private readonly model: SimulatedApp
  private readonly graph: DStreamGraph.DStreamGraph
  private report: StopReport | undefined
  /** Storage had lost or changed what was durable, and that was told: by the end of a driver, or by a report. */
  private detected = false
  /** How often the program was changed. */
  changes = 0
  private readonly probe = makeProbes()
  private stores = 0

  constructor(options: RunOptions) {
    this.options = options
    this.subject = options.subject(new World({ seed: options.seed }).chance)
    const { drawn, name } = this.subject
    this.world = new World({ seed: options.seed, preemption: drawn.preemption })
    const { trace } = options
    if (trace !== undefined) this.world.log.observe(trace)
    this.world.record("world", "Drawn", { program: name, seed: options.seed, ...drawn })
    this.faults = new Faults(this.world, keeping(options.faults ?? drawn.faults, options.only))
    this.scene = new Scene({
      world: this.world,
      faults: this.faults,
      crashAt: options.crashAt,
      observe: (node, observation) => this.observe(this.lifeOf(node).number, observation),
      tookOver: (node) => this.tookOver(this.lifeOf(node)),
      crash: (node) => this.crashNode(node),
      endDriverOf: (node) => {
        if (this.lifeOf(node) === this.current) this.crashDriver(this.faults.chanceOf("sinkHangs"))
      }
    })
    this.performance = this.begin()
    this.world.log.observe((event) => this.observers.forEach((observer) => observer.event(event)))
    // The model follows the program as a node loads it that no fault can strike.
    this.modelNode = this.world.node("model")
    this.model = this.load(this.modelNode, "model", 1, 0)
    this.graph = DStreamGraph.make(this.model)
    this.checker = checkerOf(this.subject, this.model, this.graph, this.faults.plan)
  }

  /** Runs the world until the last driver's program has ended and the executors with it. */
  async drive(): Promise<void> {
    const { world, faults, batchMillis } = this
    const millis = Math.max(1, this.options.batches - 3) * batchMillis
    faults.schedule(victimsOf(this), { fromMillis: batchMillis / 2, millis, batchMillis })
    this.startLife()
    const timeLimitMillis = world.now + runMillisMax + 4 * this.options.batches * batchMillis
    const isOver = () => this.report !== undefined || this.detected || this.failures.length > 0
    const outcome = await world.settle({ until: isOver, timeLimitMillis })
    if (outcome.kind !== "Done") this.fail(outcome.report)
    if (this.report === undefined || this.failures.length > 0 || this.detected) return
    this.judgeStop(this.report)
    const alive = () => this.lives.flatMap(({ placement }) => placement.nodes)
    const ended = await world.settle({ until: () => alive().length === 0, timeLimitMillis: world.now + 20_000 })
    if (ended.kind !== "Done") this.fail(`executors outlive their driver: ${ended.report}`)
    const versions = Array.from(
      { length: this.changes + 1 },
      (_, version) => version === 0 ? this.model : this.load(this.modelNode, "model", 1, version)
    )
    for (const failure of this.performance.judge(versions)) this.fail(failure)
  }

  /** What is found after the end of a driver's log was lost unseen may come of that: the run is over, and nobody's mistake. */
  fail(failure: string): void {
    if (this.scene.lostUnseen) this.detected = true
    else this.failures.push(failure)
  }

  result(): RunResult {
    const { world, faults, ledger } = this
    return {
      seed: this.options.seed,
      hash: world.log.digest(),
      failures: this.failures,
      faults: faults.counts,
      drawnFaults: namesOf(faults.plan),
      portCalls: this.scene.calls,
      batches: ledger.plans.size,
      lives: this.lives.length,
      detected: this.detected,
      steps: world.steps,
      events: world.log.count
    }
  }

  private begin(): Performance {
    const { faults, ledger, scene: { sinkCalls }, world } = this
    return this.subject.begin({
      world,
      faults,
      ledger,
      sinkCalls,
      observe: (node, observation) => this.observe(this.lifeOf(node).number, observation),
      fail: (failure) => this.fail(failure),
      isReplaced: (life) => this.lives[life - 1]!.replaced,
      attemptAt: (stream, node) => Math.max(...this.observers.map((observer) => observer.attemptAt(stream, node.name)))
    })
  }

  private get batchMillis(): number {
    return this.graph.batchMillis
  }

  private get recovers(): boolean {
    return this.model.settings.checkpointDirectory !== undefined
  }

  /** Whether each block of a receiver is at two executors. */
  private isReplicated(stream: StreamId): boolean {
    const input = this.graph.node(stream)?.stream.input
    return input?.kind === "receiver" && survivalOf(input.receiver, this.recovers).way === "hot"
  }

  get sources(): ReadonlyArray<BreakableSource> {
    return this.performance.sources
  }

  get brokers(): BreakableBrokers | undefined {
    return this.performance.brokers
  }

  get current(): Life {
    return this.lives.at(-1)!
  }

  /** Starts a driver, beside the last one if that lives. */
  startLife(): void {
    const number = this.lives.length + 1
    this.ledger.lives = number
    this.versions[number - 1] = this.changes
    this.failedCalls = this.scene.sinkCalls.failures
    const life: Life = new Life({
      number,
      world: this.world,
      network: this.scene.network,
      faults: this.faults,
      executors: this.subject.drawn.executors,
      load: (node, place) => this.load(node, place, number, this.versions[number - 1]!),
      provide: (node, program) => this.scene.provide(node, program),
      listener: (event) => this.listen(number, event),
      work: (life) => this.work(life)
    })
    this.lives.push(life)
    this.observers.push(this.makeObserver(life))
    life.start((end) => this.ended(life, end))
    if (number > 1) this.faults.reached("crashInRecovery", life.driver)
  }

  private ended(life: Life, end: End): void {
    if (life !== this.current) return
    if (Exit.isSuccess(end)) {
      this.report = end.value
      return
    }
    const cause = Cause.pretty(end.cause)
    if (this.scene.tells(cause) || this.performance.tells?.(cause) === true) {
      this.detected = true
      return
    }
    // The program may tell the failure of a call in words of its own.
    const isOfFault = cause.includes("(a simulated fault)") || this.scene.sinkCalls.failures > this.failedCalls
    if (!this.recovers || !isOfFault) {
      return this.fail(`the context ended: ${cause}`)
    }
    // As whoever watches over a driver would.
    for (const { node } of life.placement.alive) this.died(node)
    this.world.after(restartMillis, undefined, () => this.startLife())
  }

  private listen(life: number, event: StreamingEvent): void {
    if (this.lives[life - 1]!.state === "current") {
      if (event.kind === "BatchCompleted") {
        this.completed.add(event.batch.time)
        this.world.record(this.lives[life - 1]!.driver.name, event.kind, { time: event.batch.time })
      }
      if (event.kind === "CheckpointCompleted") {
        this.checkpointed = Math.max(this.checkpointed, event.time)
      }
    }
    if (event.kind === "Recovered" && this.scene.tells(JSON.stringify(event))) this.detected = true
    this.observers[life - 1]!.listener(event)
  }

  /** What a driver does until it stops: enough batches, then without faults what is left. */
  private work(life: Life): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      while (this.completed.size < this.options.batches) yield* Effect.sleep(250)
      this.scene.calm()
      this.performance.calm()
      const { batchMillis, world } = this
      const began = world.now
      const late = Math.max(0, (this.clockOf(life) - this.lastCompleted) / batchMillis)
      // A clock that shows less than that of a driver before it has to come to where that one was.
      const millisMax = strikingMillisMax + 3 * (3 * batchMillis + late * (200 + 2 * this.subject.outputMillisMax)) +
        this.checkpointPauseMillisMax + Math.max(0, this.lastCompleted - this.clockOf(life))
      while (!this.performance.isDone() || !this.isUpToDate(life)) {
        if (world.now > began + millisMax) {
          return this.fail(
            `${millisMax} ms after the faults the last batch is ${this.lastCompleted}, the last checkpoint ${this.checkpointed} at ${
              this.clockOf(life)
            }, and there were ${late} batches to catch up with`
          )
        }
        yield* Effect.sleep(100)
      }
    })
  }

  /** Two checkpoints that took long to write, for the faults, are followed by nine times as long without one. */
  private get checkpointPauseMillisMax(): number {
    return this.recovers ? 9 * (this.faults.plan.storage.slowMillisMax + this.faults.plan.storage.fullMillis) : 0
  }

  /** No backlog, and a checkpoint that says so. */
  private isUpToDate(life: Life): boolean {
    const newest = this.clockOf(life) - 2 * this.batchMillis
    return this.lastCompleted >= newest && (!this.recovers || this.checkpointed >= newest)
  }

  private clockOf({ driver }: Life): number {
    return driver.clock.currentTimeMillisUnsafe()
  }

  private get lastCompleted(): number {
    return Math.max(this.world.startMillis, ...this.completed)
  }

  private load(node: Node, place: Place, life: number, version: number): SimulatedApp {
    const app = this.performance.load(node, place, life, version)
    if (place !== "executor") return app
    observeStates(app, {
      executor: node.name,
      observe: (observation) => this.observe(life, observation),
      nextStore: () => ++this.stores
    })
    return app
  }

  /** A driver is started again, an executor replaced. */
  private crashNode(node: Node): void {
    const life = this.lifeOf(node)
    if (node === this.current.driver) this.crashDriver(this.faults.chanceOf("crashAtCall"))
    else if (node === life.driver) this.crashLife(life, "at a call", 0.5)
    else {
      this.died(node)
      life.placement.crash(node, "at a call")
    }
  }

  private makeObserver(life: Life): Observer {
    return new Observer({
      driver: life.driver.name,
      nodeName: life.nodeName,
      isReplaced: () => life.replaced,
      ledger: this.ledger,
      observe: (observation) => this.observe(life.number, observation),
      isReplicated: (stream) => this.isReplicated(stream),
      steady: () => life.placement.aliveSince(this.world.now - steadyMillis),
      later: (look) => void this.world.after(steadyMillis, undefined, look),
      stateWork: (phase, executor) => this.faults.reached(phase, this.world.nodeNamed(executor)),
      snapshots: this.scene.snapshots,
      taskArrived: (executor) => this.faults.taskBegins(this.world.nodeNamed(executor)),
      told: (executor, forgotten) =>
        this.probe(this.world.nodeNamed(executor), life.placement, forgotten, (it) => this.observe(life.number, it))
    })
  }

  /** It is started again a while later. */
  crashDriver(chance: Chance): boolean {
    const life = this.current
    if (life.state !== "current") return false
    this.crashLife(life, "a fault", chance.pick([0, 0.5, 1]))
    this.world.after(chance.pick([10, 300, 1500, 5000]), undefined, () => this.startLife())
    return true
  }

  /** Kills a driver; `outlive`: how likely each of its executors goes on for a while. */
  crashLife(life: Life, reason: string, outlive: number): void {
    this.loseExecutors(life)
    life.crash(reason, outlive)
  }

  /** From now on what earlier drivers do counts for nothing. */
  private tookOver({ number }: Life): void {
    for (const earlier of this.lives.slice(0, number - 1)) {
      this.loseExecutors(earlier)
      earlier.replace()
    }
  }

  private loseExecutors({ placement, state }: Life): void {
    if (state === "current") { for (const { node } of placement.alive) this.died(node) }
  }

  /** What an executor held counts as gone; nobody knows of it yet. */
  died(node: Node): void {
    const life = this.lifeOf(node)
    this.ledger.executorDied(node.name)
    this.observe(life.number, { kind: "ExecutorDied", executor: node.name })
    this.world.after(steadyMillis, undefined, () => this.observers[life.number - 1]!.lookForOrphans(node.name))
  }

  private lifeOf({ name }: Node): Life {
    return this.lives[lifeOfName(name) - 1]!
  }

  placementOf(node: Node): SimulatedPlacement {
    return this.lifeOf(node).placement
  }

  private observe(life: number, observation: Observation): void {
    const { state } = this.lives[life - 1]!
    // Orphans of a dead driver are heard by nobody.
    if (state === "dead") return
    const observed = { at: this.world.now, life, observation, ...(state === "replaced" ? { replaced: true } : {}) }
    const { violations } = this.checker
    const known = violations.length
    for (const one of this.options.mutate?.(observed) ?? [observed]) this.checker.observe(one)
    for (const { at, invariant, message } of violations.slice(known)) {
      this.fail(`at ${at - this.world.startMillis} ms: ${invariant}: ${message}`)
    }
  }

  private judgeStop(report: StopReport): void {
    this.observe(this.current.number, { kind: "Drained", now: this.clockOf(this.current) })
    const { graceful, openBatches, unallocatedBlocks } = report
    if (!graceful || openBatches.length > 0 || unallocatedBlocks) {
      this.fail(`the graceful stop left something: ${JSON.stringify(report)}`)
    }
  }
}
