/**
 * The conformance runner and its tables: the shipped vectors hold, every vector in words has its tests, every word of the
 * vocabulary is known, and what is unknown or wrong fails.
 */
import * as assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { isInWords, kinds } from "./kinds/mod.ts"
import { machines } from "./machines/mod.ts"
import { dataSetOperationNames, namesOfFunctionsOfSeveral } from "./pipelines/dataSets.ts"
import { functionNames } from "./pipelines/functions.ts"
import { operationNames } from "./pipelines/operators.ts"
import { hasFailures, reportOf } from "./report.ts"
import { areasNotYet, type Result, runFiles, shippedVectors } from "./run.ts"
import { behaviours, deviations } from "./tables.ts"
import { readVectorFiles, type Vector } from "./Vector.ts"

const files = readVectorFiles(shippedVectors)
const later = Object.keys(areasNotYet)
const vectors = files.filter(({ area }) => !later.includes(area)).flatMap((file) => file.vectors)
const deviating = deviations()

/** Those that differ without the design saying so. */
const deviationsMax = 5

test("no shipped vector fails: it passes, differs on purpose, waits for a capability, or is met by named tests", {
  timeout: 60_000
}, async () => {
  const results = await runFiles(files)
  const lines = reportOf(results)
  assert.ok(!hasFailures(results), lines.join("\n"))
  assert.equal(lines.filter((line) => line.startsWith("in words, without")).length, 0, lines.join("\n"))
  assert.match(lines.at(-1)!, /^\d+ passed, 0 failed$/)
  for (const { id, verdict } of results) {
    assert.equal(deviating.has(id), verdict.kind === "deviating", id)
  }
})

test("every vector in words is met by tests that exist, differs on purpose, or waits for a capability", () => {
  const tests = behaviours()
  for (const vector of vectors.filter(isInWords)) {
    assert.ok(tests.has(vector.id) || deviating.has(vector.id), `${vector.id} has no row in behaviours.md`)
  }
  const texts = new Map<string, string>()
  for (const [id, rows] of tests) {
    assert.ok(vectors.some((vector) => vector.id === id && isInWords(vector)), `${id} is no vector in words`)
    for (const { file, test: name } of rows) {
      if (file === "not yet") continue
      const text = texts.get(file) ?? readFileSync(new URL(`../../${file}`, import.meta.url), "utf8")
      texts.set(file, text)
      assert.ok(text.includes(`"${name}"`), `${file} has no test "${name}"`)
    }
  }
})

test("few vectors differ without the design saying so, and each says why", () => {
  const without = [...deviating].filter(([, { section }]) => section === "")
  assert.ok(without.length <= deviationsMax, without.map(([id]) => id).join(", "))
  for (const [id, { reason }] of deviating) {
    assert.ok(vectors.some((vector) => vector.id === id), `${id} is no vector`)
    assert.match(reason, /^[A-Z].+\.$/, id)
  }
})

test("every kind, operation, function and machine of the vocabulary is known", () => {
  const { areas } = JSON.parse(readFileSync(new URL("vectors/vocabulary.json", import.meta.url), "utf8"))
  const inWords = ["property"]
  const functions = [...functionNames, ...namesOfFunctionsOfSeveral]
  for (const area of Object.keys(areas).filter((area) => !later.includes(area))) {
    const unknown = (words: object | undefined, known: ReadonlyArray<string>) =>
      Object.keys(words ?? {}).filter((word) => !known.includes(word))
    const { kinds: kindWords, ops, functions: functionWords, machines: machineWords } = areas[area]
    assert.deepEqual(unknown(kindWords, [...Object.keys(kinds), ...inWords]), [], area)
    assert.deepEqual(unknown(ops, [...operationNames, ...dataSetOperationNames]), [], area)
    assert.deepEqual(unknown(functionWords, functions), [], area)
    assert.deepEqual(unknown(machineWords, Object.keys(machines)), [], area)
  }
})

const whysOf = (results: ReadonlyArray<Result>): ReadonlyArray<string> =>
  results.map(({ verdict }) => verdict.kind === "failed" ? verdict.why : `it ${verdict.kind}`)

const run = (...entries: ReadonlyArray<object>) =>
  runFiles([{
    area: "operations",
    vectors: entries.map((entry, i) => ({ id: `operations/made-${i}`, ...entry }) as Vector)
  }])

const inputs = [{ partitions: 1, batches: [[1, 2]] }]

test("an unknown word is a failure, wherever it stands", async () => {
  const results = await run(
    { kind: "riddle" },
    { kind: "operation", inputs, ops: [{ op: "mapp", fn: "toString" }], expected: [] },
    { kind: "operation", inputs, ops: [{ op: "map", fn: "toStrings" }], expected: [] },
    { kind: "operation", inputs, ops: [{ op: "map", fn: "toString", twice: true }], expected: [] },
    { kind: "operation", inputs, ops: [], expected: [], surprise: 1 },
    { kind: "function", fn: "nothing(a)", cases: [{ args: [1], expect: 1 }] },
    { kind: "function", fn: "time.less(a, b)", cases: [{ args: [1, 2], expectNothing: 1 }] },
    { kind: "statemachine", machine: "perpetuum", steps: [] },
    { kind: "statemachine", machine: "rateLimiter", config: {}, steps: [{ do: "fly" }] },
    { kind: "statemachine", machine: "rateLimiter", config: {}, steps: [{ do: "limit", expectSpeed: 1 }] }
  )
  for (const why of whysOf(results)) assert.match(why, /^unknown /)
})

test("what does not hold fails with expected and actual", async () => {
  const results = await run(
    { kind: "operation", inputs, ops: [{ op: "map", fn: "toString" }], ordered: true, expected: [["2", "1"]] },
    { kind: "function", fn: "time.less(a, b)", cases: [{ args: [2, 1], expect: true }] },
    { kind: "statemachine", machine: "rateLimiter", config: { maxRate: 7 }, steps: [{ do: "limit", expect: 8 }] },
    { kind: "error", inputs, ops: [], expected: { error: { category: "engine-error" } } }
  )
  assert.deepEqual(whysOf(results), [
    `output batches: expected [["2","1"]], got [["1","2"]]`,
    "time.less([2,1]): expected true, got false",
    "step 1 (limit), expect: expected 8, got 7",
    `the run: expected "an error: engine-error", got "no error"`
  ])
  assert.ok(hasFailures(results))
  assert.equal(reportOf(results).at(-1), "0 passed, 4 failed")
})

test("a vector that differs by the table and holds after all is a failure", async () => {
  const [id] = [...deviating].find(([id]) => vectors.some((vector) => vector.id === id && !isInWords(vector)))!
  const held = { id, kind: "function", fn: "time.less(a, b)", cases: [{ args: [1, 2], expect: true }] }
  assert.match(whysOf(await runFiles([{ area: "operations", vectors: [held] }]))[0]!, /^it passes, although/)
})
