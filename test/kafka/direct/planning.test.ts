/**
 * OffsetPlanning and OffsetRange: which offsets a batch reads, without brokers: properties over any growth, losses and rates.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Result } from "effect"
import * as fc from "fast-check"
import {
  countOf,
  describe,
  largestUntil,
  offsetRanges,
  placeOf,
  split
} from "../../../adapters/kafka/reading/OffsetRange.ts"
import { type Limits, OffsetPlanning, type Offsets } from "../../../adapters/kafka/direct/OffsetPlanning.ts"
import type { OnLoss } from "../../../adapters/kafka/options.ts"
import type { TopicInfo } from "../../../adapters/kafka/KafkaCluster.ts"

const free: Limits = {
  batchMillis: 1000,
  rate: undefined,
  maxRate: () => undefined,
  minRecords: 1,
  minSplitRecords: undefined
}

const topicOf = (id: string, partitions: number): TopicInfo => ({
  topic: "t",
  id,
  partitions: Array.from({ length: partitions }, (_, partition) => ({ partition, leader: 0, leaderEpoch: 0 }))
})
const offsets = (...all: ReadonlyArray<number>) =>
  new Map(all.map((offset, partition) => [`t/${partition}`, { offset }]))
/** All of a leader's epoch. */
const ends = (leaderEpoch: number, ...all: ReadonlyArray<number>) =>
  new Map(all.map((offset, partition) => [`t/${partition}`, { offset, leaderEpoch }]))

const planningOf = (partitions: number, onLoss: OnLoss = "fail", next = 0) => {
  const planning = new OffsetPlanning(onLoss)
  for (let partition = 0; partition < partitions; partition++) planning.begin({ topic: "t", partition, id: "a" }, next)
  return planning
}

/** What `settle` says of all partitions. */
const settled = (
  planning: OffsetPlanning,
  { earliest = offsets(0, 0), epochEnds = offsets(), id = "a", latest, partitions = 2 }: {
    readonly latest: Offsets
    readonly earliest?: Offsets
    readonly epochEnds?: Offsets
    readonly id?: string
    readonly partitions?: number
  }
) => {
  const topics = new Map(partitions === 0 ? [] : [["t", topicOf(id, partitions)]])
  return planning.settle(planning.places, { topics, latest, earliest, epochEnds })
}

test("whatever comes in and whatever the rates, each offset is in one range, in order, and positions say where it stands", () => {
  const steps = fc.array(fc.record({
    grows: fc.array(fc.nat(50), { minLength: 3, maxLength: 3 }),
    rate: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
    most: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
    pieces: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined })
  }))
  fc.assert(fc.property(steps, (steps) => {
    const planning = planningOf(3)
    const ends = [0, 0, 0]
    const read = new Map<string, number>()
    const positions = new Map<string, unknown>()
    for (const { grows, most, pieces, rate } of steps) {
      grows.forEach((more, partition) => void (ends[partition]! += more))
      const limits = { ...free, rate, maxRate: () => most, minSplitRecords: pieces }
      const taken = planning.take(offsets(...ends), limits)
      for (const range of taken.ranges) {
        assert.equal(range.from, read.get(placeOf(range)) ?? 0)
        assert.ok(range.until > range.from && range.until <= ends[range.partition]!)
        read.set(placeOf(range), range.until)
      }
      for (const [place, position] of taken.positions) positions.set(place, position)
      // Another planner goes on where this one stands.
      const next = new OffsetPlanning("fail")
      next.restore(positions, () => true)
      assert.deepEqual(
        next.places.map((place) => [placeOf(place), place.next]),
        ends.map((_, partition) => [`t/${partition}`, read.get(`t/${partition}`) ?? 0])
      )
    }
    const rest = planning.take(offsets(...ends), free).ranges
    for (const range of rest) read.set(placeOf(range), range.until)
    assert.deepEqual(ends.map((_, partition) => read.get(`t/${partition}`) ?? 0), ends)
  }))
})

test("a rate is shared by lag, held below each partition's maximum, and a partition may always give one record", () => {
  const planning = planningOf(2)
  const counts = (limits: Partial<Limits>) =>
    planning.take(offsets(...planning.places.map(({ next }) => next + 100)), { ...free, ...limits }).ranges.map(countOf)
  assert.deepEqual(counts({ rate: 30 }), [15, 15])
  assert.deepEqual(counts({ rate: 30, batchMillis: 100 }), [1, 1])
  assert.deepEqual(
    counts({ rate: 30, batchMillis: 2000, maxRate: ({ partition }) => partition === 0 ? 5 : undefined }),
    [10, 30]
  )
  assert.deepEqual(counts({}), [100, 100])
})

