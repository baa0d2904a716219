/**
 * StateRunner: what it lets go of, of the stores that it holds.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as RDD from "../../core/rdd/RDD.ts"
import { HashPartitioner } from "../../core/rdd/Partitioner.ts"
import { stateId } from "../../core/rdd/RddId.ts"
import type { StateRDD } from "../../core/rdd/Stage.ts"
import { updateState } from "../../core/state/UpdateState.ts"
import * as Pace from "../../runtime/executor/Pace.ts"
import * as StateRunner from "../../runtime/executor/state/StateRunner.ts"
import type { StateSnapshots } from "../../runtime/executor/state/StateSnapshots.ts"
import { it } from "../kit.ts"

const definition = updateState({
  f: { kind: "key", update: (values: ReadonlyArray<number>, state = 0) => state + values.length },
  initialState: [],
  expireMillis: undefined
})

const version = (time: number): StateRDD =>
  RDD.fromLineage({
    kind: "state",
    inputs: [],
    inputTimes: [],
    definition,
    partitioner: HashPartitioner(1),
    previous: time === 1 ? undefined : stateId("s", time - 1)
  }, { identity: { id: stateId("s", time), operator: "s", time } }) as StateRDD

it("versions that nobody asks for any more are not held, the newest always is; a partition that moves leaves nothing", () =>
  Effect.gen(function* () {
    const snapshots = { write: () => {}, restore: () => Effect.die("none"), removeBefore: () => {} }
    const runner = StateRunner.make("e1", snapshots)
    const pace = yield* Pace.make
    for (const time of [1, 2, 3, 4]) {
      const inputs = Effect.succeed([{ time, records: [["a", time]] as const }])
      yield* runner.step({ state: version(time), partition: 0, restore: undefined, snapshot: false, inputs, pace })
    }
    const held = () => [1, 2, 3, 4].filter((time) => runner.read(version(time), 0, "all") !== undefined)
    assert.deepEqual(held(), [1, 2, 3, 4])
    runner.forgetBefore(() => 3)
    assert.deepEqual(held(), [3, 4])
    assert.deepEqual([...runner.read(version(3), 0, "all")!].flat(1), [["a", 3]])
    runner.forgetBefore(() => 9)
    assert.deepEqual(held(), [4])
    runner.release("s", 0)
    assert.deepEqual([held(), runner.counts()], [[], { stores: 0, keys: 0 }])
  }))

it("a store that is behind stays for as long as a version may be asked for that only it leads to", () =>
  Effect.gen(function* () {
    const restore: StateSnapshots["restore"] = ({ time }, _, store) =>
      Effect.sync(() => [...store.step(time, [{ time, records: [["a", time]] }])])
    const runner = StateRunner.make("e1", { write: () => {}, restore, removeBefore: () => {} })
    const pace = yield* Pace.make
    const have = (time: number, restore: [] | undefined) => {
      const inputs = Effect.succeed([{ time, records: [["a", time]] as const }])
      return runner.step({ state: version(time), partition: 0, restore, snapshot: false, inputs, pace })
    }
    yield* have(5, [])
    yield* have(2, [])
    runner.forgetBefore(() => 3)
    yield* have(3, undefined)
    runner.forgetBefore(() => 4)
    yield* have(4, undefined)
    yield* have(6, undefined)
    assert.equal(runner.counts().stores, 2)
    runner.forgetBefore(() => 5)
    assert.equal(runner.counts().stores, 1)
    assert.deepEqual([...runner.read(version(6), 0, "all")!].flat(1), [["a", 2]])
  }))
