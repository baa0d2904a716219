/**
 * Files of snapshots that are cut short, changed, of another place, or made by an enemy: each is refused by a typed error that names
 * file and place, in bounded memory and time; none is taken for what it is not.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Result } from "effect"
import fc from "fast-check"
import { messagePack as codec } from "../../adapters/codec/MessagePack.ts"
import { InvalidSnapshot } from "../../core/state/snapshots/InvalidSnapshot.ts"
import * as SnapshotFile from "../../core/state/snapshots/SnapshotFile.ts"
import { readStates } from "../../core/state/snapshots/readStates.ts"
import { StateRefused } from "../../core/state/snapshots/StateRefused.ts"
import type { StateDefinition } from "../../core/state/StateStore.ts"
import { updateState } from "../../core/state/UpdateState.ts"
import { definition as inverseWindow } from "../../core/state/windows/InverseWindowState.ts"
import { definition as plainWindow } from "../../core/state/windows/WindowState.ts"
import { crc32 } from "../../core/wal/crc32.ts"
import { partition, readAll } from "./stepping.ts"

const add = (a: any, b: any) => a + b
const definitions: Readonly<Record<string, StateDefinition>> = {
  states: updateState({
    f: { kind: "key", update: (values, state = 0) => values.reduce(add, state) },
    initialState: [],
    expireMillis: undefined
  }),
  windows: plainWindow(add, 3),
  "windows with an inverse": inverseWindow({
    f: add,
    inverse: (a: any, b: any) => a - b,
    filter: undefined,
    windowMillis: 3
  })
}

const description: SnapshotFile.SnapshotDescription = {
  app: "app",
  operator: "o",
  partition: 0,
  partitions: 1,
  time: 2,
  base: null
}

const fileOf = (pieces: ReadonlyArray<unknown>, what = description): Uint8Array =>
  SnapshotFile.encode(
    what,
    pieces.map((piece) => {
      const bytes = new Uint8Array(codec.encode(piece))
      return { bytes, checksum: crc32(bytes) }
    }),
    crc32
  )

const snapshotOf = (definition: StateDefinition) => {
  const store = definition.make(partition)
  const records = Array.from({ length: 20 }, (_, i) => [`k${i % 7}`, i] as const)
  for (const time of [1, 2]) {
    for (const _ of store.step(time, [{ time, records: time === 1 ? records.slice(0, 7) : [["k1", 1]] }]));
  }
  return { store, pieces: [...store.snapshot().pieces] }
}

const read = (file: Uint8Array): Iterable<unknown> => {
  const contents = Result.getOrThrowWith(SnapshotFile.decode("epochs/1/state/o/0/2", file, crc32), (error) => error)
  return SnapshotFile.piecesOf([["epochs/1/state/o/0/2", contents]], codec)
}

/** Restores it, or gives the typed error that says why not. */
const attempt = (definition: StateDefinition, file: Uint8Array) => {
  const store = definition.make(partition)
  try {
    store.restore(2, read(file))
    return store
  } catch (error) {
    if (error instanceof SnapshotFile.SnapshotDamaged) {
      assert.ok(error.message.includes("epochs/1/state/o/0/2") && error.offset >= 0 && error.offset <= file.length)
      return error
    }
    if (error instanceof InvalidSnapshot) {
      assert.match(error.message, /partition 0 of the state of "o" cannot be restored: ./)
      return error
    }
    if (error instanceof StateRefused) return error
    throw error
  }
}

/** What is shown of it without its program, or why nothing is. */
const shown = (file: Uint8Array): string => {
  try {
    return `${readStates([read(file)]).entries.length} keys`
  } catch (error) {
    assert.ok(error instanceof SnapshotFile.SnapshotDamaged || (error as Error).constructor === Error, String(error))
    return (error as Error).message
  }
}

