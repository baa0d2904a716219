import * as assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { UserFunctionError } from "../../core/rdd/UserFunctionError.ts"
import { definition as inverseWindow } from "../../core/state/windows/InverseWindowState.ts"
import type { StateDefinition } from "../../core/state/StateStore.ts"
import { definition as plainWindow } from "../../core/state/windows/WindowState.ts"
import {
  type Batches,
  inputsAt,
  newStore,
  type Pair,
  restored,
  sent,
  shown,
  sorted,
  takeStep,
  windowAt
} from "./windowModel.ts"

/** Associative, and not commutative: the order of batches shows. */
const concat = (a: string, b: string) => a + b
const add = (a: number, b: number) => a + b
const subtract = (a: number, b: number) => a - b
const isNotZero = ([, value]: readonly [unknown, unknown]) => value !== 0

/** Few keys that come often, and many that come once or go for long. */
const keys = fc.oneof(fc.constantFrom("a", "b", "c"), fc.nat(60).map((n) => `k${n}`))

const manyKeys = <V>(values: fc.Arbitrary<V>): fc.Arbitrary<Batches> =>
  fc.array(fc.oneof(fc.constant([]), fc.array(fc.tuple(keys, values), { maxLength: 12 })), {
    minLength: 1,
    maxLength: 40
  })

/** So few that their queues spread their work; and now and then a batch of many others. */
const fewKeys = <V>(values: fc.Arbitrary<V>): fc.Arbitrary<Batches> => {
  const few = fc.array(fc.tuple(fc.constantFrom("a", "b"), values), { minLength: 1, maxLength: 2 })
  return fc.array(
    fc.oneof({ weight: 20, arbitrary: few }, { weight: 3, arbitrary: fc.constant([]) }, {
      weight: 1,
      arbitrary: fc.array(fc.tuple(keys, values), { minLength: 6, maxLength: 9 })
    }),
    { minLength: 20, maxLength: 70 }
  )
}

const batchesOf = <V>(values: fc.Arbitrary<V>): fc.Arbitrary<Batches> => fc.oneof(manyKeys(values), fewKeys(values))

const texts = batchesOf(fc.constantFrom("p", "q", "r", "s", "t"))
const numbers = batchesOf(fc.integer({ min: 1, max: 9 }))
const durations = {
  window: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 5, max: 30 })),
  slide: fc.integer({ min: 1, max: 5 })
}

const times = (batches: Batches, slide: number) =>
  Array.from({ length: Math.floor(batches.length / slide) }, (_, i) => (i + 1) * slide)

const sumWindow = (window: number): StateDefinition =>
  inverseWindow({ f: add as never, inverse: subtract as never, filter: isNotZero, windowMillis: window })

test("a window shows what its last batches hold, in their order, whatever window and slide", () => {
  fc.assert(fc.property(texts, durations.window, durations.slide, (batches, window, slide) => {
    const store = newStore(plainWindow(concat as never, window))
    for (const time of times(batches, slide)) {
      takeStep(store, time, inputsAt(batches, time, window, slide, concat))
      const expected = windowAt(batches, time, window, concat)
      assert.deepEqual(sorted(shown(store, time)), expected)
      assert.equal(store.size, expected.length)
      assert.equal(store.version, time)
    }
  }))
})

test("a window shows what its last batches hold also where batches were missed", () => {
  fc.assert(fc.property(
    texts,
    durations.window,
    fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }),
    (batches, window, gaps) => {
      const store = newStore(plainWindow(concat as never, window))
      const held: Array<Batches[number]> = batches.map(() => [])
      for (
        let i = 0, time = 1;
        time <= batches.length;
        i++, time += gaps[i % gaps.length]! > 7 ? gaps[i % gaps.length]! : 1
      ) {
        held[time - 1] = batches[time - 1]!
        takeStep(store, time, inputsAt(held, time, window, 1, concat))
        assert.deepEqual(sorted(shown(store, time)), windowAt(held, time, window, concat))
      }
    }
  ))
})

test("with an inverse and a filter a window of sums shows the same as without", () => {
  fc.assert(fc.property(numbers, durations.window, durations.slide, (batches, window, slide) => {
    const store = newStore(sumWindow(window))
    for (const time of times(batches, slide)) {
      takeStep(store, time, inputsAt(batches, time, window, slide, add))
      assert.deepEqual(sorted(shown(store, time)), windowAt(batches, time, window, add))
    }
  }))
})

test("with an inverse and no filter every key that ever came stays", () => {
  fc.assert(fc.property(numbers, durations.window, durations.slide, (batches, window, slide) => {
    const store = newStore(
      inverseWindow({ f: add, inverse: subtract, filter: undefined, windowMillis: window } as never)
    )
    const seen = new Map<string, number>()
    for (const time of times(batches, slide)) {
      const inputs = inputsAt(batches, time, window, slide, add)
      takeStep(store, time, inputs)
      for (const { records } of inputs) for (const [key] of records) seen.set(key as string, 0)
      const expected = new Map([...seen, ...windowAt(batches, time, window, add)])
      assert.deepEqual(sorted(shown(store, time)), sorted([...expected]))
    }
  }))
})

