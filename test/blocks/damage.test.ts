/**
 * Blocks as a disk, a log or an enemy may give them: an error that says what is wrong, or a block; never more than the bytes are worth.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { DamagedData } from "../../adapters/codec/DamagedData.ts"
import { messagePack } from "../../adapters/codec/MessagePack.ts"
import * as BlockRecord from "../../core/blocks/BlockRecord.ts"
import { type BlockContents, decodeContents, recordCount } from "../../core/blocks/BlockContents.ts"
import { change, changed } from "../damage.ts"

const contents: BlockContents = {
  parts: [
    { kind: "records", records: ["a", { b: [1n, new Date(0)] }, null] },
    { kind: "bytes", bytes: Uint8Array.of(1, 2, 3), records: undefined },
    { kind: "records", records: Array.from({ length: 20 }, (_, i) => [`word${i}`, i]) },
    { kind: "bytes", bytes: new Uint8Array(0), records: 0 }
  ]
}
const record = BlockRecord.encode("lines/1/1/7", contents, messagePack)

/** A whole block, or why it is none, with the byte. */
const attempt = (bytes: Uint8Array): BlockContents | string => {
  try {
    const { contents } = BlockRecord.decode(bytes)
    return decodeContents(contents, messagePack)
  } catch (error) {
    const { message } = error as Error
    assert.ok(
      error instanceof DamagedData || /at byte \d+|too short for a block|within the name/.test(message),
      message
    )
    return message
  }
}

test("a block that was cut, changed, spliced or has a huge number in it is told, or is a block of what is there", () => {
  let told = 0
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const bytes = changes.reduce<Uint8Array>(changed, record.bytes)
      const outcome = attempt(bytes)
      if (typeof outcome === "string") return void told++
      const count = recordCount(outcome)
      assert.ok(count === undefined || Number.isSafeInteger(count))
    }),
    { numRuns: 2000 }
  )
  assert.ok(told > 500, `${told}`)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void attempt(bytes)))
  assert.deepEqual(attempt(record.bytes), contents)
})

test("counts and lengths that are no numbers of anything are refused", () => {
  const begin = record.bytes.length - record.contents.length
  const strange = [NaN, Infinity, -Infinity, -2, -1, 0.5, 1e308, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER]
  for (const at of [1, 9]) {
    for (const number of strange) {
      const bytes = record.bytes.slice()
      new DataView(bytes.buffer).setFloat64(begin + at, number)
      assert.match(attempt(bytes) as string, /an encoded block (is damaged|has no list of .* records) at byte 0/)
    }
  }
  const raw = BlockRecord.encode("b", { parts: [{ kind: "bytes", bytes: Uint8Array.of(1), records: 1 }] }, messagePack)
  for (const number of strange) {
    const bytes = raw.bytes.slice()
    new DataView(bytes.buffer).setFloat64(bytes.length - raw.contents.length + 1, number)
    const outcome = attempt(bytes)
    const isCount = Number.isSafeInteger(number) && number >= -1
    assert.equal(typeof outcome === "string", !isCount, `${number}`)
  }
})
