/**
 * StreamingContext: the life of a running app.
 *
 * | state | call | becomes | effect |
 * | --- | --- | --- | --- |
 * | Initialized | start | Active | starts executors, receivers, batches; failing, Stopped |
 * | Initialized | stop | Stopped | - |
 * | Active | start | Active | waits until it has started |
 * | Active | stop, the failure of a batch, the last batch wanted | Stopped | stops in order; whoever awaits termination is told |
 * | Stopped | stop | Stopped | - |
 * | Stopped | start | Stopped | `IllegalState` |
 *
 * A context belongs to a scope; when that closes, what still runs is stopped at once. Source: Spark's `StreamingContext`.
 */
import { Cause, Deferred, Effect, Exit, Fiber, Option, Schema, Scope } from "effect"
import type { JobFailed } from "../../core/dstream/Batch.ts"
import type { DStream } from "../../core/dstream/DStream.ts"
import type { SettingsInput } from "../../core/settings/Settings.ts"
import type { StreamingApp } from "../../core/dstream/StreamingApp.ts"
import type { Border } from "../../core/protocol/RecordCodec.ts"
import type { StreamingEvent, StreamingListener } from "../../core/scheduling/StreamingListener.ts"
import type { StreamId } from "../../core/protocol/Ids.ts"
import { type DurationInput, millisOf, type Time } from "../../core/time/Time.ts"
import type { Placement } from "../placement/Placement.ts"
import { awaitEnd } from "../placement/ExecutorSlots.ts"
import * as Engine from "./Engine.ts"
import { SliceError } from "./BatchSlice.ts"
import * as ListenerBus from "./ListenerBus.ts"

/** A call that the state of the context does not allow. */
export class IllegalState extends Schema.TaggedError<IllegalState>()("IllegalState", { message: Schema.String }) {}

export type State = "Initialized" | "Active" | "Stopped"

/** What ends a context before it was told to. */
export type Failure<E> = E | Engine.EngineError | IllegalState

export interface StreamingContext<out E> {
  readonly state: () => State
  readonly start: Effect.Effect<void, Failure<E>>
  /** Returns when the context has stopped; fails with what ended it. */
  readonly awaitTermination: Effect.Effect<void, Failure<E>>
  /** Whether the context stopped within the time. */
  readonly awaitTerminationOrTimeout: (duration: DurationInput) => Effect.Effect<boolean, Failure<E>>
  /** Gracefully: nothing that was stored is lost; at once (default) otherwise. Says what was left. */
  /**
   * At once: running jobs are interrupted. An output that stops its own context gracefully waits for itself, up to the deadline: stop
   * at once there, or from a fiber of its own.
   */
  readonly stop: (options?: { readonly graceful?: boolean | undefined }) => Effect.Effect<Engine.StopReport>
  /** The records of a stream over batch times from `from` to `to` (milliseconds, both included) that are remembered. */
  readonly slice: <A>(
    stream: DStream<A, any, any> | StreamId,
    from: Time,
    to: Time
  ) => Effect.Effect<ReadonlyArray<A>, SliceError | JobFailed>
  /** Besides those given at the start; in any state. */
  readonly addListener: ListenerBus.ListenerBus["addListener"]
}

export interface RunOptions {
  /** Stronger than the app's own. */
  readonly settings?: SettingsInput | undefined
  readonly listeners?: ReadonlyArray<StreamingListener> | undefined
  /** Told each event at once, in the engine's own stack: for measuring and for tests. One that throws ends the context. */
  readonly observers?: ReadonlyArray<(event: StreamingEvent) => void> | undefined
  /** Ends, well, after so many batches with jobs. */
  readonly batches?: number | undefined
  /** Digest of the program's code; executors that loaded other code are refused. */
  readonly codeFingerprint?: string | undefined
  /** URL of the program's module, for checkpoints. */
  readonly program?: string | undefined
  /** Where executors run, such as `local[2]`, for checkpoints. */
  readonly master?: string | undefined
  /** Options of the command line, from which the program's Config is answered in executors too. */
  readonly config?: Readonly<Record<string, string>> | undefined
}

const nothingLeft: Engine.StopReport = {
  graceful: true,
  openBatches: [],
  unallocatedBlocks: false,
  activeReceivers: []
}

/** How long a stop waits for what it has interrupted. */
const closeMillis = 10_000

