/**
 * The opponent of W11: the same by hand over a plain consumer (or producer) of the client that the engine uses, on one thread, in a process of
 * its own: `hand.ts grep|wordcount|sink BROKERS TOPIC RECORDS` prints milliseconds and what it came to as JSON. The clock runs from the first
 * message that has come to the last; for `sink`, from the first that is sent to the last answer.
 */
import * as process from "node:process"
import { Consumer, MessagesStreamModes, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka"
import { digestOfCounts, lines, needle } from "../data.ts"

const [, , name, brokers, topic, records] = process.argv as unknown as ReadonlyArray<string>
const wanted = Number(records)
const bootstrapBrokers = [brokers!]
const clientId = "bench"

interface Done {
  readonly millis: ReadonlyArray<number>
  readonly check: number
}

const consume = async (each: (line: string) => void, check: () => number): Promise<Done> => {
  const consumer = new Consumer({
    clientId,
    groupId: `bench-${process.pid}`,
    bootstrapBrokers,
    deserializers: stringDeserializers,
    autocommit: false,
    // Of 1 to 50 MiB, its default, what it reads fastest with: three and a half times as fast.
    maxBytes: 1_048_576
  })
  const stream = await consumer.consume({ topics: [topic!], mode: MessagesStreamModes.EARLIEST })
  const millis = await new Promise<number>((resolve, reject) => {
    let seen = 0
    let began = 0
    stream.on("error", reject)
    stream.on("data", ({ value }) => {
      if (seen === 0) began = performance.now()
      each(value!)
      if (++seen === wanted) resolve(performance.now() - began)
    })
  })
  const came = check()
  await consumer.close(true)
  return { millis: [millis], check: came }
}

const grep = (): Promise<Done> => {
  let n = 0
  return consume((line) => {
    if (line.includes(needle)) n++
  }, () => n)
}

const wordCount = (): Promise<Done> => {
  const m = new Map<string, number>()
  return consume((line) => {
    for (const w of line.split(" ")) m.set(w, (m.get(w) ?? 0) + 1)
  }, () => digestOfCounts(m))
}

/** As many as one request takes. */
const perSend = 9000

const produce = async (): Promise<Done> => {
  const all = lines(42, 0, wanted)
  const producer = new Producer({ clientId, bootstrapBrokers, serializers: stringSerializers, idempotent: true })
  await producer.send({ messages: [{ topic: topic!, value: "connects", partition: 0 }] })
  const began = performance.now()
  for (let at = 0, send = 0; at < wanted; at += perSend, send++) {
    const partition = send % 4
    await producer.send({ messages: all.slice(at, at + perSend).map((value) => ({ topic: topic!, partition, value })) })
  }
  const millis = performance.now() - began
  await producer.close()
  return { millis: [millis], check: 0 }
}

const work = { grep, wordcount: wordCount, sink: produce }[name!]
if (work === undefined) throw new Error(`there is grep, wordcount and sink, not "${name}"`)
const done = await work()
process.stdout.write(JSON.stringify(done) + "\n", () => process.exit(0))
