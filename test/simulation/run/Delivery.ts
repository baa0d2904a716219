/**
 * Delivery: a batch, or a partition of one, that an output of a reference program was given.
 */
import type { Time } from "../../../core/time/Time.ts"

export interface Delivery {
  readonly output: string
  readonly time: Time
  /** Undefined: the whole batch, on the driver. */
  readonly partition: number | undefined
  readonly partitions: ReadonlyArray<ReadonlyArray<unknown>>
  /** Of which driver, from 1; `replaced`: another one had taken its place. */
  readonly life: number
  readonly replaced: boolean
}
