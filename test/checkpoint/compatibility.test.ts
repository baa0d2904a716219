/**
 * What becomes of states where the program has changed: by the table of the module.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { bornNow, compare, refusal } from "../../core/checkpoint/compatibility.ts"

type Manifest = Parameters<typeof compare>[0]

const operator = (id: string, kind: string, state?: { kind: string; version: number }, shape?: string) => ({
  id,
  kind,
  parents: [],
  ...(state === undefined ? {} : { state }),
  ...(shape === undefined ? {} : { shape })
})

const manifest = (...operators: ReadonlyArray<ReturnType<typeof operator>>): Manifest => ({
  app: "app",
  batchMillis: 1000,
  operators,
  outputs: []
})

const counts = operator("counts", "updateStateByKey", { kind: "update", version: 1 })
const none = () => false
const nothing = { hasState: () => true, inputs: [], outputs: [] }

test("a state of the same kind, shape and version is restored, wherever its operator stands", () => {
  const before = manifest(operator("lines", "socket"), counts)
  const compared = compare(before, manifest(counts, operator("other", "map")), none)
  assert.deepEqual(compared.operators, [{ operator: "counts", outcome: "restored" }])
  assert.equal(refusal(compared, false), undefined)
  assert.equal(compared.same, false)
  assert.equal(compare(before, before, none).same, true)
})

test("the order in which an operator's fields stand, or were recorded, is no change", () => {
  const one = {
    id: "w",
    kind: "reduceByKeyAndWindow",
    parents: [],
    state: { kind: "window", version: 1 },
    shape: "1000/30000"
  }
  const { shape, state, ...rest } = one
  assert.equal(compare(manifest(one), manifest({ ...rest, shape, state }), none).same, true)
  assert.equal(compare(manifest(one), manifest({ ...rest, state, shape: "2000/30000" }), none).same, false)
})

test("a state that was not there before is new, and begins with the first batch after the recovery", () => {
  const compared = compare(manifest(operator("counts", "map")), manifest(counts), none)
  assert.deepEqual(compared.operators, [{ operator: "counts", outcome: "new" }])
  assert.equal(refusal(compared, false), undefined)
  assert.deepEqual(bornNow(compared), ["counts"])
})

test("a state that is no more refuses the start with what to do, until that is accepted", () => {
  for (const now of [manifest(), manifest(operator("counts", "map"))]) {
    const compared = compare(manifest(counts), now, none)
    assert.equal(compared.operators[0]!.outcome, "dropped")
    assert.match(refusal(compared, false)!, /dropped counts: .*DStream\.named[^]*onProgramChange/)
    assert.equal(refusal(compared, true), undefined)
    assert.deepEqual(bornNow(compared), [])
  }
})

test("an operator without a saved state may go: there is nothing to give up", () => {
  assert.deepEqual(compare(manifest(counts), manifest(), none, { ...nothing, hasState: () => false }).operators, [])
})

test("another kind, shape or version refuses the start, and begins anew where that is accepted", () => {
  const shaped = operator("counts", "updateStateByKey", { kind: "update", version: 1 }, "1000/30000")
  const cases: ReadonlyArray<readonly [Manifest, Manifest, RegExp]> = [
    [manifest(counts), manifest(operator("counts", "mapWithState", { kind: "mapWithState", version: 1 })), /made by/],
    [
      manifest(shaped),
      manifest({ ...shaped, shape: "1000/60000" }),
      /was kept as 1000\/30000, and would be as 1000\/60000/
    ],
    [
      manifest(counts),
      manifest({ ...counts, state: { kind: "update", version: 3 } }),
      /give migrations for versions 1 to 2/
    ],
    [manifest({ ...counts, state: { kind: "update", version: 3 } }), manifest(counts), /run the newer program/]
  ]
  for (const [before, now, reason] of cases) {
    const compared = compare(before, now, none)
    assert.equal(compared.operators[0]!.outcome, "refused")
    assert.match(refusal(compared, false)!, reason)
    assert.equal(refusal(compared, true), undefined)
    assert.deepEqual(bornNow(compared), ["counts"])
  }
})

test("an older version is migrated where there is a step from each to the next", () => {
  const now = manifest({ ...counts, state: { kind: "update", version: 3 } })
  const asked: Array<unknown> = []
  const compared = compare(manifest(counts), now, (...args) => {
    asked.push(args)
    return true
  })
  assert.deepEqual(compared.operators, [{ operator: "counts", outcome: "migrated", reason: "from version 1 to 3" }])
  assert.deepEqual(asked, [["counts", 1, 3]])
  assert.deepEqual(bornNow(compared), [])
})

test("another app or batch duration is refused, whatever is accepted", () => {
  for (const now of [{ ...manifest(counts), app: "other" }, { ...manifest(counts), batchMillis: 500 }]) {
    assert.ok(refusal(compare(manifest(counts), now, none), true) !== undefined)
  }
})

test("an input of which something is kept must not be gone, nor an output without a name be another one", () => {
  const lines = operator("lines", "socket")
  const kept = { ...nothing, inputs: ["lines"] }
  assert.equal(refusal(compare(manifest(lines), manifest(lines), none, kept), false), undefined)
  assert.match(
    refusal(compare(manifest(lines), manifest(operator("other", "socket")), none, kept), false)!,
    /no input "lines"/
  )
  const output = { id: "table-0", kind: "table", stream: "a", commits: true }
  const before = { ...manifest(lines), outputs: [output] }
  const moved = { ...manifest(lines), outputs: [{ ...output, stream: "b" }, { ...output, id: "table-1" }] }
  assert.match(refusal(compare(before, moved, none, nothing), false)!, /"table-0" was of a, and is of b.*name/)
  const named = (manifest: Manifest) => ({
    ...manifest,
    outputs: manifest.outputs.map((one) => ({ ...one, named: true }))
  })
  assert.equal(refusal(compare(named(before), named(moved), none, nothing), false), undefined)
  const printed = { ...before, outputs: [{ ...output, commits: false }] }
  assert.equal(refusal(compare(printed, moved, none, nothing), false), undefined)
  assert.match(refusal(compare(printed, moved, none, { ...nothing, outputs: ["table-0"] }), false)!, /table-0/)
})
