/**
 * Which rows of a batch are written, and in which pieces.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { lastOfEachKey, piecesOf } from "../../adapters/sql/insertion.ts"

test("of the rows with one key the last is written, where it comes last; a row with a null in its key is alone", () => {
  const rows = [["a", 1], ["b", 2], ["a", 3], [null, 4], [null, 5]]
  assert.deepEqual(lastOfEachKey(rows, [0]), [1, 2, 3, 4])
  const day = new Date(86_400_000)
  const kinds = [[1], [1n], ["1"], [day], [day.getTime()], [new Uint8Array([1])], [true], ["true"]]
  assert.deepEqual(lastOfEachKey(kinds, [0]), [1, 2, 3, 4, 5, 6, 7], "a number and a bigint are one key")
  assert.deepEqual(lastOfEachKey([["a", "b c"], ["a b", "c"], ["a", "b c"]], [0, 1]), [1, 2])
})

test("pieces have as many rows as a power of two, and no more bytes than a statement takes", () => {
  const sizes = (rows: ReadonlyArray<ReadonlyArray<string>>, rowsMax: number) =>
    piecesOf(rows, rowsMax).map(({ end, start }) => end - start)
  assert.deepEqual(sizes(Array(11).fill(["a"]), 4), [4, 4, 2, 1])
  assert.deepEqual(sizes(Array(4).fill(["x".repeat(1 << 19)]), 8), [2, 2])
  assert.deepEqual(sizes([["x".repeat(1 << 21)], ["a"]], 8), [1, 1], "a larger row is alone")
})
