/**
 * Programs as they are loaded: an app or an Effect that builds one; everything else is one error with a sentence.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { load, urlOf } from "../../adapters/threads/ProgramModule.ts"
import { it } from "../kit.ts"

const configProgram = urlOf(fileURLToPath(new URL("../cli/programs/config.ts", import.meta.url)))

it("an Effect builds the app from the options, which are stronger than the environment", () =>
  Effect.gen(function* () {
    const { app, codeFingerprint } = yield* load(configProgram, { HOST: "example.org", PORT: "7" })
    assert.equal(app.name, "example.org:7")
    assert.match(codeFingerprint, /^[0-9a-f]{64}$/)
    assert.equal((yield* load(configProgram, { HOST: "h", PORT: "8" })).codeFingerprint, codeFingerprint)
  }))

/** Programs that no tool of the house should read as its own: they are written when they are needed. */
const bad: ReadonlyArray<readonly [source: string | undefined, message: RegExp]> = [
  [undefined, /There is no program .*program\.ts: .*ENOENT.* Give the path of a module that exports an app\./],
  ["export const app = 1", /program\.ts has no default export: it has to be a StreamingApp.* "export default Strea/],
  ["export default { name: 'no app' }", /program\.ts exports an object that is no app as its default: it has to be/],
  ["export default (", /program\.ts cannot be loaded: /],
  [
    "import 'no-such-package'",
    /program\.ts cannot be loaded: .*no-such-package.* Install the package that it imports/s
  ],
  ["throw new Error('at the top')", /program\.ts cannot be loaded: at the top\./]
]

for (const [source, message] of bad) {
  it(`a program is refused with a sentence: ${source ?? "no file"}`, () =>
    Effect.gen(function* () {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(folder, { recursive: true })))
      const file = path.join(folder, "program.ts")
      if (source !== undefined) fs.writeFileSync(file, source)
      const error = yield* Effect.flip(load(urlOf(file), {}))
      assert.equal(error._tag, "ProgramError")
      assert.match(error.message, message)
    }))
}

it("an Effect that fails says what it misses", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(load(configProgram, { HOST: "h", PORT: "no number" }))
    assert.match(error.message, /config\.ts could not build its app: /)
    assert.match(error.message, /PORT/)
  }))
