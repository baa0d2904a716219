/**
 * membership: a member of a consumer group, in Kafka's classic protocol.
 *
 * | state | what goes on | left by |
 * | --- | --- | --- |
 * | outside | nothing | `assignment`: joins |
 * | member | heartbeats, three a session at least | a heartbeat that says that the group is shared out anew, that this member is taken for dead, or that is not answered for a session; the leader of the group sees other numbers of partitions |
 * | revoked | `revoked` has woken; heartbeats go on, while what is under way is committed | `assignment`: joins again |
 *
 * Joining is JoinGroup, which waits for the other members; whom the coordinator makes the leader shares the partitions out; then
 * SyncGroup brings each member its part. Source: Kafka's `ConsumerCoordinator`.
 */
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { uptime } from "../../../core/time/Uptime.ts"
import type { GroupMember, JoinRequest, KafkaCluster, TopicPartition } from "../KafkaCluster.ts"
import { KafkaError } from "../KafkaError.ts"
import type { Brokers } from "./Brokers.ts"
import { kafkaError, memberIdRequired } from "./network/codes.ts"
import {
  assignor,
  assignRanges,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  protocolType
} from "./consumerProtocol.ts"
import type { Coordinators } from "./Coordinators.ts"
import { commitAs } from "./groups.ts"
import { check, codeOf } from "./answers.ts"

const illegalGeneration = 22
const unknownMember = 25
const rebalanceInProgress = 27
/** The group goes on without this member: it must join again. */
const outdated: ReadonlySet<number> = new Set([illegalGeneration, unknownMember, rebalanceInProgress, memberIdRequired])

const heartbeatsPerSession = 3
/** As Kafka's own clients: until it a member does not know that the group is shared out anew. */
const heartbeatMillisMax = 3000
/** The group's leader looks for other numbers of partitions with the first heartbeat after so long: one request. */
const lookMillis = 15_000
const joinsMax = 50
const leaveMillisMax = 3000

export const join = (brokers: Brokers, coordinators: Coordinators): KafkaCluster["join"] => (request) =>
  Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const membership = new Membership(brokers, coordinators, request, scope)
    yield* Scope.addFinalizer(scope, membership.leave)
    const member: GroupMember = {
      assignment: membership.assignment,
      revoked: Effect.suspend(() => Deferred.await(membership.revocation)),
      commit: (offsets) => Effect.suspend(() => commitAs(coordinators, request.group, membership, offsets))
    }
    return member
  })

/** How the group has been shared out to this member, and what it knows as its leader. */
interface Joined {
  readonly assigned: ReadonlyArray<TopicPartition>
  readonly partitionCounts: ReadonlyMap<string, number> | undefined
}

class Membership {
  memberId = ""
  generation = -1
  revocation = Deferred.makeUnsafe<void>()
  private heart: Fiber.Fiber<void> | undefined
  private readonly brokers: Brokers
  private readonly coordinators: Coordinators
  private readonly wanted: JoinRequest
  private readonly scope: Scope.Scope

  constructor(brokers: Brokers, coordinators: Coordinators, wanted: JoinRequest, scope: Scope.Scope) {
    this.brokers = brokers
    this.coordinators = coordinators
    this.wanted = wanted
    this.scope = scope
  }

  readonly assignment: Effect.Effect<ReadonlyArray<TopicPartition>, KafkaError> = Effect.gen(
    { self: this },
    function* () {
      if (this.heart !== undefined) {
        yield* Deferred.await(this.revocation)
        yield* Fiber.interrupt(this.heart)
        this.heart = undefined
      }
      const { assigned, partitionCounts } = yield* this.joinGroup(joinsMax)
      this.revocation = Deferred.makeUnsafe<void>()
      this.heart = yield* Effect.forkIn(this.beat(partitionCounts), this.scope)
      return assigned
    }
  )

  /** So the others need not wait until the session ends. */
  readonly leave: Effect.Effect<void> = Effect.suspend(() => {
    if (this.memberId === "") return Effect.void
    return this.coordinators.at(
      "group",
      this.wanted.group,
      "LeaveGroup",
      codeOf,
      (broker, subject) =>
        broker.request(({ leaveGroup }) => leaveGroup, [this.wanted.group, [{ memberId: this.memberId }]], subject)
    ).pipe(
      Effect.timeoutOption(leaveMillisMax),
      Effect.ignore
    )
  })

  private get revoke(): Effect.Effect<void> {
    return Effect.asVoid(Deferred.done(this.revocation, Exit.void))
  }

