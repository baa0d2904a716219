import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { Effect } from "effect"
import { openStorage } from "../../adapters/storage/places.ts"
import { it } from "../kit.ts"
import { environment } from "./environment.ts"
import { scriptedS3 } from "./scriptedS3.ts"

const bytes = new TextEncoder().encode("x")

it.live("a path and a file URL are directories", () =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-places-"))),
      (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    )
    const places = [folder, path.relative(process.cwd(), folder), pathToFileURL(folder).href]
    for (const [index, place] of places.entries()) {
      const storage = yield* openStorage(place)
      assert.equal(storage.appends, true)
      yield* storage.create(`file-${index}`, bytes)
      assert.ok(fs.existsSync(path.join(folder, `file-${index}`)), place)
    }
  }))

it.live("a place that begins with s3: is an object store", () =>
  Effect.gen(function* () {
    yield* environment()
    const store = yield* scriptedS3()
    const storage = yield* openStorage(store.place)
    assert.equal(storage.appends, false)
    assert.equal(storage.place, `s3://bucket/app at ${store.endpoint}`)
    yield* storage.create("file", bytes)
    assert.ok(store.objects.has("app/file"))
  }))

const wrong: ReadonlyArray<readonly [place: string, says: RegExp]> = [
  ["", /is no path: a directory is a path or a URL as file:/],
  ["  ", /is no path/],
  ["a\0b", /is no path/],
  ["~/checkpoints", /"~" is the home directory to a shell only/],
  ["hdfs://host/dir", /cannot be kept in "hdfs:\/\/...": nothing here speaks hdfs/],
  ["S3A://bucket/dir", /nothing here speaks s3a: a directory is a path .*, an object store is s3:\/\/BUCKET\/PREFIX/],
  ["https://name:PASSWORD@host/dir", /nothing here speaks https/],
  ["s3:bucket", /is written s3:\/\/BUCKET\/PREFIX/],
  ["file:state", /is no URL of a directory/],
  ["file://other-host/dir", /is no URL of a directory/]
]

for (const [place, says] of wrong) {
  it.live(`a place that nothing can open is told: ${JSON.stringify(place)}`, () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(openStorage(place))
      assert.equal(error.reason, "Invalid")
      assert.match(error.message, says)
      assert.doesNotMatch(error.message, /PASSWORD/)
    }))
}
