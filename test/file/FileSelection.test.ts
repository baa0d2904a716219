/**
 * Which files a batch takes, by the tables and by properties against a naive model that never forgets.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import fc from "fast-check"
import { FileSelection, isVisible, rememberedBatches, select } from "../../adapters/file/FileSelection.ts"
import type { FileStatus } from "../../adapters/file/FileWorld.ts"
import { it } from "../kit.ts"

const file = (path: string, modified: number): FileStatus => ({ path, modified, length: 1 })
const pathsOf = (files: ReadonlyArray<{ readonly path: string }>) => files.map(({ path }) => path)

it("a batch takes what was modified after the limit, exclusive, and up to its own time, inclusive", () =>
  Effect.sync(() => {
    const bounds = { rememberMillis: 60_000, startMillis: 10_000, newFilesOnly: true }
    const taken = (time: number, files: ReadonlyArray<FileStatus>) =>
      pathsOf(select({ ...bounds, time }, files.filter(({ path }) => isVisible(path))))
    assert.deepEqual(taken(11_000, [file("a", 10_000), file("b", 10_001), file("c", 11_001)]), ["b"])
    assert.deepEqual(taken(80_000, [file("d", 20_000), file("e", 20_001)]), ["e"])
    assert.deepEqual(taken(12_000, [file(".partial", 11_500)]), [])
    assert.deepEqual(pathsOf(select({ ...bounds, newFilesOnly: false, time: 11_000 }, [file("old", 9000)])), ["old"])
  }))

it("the remembered time is the least whole number of batches that covers the minimum", () =>
  Effect.sync(() => {
    const cases = [[1000, 60_000, 60], [2000, 60_000, 30], [7000, 60_000, 9], [90_000, 60_000, 1]] as const
    for (const [batch, minimum, expected] of cases) assert.equal(rememberedBatches(batch, minimum), expected)
  }))

it("names that begin with a dot are hidden, directories that do are not", () =>
  Effect.sync(() => {
    assert.deepEqual(["/a/b", "/a/.b", ".b", "/.a/b", "/a/b."].filter(isVisible), ["/a/b", "/.a/b", "/a/b."])
  }))

const batchMillis = 1000
const minRememberMillis = 5000
const selectionOf = (newFilesOnly = true) => new FileSelection({ startMillis: 10_000, newFilesOnly, minRememberMillis })
const at = (time: number) => ({ time, batchMillis })

it("every listed file is decided on anew at each batch: what was too old or still to come is taken when its time is right", () =>
  Effect.sync(() => {
    const selection = selectionOf()
    const paths = ["old", "new", "future"]
    const files = [file("old", 9000), file("new", 10_500), file("future", 11_001)]
    const selected = selection.take(at(11_000), paths, files, true)
    assert.deepEqual([pathsOf(selected.taken), selected.late], [["new"], []])
    assert.deepEqual(pathsOf(selection.take(at(12_000), paths, files, true).taken), ["future"])
    const touched = [file("old", 12_500), ...files.slice(1)]
    assert.deepEqual(pathsOf(selection.take(at(13_000), paths, touched, true).taken), ["old"])
    assert.deepEqual(selection.take(at(14_000), paths, touched, true), { taken: [], late: [], again: [] })
  }))

it("what is not taken is told once for each time of modification, also when a listing has gaps", () =>
  Effect.sync(() => {
    const selection = selectionOf()
    const told = (time: number, modified: number, complete = true) => {
      const { again, late } = selection.take(at(time), ["a"], [file("a", modified)], complete)
      return [pathsOf(late), pathsOf(again)]
    }
    assert.deepEqual(told(11_000, 10_500), [[], []])
    assert.deepEqual(told(12_000, 11_500), [[], ["a"]])
    assert.deepEqual(told(13_000, 11_500), [[], []])
    selection.take(at(14_000), [], [], false)
    assert.deepEqual(told(15_000, 11_500), [[], []])
    assert.deepEqual(told(16_000, 9000), [["a"], []])
    for (let time = 17_000; time <= 20_000; time += 1000) assert.deepEqual(told(time, 9000), [[], []])
  }))

it("a name that comes again within the remembered time is told and not taken, afterwards it is a new file", () =>
  Effect.sync(() => {
    const selection = selectionOf()
    selection.take(at(11_000), ["a"], [file("a", 10_500)], true)
    selection.take(at(12_000), [], [], true)
    const again = selection.take(at(13_000), ["a"], [file("a", 12_500)], true)
    assert.deepEqual([again.taken, pathsOf(again.again)], [[], ["a"]])
    for (let time = 14_000; time <= 17_000; time += 1000) selection.take(at(time), [], [], true)
    assert.deepEqual(pathsOf(selection.take(at(18_000), ["a"], [file("a", 17_500)], true).taken), ["a"])
  }))

it("what becomes visible when it can no longer be taken is told, what was there before the start is not", () =>
  Effect.sync(() => {
    const selection = selectionOf()
    assert.deepEqual(selection.take(at(11_000), ["before"], [file("before", 9000)], true).late, [])
    const moved = selection.take(
      at(20_000),
      ["before", "moved", "slow"],
      [file("moved", 9000), file("slow", 14_999)],
      true
    )
    assert.deepEqual(
      [pathsOf(moved.late), pathsOf(moved.taken)],
      [["moved"], ["slow"]],
      "batches are missing in between"
    )
    assert.deepEqual(pathsOf(selectionOf(false).take(at(11_000), ["x"], [file("x", 1000)], true).late), ["x"])
  }))

it("a batch that is asked for again takes the same files, in the order of their modification", () =>
  Effect.sync(() => {
    const selection = selectionOf()
    const files = [file("c", 10_700), file("b", 10_500), file("a", 10_700)]
    const first = selection.take(at(11_000), ["a", "b", "c"], files, true)
    assert.deepEqual(pathsOf(first.taken), ["b", "a", "c"])
    assert.deepEqual(selection.take(at(11_000), ["a", "b", "c"], [], true).taken, first.taken)
  }))

interface Arrival {
  readonly name: number
  readonly modified: number
  /** How much later it becomes visible. */
  readonly delay: number
}

