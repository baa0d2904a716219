/**
 * The contract of StableStorage, for every making: what the port promises, test by test, and all calls in any order against a model.
 *
 * `make` gives an empty place, for as long as the scope. The tests run on the real clock, for a making may need the world.
 */
import * as assert from "node:assert/strict"
import { Effect, Exit, Scope } from "effect"
import fc from "fast-check"
import { nameOf, type StableStorage } from "../../runtime/storage/StableStorage.ts"
import { it } from "../kit.ts"

export interface ContractOptions {
  /** Runs of the property: fewer where a call is slow. */
  readonly runs?: number
  /** Names appear late in lists. */
  readonly lateLists?: boolean
  /** A name beneath that of an object is no error, as a server may make it that keeps objects as files; default. */
  readonly beneathObjects?: boolean
}

type Body = (storage: StableStorage) => Effect.Effect<unknown, unknown, Scope.Scope>

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes)

const reasonOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.result(effect), (result) => {
    if (result._tag === "Success") return "Done"
    const error = result.failure as { readonly _tag: string; readonly reason?: string; readonly message: string }
    assert.ok(error.message.length > 20, `a sentence, not "${error.message}"`)
    return error.reason ?? error._tag
  })

const invalidNames = ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".hidden", "a/.b", "a b", "ä", "a\\b", "a\0", "a:b"]

export const storageContract = <E>(
  name: string,
  make: Effect.Effect<StableStorage, E, Scope.Scope>,
  options: ContractOptions = {}
): void => {
  const contract = (sentence: string, body: Body) =>
    it.live(`${name}: ${sentence}`, () => Effect.flatMap(make, (storage) => Effect.scoped(body(storage))), {
      timeout: 60_000
    })

  contract("what is created is read whole, has its size, and is in the list", wholeObjects)
  contract(
    "of what is not there nothing is read, it has no size, and removing it is no error",
    (storage) => nothing(storage, options)
  )
  contract("a range gives what is there of it, and one without sense is refused", ranges)
  contract("of many that create or open one name, one has it, and its bytes are there", exclusiveNames)
  contract(
    "names that could lead elsewhere, or that some making could not bear, are refused by every call",
    refusedNames
  )
  contract("any text is a part of a name, by nameOf", anyNames)
  contract(
    "a list has full names in order, by any beginning, and none that was removed",
    (storage) => options.lateLists === true ? Effect.void : lists(storage)
  )
  contract("what was removed is gone, and its name may be taken again", removal)
  contract("bytes are the caller's own, before and after", ownBytes)
  contract("appends come one after the other, are readable when they return, and end with the scope", appending)
  contract("calls in any order do as a map of names would", (storage) => anyOrder(storage, options))
}

const wholeObjects: Body = Effect.fnUntraced(function* (storage) {
  const large = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) % 251)
  yield* storage.create("folder/large", large)
  yield* storage.create("folder/empty", new Uint8Array(0))
  assert.deepEqual(yield* storage.read("folder/large"), large)
  assert.equal(yield* storage.size("folder/large"), large.length)
  assert.deepEqual(yield* storage.read("folder/empty"), new Uint8Array(0))
  assert.equal(yield* storage.size("folder/empty"), 0)
  assert.ok(storage.place.length > 0)
})

const nothing = Effect.fnUntraced(function* (storage: StableStorage, { beneathObjects = true }: ContractOptions) {
  yield* storage.create("a/b", bytesOf("b"))
  for (const name of ["x", "a", "a/c", "x/y/z", ...(beneathObjects ? ["a/b/c"] : [])]) {
    assert.equal(yield* storage.read(name), undefined, name)
    assert.equal(yield* storage.read(name, { offset: 0, length: 10 }), undefined, name)
    assert.equal(yield* storage.size(name), undefined, name)
    if (name !== "a") yield* storage.remove(name)
  }
  assert.deepEqual(yield* storage.list("x"), [])
  assert.equal(textOf(yield* storage.read("a/b")), "b")
})

