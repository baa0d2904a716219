/**
 * Which snapshots, plans and blocks are kept: whatever has to be made again after a loss can be, one damaged snapshot allowed.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import { DStream } from "../../core/mod.ts"
import { SnapshotTracker } from "../../core/state/SnapshotTracker.ts"
import { graphOf, source } from "./stepping.ts"

const pairs = source<readonly [string, number]>([])
const sum = (values: ReadonlyArray<number>, state: number | undefined) => values.reduce((a, b) => a + b, state ?? 0)
const counts = DStream.named("counts")(pairs.pipe(DStream.updateStateByKey(sum)))

const trackerOf = (...streams: ReadonlyArray<DStream.AnyDStream>) => {
  const tracker = new SnapshotTracker(graphOf(1000, streams))
  return {
    complete: (operator: string, ...times: ReadonlyArray<number>) => {
      for (const time of times) {
        tracker.completed({ operator, time, previous: time - 1000, files: [[`${operator}/${time}`]] })
      }
    },
    needed: (done: number) => tracker.needed(done)
  }
}

test("without states nothing is needed", () => {
  assert.deepEqual(trackerOf(pairs).needed(9000), { from: Infinity, removable: [] })
})

test("a state without two complete snapshots needs everything", () => {
  const { complete, needed } = trackerOf(counts)
  complete("counts", 3000)
  assert.deepEqual(needed(9000), { from: -Infinity, removable: [] })
})

test("the last two complete snapshots stay, and what their lineage reaches", () => {
  const { complete, needed } = trackerOf(counts)
  complete("counts", 3000, 6000, 9000)
  assert.deepEqual(needed(9000), {
    from: 6000 - 1000 - 1000,
    removable: [{ operator: "counts", before: 6000, but: [] }]
  })
})

test("a snapshot that is told late counts in its place", () => {
  const { complete, needed } = trackerOf(counts)
  complete("counts", 3000, 9000, 6000, 6000)
  assert.deepEqual(needed(9000).removable, [{ operator: "counts", before: 6000, but: [] }])
})

test("versions that a window shows can be made again: two snapshots before the oldest of them stay", () => {
  const { complete, needed } = trackerOf(counts.pipe(DStream.window(4000)))
  complete("counts", 2000, 4000, 6000, 8000, 10000)
  // versions from 7000 on are shown at 10000
  assert.deepEqual(needed(10000).removable, [{ operator: "counts", before: 4000, but: [] }])
})

test("a state over another one that has not had snapshots for long keeps those of the other", () => {
  const later = DStream.named("later")(counts.pipe(DStream.updateStateByKey(sum)))
  const { complete, needed } = trackerOf(later)
  complete("counts", 2000, 4000, 6000, 8000, 10000)
  assert.deepEqual(needed(10000).removable, [])
  complete("later", 5000, 10000)
  // to make versions of the later one from 5000 on, those of the other are wanted from 5000 on
  assert.deepEqual(needed(10000).removable, [{ operator: "counts", before: 2000, but: [] }, {
    operator: "later",
    before: 5000,
    but: []
  }])
})
