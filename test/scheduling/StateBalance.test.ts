/**
 * StateBalance: which partitions of a state move, and what is told of them.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import type { TaskResult } from "../../core/protocol/ExecutorProtocol.ts"
import * as TaskScheduler from "../../core/scheduling/tasks/TaskScheduler.ts"
import { stageSpec, taskSpec } from "./taskSpecs.ts"

const done: TaskResult = { kind: "Done", value: undefined, records: 0, bytes: 0 }

/** Two versions of a state of so many partitions, all made by the executors that are there. */
class Owner {
  readonly state = TaskScheduler.make({ taskSlots: 1, maxTaskFailures: 4, maxStageRepairs: 10 })
  readonly released: Array<readonly [executor: string, partition: number]> = []
  private job = 0

  step(event: TaskScheduler.Event): void {
    for (const command of TaskScheduler.step(this.state, event)) {
      if (command.kind === "ReleaseState") this.released.push([command.executor, command.partition])
      if (command.kind !== "LaunchTasks") continue
      for (const { attempt, task } of command.work.tasks) {
        this.step({ kind: "TaskEnded", executor: command.executor, task, attempt, result: done })
      }
    }
  }

  add(executor: string): void {
    this.step({ kind: "ExecutorAdded", executor })
  }

  /** A batch whose output reads all partitions of the version. */
  version(time: number, partitions: number): void {
    const id = (at: number) => `s@${at}:-1`
    const parts = Array.from({ length: partitions }, (_, p) => p)
    const previous = (p: number) => time === 1 ? [] : [{ stage: id(time - 1), partition: p }]
    const made = stageSpec(id(time), parts.map((p) => taskSpec(p, { reads: previous(p) })))
    const read = stageSpec(`r@${time}:0`, parts.map((p) => taskSpec(p, { reads: [{ stage: id(time), partition: p }] })))
    const graph = { stages: [{ ...made, operator: "s", work: "state" as const }], result: read }
    this.step({ kind: "JobSubmitted", job: ++this.job, graph, action: { kind: "count" } })
  }

  snapshot(time: number, partitions: number): void {
    for (let partition = 0; partition < partitions; partition++) {
      this.step({ kind: "SnapshotTaken", state: `s@${time}:-1`, partition, files: [`s/${partition}/${time}`] })
    }
  }

  holders(time: number): ReadonlyArray<string | undefined> {
    return this.state.stages.get(`s@${time}:-1`)!.outputs
  }

  balance(): void {
    this.step({ kind: "Forgotten", before: 0, done: 0 })
  }
}

test("partitions that one executor holds are shared with one that joins, once there is a snapshot of all of them", () => {
  const owner = new Owner()
  owner.add("e0")
  owner.version(1, 4)
  owner.version(2, 4)
  owner.add("e1")
  owner.balance()
  assert.deepEqual(owner.released, [], "nothing could be restored")
  owner.snapshot(1, 3)
  owner.balance()
  assert.deepEqual(owner.released, [], "of one partition there is no snapshot")
  owner.snapshot(1, 4)
  owner.balance()
  assert.deepEqual(owner.released, [["e0", 1], ["e0", 3]])
  assert.deepEqual(owner.holders(2), ["e0", undefined, "e0", undefined])
  assert.equal(owner.state.stages.get("s@2:-1")!.unfinished, 2)
  owner.version(3, 4)
  assert.deepEqual(owner.holders(3), ["e0", "e1", "e0", "e1"])
  owner.balance()
  assert.equal(owner.released.length, 2, "what is spread evenly stays")
})

test("one partition more is no reason to move it", () => {
  const owner = new Owner()
  owner.add("e0")
  owner.version(1, 1)
  owner.add("e1")
  owner.snapshot(1, 1)
  owner.balance()
  assert.deepEqual(owner.released, [])
})
