/**
 * A receiver of one's own, and the layer of an app: sensors report temperatures, each batch prints the highest of each.
 * `npm run dstreams -- run examples/custom-receiver.ts --batches 3`
 */
import { DStream, Receiver, StreamingApp } from "dstreams"
import { Context, Effect, Layer, Random } from "effect"

interface Reading {
  readonly sensor: string
  readonly celsius: number
}

/** What the receiver reads from; built in each executor by the app's layer. */
class Sensors extends Context.Service<Sensors, { readonly read: Effect.Effect<ReadonlyArray<Reading>> }>()(
  "example/Sensors"
) {
  static readonly layer = Layer.succeed(Sensors, {
    read: Effect.forEach(
      ["kitchen", "cellar"],
      (sensor) => Effect.map(Random.nextIntBetween(15, 30), (celsius) => ({ sensor, celsius }))
    )
  })
}

/** `array` returns when the block is safe: the place to acknowledge to a source that can send again. */
const sensors = Receiver.make({
  name: "sensors",
  onStart: (store: Receiver.Store<Reading>) =>
    Effect.gen(function* () {
      const { read } = yield* Sensors
      yield* read.pipe(
        Effect.flatMap((readings) => store.array(readings)),
        Effect.andThen(Effect.sleep("100 millis")),
        Effect.forever
      )
    })
})

const highest = DStream.receiverStream(sensors).pipe(
  DStream.mapToPair(({ sensor, celsius }) => [sensor, celsius]),
  DStream.reduceByKey((a, b) => Math.max(a, b))
)

export default StreamingApp.make({
  name: "HighestTemperatures",
  batchDuration: "1 second",
  outputs: [highest.pipe(DStream.print())],
  layer: Sensors.layer
})
