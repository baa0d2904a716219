/**
 * The options of a receiver-based stream: what means nothing there is refused where the program is built.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as Kafka from "../../../adapters/kafka/mod.ts"

const refused = (options: object): Kafka.KafkaError => {
  try {
    Kafka.receiverStream({ brokers: "model", topics: "t", group: "g", ...options } as any)
  } catch (error) {
    assert.ok(error instanceof Kafka.KafkaError, String(error))
    return error
  }
  throw assert.fail(`${JSON.stringify(options)} was taken`)
}

test("patterns, partitions and offsets to start at are refused, and it is said who takes them", () => {
  const offsets = [{ topic: "t", partition: 0, offset: 1 }]
  const cases: ReadonlyArray<readonly [object, RegExp]> = [
    [{ topics: /x/ }, /topics are names, not a pattern.*directStream/],
    [{ partitions: [{ topic: "t", partition: 0 }] }, /partitions are given by the group/],
    [{ start: { offsets } }, /start is about partitions.*cannot be offsets/],
    [{ group: "" }, /The group of a Kafka stream has to be/]
  ]
  for (const [options, message] of cases) {
    const error = refused(options)
    assert.equal(error.reason, "Options")
    assert.match(error.message, message)
  }
})
