/**
 * A whole engine in this process for tests: placement `local`, so many executors, the real runtime on whatever clock the test has.
 */
import { Deferred, type Duration, Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import type { StreamingApp } from "../../core/dstream/StreamingApp.ts"
import { Border } from "../../core/protocol/RecordCodec.ts"
import type { ToExecutor } from "../../core/protocol/ExecutorProtocol.ts"
import type { StopReport } from "../../runtime/driver/Engine.ts"
import * as StreamingContext from "../../runtime/driver/StreamingContext.ts"
import type { ExecutorLink } from "../../runtime/executor/ExecutorLink.ts"
import { runExecutor } from "../../runtime/executor/bootstrap.ts"
import * as LocalPlacement from "../../runtime/placement/LocalPlacement.ts"
import { Placement } from "../../runtime/placement/Placement.ts"
import * as BlockStorage from "../../runtime/storage/BlockStorage.ts"
import { SnapshotSpace } from "../../runtime/storage/snapshots/SnapshotSpace.ts"
import { ofBlocks } from "../../runtime/storage/snapshots/snapshotStorage.ts"
import { SpillSpace } from "../../runtime/storage/SpillSpace.ts"

export interface LocalOptions extends StreamingContext.RunOptions {
  readonly executors?: number
  /** Records cross executors' borders as bytes. */
  readonly coded?: boolean
  /** What executors run instead of the driver's app. */
  readonly executorApp?: StreamingApp<any, any>
  readonly kill?: Killer
  /** Where snapshots of states lie; a memory of their own, unless given. */
  readonly snapshots?: SnapshotSpace["Service"]
  /** Each message that an executor hears from the driver. */
  readonly heard?: (message: ToExecutor, executor: string) => void
}

/** Ends executors as a crash would. */
export class Killer {
  private readonly wounds = new Map<string, Deferred.Deferred<never, Error>>()
  /** For placements: dies when `now` is called. */
  readonly mortal = (executor: string): Effect.Effect<never, Error> => {
    const wound = Deferred.makeUnsafe<never, Error>()
    this.wounds.set(executor, wound)
    return Deferred.await(wound)
  }
  readonly now = (executor: string): void => {
    Deferred.doneUnsafe(this.wounds.get(executor)!, Exit.fail(new Error("killed")))
    this.wounds.delete(executor)
  }
  readonly alive = (): ReadonlyArray<string> => [...this.wounds.keys()]
}

const overheard = (link: ExecutorLink, heard: LocalOptions["heard"]): ExecutorLink => ({
  ...link,
  onMessage: (handle) =>
    link.onMessage((incoming) => {
      if (incoming.kind === "FromDriver") heard?.(incoming.message, link.executor)
      handle(incoming)
    })
})

export const snapshotMemory = (): SnapshotSpace["Service"] =>
  SnapshotSpace.of({ storage: ofBlocks(BlockStorage.memory()), codec: messagePack })

export const layerOf = (
  app: StreamingApp<any, any>,
  { executors = 1, coded = false, executorApp = app, kill = new Killer(), snapshots = snapshotMemory(), heard }:
    LocalOptions
) => {
  const border = coded ? Border.coded(messagePack) : Border.local
  const executor: LocalPlacement.RunExecutor = (started) =>
    runExecutor({ app: executorApp, ...started, link: overheard(started.link, heard) }).pipe(
      Effect.raceFirst(kill.mortal(started.link.executor)),
      Effect.provideService(Border, border),
      Effect.provideService(SpillSpace, { storage: BlockStorage.memory(), codec: messagePack }),
      Effect.provideService(SnapshotSpace, snapshots)
    )
  return Layer.mergeAll(
    Layer.succeed(Placement, Placement.of(LocalPlacement.make({ runExecutor: executor, executors }))),
    Layer.succeed(Border, border)
  )
}

/** A context that is Active, and whose receivers are at work; it ends with the scope. */
export const start = <E>(
  app: StreamingApp<E, never>,
  options: LocalOptions = {}
): Effect.Effect<StreamingContext.StreamingContext<E>, StreamingContext.Failure<E>, Scope.Scope> =>
  Effect.tap(Effect.provide(StreamingContext.start(app, options), layerOf(app, options)), () => settled)

/** As `start`, not yet started. */
export const make = <E>(
  app: StreamingApp<E, never>,
  options: LocalOptions = {}
): Effect.Effect<StreamingContext.StreamingContext<E>, never, Scope.Scope> =>
  Effect.provide(StreamingContext.make(app, options), layerOf(app, options))

/** Runs in a fiber of its own until it ends, fails, or is interrupted; returns when it has begun. */
export const run = <E>(
  app: StreamingApp<E, never>,
  options: LocalOptions = {}
): Effect.Effect<Fiber.Fiber<void, StreamingContext.Failure<E>>> =>
  Effect.tap(
    Effect.forkDetach(Effect.provide(StreamingContext.run(app, options), layerOf(app, options))),
    () => settled
  )

/** Gives way until everything that can go on without time has come to rest, as far as tests need it. */
export const settled: Effect.Effect<void> = Effect.asVoid(Effect.repeat(Effect.yieldNow, { times: 200 }))

/** Stops gracefully, with the tick that direct inputs get their last batch by, on the test's clock. */
export const stopGracefully = (
  context: StreamingContext.StreamingContext<any>,
  batchDuration: Duration.Input = "1 second"
): Effect.Effect<StopReport> =>
  Effect.gen(function* () {
    const stopping = yield* Effect.forkChild(context.stop({ graceful: true }))
    yield* settled
    yield* TestClock.adjust(batchDuration)
    return yield* Fiber.join(stopping)
  })
