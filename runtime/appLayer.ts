/**
 * appLayer: builds an app's layer in the driver or in an executor; one that fails, or dies, says whose layer it is and where.
 */
import { Cause, type Context, Effect, Schema, type Scope } from "effect"
import * as StreamingApp from "../core/dstream/StreamingApp.ts"
import { describeError } from "../core/protocol/describeError.ts"

export type LayerPlace = "driver" | "executor"

/** An app's layer could not be built; `cause` is the layer's own error. */
export class LayerFailed extends Schema.TaggedError<LayerFailed>()("LayerFailed", {
  app: Schema.String,
  place: Schema.Literals(["driver", "executor"]),
  cause: Schema.Unknown
}) {
  override get message() {
    return `The layer of app "${this.app}" could not be built in the ${this.place}: ${describeError(this.cause)}`
  }
}

export const buildLayer = (
  app: StreamingApp.AnyStreamingApp,
  place: LayerPlace
): Effect.Effect<Context.Context<any>, LayerFailed, Scope.Scope> =>
  Effect.catchCause(
    StreamingApp.buildLayer(app),
    (cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause as Cause.Cause<never>)
        : Effect.fail(new LayerFailed({ app: app.name, place, cause: Cause.squash(cause) }))
  )
