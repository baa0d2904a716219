/**
 * modelCluster: the port `KafkaCluster` to a broker's model. Each request is one step of the broker; what waits (for records, for a
 * generation of a group) asks again and again on Effect's clock, as nothing but the broker is shared between those who ask.
 */
import { Effect, type Scope } from "effect"
import type { GroupMember, JoinRequest, KafkaCluster } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import type { Broker } from "./Broker.ts"
import type { Request } from "./refusals.ts"

/** What befalls a request: it may take time, fail before it is done or after, or never be answered. */
export type Interpose = <A, R>(
  request: Request,
  step: Effect.Effect<A, KafkaError, R>
) => Effect.Effect<A, KafkaError, R>

export interface ModelClusterOptions {
  /** "model" */
  readonly name?: string | undefined
  readonly interpose?: Interpose | undefined
}

/** Who waits asks after so long again. */
const askMillis = 5

/** A step of the broker: what it answers, or the KafkaError that it throws. */
const stepOf = <A>(step: () => A): Effect.Effect<A, KafkaError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(step())
    } catch (refused) {
      if (refused instanceof KafkaError) return Effect.fail(refused)
      throw refused
    }
  })

export const modelCluster = (broker: Broker, options: ModelClusterOptions = {}): KafkaCluster => {
  const { interpose = (_, step) => step, name = "model" } = options
  const ask = <A>(request: Request, step: () => A) => interpose(request, stepOf(step))
  return {
    name,
    topics: (names) => ask("topics", () => broker.topics(names)),
    offsets: (partitions, at, isolation) => ask("offsets", () => broker.offsets(partitions, at, isolation)),
    epochEnds: (partitions) => ask("epochEnds", () => broker.epochEnds(partitions)),
    fetch: (request) => {
      const fetch = stepOf(() => broker.fetch(request))
      const waiting = (millis: number): typeof fetch =>
        Effect.flatMap(
          fetch,
          (fetched) =>
            fetched.bytes.length > 0 || millis <= 0
              ? Effect.succeed(fetched)
              : Effect.andThen(Effect.sleep(Math.min(askMillis, millis)), waiting(millis - askMillis))
        )
      return interpose("fetch", waiting(request.waitMillis))
    },
    produce: (request) => ask("produce", () => broker.produce(request)),
    initProducer: ({ transactionMillis, transactionalId }) =>
      ask("initProducer", () => broker.initProducer(transactionalId, transactionMillis)),
    addPartitions: (producer, partitions) => ask("addPartitions", () => broker.addToTransaction(producer, partitions)),
    addOffsets: (producer, group, offsets) => ask("addOffsets", () => broker.addOffsets(producer, group, offsets)),
    endTransaction: (producer, outcome) => ask("endTransaction", () => broker.endTransaction(producer, outcome)),
    committedOffsets: (group, partitions, { stable }) =>
      ask("committedOffsets", () => broker.committedOffsets(group, partitions, stable)),
    commitOffsets: (group, offsets) =>
      ask("commitOffsets", () => broker.groups.commit(group, offsets, undefined, broker.now)),
    join: (request) => join(broker, request, interpose)
  }
}

/** Who joins is kept in the group by heartbeats, until the scope ends or its node dies. */
const join = (
  broker: Broker,
  request: JoinRequest,
  interpose: Interpose
): Effect.Effect<GroupMember, KafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const { groups } = broker
    const { group } = request
    const ask = <A>(step: () => A) => interpose("join", stepOf(step))
    let id = yield* ask(() => groups.join(request, broker.now))
    let generation = -1
    let asked = false
    const pause = Effect.sleep(askMillis)
    const isStable = Effect.suspend(() => ask(() => groups.isStable(group, id, generation, broker.now)))
    const beat = Effect.andThen(
      Effect.sleep(Math.max(1, Math.floor(request.sessionMillis / 3))),
      Effect.ignore(isStable)
    )
    yield* Effect.forkScoped(Effect.forever(beat))
    yield* Effect.addFinalizer(() => Effect.ignore(ask(() => groups.leave(group, id, broker.now))))
    const revoked = Effect.gen(function* () {
      while (yield* Effect.orElseSucceed(isStable, () => true)) yield* pause
    })
    const assignment = Effect.gen(function* () {
      if (asked) {
        yield* revoked
        if (!(yield* ask(() => groups.rejoin(group, id, broker.now)))) {
          id = yield* ask(() => groups.join(request, broker.now))
        }
      }
      asked = true
      while (true) {
        const assigned = yield* stepOf(() => groups.assignment(group, id, broker.now))
        if (assigned !== undefined) {
          generation = assigned.generation
          return assigned.partitions
        }
        yield* pause
      }
    })
    return {
      assignment,
      revoked,
      commit: (offsets) =>
        interpose("commitOffsets", stepOf(() => groups.commit(group, offsets, { id, generation }, broker.now)))
    }
  })
