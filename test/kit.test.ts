import * as assert from "node:assert/strict"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { it } from "./kit.ts"

it("sleeps on the virtual clock", () =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkScoped(Effect.sleep("1 hour"))
    yield* TestClock.adjust("59 minutes")
    assert.equal(fiber.pollUnsafe(), undefined)
    yield* TestClock.adjust("1 minute")
    assert.notEqual(fiber.pollUnsafe(), undefined)
    assert.equal(yield* Clock.currentTimeMillis, 3_600_000)
  }))

it.live("sleeps on the real clock where asked to", () =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    yield* Effect.sleep("5 millis")
    assert.ok((yield* Clock.currentTimeMillis) - before >= 4)
  }))
