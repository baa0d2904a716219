/**
 * The file sink: exactly once, whatever dies and when, as directories of batches and as rolling files; and what files hold.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect } from "effect"
import * as RollingFiles from "../../adapters/save/RollingFiles.ts"
import * as Save from "../../adapters/save/mod.ts"
import { isPermanent } from "../../core/protocol/permanent.ts"
import { DStream, Sink } from "../../core/mod.ts"
import * as Memory from "../../adapters/memory/mod.ts"
import { sinkConformance } from "../../adapters/testing/mod.ts"
import { it } from "../kit.ts"
import { filesOf, folder, quickFolder } from "./folder.ts"

const record = (id: number) => ({ id })

/** The ids in a file of JSON lines. */
const idsIn = (file: string): ReadonlyArray<number> =>
  fs.readFileSync(file, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).id)

const idsBeneath = (directory: string): ReadonlyArray<number> =>
  Object.keys(filesOf(directory)).filter((name) => /part-\d+$/.test(name)).flatMap((name) =>
    idsIn(path.join(directory, name))
  )

/** What a reader sees, who does not look at hidden names. */
const seenIn = (directory: string): ReadonlyArray<number> =>
  !fs.existsSync(directory) ? [] : fs.readdirSync(directory).filter((name) => !name.startsWith(".")).flatMap((name) => {
    const one = path.join(directory, name)
    return fs.statSync(one).isDirectory() ? idsBeneath(one) : idsIn(one)
  })

it.live(
  "directories of batches are exactly once, at whatever step a driver dies or sleeps",
  () =>
    Effect.gen(function* () {
      const parent = yield* quickFolder
      const report = yield* sinkConformance({
        make: (target) => Effect.sync(() => Save.sink(path.join(parent, target))),
        read: (target) => Effect.sync(() => seenIn(path.join(parent, target))),
        record,
        deathsMax: 500
      })
      assert.deepEqual(report.failures, [])
      assert.equal(report.guarantee, "transactional")
      assert.ok(report.deaths > 100, JSON.stringify(report))
    }),
  { timeout: 120_000 }
)

it.live("so are directories of saveAsObjectFiles", () =>
  Effect.gen(function* () {
    const parent = yield* quickFolder
    const numbers = Memory.batches([[{ id: 1 }]])
    const report = yield* sinkConformance({
      make: (target) =>
        Effect.sync(() => {
          const { action } = numbers.pipe(Save.saveAsObjectFiles(path.join(parent, target, "saved")))
          assert.ok(action.kind === "sink")
          return action.sink as Sink.Sink<unknown, any, any, any>
        }),
      read: (target) => Effect.sync(() => seenIn(path.join(parent, target))),
      record,
      deathsMax: 60
    })
    assert.deepEqual(report.failures, [])
    assert.equal(report.guarantee, "idempotent")
  }), { timeout: 120_000 })

it.live(
  "rolling files hold each batch once, with what is committed and in no file yet, at whatever step a driver dies or sleeps",
  () =>
    Effect.gen(function* () {
      const parent = yield* quickFolder
      const committed = async (directory: string) => {
        const work = path.join(directory, ".dstreams")
        const pending = await RollingFiles.pendingBatches(work)
        const rolled = path.join(work, "rolled")
        return [
          ...seenIn(directory),
          ...(fs.existsSync(rolled) ? seenIn(rolled) : []),
          ...pending.flatMap((time) => idsBeneath(RollingFiles.batchDirectory(work, time)))
        ]
      }
      const report = yield* sinkConformance({
        make: (target) => Effect.sync(() => Save.sink(path.join(parent, target), { roll: { batches: 2 } })),
        read: (target) => Effect.promise(() => committed(path.join(parent, target))),
        record,
        deathsMax: 500
      })
      assert.deepEqual(report.failures, [])
      assert.ok(report.deaths > 100, JSON.stringify(report))
    }),
  { timeout: 120_000 }
)

/** Puts batches of these records, two partitions each, into a sink, as a driver of an epoch does. */
const put = (
  sink: Save.FileSink,
  epoch: number,
  batches: ReadonlyArray<readonly [time: number, records: ReadonlyArray<unknown>]>
) =>
  Effect.gen(function* () {
    const output = { app: "app", output: "out" }
    yield* sink.fence!({ ...output, epoch })
    for (const [time, records] of batches) {
      const context = { ...output, epoch, time, commitId: Sink.commitIdOf({ ...output, time }), numPartitions: 2 }
      const half = Math.ceil(records.length / 2)
      yield* sink.commit(context, [
        yield* sink.prepare(records.slice(0, half), { ...context, partition: 0, attempt: 0 }),
        yield* sink.prepare(records.slice(half), { ...context, partition: 1, attempt: 0 })
      ])
    }
  })

