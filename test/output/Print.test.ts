import * as assert from "node:assert/strict"
import { test } from "node:test"
import { formatBatch, formatRecord } from "../../core/output/Print.ts"

test("a batch prints as Spark prints it: rules, time, ten records, dots if there are more, an empty line", () => {
  const rule = "-------------------------------------------"
  const few = formatBatch(1000, [["a", 1], ["b", 2]], 10)
  assert.equal(few, `${rule}\nTime: 1000 ms\n${rule}\n(a,1)\n(b,2)\n`)
  const numbers = Array.from({ length: 11 }, (_, index) => index)
  assert.ok(formatBatch(2000, numbers, 10).endsWith("\n8\n9\n...\n"))
  assert.ok(formatBatch(2000, numbers.slice(1), 10).endsWith("\n9\n10\n"))
  assert.equal(formatBatch(3000, ["a"], 10, "totals"), `${rule}\nTime: 3000 ms (totals)\n${rule}\na\n`)
  assert.equal(formatBatch(3000, [], 10), `${rule}\nTime: 3000 ms\n${rule}\n`)
})

test("text prints raw, tuples nest, other objects print as JSON", () => {
  const cases: ReadonlyArray<readonly [unknown, string]> = [
    ["a word", "a word"],
    [["k", ["a", 1]], "(k,(a,1))"],
    [[null, undefined], "(null,undefined)"],
    [{ a: [1, "x"] }, `{"a":[1,"x"]}`],
    [10n, "10"],
    [Number.NaN, "NaN"]
  ]
  for (const [record, text] of cases) assert.equal(formatRecord(record), text)
})

test("a record without JSON prints all the same", () => {
  const cycle: Record<string, unknown> = {}
  cycle["self"] = cycle
  assert.equal(formatRecord(cycle), "[object Object]")
  const tuple: Array<unknown> = ["a"]
  tuple.push(tuple)
  assert.match(formatRecord(tuple), /^\(a,\(a,.*\(\.\.\.\)+$/)
  assert.equal(formatRecord({ n: 1n, m: new Map([["a", 1]]), s: new Set([2]) }), `{"n":"1","m":[["a",1]],"s":[2]}`)
})
