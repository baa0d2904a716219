/**
 * Durations as people write them: whatever the tool prints can be typed back, in every form, and what is none is NaN.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Duration, Effect, Option } from "effect"
import fc from "fast-check"
import { parse } from "../../adapters/cli/arguments.ts"
import { definitions, showValue } from "../../core/settings/definitions.ts"
import { type DurationInput, millisOf, millisOrNaN } from "../../core/time/Time.ts"
import { it } from "../kit.ts"

/** A naive model: each unit with all its names. */
const namesOf: ReadonlyArray<readonly [millis: number, names: ReadonlyArray<string>]> = [
  [1, ["ms", "msec", "milli", "millis", "millisecond", "milliseconds"]],
  [1000, ["s", "sec", "secs", "second", "seconds"]],
  [60_000, ["m", "min", "mins", "minute", "minutes"]],
  [3_600_000, ["h", "hr", "hrs", "hour", "hours"]],
  [86_400_000, ["d", "day", "days"]],
  [604_800_000, ["week", "weeks"]]
]

const units = namesOf.flatMap(([millis, names]) => names.map((name) => [millis, name] as const))

test("a number and a unit are so many milliseconds, by any name of the unit, with and without space and commas", () => {
  const number = fc.integer({ min: 0, max: 10_000_000 })
  fc.assert(
    fc.property(
      number,
      fc.constantFrom(...units),
      fc.constantFrom("", " ", "  "),
      fc.boolean(),
      (n, unit, space, commas) => {
        const text = `${commas ? n.toLocaleString("en-US") : n}${space}${unit[1]}`
        assert.equal(millisOrNaN(text), n * unit[0], text)
        assert.equal(millisOrNaN(` ${text} `), n * unit[0])
      }
    )
  )
})

test("fractions are as exact as Effect's own", () => {
  assert.equal(millisOrNaN("1.1 s"), 1100)
  assert.equal(millisOrNaN("0.2s"), 200)
  assert.equal(millisOrNaN("-1.5 min"), -90_000)
})

test("what the tool prints of a duration setting is read back as the same, as an option of the command too", () => {
  const { need } = definitions.blockInterval
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (millis) => {
      const shown = showValue(need, millis)
      assert.equal(millisOrNaN(shown), millis, shown)
      const command = Effect.runSync(parse(["run", "p.ts", "--batch-duration", shown]))
      assert.ok(command.kind === "run" && command.batchMillis === millis)
    })
  )
})

test("any duration of Effect's is what Effect says, and any other text is no duration", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.double(), fc.anything()), (value) => {
      const effects = Option.map(Duration.fromInput(value as Duration.Input), Duration.toMillis)
      if (Option.isSome(effects) && !Number.isNaN(value)) assert.equal(millisOrNaN(value), effects.value)
      else if (typeof value !== "string" || !/\d/.test(value)) assert.ok(Number.isNaN(millisOrNaN(value)))
    })
  )
  for (const none of ["", "s", "10", "10 x", "1,0 s", "10,00 ms", "1 2 s", "constructor", "1 constructor", null, NaN]) {
    assert.ok(Number.isNaN(millisOrNaN(none)), String(none))
  }
})

it("millisOf quotes what is no duration", () =>
  Effect.sync(() => {
    assert.equal(millisOf("10 s"), 10_000)
    assert.throws(
      () => millisOf("soon" as DurationInput),
      /^TypeError: "soon" is no duration; write one such as "5 seconds"/
    )
  }))
