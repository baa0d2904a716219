/**
 * CommitTurns: lets the batches of each output prepare at once and commit one after the other: performs `core/output/CommitOrder.ts`.
 *
 * A batch that fails or is interrupted tells it, so that nobody waits for it; under policy `skip` its skip is recorded first.
 */
import { Deferred, Effect, Exit, Schema } from "effect"
import * as CommitOrder from "../../../core/output/CommitOrder.ts"
import type { BatchFailurePolicy } from "../../../core/scheduling/Job.ts"
import type { Time } from "../../../core/time/Time.ts"

/** A batch that may not be committed, for one before it was not. */
export class CommitRefused extends Schema.TaggedError<CommitRefused>()("CommitRefused", {
  time: Schema.Number,
  output: Schema.String,
  /** The batch that failed. */
  failed: Schema.Number,
  message: Schema.String
}) {
  static readonly of = (output: string, time: Time, failed: Time) =>
    new CommitRefused({
      time,
      output,
      failed,
      message:
        `the batch of ${time} ms is not committed to output "${output}", for the batch of ${failed} ms was not: ` +
        "batches are committed in order, and both are run again after a recovery"
    })
}

export interface CommitTurnsOptions<E> {
  readonly policy: BatchFailurePolicy
  /** Durable when it returns. */
  readonly recordSkipped: (time: Time, output: string) => Effect.Effect<void, E>
}

export interface CommitTurns<E> {
  /** To be called in the order of batches, before their work begins. */
  readonly open: (output: string, time: Time) => CommitTurn<E>
}

/** The turn of one batch; later ones wait until it has run. */
export interface CommitTurn<E> {
  readonly run: <P, E1, R1, E2, R2>(
    prepare: Effect.Effect<P, E1, R1>,
    commit: (prepared: P) => Effect.Effect<void, E2, R2>
  ) => Effect.Effect<void, E | E1 | E2 | CommitRefused, R1 | R2>
}

type Kind = CommitOrder.CommitOrderEvent["kind"]

interface Turn {
  readonly deferred: Deferred.Deferred<void, CommitRefused>
  /** The machine has done with it. */
  over: boolean
}

/** What is known of one output. */
class OutputTurns {
  private readonly output: string
  private readonly step: ReturnType<typeof CommitOrder.step>
  private state = CommitOrder.initial
  private readonly turns = new Map<Time, Turn>()

  constructor(output: string, policy: BatchFailurePolicy) {
    this.output = output
    this.step = CommitOrder.step(policy)
  }

  start(time: Time): Turn {
    const turn: Turn = { deferred: Deferred.makeUnsafe(), over: false }
    this.turns.set(time, turn)
    this.tell("Started", time)
    return turn
  }

  /** The skip of a failed batch is recorded by the fiber that tells it. */
  tell(kind: Kind, time: Time): void {
    const [next, commands] = this.step(this.state, { kind, time })
    this.state = next
    for (const command of commands) {
      const turn = this.turns.get(command.time)!
      if (command.kind === "Commit") Deferred.doneUnsafe(turn.deferred, Exit.void)
      if (command.kind !== "Refuse") continue
      turn.over = true
      const refused = CommitRefused.of(this.output, command.time, command.failed)
      Deferred.doneUnsafe(turn.deferred, Exit.fail(refused))
    }
  }

  end(kind: Kind, time: Time): void {
    this.turns.get(time)!.over = true
    this.tell(kind, time)
  }

  /** The fiber of the batch has ended, one way or another. */
  leave(time: Time): void {
    if (!this.turns.get(time)!.over) this.tell("Abandoned", time)
    this.turns.delete(time)
  }
}

export const make = <E>({ policy, recordSkipped }: CommitTurnsOptions<E>): CommitTurns<E> => {
  const outputs = new Map<string, OutputTurns>()
  const turnsOf = (output: string): OutputTurns => {
    const turns = outputs.get(output) ?? new OutputTurns(output, policy)
    outputs.set(output, turns)
    return turns
  }
  return {
    open: (output, time) => {
      const turns = turnsOf(output)
      const turn = turns.start(time)
      const run: CommitTurn<E>["run"] = (prepare, commit) => {
        const work = Effect.gen(function* () {
          if (turn.over) yield* Deferred.await(turn.deferred)
          const prepared = yield* prepare
          turns.tell("Prepared", time)
          yield* Deferred.await(turn.deferred)
          yield* commit(prepared)
        })
        const failed = Effect.suspend(() => {
          if (policy === "stop") return Effect.sync(() => turns.end("Failed", time))
          turns.tell("Failed", time)
          return Effect.tap(recordSkipped(time, output), () => Effect.sync(() => turns.end("SkipRecorded", time)))
        })
        return Effect.exit(work).pipe(
          Effect.flatMap((exit) => {
            if (Exit.isSuccess(exit)) return Effect.sync(() => turns.end("Committed", time))
            return turn.over ? exit : Effect.andThen(failed, exit)
          }),
          // Interrupted, or the skip could not be recorded: what is later is held back.
          Effect.onExit(() => Effect.sync(() => turns.leave(time)))
        )
      }
      return { run }
    }
  }
}
