/**
 * A file that another takes the place of between planning and reading, on a real disk.
 */
import * as assert from "node:assert/strict"
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
