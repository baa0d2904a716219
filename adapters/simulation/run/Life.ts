/**
 * Life: one driver of a run, from its start to its end, and the executors that it has.
 *
 * | state | what ends it | then |
 * | --- | --- | --- |
 * | current | `crash`: its node dies, and each executor's with it or a while later | dead |
 * | current | `replace`: another driver has taken over, and this one does not know | replaced |
 * | current | its program ends, well or not | ended |
 * | replaced | `crash`, or its program ends | dead |
 *
 * A driver that is started beside another takes over when the next epoch of the checkpoint place is its own; until then both are
 * current. What a replaced driver does, and executors whose driver is dead, counts for nothing in the end, but it goes on in the same
 * world, on the same storage.
 */
import { Effect, Exit } from "effect"
import { messagePack } from "../../codec/MessagePack.ts"
import { Border } from "../../../core/protocol/RecordCodec.ts"
import type { StopReport } from "../../../runtime/driver/Engine.ts"
import * as StreamingContext from "../../../runtime/driver/StreamingContext.ts"
import type { StreamingEvent } from "../../../core/scheduling/StreamingListener.ts"
import { runExecutor } from "../../../runtime/executor/bootstrap.ts"
import { Placement } from "../../../runtime/placement/Placement.ts"
import type { SnapshotSpace } from "../../../runtime/storage/snapshots/SnapshotSpace.ts"
import { SpillSpace } from "../../../runtime/storage/SpillSpace.ts"
import type { Faults } from "../faults/Faults.ts"
import type { Chance } from "../kernel/Chance.ts"
import type { Network } from "../kernel/Network.ts"
import type { Node, Root } from "../kernel/Node.ts"
import type { World } from "../kernel/World.ts"
import { SimulatedPlacement } from "../SimulatedPlacement.ts"
import { slowDisk } from "../outside/disks.ts"
import type { SimulatedApp } from "./Subject.ts"

export interface LifeOptions {
  /** From 1. */
  readonly number: number
  readonly world: World
  readonly network: Network
  readonly faults: Faults
  readonly executors: number
  /** The program as a process loads it: on the driver's node, or on an executor's. */
  readonly load: (node: Node, place: "driver" | "executor") => SimulatedApp
  /** What besides the placement a node is given. */
  readonly provide: <A, E, R>(
    node: Node,
    program: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, Exclude<R, SnapshotSpace>>
  readonly listener: (event: StreamingEvent) => void
  /** What the driver does while its context runs; then it stops gracefully. */
  readonly work: (life: Life) => Effect.Effect<void>
}

/** How long an executor may outlive its driver. */
const orphanMillisMax = 4000

/** The end of a driver's program. */
export type End = Exit.Exit<StopReport, unknown>

export class Life {
  readonly number: number
  readonly driver: Node
  readonly placement: SimulatedPlacement
  readonly app: SimulatedApp
  state: "current" | "replaced" | "ended" | "dead" = "current"
  /** Another driver has taken its place, whatever became of it since. */
  replaced = false
  /** Whether its context has started. */
  running = false
  private readonly options: LifeOptions
  private readonly chance: Chance
  private root: Root<StopReport, unknown> | undefined

  constructor(options: LifeOptions) {
    const { faults, load, number, world } = options
    this.options = options
    this.number = number
    this.chance = world.chance.split(`life ${number}`)
    this.driver = world.node(named("driver", number), { bendSleep: faults.bendSleep, clockDriftPpm: faults.driftPpm() })
    this.placement = this.makePlacement()
    this.app = load(this.driver, "driver")
  }

  start(ended: (end: End) => void): void {
    this.root = this.driver.run("driver", this.program(), (end) => {
      this.state = this.state === "current" ? "ended" : "dead"
      ended(end)
    })
  }

  get end(): End | undefined {
    return this.root?.exit
  }

  /** The node of one of its executors, as messages name it. */
  readonly nodeName = (executor: string): string => named(executor, this.number)

  /** Another driver takes its place. */
  replace(): void {
    if (this.state !== "current") return
    this.state = "replaced"
    this.replaced = true
  }

  /** Executors die with their driver, or go on for a while: `outlive` says how likely. */
  crash(reason: string, outlive: number): void {
    this.state = "dead"
    this.driver.kill(reason)
    for (const node of this.placement.nodes) {
      if (!this.chance.coin(outlive)) this.placement.crash(node, reason)
      else {
        this.options.world.after(this.chance.between(1, orphanMillisMax), undefined, () => {
          this.placement.crash(node, "its driver is gone")
        })
      }
    }
  }

  private program(): Effect.Effect<StopReport, unknown> {
    const { listener, provide, work } = this.options
    const driver = Effect.gen({ self: this }, function* () {
      const context = yield* StreamingContext.make(this.app, { observers: [listener] })
      yield* context.start
      this.running = true
      yield* Effect.raceFirst(context.awaitTermination, work(this))
      const report = yield* context.stop({ graceful: true })
      yield* context.awaitTermination
      return report
    }).pipe(
      Effect.scoped,
      Effect.provideService(Placement, this.placement.service),
      Effect.provideService(Border, Border.coded(messagePack))
    )
    return provide(this.driver, driver)
  }

  private makePlacement(): SimulatedPlacement {
    const { executors, faults, load, network, provide, world } = this.options
    const start = world.chance.split(`starts of executors ${this.number}`)
    return new SimulatedPlacement({
      world,
      network,
      driver: this.driver,
      executors,
      nodeName: this.nodeName,
      startMillis: () => start.between(1, 300),
      noticeMillis: () => start.between(0, 500),
      nodeOptions: () => ({
        clockOffsetMillis: start.between(-50, 50),
        clockDriftPpm: faults.driftPpm(),
        bendSleep: faults.bendSleep
      }),
      runExecutor: (node) => ({ handshake, link }) => {
        const executor = runExecutor({ app: load(node, "executor"), handshake, link }).pipe(
          Effect.provideService(Border, Border.coded(messagePack)),
          Effect.provideService(SpillSpace, {
            storage: slowDisk(world.chance.split(`disk ${node.name}`)),
            codec: messagePack
          })
        )
        return provide(node, executor)
      }
    })
  }
}

const named = (name: string, life: number): string => life === 1 ? name : `${name}.${life}`
