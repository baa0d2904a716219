/**
 * Target: a server outside the system where sinks put records: it keeps what was committed, by output and batch.
 *
 * Partitions are prepared under names of their own, which nobody sees; a commit puts them in place in one step, under its commit id,
 * and compares the epoch where the sink is transactional. Faults strike its calls as those of any sink.
 */
import { Effect } from "effect"
import type { Node } from "../../../adapters/simulation/kernel/Node.ts"
import type { SimulatedFailure, SinkCalls } from "../../../adapters/simulation/outside/SinkCalls.ts"
import * as Sink from "../../../core/output/Sink.ts"
import type { Time } from "../../../core/time/Time.ts"

export const sinkForms = ["transactional", "idempotent", "per partition"] as const
export type SinkForm = (typeof sinkForms)[number]

export interface TargetOptions {
  readonly calls: SinkCalls
  /** A batch, or a partition of it, is there; `before`: it was there already, and how that looked. */
  readonly committed: (commit: Commit, before: string | undefined, node: Node) => void
}

interface Commit {
  readonly output: string
  readonly time: Time
  /** Undefined: the whole batch. */
  readonly partition: number | undefined
  readonly contents: string
}

const asText = (records: unknown): string => JSON.stringify(records)

export class Target {
  /** What was committed, by output and time. */
  readonly outputs = new Map<string, Map<Time, Map<number, ReadonlyArray<unknown>>>>()
  private readonly options: TargetOptions
  private readonly staged = new Map<string, ReadonlyArray<unknown>>()
  /** The contents of what was committed, by commit id. */
  private readonly ids = new Map<string, string>()
  private readonly epochs = new Map<string, number>()
  private stages = 0

  constructor(options: TargetOptions) {
    this.options = options
  }

  /** A sink of this target, as a node's program has it. */
  sink(
    name: string,
    form: SinkForm,
    node: Node
  ): Sink.Sink<any, any, any, never> | Sink.PartitionSink<any, any, never> {
    const prepare = (records: ReadonlyArray<unknown>) =>
      this.call(node, () => {
        const stage = `stage ${++this.stages}`
        this.staged.set(stage, structuredClone(records))
        return stage
      })
    const put = (batch: Sink.CommitContext, stages: ReadonlyArray<string>) =>
      this.commit(batch, undefined, stages.map((stage) => this.staged.get(stage)!), node)
    const fence = (output: Sink.OutputContext) => this.call(node, () => this.fence(output))
    switch (form) {
      case "transactional":
        return Sink.transactional({
          name,
          prepare,
          fence: (output) => Effect.flatMap(fence(output), (it) => it === undefined ? Effect.void : Effect.fail(it)),
          commit: (batch, stages: ReadonlyArray<string>) =>
            Effect.flatMap(
              this.call(node, () => {
                const fenced = this.isFenced(batch)
                if (fenced === undefined) put(batch, stages)
                return fenced
              }),
              (fenced) => fenced === undefined ? Effect.void : Effect.fail(fenced)
            )
        })
      case "idempotent":
        return Sink.idempotent({ name, prepare, commit: (batch, stages) => this.call(node, () => put(batch, stages)) })
      case "per partition":
        return Sink.perPartition({
          name,
          guarantee: "idempotent",
          write: (records: ReadonlyArray<unknown>, context: Sink.PartitionContext) =>
            this.call(node, () => this.commit(context, context.partition, [structuredClone(records)], node))
        })
    }
  }

  private fence(output: Sink.OutputContext): Sink.Fenced | undefined {
    const fenced = this.isFenced(output)
    if (fenced === undefined) this.epochs.set(output.output, output.epoch)
    return fenced
  }

  private isFenced(output: Sink.OutputContext): Sink.Fenced | undefined {
    const current = this.epochs.get(output.output) ?? 0
    return output.epoch < current ? Sink.Fenced.of(output, current) : undefined
  }

  private commit(
    { commitId, output, time }: Sink.CommitContext,
    partition: number | undefined,
    partitions: ReadonlyArray<ReadonlyArray<unknown>>,
    node: Node
  ): void {
    const contents = asText(partitions)
    const before = this.ids.get(commitId)
    this.options.committed({ output, time, partition, contents }, before, node)
    if (before !== undefined) return
    const kept = new Map(partitions.map((records, i) => [partition ?? i, records]))
    this.ids.set(commitId, contents)
    const batches = this.outputs.get(output) ?? new Map<Time, Map<number, ReadonlyArray<unknown>>>()
    this.outputs.set(output, batches)
    batches.set(time, new Map([...batches.get(time) ?? [], ...kept]))
  }

  private call<A>(node: Node, effect: () => A): Effect.Effect<A, SimulatedFailure> {
    return this.options.calls.call(node, Effect.sync(effect))
  }
}
