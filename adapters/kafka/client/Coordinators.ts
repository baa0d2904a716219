/**
 * Coordinators: which broker keeps a group, and which a transactional id. Asked for at the first request, and again when that broker says that it does
 * not any more, or cannot be reached.
 */
import { Effect } from "effect"
import type { KafkaError } from "../KafkaError.ts"
import type { BrokerPool } from "./network/BrokerPool.ts"
import type { Brokers } from "./Brokers.ts"
import { coordinatorMoved, refusalOf, type Subject } from "./network/codes.ts"

export type CoordinatorKind = "group" | "transactional id"

const keyTypes: Record<CoordinatorKind, 0 | 1> = { group: 0, "transactional id": 1 }

/** A cluster makes its coordinators when the first is asked for: so often, and with such pauses, it is asked again. */
const tries = 50
const pauseMillis = 100

export class Coordinators {
  private readonly brokers: Brokers
  private readonly known = new Map<string, BrokerPool>()

  constructor(brokers: Brokers) {
    this.brokers = brokers
  }

  /** Sends to the coordinator; where that is another by now, once more to the new one. Other error codes are the sender's. */
  at<A>(
    kind: CoordinatorKind,
    name: string,
    request: string,
    codeIn: (answer: A) => number,
    send: (broker: BrokerPool, subject: Subject) => Effect.Effect<A, KafkaError>
  ): Effect.Effect<A, KafkaError> {
    const key = `${kind} ${name}`
    const subject = { request, name: `the ${key}` }
    const forget = () => void this.known.delete(key)
    const once = Effect.gen({ self: this }, function* () {
      const broker = this.known.get(key) ?? (yield* this.find(kind, name, subject, tries))
      this.known.set(key, broker)
      return yield* Effect.tapError(send(broker, subject), () => Effect.sync(forget))
    })
    return Effect.flatMap(once, (answer) => {
      if (!coordinatorMoved.has(codeIn(answer))) return Effect.succeed(answer)
      forget()
      return once
    })
  }

  private find(
    kind: CoordinatorKind,
    name: string,
    subject: Subject,
    triesLeft: number
  ): Effect.Effect<BrokerPool, KafkaError> {
    return Effect.gen({ self: this }, function* () {
      const asked = { ...subject, request: "FindCoordinator" }
      const answer = yield* this.brokers.anyBroker(
        ({ findCoordinator }) => findCoordinator,
        [keyTypes[kind], [name]],
        asked
      )
      const [found] = answer.coordinators
      if (found?.errorCode === 0) return this.brokers.poolOf({ host: found.host, port: found.port })
      const code = found?.errorCode ?? -1
      if (!coordinatorMoved.has(code) || triesLeft === 1) return yield* refusalOf(code, asked, found?.errorMessage)
      yield* Effect.sleep(pauseMillis)
      return yield* this.find(kind, name, subject, triesLeft - 1)
    })
  }
}