const arrivals = fc.uniqueArray(
  fc.record({ name: fc.nat(40), modified: fc.integer({ min: 8000, max: 40_000 }), delay: fc.nat(9000) }),
  { selector: ({ name }: Arrival) => name, maxLength: 25 }
)

it("every file with a name of its own is taken once, or told as late, or was there before, however it comes and whatever batches are skipped", () =>
  Effect.sync(() => {
    fc.assert(fc.property(
      arrivals,
      fc.boolean(),
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 45, maxLength: 45 }),
      (files, newFilesOnly, steps) => {
        const selection = selectionOf(newFilesOnly)
        const seen = new Map<string, string>()
        let time = 10_000
        let last = 0
        for (const step of steps) {
          last = time
          time += step * batchMillis
          const visible = files.filter((one) => one.modified + one.delay <= time)
          const statuses = visible.map((one) => file(String(one.name), one.modified))
          const selected = selection.take(at(time), pathsOf(statuses), statuses, true)
          for (const kind of ["taken", "late", "again"] as const) {
            for (const one of selected[kind]) {
              assert.equal(seen.get(one.path), undefined)
              seen.set(one.path, kind)
              const missing = last === 10_000 ? 0 : time - last - batchMillis
              const limit = Math.max(newFilesOnly ? 10_000 : 0, time - minRememberMillis - missing)
              assert.equal(kind, one.modified > limit && one.modified <= time ? "taken" : "late")
            }
          }
        }
        for (const one of files.filter(({ delay, modified }) => modified + delay <= last)) {
          if (seen.has(String(one.name))) continue
          assert.ok(newFilesOnly && one.modified <= 10_000, `${JSON.stringify(one)} was lost without a word`)
        }
      }
    ))
  }))

it("at every batch exactly those files are taken that Spark's rule takes, whatever is written, touched and replaced", () =>
  Effect.sync(() => {
    const writes = fc.array(
      fc.record({ name: fc.nat(4), modified: fc.integer({ min: 8000, max: 32_000 }), delay: fc.nat(3000) }),
      { maxLength: 40 }
    )
    fc.assert(fc.property(writes, fc.boolean(), (all, newFilesOnly) => {
      const selection = selectionOf(newFilesOnly)
      const taken: Array<{ readonly time: number; readonly path: string }> = []
      for (let time = 11_000; time <= 34_000; time += batchMillis) {
        const now = new Map<string, FileStatus>()
        for (const { modified, name } of all.filter((one) => one.modified + one.delay <= time)) {
          now.set(String(name), file(String(name), modified))
        }
        const limit = Math.max(newFilesOnly ? 10_000 : 0, time - minRememberMillis)
        const expected = [...now.values()].filter(({ modified, path }) =>
          modified > limit && modified <= time &&
          !taken.some((one) => one.path === path && one.time >= time - minRememberMillis)
        )
        const selected = selection.take(at(time), [...now.keys()], [...now.values()], true)
        assert.deepEqual(pathsOf(selected.taken).sort(), pathsOf(expected).sort())
        for (const { path } of selected.taken) taken.push({ time, path })
      }
    }))
  }))
