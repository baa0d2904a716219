/**
 * TestReceiver: a receiver that stores given values at given times of the clock, for tests and simulations.
 *
 * Times are offsets from the start of each run, or, with `origin`, from that instant: then a run begins with what is still to
 * come, as a source without memory does, and what fell between two runs is lost.
 */
import { Clock, Effect } from "effect"
import * as DStream from "../../core/dstream/DStream.ts"
import type { Receiver, StorageLevel, Survives } from "../../core/receiving/Receiver.ts"
import { type DurationInput, millisOf, type Time } from "../../core/time/Time.ts"

export interface Timed<out A> {
  readonly time: DurationInput
  readonly value: A
}

export interface TestReceiverOptions {
  readonly origin?: Time | undefined
  /** MEMORY_ONLY */
  readonly storageLevel?: StorageLevel | undefined
  readonly survives?: Survives | undefined
}

export const testReceiver = <A>(
  values: ReadonlyArray<Timed<A>>,
  options: TestReceiverOptions = {}
): Receiver<A, never, never> => {
  const inOrder = values.map(({ time, value }) => ({ at: millisOf(time), value })).sort((a, b) => a.at - b.at)
  return {
    name: "TestReceiver",
    storageLevel: options.storageLevel ?? "MEMORY_ONLY",
    survives: options.survives,
    preferredHost: undefined,
    onStop: Effect.void,
    onStart: Effect.fnUntraced(function* (store) {
      const clock = yield* Clock.Clock
      const started = clock.currentTimeMillisUnsafe()
      const origin = options.origin ?? started
      for (const { at, value } of inOrder) {
        const due = origin + at
        if (due < started) continue
        while (clock.currentTimeMillisUnsafe() < due) yield* Effect.sleep(due - clock.currentTimeMillisUnsafe())
        if (!store.single(value)) yield* store.ready
      }
    })
  }
}

/** A stream of the values, each stored at its time. */
export const timed = <A>(values: ReadonlyArray<Timed<A>>, options: TestReceiverOptions = {}): DStream.DStream<A> =>
  DStream.fromInput<A, never, never>("timed", {
    kind: "receiver",
    receiver: testReceiver(values, options),
    decode: undefined
  }, { values, options })
