/**
 * judgeTopics sees what is missing, doubled, out of order, or never was; and leaves alone what may be so.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { KafkaModel } from "../../../adapters/kafka/model/KafkaModel.ts"
import type { Written } from "../outside/TopicWriters.ts"
import { judgeTopics } from "./judgeTopics.ts"

interface Case {
  /** Word, number and state of what was written. */
  readonly written: ReadonlyArray<readonly [word: string, number: number, state: Written["state"]]>
  /** Values of `words`, by partition. */
  readonly words: ReadonlyArray<ReadonlyArray<string>>
  readonly counts: Readonly<Record<string, ReadonlyArray<number>>>
  readonly warnings?: ReadonlyArray<string>
}

const judged = ({ counts, warnings = [], words, written }: Case, isOrdered = true): ReadonlyArray<string> => {
  const kafka = new KafkaModel({ now: () => 0 })
  kafka.createTopic("words", 2)
  kafka.createTopic("counts", 1)
  const keyed = (value: string) => ({ key: value.split("#", 1)[0]!, value })
  words.forEach((values, partition) => {
    for (const value of values) kafka.append("words", partition, [keyed(value)], { outcome: "commit" })
  })
  for (const [key, all] of Object.entries(counts)) {
    for (const count of all) kafka.append("counts", 0, [{ key, value: `${count}` }])
  }
  const at = { topic: "input", partition: 0, producer: undefined }
  const all = written.map(([word, number, state], offset): Written => ({ ...at, word, number, offset, state }))
  return judgeTopics({ kafka, warnings, writers: { written: all } }, isOrdered)
}

const certain = (...numbers: ReadonlyArray<number>) => numbers.map((number) => ["a", number, "certain"] as const)

test("what is there once, in order, in whatever batches it was counted, is right", () => {
  const right = { written: certain(0, 1, 2), words: [[], ["a#0", "a#1", "a#2"]], counts: { a: [2, 1] } }
  assert.deepEqual(judged(right), [])
})

test("what is missing, doubled, out of order or in two partitions is seen", () => {
  const of = (words: Case["words"], counts: Case["counts"]) => judged({ written: certain(0, 1), words, counts })
  assert.match(of([["a#0"]], { a: [2] })[0]!, /^a#1, which stood at input\/0 1 and is certain, is there 0 times$/)
  assert.match(of([["a#0", "a#1", "a#1"]], { a: [2] })[0]!, /^a#1, .* is there 2 times$/)
  assert.deepEqual(of([["a#1", "a#0"]], { a: [2] }), ["a#0 comes after a#1"])
  assert.deepEqual(of([["a#0"], ["a#1"]], { a: [2] }), ["a#1 is in partition 1, and a#0 in another"])
  assert.deepEqual(of([["a#0", "a#1"]], { a: [2, 1] }), ["the counts of a add up to 3; it came 2 to 2 times"])
  assert.deepEqual(of([["a#0", "a#1", "a#7"]], { a: [2] })[0], "a#7 was never written into the input")
})

test("the order is not looked at where several tasks read a key", () => {
  assert.deepEqual(judged({ written: certain(0, 1), words: [["a#1", "a#0"]], counts: { a: [2] } }, false), [])
})

test("what was aborted is never there", () => {
  const aborted = { written: [["a", 0, "aborted"]], counts: { a: [1] } } as const
  assert.match(judged({ ...aborted, words: [["a#0"]] })[0]!, /is aborted, is there 1 times/)
  assert.deepEqual(judged({ ...aborted, counts: {}, words: [] }), [])
})

test("what was lost may be missing if that was told, and what was cut off may be, too; neither may be doubled", () => {
  const warnings = ["5 offsets of partition 0 were deleted; reading goes on at 7"]
  const elsewhere = ["5 offsets of partition 1 were deleted; reading goes on at 7"]
  const of = (state: Written["state"], words: ReadonlyArray<string>, warnings: ReadonlyArray<string> = []) =>
    judged({ written: [["a", 0, state]], words: [words], counts: { a: [1] }, warnings }).length
  assert.deepEqual([of("lost", []), of("lost", [], warnings), of("lost", ["a#0"])], [1, 0, 0])
  assert.equal(of("lost", [], elsewhere), 1)
  assert.deepEqual([of("cut", []), of("cut", ["a#0"])], [0, 0])
  assert.deepEqual([of("lost", ["a#0", "a#0"], warnings), of("cut", ["a#0", "a#0"])], [1, 1])
})