test("a partition that is idle is in no range, and is recorded once", () => {
  const planning = planningOf(2)
  assert.deepEqual(planning.take(offsets(5, 0), free).positions.map(([place]) => place), ["t/0", "t/1"])
  assert.deepEqual(planning.take(offsets(5, 0), free), { ranges: [], positions: [] })
  assert.deepEqual(planning.take(offsets(7, 0), free).positions, [["t/0", {
    topic: "t",
    partition: 0,
    id: "a",
    next: 7
  }]])
})

test("what was lost fails with what, where and what to do; nothing is taken then", () => {
  const cases = [
    [
      { latest: offsets(9, 20), earliest: offsets(0, 0) },
      "OffsetOutOfRange",
      /partition 0 of topic t was read up to offset 10 and ends at 9/i
    ],
    [
      { latest: offsets(30, 10), earliest: offsets(12, 0) },
      "OffsetOutOfRange",
      /2 offsets of partition 0 .* retention .* keep records for longer/i
    ],
    [{ latest: offsets(30, 30), id: "b" }, "TopicReplaced", /deleted and created again.*onLoss/],
    [{ latest: offsets(), partitions: 0 }, "UnknownTopic", /was deleted/]
  ] as const
  for (const [found, reason, message] of cases) {
    const planning = planningOf(2, "fail", 10)
    const outcome = settled(planning, found)
    assert.ok(Result.isFailure(outcome))
    assert.equal(outcome.failure.reason, reason)
    assert.match(outcome.failure.message, message)
    assert.deepEqual(planning.places.map(({ next }) => next), [10, 10])
  }
})

test("by policy it goes on elsewhere, and what is left out is told", () => {
  const nexts = (onLoss: OnLoss, found: Parameters<typeof settled>[1]) => {
    const planning = planningOf(2, onLoss, 10)
    const told = Result.getOrThrow(settled(planning, found))
    assert.ok(told.length > 0)
    return planning.places.map(({ id, next }) => `${id} ${next}`)
  }
  const cut = { latest: offsets(6, 10), earliest: offsets(2, 0) }
  assert.deepEqual(nexts("earliest", cut), ["a 2", "a 10"])
  assert.deepEqual(nexts("skip", cut), ["a 6", "a 10"])
  const expired = { latest: offsets(30, 10), earliest: offsets(12, 0) }
  assert.deepEqual(nexts("earliest", expired), ["a 12", "a 10"])
  assert.deepEqual(nexts("skip", expired), ["a 12", "a 10"])
  const replaced = { latest: offsets(30, 10), earliest: offsets(1, 0), id: "b" }
  assert.deepEqual(nexts("earliest", replaced), ["b 1", "b 0"])
  assert.deepEqual(nexts("skip", replaced), ["b 1", "b 0"])
  assert.deepEqual(nexts("skip", { latest: offsets(), partitions: 0 }), [])
})

test("a position stands with the epoch of the leader that had all before it; one that is not known is learned", () => {
  const planning = planningOf(2, "skip", 10)
  const of = (epoch: number) => planning.epochsOf(planning.places, ends(epoch, 20, 20)).map((one) => one.leaderEpoch)
  assert.deepEqual([of(0), planning.take(offsets(10, 10), free).positions.length], [[], 2])
  const { positions, ranges } = planning.take(ends(3, 20, 10), free)
  assert.deepEqual(ranges.map(({ leaderEpoch, until }) => [until, leaderEpoch]), [[20, 3]])
  assert.deepEqual(positions.map(([, position]) => position), [
    { topic: "t", partition: 0, id: "a", next: 20, leaderEpoch: 3 },
    { topic: "t", partition: 1, id: "a", next: 10, leaderEpoch: 3 }
  ])
  assert.deepEqual([of(3), of(4), planning.take(ends(3, 20, 10), free).positions], [[], [3, 3], []])
  const next = new OffsetPlanning("skip")
  next.restore(new Map(positions), () => true)
  assert.deepEqual(next.places.map(({ leaderEpoch }) => leaderEpoch), [3, 3])
  // As an earlier version has recorded it.
  next.restore(new Map([["t/0", { topic: "t", partition: 0, id: "a", next: 20 }]]), () => true)
  assert.deepEqual(next.epochsOf(next.places, ends(9, 30)), [])
  assert.equal(next.take(ends(9, 30), free).ranges[0]!.leaderEpoch, 9)
})

