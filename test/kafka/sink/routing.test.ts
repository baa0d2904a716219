/**
 * Which partition a record goes to: as Kafka's own clients choose by the key; without one, by turns that are the same when the batch is run
 * again. And what the functions of a sink may not give.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import fc from "fast-check"
import { Effect } from "effect"
import { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import { murmur2, partitionOfKey } from "../../../adapters/kafka/sink/murmur2.ts"
import { type RecordOptions, route, type RoutedPart } from "../../../adapters/kafka/sink/routing.ts"
import { isPermanent } from "../../../core/protocol/permanent.ts"
import { it } from "../../kit.ts"

const part: RoutedPart = { time: 1000, commitId: "app/out/1000/0", topic: "out", numPartitions: 4 }

const routed = <A>(records: ReadonlyArray<A>, options: RecordOptions<A>, more: Partial<RoutedPart> = {}) =>
  new Map(Array.from(route(records, options, { ...part, ...more }), ([to, all]) => [to, all.map(({ value }) => value)]))

it("the hash of a key is that of Kafka's Java client", () =>
  Effect.sync(() => {
    const known: ReadonlyArray<readonly [string, number]> = [
      ["21", -973932308],
      ["foobar", -790332482],
      ["a-little-bit-long-string", -985981536],
      ["a-little-bit-longer-string", -1486304829],
      ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
      ["abc", 479470107]
    ]
    for (const [key, hash] of known) {
      assert.equal(murmur2(key), hash, key)
      assert.equal(murmur2(Buffer.from(key)), hash, key)
    }
  }))

it("the hash of a text is that of its UTF-8 bytes, and partitions are those of the topic", () =>
  Effect.sync(() =>
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 50 }), (key, partitions) => {
      assert.equal(murmur2(key), murmur2(new TextEncoder().encode(key)))
      const partition = partitionOfKey(key, partitions)
      assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitions)
    }))
  ))

it("records of one key come to one partition, in their order; all of them come somewhere", () =>
  Effect.sync(() =>
    fc.assert(fc.property(fc.array(fc.tuple(fc.string(), fc.nat())), (records) => {
      const all = routed(records.map(([key], i) => [key, String(i)] as const), {
        key: ([key]) => key,
        value: ([, v]) => v
      })
      const seen: Array<number> = []
      for (const [partition, values] of all) {
        const numbers = values.map(Number)
        assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b))
        for (const n of numbers) assert.equal(partitionOfKey(records[n]![0], 4), partition)
        seen.push(...numbers)
      }
      assert.deepEqual(seen.toSorted((a, b) => a - b), records.map((_, i) => i))
    }))
  ))

it("records without a key fill one partition after the other, from one that follows from the batch and its partition", () =>
  Effect.sync(() => {
    const value = "x".repeat(1000)
    const large = Array.from({ length: 4000 }, () => value)
    const options = { value: (record: string) => record }
    const sizes = Array.from(routed(large, options), ([, values]) => values.length)
    assert.equal(sizes.length, 4)
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 70, String(sizes))
    const few = (commitId: string) => [...routed(["a", "b"], options, { commitId }).keys()]
    assert.deepEqual(few("app/out/1000/0"), few("app/out/1000/0"))
    const begins = Array.from({ length: 100 }, (_, i) => few(`app/out/${i}000/0`))
    assert.ok(begins.every((partitions) => partitions.length === 1))
    assert.equal(new Set(begins.flat()).size, 4)
  }))

it("keys, values, headers, timestamps and partitions are those that the functions give", () =>
  Effect.sync(() => {
    const [[partition, [record]]] = [...route([1], {
      key: () => new Uint8Array([7]),
      value: () => null,
      headers: () => ({ from: "a", none: null, raw: new Uint8Array([1]) }),
      timestamp: () => 77,
      partition: (n, count) => n + count - 2
    }, part)] as [[number, [object]]]
    assert.equal(partition, 3)
    assert.deepEqual(record, {
      key: new Uint8Array([7]),
      value: null,
      timestamp: 77,
      headers: [
        { key: "from", value: new TextEncoder().encode("a") },
        { key: "none", value: null },
        { key: "raw", value: new Uint8Array([1]) }
      ]
    })
    const [plain] = route(["a"], { value: (text: string) => text }, part).values()
    assert.equal(plain![0]!.timestamp, 1000)
  }))

it("what the functions may not give is told with the record and what to give; it can only come again", () =>
  Effect.sync(() => {
    const good = (record: unknown) => String(record)
    const cases: ReadonlyArray<readonly [RecordOptions<any>, RegExp]> = [
      [{ value: (n) => n === 1 ? 5 as any : "a" }, /record 1, counted from 0: value gave 5; .*text, a Uint8Array/],
      [{ value: good, key: () => undefined as any }, /key gave undefined/],
      [{ value: () => "\ud800" }, /surrogate.*toWellFormed/],
      [{ value: good, timestamp: () => 1.5 }, /timestamp gave .*milliseconds/],
      [{ value: good, partition: () => 4 }, /partition gave 4; out has 4 partitions, so let it give 0 to 3/],
      [{ value: good, headers: () => "a" as any }, /headers gave/],
      [{ value: good, headers: () => ({ a: 1 as any }) }, /headers, as "a", gave/]
    ]
    for (const [options, message] of cases) {
      assert.throws(() => route([0, 1], options, part), (error: unknown) => {
        assert.ok(error instanceof KafkaError && error.reason === "Record", String(error))
        assert.match(error.message, message)
        return isPermanent(error)
      })
    }
    const thrown = () => route([0], { value: () => JSON.parse("{") }, part)
    assert.throws(thrown, (error: unknown) => {
      assert.match((error as KafkaError).message, /record 0, counted from 0: .*JSON/)
      return !isPermanent(error)
    })
  }))
