/**
 * SimulatedInput: a source outside the program, whose records come at moments that a seed draws. It can be read again, as a topic can:
 * a planner says at each batch what has come, and executors read just that; a driver that recovers goes on behind what was planned.
 */
import { Effect } from "effect"
import * as DStream from "../../core/dstream/DStream.ts"
import { chunkOf, type InputPlanner } from "../../core/dstream/InputDStream.ts"
import type { World } from "../simulation/kernel/World.ts"

export interface SimulatedInputOptions {
  readonly world: World
  readonly name: string
  readonly records: ReadonlyArray<unknown>
  /** All have come after this time. */
  readonly millis: number
  readonly partitions: number
}

/** A partition: records by their numbers. */
interface Range {
  readonly from: number
  /** Not among them. */
  readonly to: number
}

/** What a planner is told of after a recovery. */
const rememberedBatches = 10

/** Asking what has come takes so long at most. */
const askMillisMax = 3

export class SimulatedInput {
  readonly name: string
  private readonly options: SimulatedInputOptions
  /** When each record comes. */
  private readonly times: ReadonlyArray<number>
  /** How many records each driver has planned. */
  private readonly planned = new Map<number, number>()

  constructor(options: SimulatedInputOptions) {
    const { millis, name, records, world } = options
    const chance = world.chance.split(`input ${name}`)
    this.options = options
    this.name = name
    this.times = records.map(() => world.now + chance.below(4 * millis) / 4).sort((a, b) => a - b)
  }

  /** The stream, as a process of the driver of this number has it. */
  stream(driver: number): DStream.DStream<any> {
    const { records } = this.options
    return DStream.named(this.name)(DStream.fromInput<unknown, never, never>("simulated", {
      kind: "direct",
      planner: Effect.sync(() => this.planner(driver)),
      reader: Effect.succeed({
        read: ({ value }) =>
          Effect.sync(() => chunkOf(structuredClone(records.slice((value as Range).from, (value as Range).to))))
      }),
      remembers: (batchMillis) => rememberedBatches * batchMillis
    }))
  }

  /** Whether this driver has planned all records. */
  isPlannedBy(driver: number): boolean {
    return this.planned.get(driver) === this.times.length
  }

  private planner(driver: number): InputPlanner<never> {
    const { partitions, world } = this.options
    const chance = world.chance.split(`planner ${this.name} ${driver}`)
    let next = 0
    const plan = Effect.gen({ self: this }, function* () {
      yield* Effect.sleep(chance.below(askMillisMax + 1))
      const from = next
      next = this.times.filter((time) => time <= world.now).length
      this.planned.set(driver, next)
      const cut = (index: number) => from + Math.floor((next - from) * index / partitions)
      const ranges = Array.from({ length: partitions }, (_, i): Range => ({ from: cut(i), to: cut(i + 1) }))
      return {
        records: next - from,
        partitions: ranges.map((value) => ({ kind: "source" as const, value, records: value.to - value.from }))
      }
    })
    return {
      plan: () => plan,
      resume: ({ batches }) =>
        Effect.sync(() => {
          const parts = batches.flatMap(({ partitions }) => partitions)
          next = Math.max(next, ...parts.map((part) => part.kind === "source" ? (part.value as Range).to : 0))
        })
    }
  }
}