for (const [name, definition] of Object.entries(definitions)) {
  test(`${name}: a file that was cut, lengthened, or changed by a bit is never restored, and the error says where`, () => {
    const { pieces, store } = snapshotOf(definition)
    const file = fileOf(pieces)
    const whole = attempt(definition, file)
    assert.ok("version" in whole)
    assert.deepEqual(readAll(whole, 2), readAll(store, 2))
    const isRefused = (bytes: Uint8Array) => attempt(definition, bytes) instanceof Error
    for (let length = 0; length < file.length; length++) assert.ok(isRefused(file.slice(0, length)), `cut at ${length}`)
    assert.ok(isRefused(new Uint8Array([...file, 0])))
    for (let bit = 0; bit < file.length * 8; bit++) {
      const changed = file.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      assert.ok(isRefused(changed), `bit ${bit}`)
    }
  })

  test(`${name}: a file whose pieces an enemy has written, check sums and all, is refused or is a state`, () => {
    const { pieces } = snapshotOf(definition)
    const hostile = fc.oneof(
      fc.constantFrom<unknown>(
        null,
        5,
        "text",
        [],
        {},
        { keys: [], values: [], times: [], absent: [] },
        { keys: ["a"], values: [1], times: [Number.NaN], absent: [] },
        { keys: ["a"], values: [1], times: null, absent: [-1] },
        { keys: [undefined], values: [1], times: [1], absent: [] },
        { slots: [0], values: [1], times: [1], absent: [] },
        { slots: Int32Array.of(5_000_000), time: 1, values: [] },
        { slots: Int32Array.of(-1), time: 1, values: [] },
        { counts: [2 ** 31, 0, 0, 0, 0], times: [0, 0, 0, 0], values: [], backs: [0], nexts: [0] },
        { emitted: Array(20).fill(1) },
        JSON.parse('{"__proto__": {"keys": ["a"], "values": [1], "times": [1], "absent": []}}')
      ),
      fc.jsonValue({ maxDepth: 3 })
    )
    const field = fc.constantFrom(
      "slots",
      "changed",
      "emitted",
      "columns",
      "beside",
      "time",
      "base",
      "version",
      "kind",
      "windowMillis"
    )
    const value = fc.constantFrom<unknown>(
      0,
      1,
      7,
      2 ** 31,
      Number.MAX_SAFE_INTEGER,
      -1,
      1.5,
      "x",
      null,
      undefined,
      Infinity
    )
    const change = fc.oneof(
      fc.record({
        kind: fc.constant("piece" as const),
        at: fc.nat(pieces.length),
        by: hostile,
        inserted: fc.boolean()
      }),
      fc.record({ kind: fc.constant("header" as const), field, value }),
      fc.record({ kind: fc.constant("drop" as const), at: fc.nat(pieces.length) })
    )
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        let changed = pieces.slice()
        for (const change of changes) {
          if (change.kind === "header") changed[0] = { ...changed[0] as object, [change.field]: change.value }
          else if (change.kind === "drop") changed = changed.toSpliced(change.at, 1)
          else changed = changed.toSpliced(change.at, change.inserted ? 0 : 1, change.by)
        }
        const came = attempt(definition, fileOf(changed))
        if ("version" in came && !(came instanceof Error)) readAll(came, 2)
        assert.ok(shown(fileOf(changed)).length > 0)
        assert.equal(({} as any).keys, undefined)
      }),
      { numRuns: 500 }
    )
  })

  test(`${name}: bytes of anything else are no snapshot`, () => {
    const bytes = fc.uint8Array({ maxLength: 200 })
    const { pieces } = snapshotOf(definition)
    const head = fileOf(pieces).slice(0, 20)
    fc.assert(fc.property(bytes, fc.boolean(), (any, begins) => {
      assert.ok(attempt(definition, begins ? new Uint8Array([...head, ...any]) : any) instanceof Error)
    }))
  })
}

test("lengths and counts that are nonsense allocate nothing", () => {
  const file = fileOf([{ kind: "update" }])
  const view = new DataView(file.buffer)
  for (const at of [8, 12, 20 + view.getUint32(8, true)]) {
    const changed = file.slice()
    new DataView(changed.buffer).setUint32(at, 0xffff_ffff, true)
    const error = Result.getOrThrow(Result.flip(SnapshotFile.decode("f", changed, crc32)))
    assert.match(error.message, /snapshot f is damaged at \d+/)
  }
})

test("a file of a later format, and what is no snapshot at all, is told as such", () => {
  const file = fileOf([])
  const told = (bytes: Uint8Array) => Result.getOrThrow(Result.flip(SnapshotFile.decode("f", bytes, crc32))).message
  new DataView(file.buffer).setUint32(4, 9, true)
  assert.match(
    told(file),
    /f is damaged at 4: it is of format 9, and this program reads format 1: was it written by a later/
  )
  assert.match(told(new TextEncoder().encode("dstreams checkpoint 1 200 abcdef\n")), /this is no snapshot of a state/)
})

test("a description that is not one is refused, also where its check sum is right", () => {
  for (
    const what of [{ ...description, partition: -1 }, { ...description, time: "now" }, [], null, {
      ...description,
      base: 5
    }]
  ) {
    const error = Result.getOrThrow(Result.flip(SnapshotFile.decode("f", fileOf([], what as any), crc32)))
    assert.match(error.message, /description cannot be read/)
  }
})
