/**
 * Scene: what is outside the drivers and executors of any run: network, stable storage, what befalls the calls of sinks; and what a
 * node is given of it. It outlives every life.
 */
import { Effect } from "effect"
import { messagePack } from "../../codec/MessagePack.ts"
import { SnapshotSpace } from "../../../runtime/storage/snapshots/SnapshotSpace.ts"
import { ofBlocks, type SnapshotStorage } from "../../../runtime/storage/snapshots/snapshotStorage.ts"
import { StoragePlaces } from "../../../runtime/storage/StableStorage.ts"
import { ofFate, ofStorage } from "../faults/FaultPlan.ts"
import type { CallMoment, Faults } from "../faults/Faults.ts"
import type { Observation } from "../invariants/Observation.ts"
import { Network } from "../kernel/Network.ts"
import type { Node } from "../kernel/Node.ts"
import type { World } from "../kernel/World.ts"
import { FaultyStorage } from "../storage/FaultyStorage.ts"
import { type StorageFaultKind, storageFaultKinds } from "../storage/StorageFaults.ts"
import { slowDisk, SnapshotFaults } from "./disks.ts"
import { observedPlace } from "./observedPlace.ts"
import { SinkCalls } from "./SinkCalls.ts"

export interface SceneOptions {
  readonly world: World
  readonly faults: Faults
  /** Who makes this call of a port, by number, dies of it. */
  readonly crashAt: { readonly call: number; readonly moment: CallMoment } | undefined
  readonly observe: (node: Node, observation: Observation) => void
  /** A driver has taken the place of those before it. */
  readonly tookOver: (node: Node) => void
  readonly crash: (node: Node) => void
  /** The newest driver is ended by hand, if it is the one of this node. */
  readonly endDriverOf: (node: Node) => void
}

export class Scene {
  readonly network: Network
  readonly storage: FaultyStorage
  readonly snapshots: SnapshotFaults
  readonly sinkCalls: SinkCalls
  /** Calls of storage and sinks so far. */
  calls = 0
  private readonly options: SceneOptions
  /** Where snapshots are that need not outlive the driver. */
  private readonly disk: SnapshotStorage

  constructor(options: SceneOptions) {
    const { faults, observe, world } = options
    this.options = options
    this.network = new Network(world, messagePack, faults.network)
    this.sinkCalls = this.makeSinkCalls()
    this.storage = this.makeStorage()
    this.disk = ofBlocks(slowDisk(world.chance.split("snapshots")))
    this.snapshots = new SnapshotFaults({ faults, observe })
    world.log.observe(({ kind, node }) => {
      if (kind === "NodeKilled") this.storage.crash(node)
    })
  }

  /** Nothing strikes any more. */
  calm(): void {
    this.options.faults.end()
    this.storage.end()
  }

  /** Whether a text names a file that lost what was durable, or was changed: then its loss is not silent. */
  tells(text: string): boolean {
    return this.storage.damage.some(({ name }) => text.includes(name))
  }

  /** A disk that lied has cut off the very end of a driver's log: nothing that is left shows it, and what it costs is nobody's mistake. */
  get lostUnseen(): boolean {
    return this.storage.cutOff.some((name) => /^epochs\/\d+\/log\//.test(name))
  }

  /** What a node's program is given. */
  provide<A, E, R>(node: Node, program: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, SnapshotSpace>> {
    const disk = this.snapshots.around(node, this.disk)
    const observe = (observation: Observation) => this.options.observe(node, observation)
    const stable = this.snapshots.around(
      node,
      observedPlace(this.storage.client(node.name), observe, () => this.options.tookOver(node))
    )
    return program.pipe(
      Effect.provideService(SnapshotSpace, { storage: disk, codec: messagePack }),
      Effect.provideService(StoragePlaces, { open: () => Effect.succeed(stable), codec: messagePack })
    )
  }

  private makeStorage(): FaultyStorage {
    const { crash, faults, world } = this.options
    const isOfStorage = (kind: string): kind is StorageFaultKind =>
      (storageFaultKinds as ReadonlyArray<string>).includes(kind)
    return new FaultyStorage({
      chance: world.chance,
      plan: faults.plan.storage,
      struck: (kind) => faults.struck(isOfStorage(kind) ? ofStorage(kind) : ofFate(kind)),
      interfere: ({ client }) => {
        const node = world.nodeNamed(client)
        const moment = this.called()
        return moment && { moment, act: () => crash(node) }
      }
    })
  }

  private makeSinkCalls(): SinkCalls {
    const { crash, endDriverOf, faults, world } = this.options
    return new SinkCalls({
      world,
      chance: world.chance.split("target"),
      faults,
      called: () => this.called(),
      dies: crash,
      hangs: (node) => {
        const millis = faults.chanceOf("sinkHangs").between(2000, 8000)
        world.after(millis, undefined, () => endDriverOf(node))
      }
    })
  }

  /** A call of storage or of a sink: how far it gets before the node dies that makes it, if it does. */
  private called(): CallMoment | undefined {
    const { crashAt, faults } = this.options
    if (this.calls++ === crashAt?.call) return crashAt.moment
    const moment = faults.interruptsCall()
    if (moment !== undefined) faults.struck("crashAtCall")
    return moment
  }
}
