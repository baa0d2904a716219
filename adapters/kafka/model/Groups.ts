/**
 * Groups: the coordinator of consumer groups of a broker's model: offsets, and who of its members has which partitions.
 *
 * A group has a generation. Members that come, go, or fall silent for longer than their session, and partitions that are added, begin a
 * rebalance: every member gives back what it has and joins again, within its time, or is out; then all that are left have the next
 * generation, and partitions are dealt out in order. Nothing waits here: members ask again and again (`member.ts`), and what is due is
 * done by `settle`.
 */
import type { CommittedOffset, JoinRequest, TopicPartition } from "../KafkaCluster.ts"
import type { Time } from "../../../core/time/Time.ts"
import { fenced, placeOf, unavailable } from "./refusals.ts"
import type { Outcome } from "./Transactions.ts"

interface Member {
  readonly id: string
  readonly request: JoinRequest
  lastSeen: Time
  /** It waits for the next generation. */
  joined: boolean
  assigned: ReadonlyArray<TopicPartition>
}

interface Group {
  readonly offsets: Map<string, CommittedOffset>
  /** Of open transactions, by producer. */
  readonly pending: Map<bigint, Map<string, CommittedOffset>>
  readonly members: Map<string, Member>
  generation: number
  /** Since when members are waited for; undefined: all have joined. */
  rebalancingSince: Time | undefined
  /** What was dealt out, as a text. */
  dealt: string
}

export class Groups {
  private readonly groups = new Map<string, Group>()
  private readonly partitionsOf: (topics: ReadonlyArray<string>) => ReadonlyArray<TopicPartition>
  private members = 0

  /** `partitionsOf`: of topics as they are now. */
  constructor(partitionsOf: (topics: ReadonlyArray<string>) => ReadonlyArray<TopicPartition>) {
    this.partitionsOf = partitionsOf
  }

  /** Puts members out that are silent, and begins and ends rebalances. */
  settle(now: Time): void {
    for (const group of this.groups.values()) {
      for (const { id, lastSeen, request } of group.members.values()) {
        if (now >= lastSeen + request.sessionMillis) this.remove(group, id, now)
      }
      const since = group.rebalancingSince
      if (since === undefined && group.members.size > 0 && group.dealt !== this.toDeal(group)) {
        this.beginRebalance(group, now)
      } else if (since !== undefined) this.tryToDeal(group, since, now)
    }
  }

  join(request: JoinRequest, now: Time): string {
    const id = `member-${++this.members}`
    const group = this.groupOf(request.group)
    group.members.set(id, { id, request, lastSeen: now, joined: true, assigned: [] })
    this.beginRebalance(group, now)
    this.settle(now)
    return id
  }

  /** It gives back what it has, and waits for the next generation; false: it is no member any more. */
  rejoin(name: string, id: string, now: Time): boolean {
    const member = this.seen(name, id, now)
    if (member === undefined) return false
    member.joined = true
    this.settle(now)
    return true
  }

  leave(name: string, id: string, now: Time): void {
    this.remove(this.groupOf(name), id, now)
    this.settle(now)
  }

  /** The generation and the partitions of a member; undefined: it has none at the moment. */
  assignment(name: string, id: string, now: Time) {
    const member = this.seen(name, id, now)
    const { generation, rebalancingSince } = this.groupOf(name)
    if (member === undefined || rebalancingSince !== undefined) return undefined
    return { generation, partitions: member.assigned }
  }

  /** A heartbeat: whether it is a member of this generation, and no other one begins. */
  isStable(name: string, id: string, generation: number, now: Time): boolean {
    const group = this.groupOf(name)
    return this.seen(name, id, now) !== undefined && group.generation === generation &&
      group.rebalancingSince === undefined
  }

