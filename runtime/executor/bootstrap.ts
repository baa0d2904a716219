/**
 * bootstrap: an executor from nothing but the app and the driver's handshake: the graph, the app's layer, memo, blocks, receivers.
 *
 * A graph that differs from the driver's is refused with the first difference. The scope is the executor's life.
 */
import { Deferred, Effect, Exit, type Scope } from "effect"
import { epochFolder } from "../../core/checkpoint/names.ts"
import * as DStreamGraph from "../../core/dstream/DStreamGraph.ts"
import * as GeneratedRDDs from "../../core/dstream/GeneratedRDDs.ts"
import type { AnyStreamingApp } from "../../core/dstream/StreamingApp.ts"
import type { Handshake } from "../../core/protocol/ExecutorProtocol.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import type { StateRDD } from "../../core/rdd/Stage.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import { fromSettings } from "../../core/receiving/ReceivingSettings.ts"
import { buildLayer } from "../appLayer.ts"
import * as Supervisor from "../Supervisor.ts"
import { SnapshotSpace } from "../storage/snapshots/SnapshotSpace.ts"
import { Checksum } from "../storage/Checksum.ts"
import { StableSpace } from "./blocks/StableSpace.ts"
import { SpillSpace } from "../storage/SpillSpace.ts"
import { StoragePlaces } from "../storage/StableStorage.ts"
import * as BlockManager from "./blocks/BlockManager.ts"
import * as BlockReplicator from "./blocks/BlockReplicator.ts"
import * as Executor from "./Executor.ts"
import type { ExecutorLink } from "./ExecutorLink.ts"
import * as Peers from "./Peers.ts"
import * as LoggedBlocks from "./blocks/LoggedBlocks.ts"
import * as receivedBlockHandlers from "./blocks/receivedBlockHandlers.ts"
import * as ReceiverHost from "./ReceiverHost.ts"
import * as ShuffleStore from "./shuffle/ShuffleStore.ts"
import * as StateRunner from "./state/StateRunner.ts"
import * as StateSnapshots from "./state/StateSnapshots.ts"
import * as OutputTask from "./tasks/OutputTask.ts"
import * as PartitionCache from "./tasks/PartitionCache.ts"

export interface ExecutorBootstrap {
  readonly app: AnyStreamingApp
  readonly handshake: Handshake
  readonly link: ExecutorLink
}

/** Runs until the driver says StopExecutor; fails where the app's layer does, or where a part of the executor dies. */
export const runExecutor = Effect.fnUntraced(function* (
  bootstrap: ExecutorBootstrap
): Effect.fn.Return<void, unknown, Border | SpillSpace | SnapshotSpace | Scope.Scope> {
  const { epoch, settings: { checkpointDirectory: place } } = bootstrap.handshake
  if (place === undefined) return yield* run(bootstrap)
  const { codec, open } = yield* StoragePlaces
  const storage = yield* open(place)
  const stable = { storage, epoch, checksum: yield* Checksum }
  const snapshots = SnapshotSpace.of({ storage, codec, prefix: `${epochFolder(epoch)}state`, removes: false })
  yield* run(bootstrap).pipe(
    Effect.provideService(StableSpace, stable),
    Effect.provideService(SnapshotSpace, snapshots)
  )
})

const run = Effect.fnUntraced(function* (
  { app, handshake, link }: ExecutorBootstrap
): Effect.fn.Return<void, unknown, Border | SpillSpace | SnapshotSpace | Scope.Scope> {
  const graph = DStreamGraph.make(app)
  const difference = DStreamGraph.difference(graph.manifest, handshake.manifest)
  if (difference !== undefined) return link.toDriver({ kind: "ExecutorRefused", difference })
  const { settings, epoch, line } = handshake
  const spill = yield* SpillSpace
  const stable = yield* StableSpace
  const context = yield* buildLayer(app, "executor")
  const border = yield* Border
  const blockManager = BlockManager.make({ ...spill, border, memoryLimitBytes: settings.blockMemoryBytes })
  const died = Deferred.makeUnsafe<never, unknown>()
  const fork = yield* Supervisor.make((cause) => void Deferred.doneUnsafe(died, Exit.failCause(cause)))
  const { executor, toDriver } = link
  const shuffles = ShuffleStore.make(settings.shuffleRecordsMax)
  const derivation = GeneratedRDDs.make(graph, settings)
  const snapshots = yield* StateSnapshots.make({ space: yield* SnapshotSpace, app: handshake.appName, toDriver })
  const states = StateRunner.make(executor, snapshots)
  const cache = PartitionCache.make(blockManager)
  const peers: Peers.Peers = yield* Peers.make(link, {
    shuffles,
    states: (state, partition, view) => {
      const chunks = states.read(derivation.rdd(state) as StateRDD, partition, view)
      return chunks === undefined ? undefined : Array.from(chunks).flat(1)
    },
    blocks: blockManager,
    accept: (from, what) => replicator.accept(from, what)
  })
  const { blockReplicationTimeoutMillis: copyTimeoutMillis } = settings
  const replication = { executor, peers, blocks: blockManager, border, toDriver, fork, copyTimeoutMillis }
  const replicator = BlockReplicator.make(replication)
  const inputs = (stream: StreamId) => graph.node(stream)?.stream.input
  const receivers = ReceiverHost.make({
    toDriver,
    inputs,
    handlerOf: receivedBlockHandlers.make({ executor, blockManager, replicator, codec: spill.codec, stable, settings }),
    epoch,
    settings: fromSettings(settings),
    context,
    fork
  })
  const outputs = new Map(graph.outputs.map(({ id, output }) => [id, OutputTask.ofAction(output.action)]))
  const running = Executor.run({
    link,
    derivation,
    inputs,
    ahead: graph.nodes.flatMap(({ stream: { input } }) => input?.kind === "direct" ? [input.reader] : []),
    outputs: (id) => outputs.get(id),
    shuffles,
    states,
    cache,
    forget: ({ done, snapshots: gone = [] }) => {
      for (const each of gone) snapshots.removeBefore(each)
      if (done === undefined) return
      states.forgetBefore((operator) => done - (graph.node(operator)?.viewMillis ?? 0) + 1)
      fork(cache.forgetBefore((operator) => done - (graph.node(operator)?.reuseMillis ?? 0) + 1))
    },
    peers,
    blocks: {
      get: blockManager.get,
      logged: stable && LoggedBlocks.make({ ...stable, executor, codec: spill.codec, blockManager, toDriver }),
      remove: (blocks) => {
        replicator.forget(blocks)
        fork(blockManager.remove(blocks))
      },
      peers: replicator.peers,
      peerLost: replicator.lost
    },
    receivers,
    context,
    app: graph.manifest.app,
    epoch,
    line,
    settings
  })
  yield* Effect.raceFirst(running, Deferred.await(died))
})
