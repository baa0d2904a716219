/**
 * Run: the world of one seed: its network, sources and faults, the drivers that live in it one after the other, and the judgement.
 */
import { Cause, Effect, Exit } from "effect"
import * as DStreamGraph from "../../../core/dstream/DStreamGraph.ts"
import { isReplicated } from "../../../core/receiving/StorageLevel.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import type { Time } from "../../../core/time/Time.ts"
import type { StopReport } from "../../../runtime/driver/Engine.ts"
import { keeping, namesOf } from "../../../adapters/simulation/faults/FaultPlan.ts"
import { Faults } from "../../../adapters/simulation/faults/Faults.ts"
import { makeChecker } from "../../../adapters/simulation/invariants/Invariant.ts"
import { invariants } from "../../../adapters/simulation/invariants/mod.ts"
import { lifeOfName, type Observation } from "../../../adapters/simulation/invariants/Observation.ts"
import type { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import type { Node } from "../../../adapters/simulation/kernel/Node.ts"
import { World } from "../../../adapters/simulation/kernel/World.ts"
import type { SimulatedPlacement } from "../../../adapters/simulation/SimulatedPlacement.ts"
import { batchMillis, type Draw, draw } from "./Draw.ts"
import { Ledger } from "./Ledger.ts"
import { type End, Life } from "./Life.ts"
import { Observer } from "./Observer.ts"
import { judgeOutputs } from "./judge.ts"
import { makeProbes } from "./probes.ts"
import { Scene } from "../outside/Scene.ts"
import { batchesDefault, faultsLeast, type SimulationOptions, type SimulationResult } from "./Simulation.ts"
import { type SimulatedApp, simulatedApp } from "./simulatedApp.ts"
import type { Source } from "../outside/Source.ts"
import { victimsOf } from "./victims.ts"

/** Virtual time after which a run that has not ended is stuck. */
const runMillisMax = 20 * 60_000

/** The programs' windows over states, and states over states, ask for nothing that lies further back. */
const snapshotsMax = 10

/** After so long, pauses and delays among it, all executors know who is there. */
const steadyMillis = 15_000

/** What struck before the faults ended may go on for so long. */
const strikingMillisMax = 8000

/** A driver that ended because of a fault is started again after this. */
const restartMillis = 700

export class Run {
  private readonly options: SimulationOptions
  private readonly drawn: Draw
  readonly world: World
  private readonly faults: Faults
  private readonly ledger = new Ledger()
  private readonly checker: ReturnType<typeof makeChecker>
  private readonly failures: Array<string> = []
  private readonly scene: Scene
  private readonly outputs: Chance
  private readonly lives: Array<Life> = []
  /** Of the program, by life. */
  private readonly versions: Array<number> = [0]
  private readonly observers: Array<Observer> = []
  private readonly completed = new Set<Time>()
  private checkpointed = 0
  private readonly modelNode: Node
  private readonly model: SimulatedApp
  private report: StopReport | undefined
  /** Storage had lost or changed what was durable, and that was told: by the end of a driver, or by a report. */
  private detected = false
  /** How often the program was changed. */
  changes = 0
  private readonly probe = makeProbes()
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
    this.faults = new Faults(this.world, keeping(options.faults ?? this.drawn.faults, options.only))
    this.outputs = this.world.chance.split("outputs")
    this.scene = new Scene({
      world: this.world,
      faults: this.faults,
      drawn: this.drawn,
      crashAt: options.crashAt,
      observe: (node, observation) => this.observe(this.lifeOf(node).number, observation),
      crash: (node) => this.crashNode(node),
      endDriverOf: (node) => {
        if (this.lifeOf(node) === this.current) this.crashDriver(this.faults.chanceOf("sinkHangs"))
      },
      attemptAt: (stream, node) => Math.max(...this.observers.map((observer) => observer.attemptAt(stream, node.name)))
    })
    this.world.log.observe((event) => this.observers.forEach((observer) => observer.event(event)))
    // The model follows the program as a node loads it that no fault can strike.
    this.modelNode = this.world.node("model")
    this.model = this.load(this.modelNode, "model", 1, 0)
    const { concurrentJobs, missedTicks } = this.drawn.settings
    const { nodes, rememberMillis } = DStreamGraph.make(this.model)
    const states = nodes.flatMap(({ checkpointMillis, id }) => checkpointMillis === undefined ? [] : [id])
    this.checker = makeChecker(invariants, {
      batchMillis,
      concurrentJobs,
      missedTicks,
      states,
      snapshotsMax,
      rememberMillis,
      recovers: this.recovers,
      damaged: this.faults.plan.storage.rates.flippedBit > 0,
      changes: options.program.changes === true
    })
  }

  /** Runs the world until the last driver's program has ended and the executors with it. */
  async drive(): Promise<void> {
    const { world, faults } = this
    faults.schedule(victimsOf(this), { fromMillis: 500, millis: (this.batches - 3) * batchMillis, batchMillis })
    this.startLife()
    const timeLimitMillis = world.now + runMillisMax
    const isOver = () =>
      this.report !== undefined || this.detected || this.failures.length > 0 || this.checker.violations.length > 0
    const outcome = await world.settle({ until: isOver, timeLimitMillis })
    if (outcome.kind !== "Done") this.failures.push(outcome.report)
    for (const { at, invariant, message } of this.checker.violations) {
      this.failures.push(`at ${at - world.startMillis} ms: ${invariant}: ${message}`)
    }
    if (this.report === undefined || this.failures.length > 0 || this.detected) return
    this.judgeStop(this.report)
    const alive = () => this.lives.flatMap(({ placement }) => placement.nodes)
    const ended = await world.settle({ until: () => alive().length === 0, timeLimitMillis: world.now + 20_000 })
    if (ended.kind !== "Done") this.failures.push(`executors outlive their driver: ${ended.report}`)
    this.judgeOutputs()
  }

  fail(failure: string): void {
    this.failures.push(failure)
  }

  result(): SimulationResult {
    const { options: { program, seed }, world, faults, ledger, failures } = this
    const struck = Object.values(faults.counts).reduce((a, b) => a + b, 0)
    const drawn = this.options.faults === undefined && this.options.only === undefined
    if (drawn && !this.detected && struck < faultsLeast && failures.length === 0) {
      failures.push(`only ${struck} faults struck; a seed has at least ${faultsLeast}`)
    }
    return {
      program: program.name,
      seed,
      hash: world.log.digest(),
      failures,
      faults: faults.counts,
      drawnFaults: namesOf(faults.plan),
      portCalls: this.scene.calls,
      batches: ledger.plans.size,
      lives: this.lives.length,
      detected: this.detected,
      ...this.losses,
      steps: world.steps,
      events: world.log.count
    }
  }

  private get batches(): number {
    return this.options.batches ?? batchesDefault
  }

  private get recovers(): boolean {
    return this.options.program.recovers === true
  }

  private isReplicated(source: number): boolean {
    const { level, survives } = this.drawn.sources[source]!
    return this.recovers ? survives === "hot" : isReplicated(level)
  }

  /** Of the programs that ran. */
  private graphs(): ReadonlyArray<DStreamGraph.DStreamGraph> {
    return Array.from(
      { length: this.changes + 1 },
      (_, version) => DStreamGraph.make(version === 0 ? this.model : this.load(this.modelNode, "model", 1, version))
    )
  }

  get sources(): ReadonlyArray<Source> {
    return this.scene.sources
  }

  get current(): Life {
    return this.lives.at(-1)!
  }

  /** Starts a driver, beside the last one if that lives. */
  startLife(): void {
    this.lives.at(-1)?.replace()
    const number = this.lives.length + 1
    this.ledger.lives = number
    this.versions[number - 1] = this.changes
    const life: Life = new Life({
      number,
      world: this.world,
      network: this.scene.network,
      faults: this.faults,
      executors: this.drawn.executors,
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
    if (this.scene.tells(cause)) {
      this.detected = true
      return
    }
    if (!this.recovers || !cause.includes("(a simulated fault)")) {
      return void this.failures.push(`the context ended: ${cause}`)
    }
    // As whoever watches over a driver would.
    for (const { node } of life.placement.alive) this.died(node)
    this.world.after(restartMillis, undefined, () => this.startLife())
  }

  private listen(life: number, event: StreamingEvent): void {
    if (this.lives[life - 1]!.state === "current") {
      if (event.kind === "BatchCompleted") this.completed.add(event.batch.time)
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
      while (this.completed.size < this.batches) yield* Effect.sleep(250)
      this.scene.calm()
      const began = this.world.now
      const late = Math.max(0, (this.clockOf(life) - this.lastCompleted) / batchMillis)
      const millisMax = strikingMillisMax + 3 * (3 * batchMillis + late * (200 + 2 * this.drawn.outputMillisMax))
      while (!this.isUpToDate(life)) {
        if (this.world.now > began + millisMax) {
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

  /** No backlog, and a checkpoint that says so. */
  private isUpToDate(life: Life): boolean {
    const newest = this.clockOf(life) - 2 * batchMillis
    return this.lastCompleted >= newest && (!this.recovers || this.checkpointed >= newest)
  }

  private clockOf({ driver }: Life): number {
    return driver.clock.currentTimeMillisUnsafe()
  }

  private get lastCompleted(): number {
    return Math.max(this.world.startMillis, ...this.completed)
  }

  private load(node: Node, place: "driver" | "executor" | "model", life: number, version: number): SimulatedApp {
    const { drawn, faults, ledger, options, outputs, scene } = this
    return simulatedApp(
      {
        program: options.program,
        drawn,
        sources: scene.sources,
        files: scene.files,
        target: scene.target,
        faults,
        version,
        outputs,
        deliver: (delivery) => {
          const full = { ...delivery, life, replaced: this.lives[life - 1]!.replaced }
          ledger.deliveries.push(full)
          options.deliver?.(full)
        }
      },
      node,
      place !== "executor" ? undefined : {
        executor: node.name,
        observe: (observation) => this.observe(life, observation),
        nextStore: () => ++this.stores
      }
    )
  }

  /** A driver is started again, an executor replaced. */
  private crashNode(node: Node): void {
    const life = this.lifeOf(node)
    if (node === this.current.driver) this.crashDriver(this.faults.chanceOf("crashAtCall"))
    else if (node === life.driver) life.crash("at a call", 0.5)
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
      isReplicated: (stream) => this.scene.sources.some(({ name }, i) => name === stream && this.isReplicated(i)),
      steady: () => life.placement.aliveSince(this.world.now - steadyMillis),
      later: (look) => void this.world.after(steadyMillis, undefined, look),
      stateWork: (phase, executor) => this.faults.reached(phase, this.world.nodeNamed(executor)),
      snapshotCompleted: (operator, time) => this.scene.snapshots.completed(operator, time),
      taskArrived: (executor) => this.faults.taskBegins(this.world.nodeNamed(executor)),
      told: (executor, forgotten) =>
        this.probe(this.world.nodeNamed(executor), life.placement, forgotten, (it) => this.observe(life.number, it))
    })
  }

  /** It is started again a while later. */
  crashDriver(chance: Chance): boolean {
    const life = this.current
    if (life.state !== "current") return false
    for (const { node } of life.placement.alive) this.died(node)
    life.crash("a fault", chance.pick([0, 0.5, 1]))
    this.world.after(chance.pick([10, 300, 1500, 5000]), undefined, () => this.startLife())
    return true
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
    for (const one of this.options.mutate?.(observed) ?? [observed]) this.checker.observe(one)
  }

  private judgeStop(report: StopReport): void {
    this.observe(this.current.number, { kind: "Drained" })
    const { graceful, openBatches, unallocatedBlocks } = report
    if (!graceful || openBatches.length > 0 || unallocatedBlocks) {
      this.failures.push(`the graceful stop left something: ${JSON.stringify(report)}`)
    }
    for (const { invariant, message } of this.checker.violations) {
      this.failures.push(`at the end: ${invariant}: ${message}`)
    }
  }

  private judgeOutputs(): void {
    const { mistakes, lostLines, partialBatches } = judgeOutputs({
      ledger: this.ledger,
      graphs: this.graphs(),
      drawn: this.drawn,
      recovers: this.recovers,
      sources: this.scene.sources,
      files: this.scene.files,
      target: this.scene.target,
      batches: this.batches
    })
    this.losses = { lostLines, partialBatches }
    this.failures.push(...mistakes)
  }
}