it("a file holds whole batches in order, and is seen when it is done: by batches, bytes or time", () =>
  Effect.gen(function* () {
    const batches = Array.from({ length: 7 }, (_, i) => [1000 * (i + 1), [`a${i}`, `b${i}`, `c${i}`]] as const)
    for (
      const [roll, files] of [
        [{ batches: 3 }, ["1000-3000.text", "4000-6000.text"]],
        [{ bytes: 18 }, ["1000-2000.text", "3000-4000.text", "5000-6000.text"]],
        [{ interval: "3 seconds" }, ["1000-4000.text"]],
        [{ interval: "1 hour", batches: 7 }, ["1000-7000.text"]],
        [{ batches: 8 }, []]
      ] as const
    ) {
      const parent = yield* folder
      yield* put(Save.sink(parent, { format: "text", roll }), 1, batches)
      const seen = fs.readdirSync(parent).filter((name) => !name.startsWith("."))
      assert.deepEqual(seen.sort(), files)
      const text = seen.map((name) => fs.readFileSync(path.join(parent, name), "utf8")).join("")
      const all = batches.flatMap(([, records]) => records).map((line) => `${line}\n`).join("")
      assert.ok(all.startsWith(text))
      assert.equal(text.length % 9, 0)
    }
  }))

it("a file that a reader took away is not made again, and its batches are not committed again", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const sink = Save.sink(parent, { roll: { batches: 2 } })
    const batches = [[1000, [1]], [2000, [2]], [3000, [3]]] as const
    yield* put(sink, 1, batches)
    fs.rmSync(path.join(parent, "1000-2000.jsonl"))
    yield* put(sink, 2, [...batches, [4000, [4]]])
    assert.deepEqual(fs.readdirSync(parent).sort(), [".dstreams", "3000-4000.jsonl"])
    assert.equal(fs.readFileSync(path.join(parent, "3000-4000.jsonl"), "utf8"), "3\n4\n")
    const left = Object.keys(filesOf(parent)).filter((name) => name !== "3000-4000.jsonl")
    assert.deepEqual(left, [], "nothing is left of what was rolled")
  }))

it("a file of that name that something else made is told and left as it is", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const sink = Save.sink(parent, { roll: { batches: 1 } })
    fs.writeFileSync(path.join(parent, "1000-1000.jsonl"), "mine")
    const error = yield* Effect.flip(put(sink, 1, [[1000, [1]]]))
    assert.match(
      error.message,
      /cannot save .*1000-1000\.jsonl: something else is there; it is left as it is: move it away/
    )
    assert.equal(fs.readFileSync(path.join(parent, "1000-1000.jsonl"), "utf8"), "mine")
    fs.renameSync(path.join(parent, "1000-1000.jsonl"), path.join(parent, "mine"))
    yield* put(sink, 2, [[1000, [1]], [2000, [2]]])
    assert.deepEqual(filesOf(parent), { "1000-1000.jsonl": "1\n", "2000-2000.jsonl": "2\n", mine: "mine" })
  }))

it("options that cannot be are told before anything is made", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const wrong: ReadonlyArray<readonly [Save.FileSink, RegExp]> = [
      [Save.sink(path.join(parent, "x"), { format: "json" as any }), /the formats are jsonl and msgpack and text/],
      [
        Save.sink(path.join(parent, "x"), { roll: {} }),
        /roll has to say when a file is done: give batches, bytes or interval/
      ],
      [Save.sink(path.join(parent, "x"), { roll: { batches: 0 } }), /greater than 0/],
      [Save.sink(path.join(parent, "x"), { roll: { interval: "soon" as any } }), /greater than 0/],
      [Save.sink(7 as any), /the directory has to be a text, and is 7/],
      [Save.sink("~/x"), /"~" is the home directory to a shell only/],
      [Save.sink("s3://bucket/x"), /there is no file system for "s3:/]
    ]
    for (const [sink, message] of wrong) {
      const error = yield* Effect.flip(put(sink, 1, []))
      assert.match(error.message, message)
      assert.ok(isPermanent(error))
    }
    assert.deepEqual(fs.readdirSync(parent), [])
  }))

it("a stream goes into a file sink", () =>
  Effect.sync(() => {
    const output = Memory.batches([["a"]]).pipe(DStream.toSink(Save.sink("/tmp/x"), { name: "words" }))
    assert.deepEqual([output.kind, output.name], ["file", "words"])
  }))
