/**
 * Scene: all that is outside the drivers and executors of a run: network, stable storage, sources, files, the target of sinks; and what
 * a node is given of it. It outlives every life.
 */
import { Effect } from "effect"
import { messagePack } from "../../../adapters/codec/MessagePack.ts"
import { SnapshotSpace } from "../../../runtime/storage/SnapshotSpace.ts"
import { ofBlocks, type SnapshotStorage } from "../../../runtime/storage/snapshotStorage.ts"
import { StoragePlaces } from "../../../runtime/storage/StableStorage.ts"
import { ofFate, ofStorage } from "../../../adapters/simulation/faults/FaultPlan.ts"
import type { CallMoment, Faults } from "../../../adapters/simulation/faults/Faults.ts"
import type { Observation } from "../../../adapters/simulation/invariants/Observation.ts"
import { Network } from "../../../adapters/simulation/kernel/Network.ts"
import type { Node } from "../../../adapters/simulation/kernel/Node.ts"
import type { World } from "../../../adapters/simulation/kernel/World.ts"
import { FaultyStorage } from "../../../adapters/simulation/storage/FaultyStorage.ts"
import { type StorageFaultKind, storageFaultKinds } from "../../../adapters/simulation/storage/StorageFaults.ts"
import { slowDisk, SnapshotFaults } from "../../../adapters/simulation/outside/disks.ts"
import type { Draw } from "../run/Draw.ts"
import { FileServer } from "./FileServer.ts"
import { observedPlace } from "../../../adapters/simulation/outside/observedPlace.ts"
import { Source } from "./Source.ts"
import { Target } from "./Target.ts"

export interface SceneOptions {
  readonly world: World
  readonly faults: Faults
  readonly drawn: Draw
  /** Who makes this call of a port, by number, dies of it. */
  readonly crashAt: { readonly call: number; readonly moment: CallMoment } | undefined
  readonly observe: (node: Node, observation: Observation) => void
  readonly crash: (node: Node) => void
  /** The newest driver is ended by hand, if it is the one of this node. */
  readonly endDriverOf: (node: Node) => void
  /** The attempt of a stream's receiver that a node runs. */
  readonly attemptAt: (stream: string, node: Node) => number
}

export class Scene {
  readonly network: Network
  readonly storage: FaultyStorage
  readonly snapshots: SnapshotFaults
  readonly files: FileServer
  readonly target: Target
  readonly sources: ReadonlyArray<Source>
  /** Calls of storage and sinks so far. */
  calls = 0
  private readonly options: SceneOptions
  /** Where snapshots are that need not outlive the driver. */
  private readonly disk: SnapshotStorage

  constructor(options: SceneOptions) {
    const { attemptAt, drawn, faults, observe, world } = options
    this.options = options
    this.network = new Network(world, messagePack, faults.network)
    this.files = new FileServer(world, faults)
    this.target = this.makeTarget()
    this.storage = this.makeStorage()
    this.disk = ofBlocks(slowDisk(world.chance.split("snapshots")))
    this.snapshots = new SnapshotFaults({ faults, observe })
    world.log.observe(({ kind, node }) => {
      if (kind === "NodeKilled") this.storage.crash(node)
    })
    this.sources = drawn.sources.map((source, i) => {
      const name = `lines${i}`
      return new Source({ ...source, world, name, faults, attemptAt: (node) => attemptAt(name, node) })
    })
  }

  /** Nothing strikes any more. */
  calm(): void {
    this.options.faults.end()
    this.storage.end()
    this.files.close()
  }

  /** Whether a text names a file that lost what was durable, or was changed: then its loss is not silent. */
  tells(text: string): boolean {
    return this.storage.damage.some(({ name }) => text.includes(name))
  }

  /** What a node's program is given. */
  provide<A, E, R>(node: Node, program: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, SnapshotSpace>> {
    const disk = this.snapshots.around(node, this.disk)
    const observe = (observation: Observation) => this.options.observe(node, observation)
    const stable = this.snapshots.around(node, observedPlace(this.storage.client(node.name), observe))
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

  private makeTarget(): Target {
    const { crash, endDriverOf, faults, observe, world } = this.options
    return new Target({
      chance: world.chance.split("target"),
      faults,
      called: () => this.called(),
      dies: crash,
      hangs: (node) => {
        const millis = faults.chanceOf("sinkHangs").between(2000, 8000)
        world.after(millis, undefined, () => endDriverOf(node))
      },
      committed: (commit, before, node) => observe(node, { kind: "Committed", ...commit, before })
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
