/** Records that cannot cross an executor's border; WHERE they occur comes from Config. */
import { Config, Effect } from "effect"
import * as Memory from "../../../adapters/memory/mod.ts"
import * as Queue from "../../../adapters/queue/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"

class Money {
  readonly amount: number
  constructor(amount: number) {
    this.amount = amount
  }
}

const numbers = Memory.batches([[1, 2, 3, 4, 5, 6, 7, 8]], 2)
const read = DStream.foreachBatch((batch) => batch.collect)

const outputs = {
  shuffle: numbers.pipe(
    DStream.mapToPair((n) => [n % 4, { price: new Money(n) }]),
    DStream.groupByKey(),
    DStream.named("prices"),
    DStream.map(([key, values]) => [key, values.length]),
    read
  ),
  result: numbers.pipe(DStream.map((n) => ({ next: () => n })), DStream.named("functions"), read),
  queue: Queue.stream<unknown>([[1, [new Money(2)]]]).pipe(DStream.named("purse"), read)
}

export default Effect.gen(function* () {
  const where = (yield* Config.String("WHERE")) as keyof typeof outputs
  return StreamingApp.make({ name: "unsendable", batchDuration: "100 millis", outputs: [outputs[where]] })
})
