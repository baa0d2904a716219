/**
 * StateBalance: moves partitions of states to executors that hold fewer. After a loss the executors that are left hold all of
 * them; when another joins, it would stand idle for as long as the app runs.
 *
 * A partition moves, once there is a snapshot of all its operator's partitions, to the executor that it prefers by its number (see
 * `TaskPlacing`), if that holds at least two fewer: what its holder has of it counts as lost, the newest snapshot is restored there,
 * and the holder is told to let go. A partition that is being stepped stays.
 */
import type { ExecutorId, StreamId } from "../../protocol/Ids.ts"
import { timeOf } from "../../rdd/RddId.ts"
import type { Command } from "./TaskScheduler.ts"
import { missAgain, type StageRun, type State } from "./TaskSchedulerState.ts"

/** To be asked now and then, between batches. */
export const balanceStates = (state: State, commands: Array<Command>): void => {
  const newest = new Map<StreamId, StageRun>()
  for (const stage of state.stages.values()) {
    if (stage.work.kind !== "state" || stage.tasks.some((task) => task.snapshot === undefined)) continue
    const other = newest.get(stage.spec.operator)
    if (other === undefined || timeOf(other.spec.stage) < timeOf(stage.spec.stage)) {
      newest.set(stage.spec.operator, stage)
    }
  }
  for (const stage of newest.values()) balance(state, stage, commands)
}

/** `snapshot`: the newest version of a state of which there is a snapshot. */
const balance = (state: State, snapshot: StageRun, commands: Array<Command>): void => {
  const { operator } = snapshot.spec
  const executors = [...state.executors.keys()]
  const held = new Map<ExecutorId, number>(executors.map((executor) => [executor, 0]))
  for (const executor of snapshot.outputs) {
    if (executor !== undefined && held.has(executor)) held.set(executor, held.get(executor)! + 1)
  }
  for (const { index: partition, spec } of snapshot.tasks) {
    const holder = snapshot.outputs[partition]
    const other = executors[spec.affinity % executors.length]!
    if (holder === undefined || !held.has(holder) || held.get(holder)! - held.get(other)! < 2) continue
    const versions = [...state.stages.values()].flatMap((stage) =>
      stage.work.kind === "state" && stage.spec.operator === operator ? [stage.tasks[partition]!] : []
    )
    if (versions.some(({ runsAt }) => runsAt !== undefined)) continue
    for (const task of versions) if (task.stage.outputs[partition] === holder) missAgain(task)
    held.set(holder, held.get(holder)! - 1)
    held.set(other, held.get(other)! + 1)
    commands.push({ kind: "ReleaseState", executor: holder, operator, partition })
  }
}
