/**
 * Peers that are no brokers, or brokers in trouble: nobody there, half-open, absurd lengths, damaged answers, leaders that change. Each is an
 * error that says what to do, soon, and its connection is closed.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import type * as net from "node:net"
import { Effect, Redacted } from "effect"
import { connect } from "../../../adapters/kafka/client/connect.ts"
import type { KafkaCluster } from "../../../adapters/kafka/KafkaCluster.ts"
import type { KafkaConnection } from "../../../adapters/kafka/KafkaConnection.ts"
import { KafkaError } from "../../../adapters/kafka/KafkaError.ts"
import { it } from "../../kit.ts"
import {
  apiKeys,
  type Asked,
  fetchAnswer,
  metadataAnswer,
  rawServer,
  type ScriptedBroker,
  scriptedBroker,
  topicId
} from "./scriptedBroker.ts"

const quick = { connectTimeout: 300, requestTimeout: 300 }

const failing = (
  brokers: KafkaConnection["brokers"],
  more: Partial<KafkaConnection>,
  request: (cluster: KafkaCluster) => Effect.Effect<unknown, KafkaError> = (cluster) => cluster.topics(["words"])
) =>
  Effect.gen(function* () {
    const cluster = yield* connect({ brokers, ...quick, ...more })
    return yield* Effect.flip(request(cluster))
  })

const read = (cluster: KafkaCluster, id?: string) =>
  cluster.fetch({ topic: "words", partition: 0, id, offset: 5, maxBytes: 1000, waitMillis: 0, isolation: "committed" })

const until = (condition: () => boolean) => Effect.repeat(Effect.yieldNow, { until: condition })

/** Closed by the client, soon. */
const allClosed = ({ connections }: ScriptedBroker) => until(() => connections.size === 0)

it.live("nobody listens: all brokers are named, and what to look at", () =>
  Effect.gen(function* () {
    const gone = yield* Effect.scoped(rawServer(() => {}))
    const one = yield* failing(gone.address, {})
    assert.equal(one.reason, "Unavailable")
    assert.match(
      one.message,
      new RegExp(`^The broker ${gone.address} cannot be reached \\(.*ECONNREFUSED.*\\): see that it runs`)
    )
    const two = yield* failing([gone.address, "localhost:1"], {})
    assert.match(two.message, /^No broker answers\. .*127\.0\.0\.1:.*; The broker localhost:1 cannot/)
    const nowhere = yield* failing("no-such-host.invalid:9092", { connectTimeout: 5000 })
    assert.deepEqual([nowhere.reason, /no-such-host.invalid:9092/.test(nowhere.message)], ["Unavailable", true])
  }))

it.live("one of several brokers is enough", () =>
  Effect.gen(function* () {
    const gone = yield* Effect.scoped(rawServer(() => {}))
    const broker: ScriptedBroker = yield* scriptedBroker(({ answer }) =>
      answer(metadataAnswer([[1, broker.port]], [{ name: "words", leaders: [1, -1] }]))
    )
    const cluster = yield* connect({ brokers: `${gone.address},${broker.address}` })
    const found = yield* cluster.topics(["words"])
    assert.deepEqual(found, [{
      topic: "words",
      id: topicId,
      partitions: [{ partition: 0, leader: 1, leaderEpoch: 7 }, { partition: 1, leader: undefined, leaderEpoch: 7 }]
    }])
  }))

it.live("a peer that takes requests and never answers is given up after the time for an answer", () =>
  Effect.gen(function* () {
    const server = yield* rawServer((socket) => socket.resume())
    const error = yield* failing(server.address, {})
    assert.equal(error.reason, "Unavailable")
    assert.match(error.message, /did not answer Metadata within 300 ms; it may have been done/)
    yield* allClosed(server)
    const handshake = yield* failing(server.address, { tls: true })
    assert.deepEqual([handshake.reason, /not connected within 300 ms/.test(handshake.message)], ["Unavailable", true])
    yield* allClosed(server)
  }))

it.live("a request that is interrupted closes its connection", () =>
  Effect.gen(function* () {
    const server = yield* rawServer((socket) => socket.resume())
    const cluster = yield* connect({ brokers: server.address })
    const fiber = yield* Effect.forkChild(cluster.topics(["words"]))
    yield* until(() => server.connections.size === 1)
    yield* Effect.sync(() => fiber.interruptUnsafe())
    yield* allClosed(server)
  }))

const answersWith = (bytes: Buffer | string) => (socket: net.Socket) => socket.on("data", () => socket.write(bytes))

