/**
 * Kind fileStream: files appear in a directory, with times of modification, while the clock moves; what the batches read is
 * compared.
 */
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as File from "../../../adapters/file/mod.ts"
import { DStream, StreamingApp } from "../../../core/mod.ts"
import type { Collected } from "../../driver/collected.ts"
import * as Local from "../../driver/local.ts"
import { same, sameBatches, sameSet } from "../compare.ts"
import { batchMsDefault } from "../pipelines/run.ts"
import { type Json, known, onlyFields, type Vector } from "../Vector.ts"
import { kind } from "./kind.ts"

const directory = "/watched"

const fileFields = ["name", "writeFile", "modifiedMs", "content"]

const expectations: Readonly<Record<string, (expected: Json, out: Collected<string>) => void>> = {
  allLinesAsSet: (expected, out) => sameSet("all lines", expected, out.flatMap(({ records }) => records)),
  batches: (expected, out) => same("batches", expected, out.length),
  perBatch: (expected, out) => sameBatches("lines", expected, out.map(({ records }) => records), { ordered: false })
}

const runFiles = Effect.fnUntraced(function* ({ params, clockAtStartMs, existing, steps, expected }: Vector) {
  onlyFields("params", params, ["batchMs", "newFilesOnly", "minRememberMs"])
  const { batchMs = batchMsDefault, newFilesOnly, minRememberMs: minRemember } = params
  const files = File.memoryFiles()
  files.makeDirectory(directory)
  const write = (file: Json) => {
    onlyFields("a file", file, fileFields)
    files.write(`${directory}/${file.writeFile ?? file.name}`, `${file.content}\n`, file.modifiedMs)
  }
  existing?.forEach(write)
  yield* TestClock.setTime(clockAtStartMs)
  const out: Collected<string> = []
  const app = StreamingApp.make({
    name: "files",
    batchDuration: batchMs,
    outputs: [File.textStream({ directory, newFilesOnly, minRemember }).pipe(DStream.collectTo(out))],
    layer: Layer.succeed(File.FileWorld, files)
  })
  yield* Local.start(app as StreamingApp.StreamingApp, { executors: 2, coded: true })
  for (const step of steps) {
    onlyFields("a step", step, ["advanceMs", ...fileFields])
    if (step.writeFile !== undefined) write(step)
    if (step.advanceMs === undefined) continue
    yield* TestClock.adjust(step.advanceMs)
    yield* Local.settled
  }
  for (const [word, value] of Object.entries(expected)) known("expectation", expectations, word)(value, out)
})

export const fileStream = kind(["params", "clockAtStartMs", "existing", "steps", "expected"], runFiles)
