/**
 * Programs as they are loaded: an app or an Effect that builds one; everything else is one error with a sentence.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Config, Effect } from "effect"
import { describeConfigError } from "../../../adapters/threads/configMistake.ts"
import { configProvider, load, urlOf } from "../../../adapters/threads/ProgramModule.ts"
import { it } from "../../kit.ts"

const configProgram = urlOf(fileURLToPath(new URL("../../cli/programs/config.ts", import.meta.url)))

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
  // Deno, which tests run with the clone's import map, finds it.
  ["import 'dstreams'", /Install dstreams where the program is \(the README says how\)|no default export/],
  ["throw new Error('at the top')", /program\.ts cannot be loaded: at the top, in .*line 1\./]
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

it("an Effect that fails says what it misses and how to give it, what it cannot use, and what was given to no end", () =>
  Effect.gen(function* () {
    const told: ReadonlyArray<readonly [Record<string, string>, string]> = [
      [{ HOST: "h", PORT: "secret" }, "PORT cannot be used: it has to be a string representing a finite number."],
      [{ HOST: "h", PORT: "1.5" }, "PORT cannot be used: it has to be an integer."],
      [{ HOST: "h" }, "PORT is not set: give --port PORT or the environment variable PORT."],
      [
        { HOTS: "h", LIMIT: "5", DSTREAMS_REMEMBER: "1 s" },
        "HOST is not set: give --host HOST or the environment variable HOST; you gave HOTS: did you mean HOST?; " +
        "you gave LIMIT, for which it had not asked until then."
      ]
    ]
    for (const [config, message] of told) {
      const error = yield* Effect.flip(load(configProgram, config))
      assert.equal(error.message.split(" could not build its app: ")[1], message)
    }
  }))

it("nested names of Config are told as environments have them, those of other errors as they come", () =>
  Effect.gen(function* () {
    const given = { provider: configProvider({ A_X: "?" }), config: { DATABSE_URL: "u" }, reads: new Set<string>() }
    const wanted = Config.all({ x: Config.Int("X").pipe(Config.nested("A")), y: Config.String("URL") })
    const first = yield* Effect.flip(wanted.parse(given.provider))
    assert.equal(
      yield* describeConfigError(first, given),
      "A_X cannot be used: it has to be a string representing a finite number; " +
        "you gave DATABSE_URL, for which it had not asked until then."
    )
    const second = yield* Effect.flip(Config.String("URL").pipe(Config.nested("DATABASE")).parse(given.provider))
    assert.equal(
      yield* describeConfigError(second, given),
      "DATABASE_URL is not set: give --config DATABASE_URL=... or the environment variable DATABASE_URL; " +
        "you gave DATABSE_URL: did you mean DATABASE_URL?"
    )
    assert.equal(yield* describeConfigError(new Error("other"), given), undefined)
  }))
