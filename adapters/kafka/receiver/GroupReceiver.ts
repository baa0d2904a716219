/**
 * GroupReceiver: a receiver that is a member of a consumer group: it reads the partitions that the group gives it, stores what is new as
 * blocks, and commits to the group how far it is. Kafka's own way; where each record shall count once, the direct stream is it.
 *
 * | step | |
 * | --- | --- |
 * | assigned | each partition goes on where the group committed, or begins (`Beginnings`); where it begins is committed before it is read |
 * | new records | those of some partitions are one block; when it is safe, their offsets are committed, never before |
 * | the block cannot be stored | reported; nothing is committed, and the records are read again |
 * | the group wants its partitions back | the block that is being stored is stored and committed, then they are given back |
 * | fenced | the partitions are another member's meanwhile: what was stored and could not be committed comes twice |
 * | no broker answers | reported once, tried again less and less often, for ever, or until the group wants its partitions back |
 * | a partition cannot be read | it is held up, and tried again (`Holds`); the others go on |
 * | a topic is not there | reported; the group's leader looks for it |
 *
 * So receipt is at least once. Between rounds it asks for the ends of all its partitions in one request: idle ones cost next to nothing.
 */
import { Effect, type Scope } from "effect"
import type { Store } from "../../../core/receiving/Receiver.ts"
import { Outage } from "../reading/Outage.ts"
import { connect } from "../reading/reader.ts"
import type { KafkaError } from "../KafkaError.ts"
import type { KafkaRecord } from "../KafkaRecord.ts"
import { Assignment } from "./Assignment.ts"
import type { Begun } from "./Beginnings.ts"
import type { GroupOptions } from "./options.ts"

/** Receives until its scope closes. */
export const receive = Effect.fnUntraced(function* <K, V>(
  options: GroupOptions<K, V>,
  store: Store<KafkaRecord<K, V>>
): Effect.fn.Return<void, KafkaError, Scope.Scope> {
  const { group, reading, rebalanceMillis, sessionMillis, topics } = options
  const outage = new Outage(
    "it is tried again until it answers",
    (message) => Effect.sync(() => store.reportError(message))
  )
  const connected = yield* connect(reading, outage)
  const member = yield* outage.patiently(
    connected.cluster.join({ group, topics, sessionMillis, rebalanceMillis }),
    Infinity
  )
  const setting = {
    options,
    store,
    connected,
    outage,
    member,
    known: new Map<string, Begun>(),
    missing: new Set<string>()
  }
  while (true) yield* Effect.scoped(new Assignment(setting).run())
})