const ranges: Body = Effect.fnUntraced(function* (storage) {
  yield* storage.create("digits", bytesOf("0123456789"))
  const read = (offset: number, length: number) => Effect.map(storage.read("digits", { offset, length }), textOf)
  assert.equal(yield* read(0, 10), "0123456789")
  assert.equal(yield* read(3, 4), "3456")
  assert.equal(yield* read(8, 100), "89")
  assert.equal(yield* read(9, Number.MAX_SAFE_INTEGER), "9")
  assert.equal(yield* read(10, 1), "")
  assert.equal(yield* read(1000, 5), "")
  assert.equal(yield* read(4, 0), "")
  for (const [offset, length] of [[-1, 2], [0, -1], [0.5, 1], [NaN, 1], [0, Infinity]] as const) {
    assert.equal(yield* reasonOf(read(offset, length)), "Invalid", `${offset} ${length}`)
  }
})

const exclusiveNames: Body = Effect.fnUntraced(function* (storage) {
  for (const round of ["one", "two", "three"]) {
    const file = `owners/${round}/owner`
    const creators = Array.from({ length: 8 }, (_, i) => reasonOf(storage.create(file, bytesOf(`creator ${i}`))))
    const openers = storage.appends ? Array.from({ length: 4 }, () => reasonOf(storage.open(file))) : []
    const results = yield* Effect.all([...openers, ...creators], { concurrency: "unbounded" })
    assert.deepEqual(results.toSorted(), ["Done", ...Array.from({ length: results.length - 1 }, () => "NameTaken")])
    const winner = results.indexOf("Done")
    assert.equal(textOf(yield* storage.read(file)), winner < openers.length ? "" : `creator ${winner - openers.length}`)
  }
})

const refusedNames: Body = Effect.fnUntraced(function* (storage) {
  for (const bad of [...invalidNames, "x".repeat(256), "part/".repeat(250) + "end"]) {
    const shown = JSON.stringify(bad.slice(0, 20))
    assert.equal(yield* reasonOf(storage.create(bad, bytesOf("x"))), "Invalid", shown)
    assert.equal(yield* reasonOf(storage.open(bad)), "Invalid", shown)
    assert.equal(yield* reasonOf(storage.read(bad)), "Invalid", shown)
    assert.equal(yield* reasonOf(storage.size(bad)), "Invalid", shown)
    assert.equal(yield* reasonOf(storage.remove(bad)), "Invalid", shown)
  }
  assert.deepEqual(yield* storage.list(""), [])
  assert.deepEqual(yield* storage.list("../"), [])
})

const anyNames: Body = Effect.fnUntraced(function* (storage) {
  const texts = ["", ".", "..", "a/b", "ä ö", "%", "a%2Fb", "\0", "*?:|<>", "日本", "__proto__", "x.y", ".x"]
  const names = texts.map((text) => `any/${nameOf(text)}`)
  assert.equal(new Set(names).size, names.length)
  for (const [i, it] of names.entries()) yield* storage.create(it, bytesOf(texts[i]!))
  for (const [i, it] of names.entries()) assert.equal(textOf(yield* storage.read(it)), texts[i])
})

const lists = Effect.fnUntraced(function* (storage: StableStorage) {
  assert.deepEqual(yield* storage.list(""), [])
  const names = ["b/2", "b/1", "b/10", "a", "b/c/d", "bc", "b-", "b.x", "b/1x"]
  for (const it of names) yield* storage.create(it, bytesOf(it))
  const withPrefix = (prefix: string) => names.filter((it) => it.startsWith(prefix)).sort()
  for (const prefix of ["", "a", "b", "b/", "b/1", "b/c/", "b/c/d", "b/c/d/", "c", "bc", "b/x"]) {
    assert.deepEqual(yield* storage.list(prefix), withPrefix(prefix), `"${prefix}"`)
  }
  yield* storage.remove("b/c/d")
  yield* storage.remove("a")
  assert.deepEqual(yield* storage.list("b/c"), [])
  assert.deepEqual(yield* storage.list(""), withPrefix("b").filter((it) => it !== "b/c/d"))
})

const removal: Body = Effect.fnUntraced(function* (storage) {
  yield* storage.create("deep/er/file", bytesOf("first"))
  yield* storage.remove("deep/er/file")
  assert.equal(yield* storage.read("deep/er/file"), undefined)
  assert.equal(yield* storage.size("deep/er/file"), undefined)
  yield* storage.create("deep/er/file", bytesOf("second"))
  assert.equal(textOf(yield* storage.read("deep/er/file")), "second")
  yield* storage.remove("deep/er/file")
  // no folder is left in the way
  yield* storage.create("deep", bytesOf("a file now"))
  assert.equal(textOf(yield* storage.read("deep")), "a file now")
})