  private joinGroup(joinsLeft: number): Effect.Effect<Joined, KafkaError> {
    const { group, rebalanceMillis, sessionMillis, topics } = this.wanted
    const subject = { request: "JoinGroup", name: `the group ${group}` }
    const again = () => this.joinGroup(joinsLeft - 1)
    return Effect.gen({ self: this }, function* () {
      if (joinsLeft === 0) {
        return yield* kafkaError(
          "Unavailable",
          subject,
          `The group ${group} does not come to rest: other members come and go; try again`
        )
      }
      const protocols = [{ name: assignor, metadata: encodeSubscription(topics) }]
      const answer = yield* this.coordinators.at(
        "group",
        group,
        subject.request,
        codeOf,
        (broker, subject) =>
          broker.request(
            ({ joinGroup }) => joinGroup,
            [group, sessionMillis, rebalanceMillis, this.memberId, null, protocolType, protocols, null],
            subject,
            rebalanceMillis
          )
      )
      if (answer.errorCode === memberIdRequired) this.memberId = answer.memberId ?? ""
      if (answer.errorCode === unknownMember) this.memberId = ""
      if (outdated.has(answer.errorCode)) return yield* again()
      yield* check(answer, subject)
      this.memberId = answer.memberId ?? ""
      this.generation = answer.generationId
      const isLeader = answer.leader === this.memberId
      const shared = isLeader ? yield* this.share(answer.members) : undefined
      const assigned = yield* this.sync(shared?.assignments ?? [])
      return assigned === undefined ? yield* again() : { assigned, partitionCounts: shared?.partitionCounts }
    })
  }

  private share(
    members: ReadonlyArray<{ readonly memberId: string; readonly metadata?: Uint8Array | null | undefined }>
  ) {
    return Effect.gen({ self: this }, function* () {
      const known = yield* this.reading(() =>
        members.map(({ memberId, metadata }) => ({
          memberId,
          topics: decodeSubscription(metadata ?? new Uint8Array(6))
        }))
      )
      const partitionCounts = yield* this.count([...new Set(known.flatMap(({ topics }) => topics))])
      const shares = assignRanges(known, partitionCounts)
      const assignments = [...shares].map(([memberId, partitions]) => ({
        memberId,
        assignment: encodeAssignment(partitions)
      }))
      return { assignments, partitionCounts }
    })
  }

  private count(topics: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, number>, KafkaError> {
    return Effect.map(this.brokers.describe(topics), (found) => {
      const counts = new Map(found.map(({ partitions, topic }) => [topic, partitions.length]))
      return new Map(topics.map((topic) => [topic, counts.get(topic) ?? 0]))
    })
  }

  /** undefined: the group is shared out anew already. */
  private sync(assignments: Array<{ memberId: string; assignment: Buffer }>) {
    const { group } = this.wanted
    return Effect.gen({ self: this }, function* () {
      const answer = yield* this.coordinators.at(
        "group",
        group,
        "SyncGroup",
        codeOf,
        (broker, subject) =>
          broker.request(
            ({ syncGroup }) => syncGroup,
            [group, this.generation, this.memberId, null, protocolType, assignor, assignments],
            subject,
            this.wanted.rebalanceMillis
          )
      )
      if (answer.errorCode === unknownMember) this.memberId = ""
      if (outdated.has(answer.errorCode)) return undefined
      yield* check(answer, { request: "SyncGroup", name: `the group ${group}` })
      return yield* this.reading(() => decodeAssignment(answer.assignment))
    })
  }

  /** What other members wrote. */
  private reading<A>(read: () => A): Effect.Effect<A, KafkaError> {
    const { group } = this.wanted
    return Effect.try({
      try: read,
      catch: () =>
        new KafkaError({
          reason: "Damaged",
          message: `A member of the group ${group} wrote what no consumer does: see that only consumers are in it`
        })
    })
  }

  private beat(partitionCounts: Joined["partitionCounts"]): Effect.Effect<void> {
    const pauseMillis = Math.min(heartbeatMillisMax, this.wanted.sessionMillis / heartbeatsPerSession)
    return Effect.gen({ self: this }, function* () {
      let answered = yield* uptime
      let looked = answered
      while (true) {
        yield* Effect.sleep(pauseMillis)
        const code = yield* this.heartbeat
        if (code !== undefined) answered = yield* uptime
        const isSilent = (yield* uptime) - answered >= this.wanted.sessionMillis
        if (code === unknownMember) this.memberId = ""
        if (isSilent || code !== undefined && code !== 0) yield* this.revoke
        if (isSilent || code !== undefined && code !== 0 && code !== rebalanceInProgress) return
        if (partitionCounts === undefined || (yield* uptime) - looked < lookMillis) continue
        looked = yield* uptime
        if (yield* this.hasOther(partitionCounts)) yield* this.revoke
      }
    })
  }

  /** undefined: there was no answer. */
  private get heartbeat(): Effect.Effect<number | undefined> {
    const { group, sessionMillis } = this.wanted
    return this.coordinators.at(
      "group",
      group,
      "Heartbeat",
      codeOf,
      (broker, subject) =>
        broker.request(({ heartbeat }) => heartbeat, [group, this.generation, this.memberId, null], subject)
    ).pipe(
      Effect.map(codeOf),
      Effect.timeoutOrElse({ duration: sessionMillis, orElse: () => Effect.succeed(undefined) }),
      Effect.catch(() => Effect.succeed(undefined))
    )
  }

  private hasOther(partitionCounts: ReadonlyMap<string, number>): Effect.Effect<boolean> {
    const topics = [...partitionCounts.keys()]
    const differs = (now: ReadonlyMap<string, number>) =>
      topics.some((topic) => now.get(topic) !== partitionCounts.get(topic))
    return Effect.orElseSucceed(Effect.map(this.count(topics), differs), () => false)
  }
}