it.live("lengths that no broker sends are refused before memory is taken", () =>
  Effect.gen(function* () {
    const huge = yield* rawServer(answersWith(Buffer.from("7fffffff0000000100", "hex")))
    const error = yield* failing(huge.address, {})
    assert.equal(error.reason, "Damaged")
    assert.match(error.message, /is not understood: it sent an answer of 2147483647 bytes/)
    yield* allClosed(huge)
    const negative = yield* rawServer(answersWith(Buffer.from("fffffff000000001", "hex")))
    assert.match((yield* failing(negative.address, {})).message, /answer of -16 bytes/)
    const web = yield* rawServer(answersWith("HTTP/1.1 400 Bad Request\r\n\r\n"))
    assert.match((yield* failing(web.address, {})).message, /\("HTTP"\), which no broker does/)
    const tls = yield* rawServer(answersWith(Buffer.from("15030300020228", "hex")))
    assert.match((yield* failing(tls.address, {})).message, /speaks TLS: give the connection tls/)
  }))

it.live("an answer that is cut, or whose counts and lengths lie, is an error of its own", () =>
  Effect.gen(function* () {
    for (
      const body of [
        "00", // nothing
        "00" + "00000000" + "ffffffff0f", // four thousand million brokers
        "00" + "00000000" + "02" + "00000001" + "ffffffff07" + "6161", // a host name of 2 GB
        "00" + "00000000" + "01" + "00" + "00000001" + "01" + "02" + "00ffffffff07" // tagged fields of 2 GB
      ]
    ) {
      const broker = yield* scriptedBroker(({ answerBytes }) => answerBytes(Buffer.from(body, "hex")))
      const error = yield* failing(broker.address, {})
      assert.deepEqual([error.reason, body, /answer of the broker .* to Metadata cannot be read/.test(error.message)], [
        "Damaged",
        body,
        true
      ])
      yield* allClosed(broker)
    }
    const other = yield* rawServer(answersWith(Buffer.from("000000057777777700", "hex")))
    assert.match((yield* failing(other.address, {})).message, /is not understood: it answered what it was not asked/)
    yield* allClosed(other)
  }))

it.live("record bytes that are said to be longer than their answer are refused", () =>
  Effect.gen(function* () {
    const broker: ScriptedBroker = yield* scriptedBroker((asked) => {
      if (asked.apiKey === apiKeys.metadata) {
        return asked.answer(metadataAnswer([[1, broker.port]], [{ name: "words", leaders: [1] }]))
      }
      const whole = fetchAnswer(0, Buffer.from("abcdef")).buffer
      whole[whole.length - 6 - 3 - 1] = 0x7f // its length: 126 bytes
      asked.answerBytes(Buffer.concat([Buffer.alloc(1), whole]))
    })
    const error = yield* failing(broker.address, {}, (cluster) => read(cluster))
    assert.deepEqual([error.reason, error.topic, error.partition, error.offset], ["Damaged", "words", 0, 5])
  }))

it.live("a connection that is lost in the middle is an error that can be tried again, over a new one", () =>
  Effect.gen(function* () {
    let isUp = false
    const broker: ScriptedBroker = yield* scriptedBroker(({ answer, socket }) =>
      isUp ? answer(metadataAnswer([[1, broker.port]], [])) : socket.end(Buffer.from("00000020000000", "hex"))
    )
    const cluster = yield* connect({ brokers: broker.address, ...quick })
    const error = yield* Effect.flip(cluster.topics(undefined))
    assert.equal(error.reason, "Unavailable")
    assert.match(error.message, /did not answer Metadata: the connection was lost/)
    isUp = true
    assert.deepEqual(yield* cluster.topics(undefined), [])
  }))

it.live("a connection that was closed while it lay idle is not used again", () =>
  Effect.gen(function* () {
    const broker: ScriptedBroker = yield* scriptedBroker(({ answer }) => answer(metadataAnswer([[1, broker.port]], [])))
    const cluster = yield* connect({ brokers: broker.address, ...quick })
    yield* cluster.topics(undefined)
    yield* cluster.topics(undefined)
    assert.equal(broker.connected(), 1)
    for (const socket of broker.connections) socket.destroy()
    yield* until(() => broker.connections.size === 0)
    yield* Effect.sleep(20)
    yield* cluster.topics(undefined)
    assert.equal(broker.connected(), 2)
  }))

/** Two brokers of which the second leads as soon as the first was asked. */
const moving = (code: number) =>
  Effect.gen(function* () {
    let leader = 1
    const asked: Array<string> = []
    const script = (id: number) => ({ answer, apiKey }: Asked) => {
      if (apiKey === apiKeys.metadata) {
        return answer(metadataAnswer([[1, one.port], [2, two.port]], [{ name: "words", leaders: [leader] }]))
      }
      asked.push(`fetch at ${id}`)
      answer(id === leader && id === 2 ? fetchAnswer(0, Buffer.from("records")) : fetchAnswer(code))
      leader = 2
    }
    const one: ScriptedBroker = yield* scriptedBroker(script(1))
    const two: ScriptedBroker = yield* scriptedBroker(script(2))
    return { brokers: one.address, asked }
  })