  /** As a member, which may commit also while a rebalance waits for it; without one, from outside of all members. */
  commit(
    name: string,
    offsets: ReadonlyArray<CommittedOffset>,
    member: { readonly id: string; readonly generation: number } | undefined,
    now: Time
  ): void {
    this.settle(now)
    const group = this.groupOf(name)
    if (member === undefined && group.members.size > 0) {
      throw fenced(`a commit of offsets of the group ${name}, which has ${group.members.size} members`)
    }
    if (member !== undefined && (!group.members.has(member.id) || group.generation !== member.generation)) {
      throw fenced(`a commit of ${member.id} of the group ${name}, which is not of its present generation`)
    }
    for (const offset of offsets) group.offsets.set(placeOf(offset), offset)
  }

  committed(
    name: string,
    partitions: ReadonlyArray<TopicPartition>,
    stable: boolean
  ): ReadonlyArray<CommittedOffset> {
    const group = this.groupOf(name)
    const places = partitions.map(placeOf)
    const open = [...group.pending.values()].some((offsets) => places.some((place) => offsets.has(place)))
    if (stable && open) throw unavailable(`a transaction is open in which offsets of the group ${name} are: try again`)
    return places.flatMap((place) => group.offsets.get(place) ?? [])
  }

  /** Offsets that count when their transaction is committed. */
  addPending(name: string, producerId: bigint, offsets: ReadonlyArray<CommittedOffset>): void {
    const { pending } = this.groupOf(name)
    const known = pending.get(producerId) ?? new Map<string, CommittedOffset>()
    pending.set(producerId, known)
    for (const offset of offsets) known.set(placeOf(offset), offset)
  }

  endPending(name: string, producerId: bigint, outcome: Outcome): void {
    const group = this.groupOf(name)
    if (outcome === "commit") {
      for (const [place, offset] of group.pending.get(producerId) ?? []) group.offsets.set(place, offset)
    }
    group.pending.delete(producerId)
  }

  /** A topic is gone. */
  forget(topic: string): void {
    for (const { offsets, pending } of this.groups.values()) {
      for (const known of [offsets, ...pending.values()]) {
        for (const [place, offset] of known) if (offset.topic === topic) known.delete(place)
      }
    }
  }

  /** What is not asked for any more: offsets expire when a group has had no members for long. */
  expire(name: string): void {
    this.groupOf(name).offsets.clear()
  }

  private groupOf(name: string): Group {
    const known = this.groups.get(name)
    if (known !== undefined) return known
    const group: Group = {
      offsets: new Map(),
      pending: new Map(),
      members: new Map(),
      generation: 0,
      rebalancingSince: undefined,
      dealt: ""
    }
    this.groups.set(name, group)
    return group
  }

  private seen(name: string, id: string, now: Time): Member | undefined {
    this.settle(now)
    const member = this.groupOf(name).members.get(id)
    if (member !== undefined) member.lastSeen = now
    return member
  }

  private remove(group: Group, id: string, now: Time): void {
    if (!group.members.delete(id)) return
    if (group.members.size > 0) this.beginRebalance(group, now)
    else {
      group.rebalancingSince = undefined
      group.generation++
    }
  }

  private beginRebalance(group: Group, now: Time): void {
    group.rebalancingSince ??= now
  }

  private tryToDeal(group: Group, since: Time, now: Time): void {
    for (const { id, joined, request } of group.members.values()) {
      if (!joined && now >= since + request.rebalanceMillis) group.members.delete(id)
    }
    const members = [...group.members.values()]
    if (members.some(({ joined }) => !joined)) return
    group.rebalancingSince = undefined
    group.generation++
    group.dealt = this.toDeal(group)
    members.forEach((member) => {
      member.joined = false
      member.assigned = []
    })
    const wanting = (topic: string) => members.filter(({ request }) => request.topics.includes(topic))
    this.partitionsOf(topicsOf(group)).forEach((partition, i) => {
      const takers = wanting(partition.topic)
      const taker = takers[i % takers.length]!
      taker.assigned = [...taker.assigned, partition]
    })
  }

  private toDeal(group: Group): string {
    return [...group.members.keys(), ...this.partitionsOf(topicsOf(group)).map(placeOf)].join(" ")
  }
}

const topicsOf = ({ members }: Group): ReadonlyArray<string> =>
  [...new Set([...members.values()].flatMap(({ request }) => request.topics))].sort()
