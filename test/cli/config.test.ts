/**
 * Options of the program: one that the program never reads is told, by run and by check.
 */
import * as assert from "node:assert/strict"
import { Config, ConfigProvider, Effect } from "effect"
import { unreadOf } from "../../adapters/cli/messages.ts"
import { configProvider } from "../../adapters/threads/ProgramModule.ts"
import { it } from "../kit.ts"
import { dstreams, example, programOf } from "./command.ts"

it("names that a program asks for are known, nested ones and defaults too", () =>
  Effect.gen(function* () {
    const given = { HOST: "h", DATABASE_URL: "u", PORT: "1" }
    const reads = new Set<string>()
    const program = Effect.gen(function* () {
      yield* Config.String("HOST")
      yield* Config.String("URL").pipe(Config.nested("DATABASE"))
      yield* Config.String("OTHER").pipe(Config.withDefault("x"))
    })
    yield* Effect.provideService(program, ConfigProvider.ConfigProvider, configProvider(given, reads))
    assert.match(unreadOf(given, reads)!, /^the program never read PORT: .*Config\.Port\("PORT"\)$/)
    assert.equal(unreadOf({ HOST: "h" }, reads), undefined)
    const misspelt = { DATABASE_ULR: "u", CONCURRENT_JOBS: "2" }
    assert.equal(
      unreadOf(misspelt, reads),
      "the program never read DATABASE_ULR and CONCURRENT_JOBS; did you mean DATABASE_URL and DSTREAMS_CONCURRENT_JOBS?"
    )
  }))

it.live("run and check tell of an option that the program never reads, and are silent of one that it does", () =>
  Effect.gen(function* () {
    const plain = yield* dstreams("run", programOf("failing"), "--port", "9999", "--config", "A=b")
    assert.match(plain.err, /^dstreams: the program never read A and PORT: /)
    const checked = yield* dstreams("check", example, "--port", "9999", "--config", "A=b")
    assert.equal(checked.code, 0)
    assert.match(checked.err, /^dstreams: the program never read A: .*Config\.String\("A"\)\n$/)
  }))