it.live("where another broker leads by now, it is found and asked", () =>
  Effect.gen(function* () {
    for (const code of [6, 74, 75, 3]) {
      const { asked, brokers } = yield* moving(code)
      const cluster = yield* connect({ brokers })
      const fetched = yield* read(cluster)
      assert.equal(Buffer.from(fetched.bytes).toString(), "records")
      assert.deepEqual([fetched.highWatermark, fetched.lastStable, fetched.logStart], [9, 8, 1])
      assert.deepEqual(asked, ["fetch at 1", "fetch at 2"])
    }
  }))

it.live("a leader that cannot be reached is looked up again by the next request", () =>
  Effect.gen(function* () {
    const gone = yield* Effect.scoped(rawServer(() => {}))
    let leader = gone.port
    const broker: ScriptedBroker = yield* scriptedBroker(({ answer, apiKey }) =>
      answer(
        apiKey === apiKeys.metadata
          ? metadataAnswer([[1, leader]], [{ name: "words", leaders: [1] }])
          : fetchAnswer(0, Buffer.from("records"))
      )
    )
    const cluster = yield* connect({ brokers: broker.address, ...quick })
    assert.equal((yield* Effect.flip(read(cluster))).reason, "Unavailable")
    leader = broker.port
    assert.equal(Buffer.from((yield* read(cluster)).bytes).toString(), "records")
  }))

it.live("topics and partitions that are not there, have no leader or are others by now", () =>
  Effect.gen(function* () {
    const topics = [{ name: "words", leaders: [-1] }, { name: "none", leaders: [], errorCode: 3 }, {
      name: "secret",
      leaders: [],
      errorCode: 29
    }]
    const broker: ScriptedBroker = yield* scriptedBroker(({ answer, body }) =>
      answer(metadataAnswer([[1, broker.port]], topics.filter(({ name }) => body.includes(name))))
    )
    const cluster = yield* connect({ brokers: broker.address, ...quick })
    const reason = (topic: string, partition = 0) =>
      Effect.map(Effect.flip(cluster.produce({ topic, partition, batch: new Uint8Array(100) })), (error) => {
        assert.match(error.message, new RegExp(`${topic}.* was refused with .*: .*`))
        return error.reason
      })
    assert.deepEqual(
      [yield* reason("words"), yield* reason("words", 1), yield* reason("none"), yield* reason("secret")],
      ["Unavailable", "UnknownTopic", "UnknownTopic", "Refused"]
    )
    const places = ["none", "words"].map((topic) => ({ topic, partition: 1 }))
    assert.deepEqual(yield* cluster.offsets(places, "latest", "committed"), [], "of what is not there")
    assert.deepEqual((yield* cluster.topics(["words", "none"])).map(({ topic }) => topic), ["words"])
  }))

it.live("another topic of the same name is not read", () =>
  Effect.gen(function* () {
    const other = "00000000-0000-4000-8000-000000000002"
    const broker: ScriptedBroker = yield* scriptedBroker(({ answer, apiKey }) =>
      answer(
        apiKey === apiKeys.metadata
          ? metadataAnswer([[1, broker.port]], [{ name: "words", id: other, leaders: [1] }])
          : fetchAnswer(0, Buffer.from("others"), other)
      )
    )
    const cluster = yield* connect({ brokers: broker.address, ...quick })
    const error = yield* Effect.flip(read(cluster, topicId))
    assert.deepEqual([error.reason, error.topic, error.offset], ["TopicReplaced", "words", 5])
    assert.equal(Buffer.from((yield* read(cluster, other)).bytes).toString(), "others")
  }))

const secret = "hunter2-hunter2"

it.live("no secret is in an error, nor in what a connection is shown as", () =>
  Effect.gen(function* () {
    const server = yield* rawServer(answersWith("HTTP/1.1 400 Bad Request\r\n\r\n"))
    for (const brokers of [server.address, "127.0.0.1:1"]) {
      for (const mechanism of ["PLAIN", "SCRAM-SHA-256"] as const) {
        const sasl = { mechanism, username: "tester", password: Redacted.make(secret) }
        const error = yield* failing(brokers, { sasl })
        const shown = [String(error), error.message, error.stack, JSON.stringify(error), JSON.stringify(sasl)].join(
          "\n"
        )
        assert.ok(!shown.includes(secret), shown)
      }
    }
    const token = Effect.fail(new Error("the house of tokens is closed"))
    const error = yield* failing(server.address, { sasl: { mechanism: "OAUTHBEARER", token } })
    assert.deepEqual([error.reason, /No token could be had .*the house of tokens is closed/.test(error.message)], [
      "Unavailable",
      true
    ])
  }))

it.live("a token that never comes counts into connectTimeout, and other brokers are asked then", () =>
  Effect.gen(function* () {
    const server = yield* rawServer(answersWith(""))
    const sasl = { mechanism: "OAUTHBEARER", token: Effect.never } as const
    const error = yield* Effect.timeout(failing(server.address, { sasl, connectTimeout: "200 millis" }), "5 seconds")
    assert.ok(error instanceof KafkaError)
    assert.deepEqual(error.reason, "Unavailable")
    assert.match(error.message, /No token could be had for the broker .*gave none within 200 ms.*see to sasl.token/)
  }))