const ownBytes: Body = Effect.fnUntraced(function* (storage) {
  const bytes = bytesOf("as it was")
  const view = new Uint8Array(bytes.buffer, 3, 2)
  yield* storage.create("whole", bytes)
  yield* storage.create("view", view)
  bytes.fill(0)
  const read = (yield* storage.read("whole"))!
  assert.equal(textOf(read), "as it was")
  read.fill(0)
  assert.equal(textOf(yield* storage.read("whole")), "as it was")
  assert.equal(textOf(yield* storage.read("view")), "it")
})

const appending: Body = Effect.fnUntraced(function* (storage) {
  if (!storage.appends) {
    assert.equal(yield* reasonOf(storage.open("log/1")), "Invalid")
    assert.equal(yield* storage.read("log/1"), undefined)
    return
  }
  const scope = yield* Scope.make()
  const file = yield* Scope.provide(scope)(storage.open("log/1"))
  assert.equal(yield* storage.size("log/1"), 0)
  const expected: Array<string> = []
  for (let i = 0; i < 20; i++) {
    const part = `part ${i} `.repeat(i * 50)
    yield* file.append(bytesOf(part), { sync: i % 3 === 0 ? undefined : i % 3 === 1 })
    expected.push(part)
    assert.equal(textOf(yield* storage.read("log/1")), expected.join(""))
  }
  yield* file.append(new Uint8Array(0), { sync: true })
  assert.equal(yield* storage.size("log/1"), expected.join("").length)
  assert.equal(yield* reasonOf(storage.create("log/1", bytesOf("x"))), "NameTaken")
  assert.equal(yield* reasonOf(storage.open("log/1")), "NameTaken")
  yield* Scope.close(scope, Exit.void)
  assert.notEqual(yield* reasonOf(file.append(bytesOf("late"))), "Done")
  assert.equal(textOf(yield* storage.read("log/1")), expected.join(""))
})

const name = fc.constantFrom("a", "b/a", "b/b", "b/c/a", "c")
const command = fc.oneof(
  fc.record({ call: fc.constant("create" as const), name, bytes: fc.uint8Array({ maxLength: 12 }) }),
  fc.record({ call: fc.constant("read" as const), name, offset: fc.nat(15), length: fc.nat(15) }),
  fc.record({ call: fc.constant("remove" as const), name }),
  fc.record({ call: fc.constant("list" as const), prefix: fc.constantFrom("", "b", "b/", "b/c", "c") })
)

type Command = typeof command extends fc.Arbitrary<infer C> ? C : never

const anyOrder = (storage: StableStorage, { lateLists = false, runs = 100 }: ContractOptions) =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), (commands) =>
        Effect.runPromise(apply(storage, commands, lateLists))),
      { numRuns: runs }
    )
  )

const apply = Effect.fnUntraced(
  function* (storage: StableStorage, commands: ReadonlyArray<Command>, lateLists: boolean) {
    const model = new Map<string, Uint8Array>()
    for (const it of commands) {
      if (it.call === "create") {
        const outcome = yield* reasonOf(storage.create(it.name, it.bytes))
        assert.equal(outcome, model.has(it.name) ? "NameTaken" : "Done")
        if (outcome === "Done") model.set(it.name, it.bytes)
      } else if (it.call === "read") {
        const { length, offset } = it
        assert.deepEqual(
          yield* storage.read(it.name, { offset, length }),
          model.get(it.name)?.slice(offset, offset + length)
        )
        assert.equal(yield* storage.size(it.name), model.get(it.name)?.length)
      } else if (it.call === "remove") {
        yield* storage.remove(it.name)
        model.delete(it.name)
      } else if (!lateLists) {
        assert.deepEqual(
          yield* storage.list(it.prefix),
          [...model.keys()].filter((one) => one.startsWith(it.prefix)).sort()
        )
      }
    }
    for (const one of ["a", "b/a", "b/b", "b/c/a", "c"]) yield* storage.remove(one)
  }
)
