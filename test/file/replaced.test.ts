/**
 * A file that another, or something else, takes the place of between planning and reading, on a real disk.
 */
import * as assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect } from "effect"
import { partsOf } from "../../adapters/file/FilePart.ts"
import { nodeFiles } from "../../adapters/file/nodeFiles.ts"
import * as PartReader from "../../adapters/file/PartReader.ts"
import { it } from "../kit.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-replaced-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true }))
)

it.live("a file that was replaced after it was planned is an error, however long the new one is; one that grew is read as planned", () =>
  Effect.gen(function* () {
    const file = path.join(yield* folder, "a")
    fs.writeFileSync(file, "planned\n")
    const [part] = partsOf((yield* nodeFiles.status(file))!, 1000)
    const read = Effect.suspend(() => {
      const into = new Uint8Array(part!.length)
      return Effect.map(PartReader.make(nodeFiles, part!).fill(0, into), () => new TextDecoder().decode(into))
    })
    fs.appendFileSync(file, "later\n")
    assert.equal(yield* read, "planned\n")
    fs.writeFileSync(`${file}.new`, "a replacement that is longer\n")
    fs.renameSync(`${file}.new`, file)
    const error = yield* Effect.flip(read)
    assert.equal(error.reason, "Changed")
    assert.match(error.message, /was replaced by another after its batch had taken it/)
  }))

it.live("a pipe or a directory in the place of a file that was planned is an error, and is not waited for", () =>
  Effect.gen(function* () {
    const file = path.join(yield* folder, "a")
    fs.writeFileSync(file, "planned\n")
    const [part] = partsOf((yield* nodeFiles.status(file))!, 1000)
    const read = Effect.suspend(() => PartReader.make(nodeFiles, part!).fill(0, new Uint8Array(part!.length)))
    for (const put of [() => execFileSync("mkfifo", [file]), () => fs.mkdirSync(file)]) {
      fs.rmSync(file)
      put()
      const error = yield* Effect.flip(read)
      assert.equal(error.reason, "Changed")
      assert.match(
        error.message,
        /^The file .*\/a is no file any more: leave files as they are once they are there, or/
      )
    }
  }))