test("under another leader nothing is taken before it is known where the epoch before ended", () => {
  const planning = planningOf(1, "skip", 0)
  planning.take(ends(1, 10), free)
  const latest = ends(2, 30)
  assert.deepEqual(planning.movedOf(ends(2, 10)).length, 1)
  assert.deepEqual(planning.take(latest, free), { ranges: [], positions: [] })
  assert.deepEqual(Result.getOrThrow(settled(planning, { latest, epochEnds: offsets(12) })), [])
  const { ranges } = planning.take(latest, free)
  assert.deepEqual(ranges.map(({ from, leaderEpoch, until }) => [from, until, leaderEpoch]), [[10, 30, 2]])
})

test("an epoch that ended before the position is a loss, told with both, however long the partition is by now", () => {
  const cut = { latest: ends(2, 30), epochEnds: offsets(6) }
  const of = (onLoss: OnLoss, earliest = 0) => {
    const planning = planningOf(1, onLoss, 0)
    planning.take(ends(1, 10), free)
    const outcome = settled(planning, { ...cut, earliest: offsets(earliest) })
    return { outcome, next: planning.places[0]!.next }
  }
  const failed = of("fail").outcome
  assert.ok(Result.isFailure(failed))
  assert.equal(failed.failure.reason, "OffsetOutOfRange")
  assert.match(failed.failure.message, /read up to offset 10 and was cut off at 6/)
  assert.deepEqual([of("skip").next, of("earliest").next, of("skip", 8).next, of("earliest", 8).next], [6, 0, 8, 8])
})

test("a partition that was given up is not read again after a recovery", () => {
  const planning = planningOf(1, "skip", 10)
  planning.take(offsets(10), free)
  Result.getOrThrow(settled(planning, { latest: offsets(), partitions: 0 }))
  const { positions } = planning.take(offsets(), free)
  assert.deepEqual(positions, [["t/0", null]])
  const next = new OffsetPlanning("skip")
  next.restore(new Map(positions), () => true)
  assert.deepEqual(next.places, [])
})

test("pieces of a range follow each other, are of about the same size, and none is smaller than asked", () => {
  fc.assert(fc.property(fc.nat(1000), fc.nat(1000), fc.integer({ min: 1, max: 300 }), (from, count, least) => {
    const range = { topic: "t", partition: 0, from, until: from + count }
    const pieces = split(range, least)
    assert.equal(pieces[0]!.from, from)
    assert.equal(pieces.at(-1)!.until, range.until)
    pieces.slice(1).forEach((piece, i) => assert.equal(piece.from, pieces[i]!.until))
    if (pieces.length > 1) assert.ok(pieces.every((piece) => countOf(piece) >= least))
    const sizes = pieces.map(countOf)
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
  }))
})

test("of ranges in any order the largest end of each partition is committed", () => {
  const range = fc.record({
    topic: fc.constantFrom("t", "u"),
    partition: fc.nat(2),
    from: fc.nat(9),
    until: fc.nat(99)
  })
  fc.assert(fc.property(fc.array(range), (ranges) => {
    for (const { offset, partition, topic } of largestUntil(ranges)) {
      const ends = ranges.filter((one) => one.topic === topic && one.partition === partition).map(({ until }) => until)
      assert.equal(offset, Math.max(...ends))
    }
    assert.equal(largestUntil(ranges).length, new Set(ranges.map(placeOf)).size)
  }))
})

test("ranges are described for people, the largest first, empty ones left out", () => {
  assert.equal(describe([]), "")
  assert.equal(
    describe([{ topic: "t", partition: 0, from: 5, until: 8 }, { topic: "t", partition: 1, from: 1, until: 11 }]),
    "topic: t\tpartition: 1\toffsets: 1 to 11\tcount: 10\ntopic: t\tpartition: 0\toffsets: 5 to 8\tcount: 3"
  )
})

test("of a batch's inputs those of Kafka are its offset ranges, pieces put together", () => {
  const planned = (partition: number, from: number, until: number) => ({
    kind: "source" as const,
    value: { kind: "kafka", topic: "t", partition, from, until, id: "a" },
    records: until - from
  })
  const file = { kind: "source" as const, value: { path: "/in/a" }, records: 1 }
  const inputs = [{
    stream: "in",
    time: 1000,
    partitions: [planned(0, 0, 5), planned(0, 5, 9), file, planned(1, 3, 4)]
  }]
  assert.deepEqual(offsetRanges({ inputs }), [
    { topic: "t", partition: 0, from: 0, until: 9, id: "a" },
    { topic: "t", partition: 1, from: 3, until: 4, id: "a" }
  ])
})

test("of a topic that was made anew with fewer partitions, those that are not there are read no more", () => {
  const planning = planningOf(2, "skip", 10)
  Result.getOrThrow(settled(planning, { latest: offsets(30), earliest: offsets(1), id: "b", partitions: 1 }))
  assert.deepEqual(planning.places.map((place) => `${placeOf(place)} ${place.id} ${place.next}`), ["t/0 b 1"])
})
