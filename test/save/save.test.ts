/**
 * saveAsTextFiles and saveAsObjectFiles through the engine: what stands in the files, what fails, what a run again leaves.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect, Exit, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { Unpackr } from "msgpackr"
import * as Memory from "../../adapters/memory/mod.ts"
import { jsonl, msgpack } from "../../adapters/save/formats.ts"
import * as Save from "../../adapters/save/mod.ts"
import { DStream, type Output, StreamingApp } from "../../core/mod.ts"
import { dstreams, programOf } from "../cli/command.ts"
import * as Local from "../driver/local.ts"
import { it } from "../kit.ts"
import { filesOf, folder } from "./folder.ts"

/** Runs so many batches of a second each; files take real time, which the virtual clock has to be given. */
const run = <E>(
  outputs: ReadonlyArray<Output.Output<E>>,
  batches: number,
  options: Local.LocalOptions = {}
): Effect.Effect<Exit.Exit<void, unknown>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const app = StreamingApp.make({ name: "saving", batchDuration: "1 second", outputs })
    const running = yield* Local.run(app, { batches, executors: 2, ...options })
    while (running.pollUnsafe() === undefined) {
      yield* TestClock.adjust("500 millis")
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    return yield* Fiber.await(running)
  })

const words = Memory.batches([["a", "b", "c"], [], undefined, ["d"]], 2)

it("texts: a directory per batch, a file per partition, a batch without records too, none where there is no data set", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const counts = words.pipe(DStream.mapToPair((word) => [word, 1]))
    const exit = yield* run([counts.pipe(Save.saveAsTextFiles(path.join(parent, "counts"), "txt"))], 3)
    assert.ok(Exit.isSuccess(exit))
    assert.deepEqual(filesOf(parent), {
      "counts-1000.txt/_SUCCESS": "",
      "counts-1000.txt/part-00000": "(a,1)\n",
      "counts-1000.txt/part-00001": "(b,1)\n(c,1)\n",
      "counts-2000.txt/_SUCCESS": "",
      "counts-2000.txt/part-00000": "",
      "counts-2000.txt/part-00001": "",
      "counts-4000.txt/_SUCCESS": "",
      "counts-4000.txt/part-00000": "",
      "counts-4000.txt/part-00001": "(d,1)\n"
    })
  }))

it("objects: JSON lines and MessagePack give the records back", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const records = [{ word: "a", at: [1, 2.5, null] }, { word: "ü\n", nested: { ok: true } }]
    const stream = Memory.batches([records])
    const exit = yield* run([
      stream.pipe(Save.saveAsObjectFiles(path.join(parent, "json"))),
      stream.pipe(Save.saveAsObjectFiles(path.join(parent, "pack"), "", { format: "msgpack" }))
    ], 1)
    assert.ok(Exit.isSuccess(exit))
    const lines = fs.readFileSync(path.join(parent, "json-1000", "part-00000"), "utf8").trimEnd().split("\n")
    assert.deepEqual(lines.map((line) => JSON.parse(line)), records)
    assert.deepEqual(unpacked(fs.readFileSync(path.join(parent, "pack-1000", "part-00000"))), records)
  }))

it("the same batches run again leave the same files", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const output = words.pipe(Save.saveAsTextFiles(path.join(parent, "again")))
    assert.ok(Exit.isSuccess(yield* run([output], 2)))
    const before = filesOf(parent)
    yield* TestClock.setTime(0)
    assert.ok(Exit.isSuccess(yield* run([output], 2)))
    assert.deepEqual(filesOf(parent), before)
  }))

it("a task that fails once after half a partition leaves one copy", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    let failures = 1
    // Seen only when the second record is written.
    const second = Object.defineProperty({}, "x", { enumerable: true, get: () => failures-- > 0 ? 1n : "a" })
    const stream = Memory.batches([["first", second]])
    const exit = yield* run([stream.pipe(Save.saveAsObjectFiles(path.join(parent, "once")))], 1)
    assert.ok(Exit.isSuccess(exit), String(exit))
    assert.deepEqual(filesOf(parent), {
      "once-1000/_SUCCESS": "",
      "once-1000/part-00000": `"first"\n{"x":"a"}\n`
    })
  }))

it("a directory of somebody else fails the batch, which names it, and is left as it is", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    fs.mkdirSync(path.join(parent, "taken-1000"))
    const exit = yield* run([words.pipe(Save.saveAsTextFiles(path.join(parent, "taken")))], 1)
    assert.match(String(exit), /SaveError.*taken-1000: there is a directory of that name/s)
    assert.deepEqual(filesOf(path.join(parent, "taken-1000")), {})
  }))

