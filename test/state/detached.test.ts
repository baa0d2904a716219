/**
 * Keys that outlive their batch: the same as those that came, without the texts that they were cut from.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import * as fc from "fast-check"
import { detached } from "../../core/state/detached.ts"
import { KeyedState } from "../../core/state/KeyedState.ts"

const key = fc.letrec((tie) => ({
  key: fc.oneof(
    { maxDepth: 3 },
    fc.string({ maxLength: 40, unit: "binary" }),
    fc.double(),
    fc.bigInt(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("key"), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fc.string({ maxLength: 20 }), fc.constant("__proto__")), tie("key"), { maxKeys: 3 })
  )
})).key

test("a detached key is the same key", () => {
  fc.assert(fc.property(key, (one) => assert.deepEqual(detached(one), one)))
})

test("a state does not keep what its keys were cut from", { skip: "Deno" in globalThis }, () => {
  v8.setFlagsFromString("--expose-gc")
  const collect = vm.runInNewContext("gc") as () => void
  const held = () => {
    collect()
    return process.memoryUsage().heapUsed / 2 ** 20
  }
  const state = new KeyedState(false)
  const before = held()
  for (const _ of state.begin()) continue
  for (let n = 0; n < 2000; n++) {
    const text = `${n} `.repeat(32_768).slice(0, 32_768)
    state.set(state.slotOf(n % 2 === 0 ? text.slice(100, 200) : [n, text.slice(100, 200)]), n, 1000)
  }
  state.commit(1000, undefined)
  assert.ok(held() - before < 10, `2,000 keys of 100 characters hold ${Math.round(held() - before)} MiB`)
  assert.equal(state.keys.length, 2000)
})