test("the inverse takes out the old values of a key at once, then puts in the new ones at once", () => {
  const store = newStore(inverseWindow({
    f: (a: any, b: any) => `(${a}+${b})`,
    inverse: (a: any, b: any) => `(${a}-${b})`,
    filter: undefined,
    windowMillis: 4
  }))
  const input = (time: number) => ({ time, records: [["k", String(time)]] as ReadonlyArray<readonly [string, string]> })
  takeStep(store, 2, [input(1), input(2)])
  assert.deepEqual(shown(store, 2), [["k", "(1+2)"]])
  takeStep(store, 4, [input(3), input(4)])
  takeStep(store, 6, [input(5), input(6)])
  assert.deepEqual(shown(store, 6), [["k", "((((1+2)+(3+4))-(1+2))+(5+6))"]])
})

/** Both makings, over values that both can reduce. */
const makings: ReadonlyArray<readonly [name: string, make: (f: any, window: number) => StateDefinition]> = [
  ["a plain window", (f, window) => plainWindow(f, window)],
  [
    "a window with an inverse",
    (f, window) => inverseWindow({ f, inverse: subtract as never, filter: isNotZero, windowMillis: window })
  ]
]

for (const [name, make] of makings) {
  test(`${name}: a step whose function throws, or that is closed early, leaves nothing behind`, () => {
    fc.assert(fc.property(
      numbers,
      durations.window,
      durations.slide,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
      (batches, window, slide, failures) => {
        let callsLeft = Infinity
        const failing = (a: number, b: number) => {
          if (--callsLeft < 0) throw new Error("no")
          return a + b
        }
        const store = newStore(make(failing, window))
        const calm = newStore(make(add, window))
        let failed = 0
        for (const [i, time] of times(batches, slide).entries()) {
          const inputs = inputsAt(batches, time, window, slide, add)
          const before = store.version === undefined ? undefined : shown(store, store.version)
          callsLeft = failures[i % failures.length]! % 7
          try {
            takeStep(store, time, inputs)
          } catch (error) {
            failed++
            assert.ok(error instanceof UserFunctionError)
            assert.equal(store.version, calm.version)
            assert.equal(store.size, calm.size)
            if (before !== undefined) assert.deepEqual(shown(store, store.version!), before)
            callsLeft = Infinity
            takeStep(store, time, inputs)
          }
          takeStep(calm, time, inputs)
          assert.deepEqual(shown(store, time), shown(calm, time))
        }
      }
    ))
  })

  test(`${name}: a store that was restored goes on as the one that was captured, call by call`, () => {
    fc.assert(fc.property(
      numbers,
      durations.window,
      durations.slide,
      fc.nat(30),
      (batches, window, slide, at) => {
        const calls: Array<string> = []
        const noted = (a: number, b: number) => {
          calls.push(`${a}+${b}`)
          return a + b
        }
        const definition = make(noted, window)
        const store = newStore(definition)
        let copy: ReturnType<typeof newStore> | undefined
        for (const [i, time] of times(batches, slide).entries()) {
          const inputs = inputsAt(batches, time, window, slide, add)
          calls.length = 0
          takeStep(store, time, inputs)
          const made = calls.splice(0)
          if (copy !== undefined) {
            takeStep(copy, time, inputs)
            assert.deepEqual(calls, made)
            assert.deepEqual(shown(copy, time), shown(store, time))
          }
          if (i === at) {
            copy = restored(definition, store)
            assert.equal(copy.version, time)
            assert.deepEqual(shown(copy, time), shown(store, time))
          }
        }
      }
    ))
  })

  test(`${name}: earlier versions stay readable until they are forgotten, also while a later step runs`, () => {
    fc.assert(fc.property(numbers, durations.window, fc.integer({ min: 1, max: 6 }), (batches, window, held) => {
      const store = newStore(make(add, window))
      const history = new Map<number, ReadonlyArray<Pair>>()
      for (const time of times(batches, 1)) {
        const running = store.step(time, inputsAt(batches, time, window, 1, add))
        const early = history.has(time - 1) ? store.read(time - 1, "all") : []
        for (const _ of running);
        assert.deepEqual([...early].flat(), history.get(time - 1) ?? [])
        history.set(time, shown(store, time))
        store.forgetBefore(time - held)
        for (const [at, records] of history) {
          assert.equal(store.holds(at), at >= time - held)
          if (store.holds(at)) assert.deepEqual(shown(store, at), records)
          else assert.throws(() => store.read(at, "all"), /does not hold version/)
        }
      }
    }))
  })

  test(`${name}: a snapshot shows the version that it was taken of, however late its pieces are asked for`, () => {
    const batches: Batches = Array.from({ length: 9 }, (_, i) => [["a", i + 1], [`k${i}`, 1], [`k${i % 3}`, 2]])
    const definition = make(add, 3)
    const store = newStore(definition)
    for (const time of [1, 2, 3, 4]) takeStep(store, time, inputsAt(batches, time, 3, 1, add))
    const { pieces, time } = store.snapshot()
    const expected = shown(store, 4)
    for (const time of [5, 6, 7]) takeStep(store, time, inputsAt(batches, time, 3, 1, add))
    const copy = newStore(definition)
    copy.restore(time, pieces)
    assert.deepEqual(shown(copy, 4), expected)
    for (const time of [5, 6, 7]) takeStep(copy, time, inputsAt(batches, time, 3, 1, add))
    assert.deepEqual(shown(copy, 7), shown(store, 7))
  })

  test(`${name}: snapshots that are read while steps run and fail show the versions that they were taken of`, () => {
    fc.assert(fc.property(numbers, durations.window, fc.nat(30), fc.nat(10), (batches, window, at, failAt) => {
      let callsLeft = Infinity
      const failing = (a: number, b: number) => {
        if (--callsLeft < 0) throw new Error("no")
        return a + b
      }
      const definition = make(failing, window)
      const store = newStore(definition)
      const open: Array<{ readonly time: number; readonly rest: Iterator<unknown>; readonly read: Array<unknown> }> = []
      const expected = new Map<number, ReadonlyArray<Pair>>()
      for (const time of times(batches, 1)) {
        const inputs = inputsAt(batches, time, window, 1, add)
        callsLeft = time % 3 === 0 ? failAt : Infinity
        try {
          takeStep(store, time, inputs)
        } catch {
          callsLeft = Infinity
          takeStep(store, time, inputs)
        }
        callsLeft = Infinity
        for (const { read, rest } of open) {
          const { done, value } = rest.next()
          if (!done) read.push(sent(value))
        }
        if (time < at || time > at + 3) continue
        expected.set(time, shown(store, time))
        open.push({ time, rest: store.snapshot().pieces[Symbol.iterator](), read: [] })
      }
      for (const { read, rest, time } of open) {
        for (let next = rest.next(); next.done !== true; next = rest.next()) {
          read.push(sent(next.value))
        }
        const copy = newStore(definition)
        copy.restore(time, read)
        assert.deepEqual(shown(copy, time), expected.get(time))
        for (let later = time + 1; later <= batches.length; later++) {
          takeStep(copy, later, inputsAt(batches, later, window, 1, add))
          assert.deepEqual(sorted(shown(copy, later)), windowAt(batches, later, window, add))
        }
      }
    }))
  })

  test(`${name}: what is no snapshot of it is refused`, () => {
    const definition = make(add, 3)
    const store = newStore(definition)
    takeStep(store, 1, [{ time: 1, records: [["a", 1], ["b", 2]] }])
    const [header, ...pieces] = store.snapshot().pieces
    const refused = (given: ReadonlyArray<unknown>) =>
      assert.throws(() => newStore(definition).restore(1, given), { _tag: "InvalidSnapshot" })
    refused([])
    refused([{ kind: "update" }])
    refused([header])
    refused([header, ...pieces.slice(0, 1)])
    refused([header, ...pieces, { part: "unknown" }])
  })

  test(`${name}: a step backwards, or with a batch that is not in the window, is refused`, () => {
    const store = newStore(make(add, 3))
    takeStep(store, 5, [{ time: 5, records: [] }])
    assert.throws(() => takeStep(store, 5, []), /cannot step to 5 ms/)
    assert.throws(() => takeStep(store, 6, [{ time: 3, records: [] }]), /not in the window/)
    assert.equal(store.version, 5)
  })
}

test("a long step gives way, and one that is closed then leaves nothing behind", () => {
  for (const [, make] of makings) {
    const store = newStore(make(add, 2))
    const many = Array.from({ length: 30_000 }, (_, i): Pair => [`k${i}`, 1])
    takeStep(store, 1, [{ time: 1, records: many }])
    for (let closeAfter = 1; closeAfter < 12; closeAfter++) {
      const running = store.step(3, [{ time: 2, records: many.slice(9_000) }, {
        time: 3,
        records: [["new", 1], ...many]
      }])
      for (let i = 0; i < closeAfter; i++) assert.equal(running.next().done, false)
      running.return()
      assert.equal(store.version, 1)
      assert.equal(store.size, 30_000)
      assert.deepEqual(shown(store, 1), many)
    }
    takeStep(store, 3, [{ time: 3, records: [["new", 1]] }])
    assert.deepEqual(shown(store, 3), [["new", 1]])
  }
})
