/**
 * consumerProtocol: what the members of a consumer group tell each other through its coordinator: which topics they want, and who gets which partitions.
 * The forms are those of Kafka's own consumers (version 0), and the sharing is their range assignor, so that members of both kinds can be
 * in one group.
 */
import { Buffer } from "node:buffer"
import type { TopicPartition } from "../KafkaCluster.ts"

export const protocolType = "consumer"
export const assignor = "range"

export interface Member {
  readonly memberId: string
  readonly topics: ReadonlyArray<string>
}

const version = Buffer.alloc(2)
const noUserData = Buffer.from([255, 255, 255, 255])

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const text = (value: string): Buffer => {
  const length = Buffer.alloc(2)
  length.writeInt16BE(Buffer.byteLength(value))
  return Buffer.concat([length, Buffer.from(value)])
}

export const encodeSubscription = (topics: ReadonlyArray<string>): Buffer =>
  Buffer.concat([version, int32(topics.length), ...topics.map(text), noUserData])

export const encodeAssignment = (partitions: ReadonlyArray<TopicPartition>): Buffer => {
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)]
  const parts = topics.flatMap(([name, parts]) => [
    text(name),
    int32(parts.length),
    ...parts.map(({ partition }) => int32(partition))
  ])
  return Buffer.concat([version, int32(topics.length), ...parts, noUserData])
}

/** A cursor; runs past the end as a RangeError. */
class Cursor {
  private readonly bytes: Buffer
  private at = 2 // behind the version: later ones add fields behind these

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  number(): number {
    this.at += 4
    return this.bytes.readInt32BE(this.at - 4)
  }

  text(): string {
    const length = this.bytes.readInt16BE(this.at)
    const from = this.at += 2
    if (length < 0 || from + length > this.bytes.length) throw new RangeError("a name is longer than its message")
    return this.bytes.toString("utf8", from, this.at += length)
  }

  /** Each item takes bytes, so a count that lies ends with the bytes. */
  list<A>(item: () => A): Array<A> {
    const items: Array<A> = []
    for (let count = this.number(); count > 0; count--) items.push(item())
    return items
  }
}

/** Throws a RangeError for what is none. */
export const decodeSubscription = (bytes: Uint8Array): ReadonlyArray<string> => {
  const cursor = new Cursor(bytes)
  return cursor.list(() => cursor.text())
}

/** Throws a RangeError for what is none. Without bytes: nothing. */
export const decodeAssignment = (bytes: Uint8Array): ReadonlyArray<TopicPartition> => {
  if (bytes.byteLength === 0) return []
  const cursor = new Cursor(bytes)
  return cursor.list(() => {
    const topic = cursor.text()
    return cursor.list(() => ({ topic, partition: cursor.number() }))
  }).flat()
}

/** Of each topic a range of partitions to each member that wants it, the first ones getting one more where it does not come out even. */
export const assignRanges = (
  members: ReadonlyArray<Member>,
  partitionCounts: ReadonlyMap<string, number>
): ReadonlyMap<string, ReadonlyArray<TopicPartition>> => {
  const assigned = new Map(members.map(({ memberId }) => [memberId, [] as Array<TopicPartition>]))
  for (const [topic, count] of partitionCounts) {
    const wanting = members.filter(({ topics }) => topics.includes(topic)).map(({ memberId }) => memberId).sort()
    wanting.forEach((memberId, i) => {
      const each = Math.floor(count / wanting.length)
      const more = count % wanting.length
      const start = each * i + Math.min(i, more)
      for (let partition = start; partition < start + each + (i < more ? 1 : 0); partition++) {
        assigned.get(memberId)!.push({ topic, partition })
      }
    })
  }
  return assigned
}
