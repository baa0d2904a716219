/**
 * StreamingApp: a program as a value: outputs, the batch duration, settings, and the layer that meets what the user's Effects
 * require. The layer is built once in the driver and once in each executor, and is scoped to it.
 *
 * `make` is total: it keeps what it is given, of whatever shape; `validate` gives the graph or all mistakes at once. Running,
 * simulating and `dstreams check` call it.
 */
import { Context, Effect, Layer, Predicate, type Scope } from "effect"
import { type DurationInput, millisOrNaN } from "../time/Time.ts"
import * as DStreamGraph from "./DStreamGraph.ts"
import { Lifetime } from "../output/Lifetime.ts"
import type { AnyOutput, Output } from "./Output.ts"
import type { RateEstimator } from "../rates/RateEstimator.ts"
import type { SettingsInput } from "../settings/Settings.ts"
import { appOptions, InvalidApp, mistakesOf } from "./validation.ts"

export const TypeId = "~dstreams/StreamingApp"

export interface StreamingApp<out E = never, out R = never> {
  readonly [TypeId]: { readonly _E: (_: never) => E; readonly _R: (_: never) => R }
  readonly name: string
  /** NaN if what was written is no duration. */
  readonly batchMillis: number
  /** As it was written, for messages. */
  readonly batchDuration: unknown
  readonly outputs: ReadonlyArray<AnyOutput>
  readonly layer: Layer.Layer<any, any, any>
  readonly settings: SettingsInput
  readonly rateEstimator: RateEstimator | undefined
  /** Names of what `make` was given that it does not know. */
  readonly unknownOptions: ReadonlyArray<string>
}

export type AnyStreamingApp = StreamingApp<any, any>

type ErrorsOf<O> = O extends Output<infer E, any> ? E : never
type RequirementsOf<O> = O extends Output<any, infer R> ? R : never

export interface Options<Outputs, LOut, LE, LR> {
  readonly name: string
  readonly batchDuration: DurationInput
  readonly outputs: Outputs
  /** Meets the requirements of `mapEffect`, `foreachBatch`, `foreachPartition`, side values, receivers. */
  readonly layer?: Layer.Layer<LOut, LE, LR>
  readonly settings?: SettingsInput
  /** How backpressure finds rates, in place of the PID estimator; runs on the driver. */
  readonly rateEstimator?: RateEstimator | undefined
}

const variance = { _E: (_: never) => _, _R: (_: never) => _ }

export const make = <const Outputs extends ReadonlyArray<AnyOutput>, LOut = never, LE = never, LR = never>(
  options: Options<Outputs, LOut, LE, LR>
): StreamingApp<ErrorsOf<Outputs[number]> | LE, Exclude<RequirementsOf<Outputs[number]>, LOut> | LR> => ({
  [TypeId]: variance,
  name: options.name,
  batchMillis: millisOrNaN(options.batchDuration),
  batchDuration: options.batchDuration,
  outputs: options.outputs,
  layer: (options.layer ?? Layer.empty) as Layer.Layer<any, any, any>,
  settings: options.settings ?? {},
  rateEstimator: options.rateEstimator,
  unknownOptions: Object.keys(options).filter((name) => !appOptions.includes(name))
})

/** The same app with another batch duration; undefined: with its own. */
export const withBatchDuration = <E, R>(
  self: StreamingApp<E, R>,
  duration: DurationInput | undefined
): StreamingApp<E, R> =>
  duration === undefined ? self : { ...self, batchMillis: millisOrNaN(duration), batchDuration: duration }

export const isStreamingApp = (value: unknown): value is AnyStreamingApp => Predicate.hasProperty(value, TypeId)

/** The graph of the app, or one error with all its mistakes, and those of the settings that a run is started with. */
export const validate = (
  app: AnyStreamingApp,
  runSettings: SettingsInput = {}
): Effect.Effect<DStreamGraph.DStreamGraph, InvalidApp> =>
  Effect.suspend(() => {
    const graph = DStreamGraph.make(app)
    const mistakes = mistakesOf(app, graph, runSettings)
    return mistakes.length === 0
      ? Effect.succeed(graph)
      : Effect.fail(new InvalidApp({ app: graph.manifest.app, mistakes }))
  })

/**
 * What the app's layer provides, built for the process, or the executor, that owns the scope; shared with no other. The scope is its
 * `Lifetime`.
 */
export const buildLayer = (app: AnyStreamingApp): Effect.Effect<Context.Context<any>, unknown, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => {
    const layer = app.layer as Layer.Layer<any, unknown>
    return Effect.map(
      Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), scope),
      Context.add(Lifetime, scope as Scope.Scope | undefined)
    )
  })

export { InvalidApp } from "./validation.ts"