it("a prefix that is no path, and a format that there is not, fail the batch with what to do", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const wrong = [
      [Save.saveAsTextFiles("hdfs://host/out"), /there is no file system for "hdfs:.*give the path of a directory/s],
      [Save.saveAsTextFiles(7 as any), /prefix and suffix have to be texts, and one is 7/],
      [
        Save.saveAsObjectFiles(path.join(parent, "x"), "", { format: "json" as any }),
        /the formats are jsonl and msgpack/
      ]
    ] as const
    for (const [save, message] of wrong) {
      const exit = yield* run([words.pipe(save as ReturnType<typeof Save.saveAsTextFiles>)], 1, {
        settings: { maxTaskFailures: 1 }
      })
      assert.match(String(exit), message)
    }
    assert.deepEqual(filesOf(parent), {})
  }))

it("what a format cannot give back is refused with its path and a remedy", () =>
  Effect.sync(() => {
    const self: Array<unknown> = []
    self.push(self)
    for (
      const [record, message] of [
        [
          { a: { b: [1, new Map()] } },
          /a record's a\.b\[1\] is a Map: JSON lines cannot give that back.*format: "msgpack"/
        ],
        [1n, /a record is 1n/],
        [NaN, /a record is NaN/],
        [new Date(0), /a record is a Date/],
        [[undefined], /a record's \[0\] is undefined/],
        [self, /nested deeper than 500/]
      ] as const
    ) {
      assert.throws(() => jsonl(record), { message })
    }
    for (
      const [record, message] of [
        [{ a: new Set() }, /a record's a is a Set: MessagePack cannot give that back; map it to plain data/],
        [2n ** 64n, /is 18446744073709551616n/],
        [() => 1, /a record is a function/],
        [self, /nested deeper than 500/]
      ] as const
    ) {
      assert.throws(() => msgpack(record), { message })
    }
    assert.equal(jsonl({ a: undefined, b: 1 }), `{"b":1}\n`)
    assert.deepEqual(unpacked(msgpack({ a: undefined, b: [{ c: undefined }] }) as Uint8Array), [{ b: [{}] }])
    const rich = [new Date(5), 2n ** 60n, Uint8Array.of(1, 2)]
    assert.deepEqual(unpacked(msgpack(rich) as Uint8Array).map((list: any) => [...list].map(String)), [
      rich.map(String)
    ])
  }))

it("whatever JSON can say comes back from both formats", () =>
  Effect.sync(() =>
    fc.assert(fc.property(fc.array(fc.jsonValue()), (records) => {
      // A key that msgpackr gives another name when it reads: what it holds shall not become a prototype.
      const plain = JSON.parse(JSON.stringify(records).replaceAll("__proto__", "proto")) as Array<unknown>
      assert.deepEqual(plain.map((record) => JSON.parse(jsonl(record) as string)), plain)
      const packed = Buffer.concat(plain.map((record) => msgpack(record) as Uint8Array))
      assert.deepEqual(packed.length === 0 ? [] : unpacked(packed), plain)
    }))
  ))

function unpacked(bytes: Uint8Array): ReadonlyArray<any> {
  return new Unpackr({ mapsAsObjects: true, useRecords: false }).unpackMultiple(bytes) as any ?? []
}

it.live("worker threads write the partitions, the driver publishes the directory", () =>
  Effect.gen(function* () {
    const parent = yield* folder
    const options = ["--master", "local[2]", "--batches", "1", "--config", `FOLDER=${parent}`]
    const { code, err } = yield* dstreams("run", programOf("saving"), ...options)
    assert.equal(code, 0)
    assert.match(err, /^dstreams: there is no checkpointDirectory: [^\n]*\n$/)
    const [counts, pairs] = fs.readdirSync(parent).filter((name) => !name.startsWith(".")).sort()
    assert.match(counts!, /^counts-\d+\.txt$/)
    assert.match(pairs!, /^pairs-\d+$/)
    assert.deepEqual(fs.readdirSync(path.join(parent, counts!)).sort(), ["_SUCCESS", "part-00000", "part-00001"])
    const lines = (name: string) =>
      Object.values(filesOf(path.join(parent, name))).join("").trimEnd().split("\n").sort()
    assert.deepEqual(lines(counts!), ["(be,1)", "(to,2)"])
    assert.deepEqual(lines(pairs!), [`["be",1]`, `["to",2]`])
  }))