/** A context of the app, not yet started. */
export const make = <E>(
  app: StreamingApp<E, never>,
  options: RunOptions = {}
): Effect.Effect<StreamingContext<E>, never, Placement | Border | Scope.Scope> =>
  Effect.gen(function* () {
    const services = yield* Effect.context<Placement | Border>()
    const scope = yield* Scope.make()
    const stopping = yield* Deferred.make<void>()
    const booted = yield* Deferred.make<void>()
    const over = yield* Deferred.make<void>()
    const terminated = yield* Deferred.make<void, Failure<E>>()
    let state: State = "Initialized"
    let engine: Engine.Engine | undefined
    let failure: Exit.Exit<never, Failure<E>> | undefined
    let report = nothingLeft
    let closing = false
    const outcome = Effect.suspend((): Exit.Exit<void, Failure<E>> => failure ?? Exit.void)

    /** Whoever comes first closes; a stop at once cuts a graceful one short, and any stop a start. */
    const end = Effect.fnUntraced(function* (graceful: boolean) {
      if (state === "Stopped") return report
      Deferred.doneUnsafe(stopping, Exit.void)
      if (state === "Active") yield* Deferred.await(booted)
      const left = engine === undefined ? nothingLeft : yield* engine.stop(graceful)
      if (!closing) {
        closing = true
        report = left
        const closed = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
        if (!(yield* awaitEnd(Fiber.await(closed), closeMillis))) {
          yield* Effect.logWarning(
            `"${app.name}" has stopped, but something of it cannot be interrupted and is left behind`
          )
        }
        state = "Stopped"
        yield* Deferred.into(outcome, terminated)
      }
      yield* Effect.exit(Deferred.await(terminated))
      return report
    }, Effect.uninterruptible)

    yield* Effect.addFinalizer(() => end(false))
    yield* Effect.forkScoped(Effect.andThen(Deferred.await(over), end(false)))
    /** The first failure is how the context ended, also one that a stop brings to light. */
    const fail = (cause: Cause.Cause<unknown>) => {
      if (!closing) failure ??= Exit.failCause(cause as Cause.Cause<Failure<E>>)
      Deferred.doneUnsafe(over, Exit.void)
    }

    const bus = yield* Scope.provide(ListenerBus.make(fail), scope)
    for (const observer of options.observers ?? []) bus.addEngineListener(observer)
    for (const listener of options.listeners ?? []) yield* bus.addListener(listener)
    const hooks = { bus, fail, completed: () => void Deferred.doneUnsafe(over, Exit.void) }
    const boot = Engine.make(app, options, hooks).pipe(
      Scope.provide(scope),
      Effect.provideContext(services),
      Effect.map((made) => void (engine = made)),
      Effect.raceFirst(Deferred.await(stopping)),
      Effect.onExit((exit) => {
        if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) fail(exit.cause)
        Deferred.doneUnsafe(booted, Exit.void)
        return Exit.isSuccess(exit) ? Effect.void : Effect.asVoid(end(false))
      }),
      Effect.exit
    )
    const start: StreamingContext<E>["start"] = Effect.suspend(() => {
      if (state === "Stopped") {
        const message = `the context of "${app.name}" has been stopped and cannot start again: make a new one`
        return Effect.fail(new IllegalState({ message }))
      }
      if (state === "Active") return Effect.andThen(Deferred.await(booted), outcome)
      state = "Active"
      return Effect.andThen(boot, outcome)
    })

    return {
      state: () => state,
      start,
      awaitTermination: Deferred.await(terminated),
      awaitTerminationOrTimeout: (duration) =>
        Effect.map(Effect.timeoutOption(Deferred.await(terminated), millisOf(duration)), Option.isSome),
      // In a fiber of its own: whoever stops may be an output or a listener, which the stop itself has to end.
      stop: ({ graceful = false } = {}) => Effect.flatMap(Effect.forkDetach(end(graceful)), Fiber.join),
      slice: <A>(stream: DStream<A, any, any> | StreamId, from: Time, to: Time) =>
        Effect.suspend((): Effect.Effect<ReadonlyArray<A>, SliceError | JobFailed> => {
          if (engine !== undefined && state === "Active") {
            return engine.slice(stream, from, to) as Effect.Effect<ReadonlyArray<A>, SliceError | JobFailed>
          }
          const message =
            `"${app.name}" is ${state.toLowerCase()} and has no batches to slice: it has not been started, or is over`
          return Effect.fail(new SliceError({ message }))
        }),
      addListener: bus.addListener
    }
  })

/** A context that is Active. */
export const start = <E>(app: StreamingApp<E, never>, options?: RunOptions) =>
  Effect.tap(make(app, options), (context) => context.start)

/** Runs the app until it ends, fails, or is interrupted; interruption stops it at once. */
export const run = <E>(
  app: StreamingApp<E, never>,
  options?: RunOptions
): Effect.Effect<void, Failure<E>, Placement | Border> =>
  Effect.scoped(Effect.flatMap(start(app, options), (context) => context.awaitTermination))
