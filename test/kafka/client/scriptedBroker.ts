/**
 * A broker of tests that answers what a test says: over a real socket, in Kafka's frames or in what a test takes for such.
 */
import { Buffer } from "node:buffer"
import * as net from "node:net"
import { Writer } from "@platformatic/kafka"
import { Effect } from "effect"

export const apiKeys = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  findCoordinator: 10,
  initProducerId: 22
} as const

export interface Asked {
  readonly apiKey: number
  readonly apiVersion: number
  /** Behind its header. */
  readonly body: Buffer
  /** A whole answer, in a frame. */
  readonly answer: (body: Writer) => void
  /** What stands behind the number of the request, in a frame. */
  readonly answerBytes: (rest: Buffer) => void
  readonly socket: net.Socket
}

export interface ScriptedBroker {
  readonly address: string
  readonly port: number
  /** Connections that are open. */
  readonly connections: ReadonlySet<net.Socket>
  /** How many there have been. */
  readonly connected: () => number
}

/** Each whole request is given to `onRequest`. */
export const scriptedBroker = (onRequest: (asked: Asked) => void) =>
  rawServer((socket) => {
    let received = Buffer.alloc(0)
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const frame = received.subarray(4, 4 + received.readInt32BE(0))
        received = received.subarray(4 + frame.length)
        onRequest(askedIn(frame, socket))
      }
    })
  })

const askedIn = (frame: Buffer, socket: net.Socket): Asked => {
  const clientIdBytes = Math.max(0, frame.readInt16BE(8))
  const answerBytes = (rest: Buffer) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(4 + rest.length)
    socket.write(Buffer.concat([length, frame.subarray(4, 8), rest]))
  }
  return {
    apiKey: frame.readInt16BE(0),
    apiVersion: frame.readInt16BE(2),
    body: frame.subarray(8 + 2 + clientIdBytes + 1),
    answer: (body) => answerBytes(Buffer.concat([Buffer.alloc(1), body.buffer])),
    answerBytes,
    socket
  }
}

export const rawServer = (onConnection: (socket: net.Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<ScriptedBroker & { readonly server: net.Server }>((resume) => {
      const connections = new Set<net.Socket>()
      let connected = 0
      const server = net.createServer((socket) => {
        connected++
        connections.add(socket)
        socket.on("close", () => connections.delete(socket))
        socket.on("error", () => {})
        onConnection(socket)
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as net.AddressInfo
        resume(Effect.succeed({ address: `127.0.0.1:${port}`, port, connections, connected: () => connected, server }))
      })
    }),
    ({ connections, server }) =>
      Effect.callback<void>((resume) => {
        for (const socket of connections) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )

export const topicId = "00000000-0000-4000-8000-000000000001"

export interface TopicScript {
  readonly name: string
  readonly id?: string
  readonly errorCode?: number
  /** Broker ids, one a partition. */
  readonly leaders: ReadonlyArray<number>
}

export const metadataAnswer = (
  brokers: ReadonlyArray<readonly [id: number, port: number]>,
  topics: ReadonlyArray<TopicScript>
): Writer =>
  Writer.create()
    .appendInt32(0)
    .appendArray([...brokers], (writer, [id, port]) => {
      writer.appendInt32(id).appendString("127.0.0.1").appendInt32(port).appendString(null)
    })
    .appendString("cluster")
    .appendInt32(brokers[0]?.[0] ?? -1)
    .appendArray([...topics], (writer, { errorCode = 0, id = topicId, leaders, name }) => {
      writer.appendInt16(errorCode).appendString(name).appendUUID(id).appendBoolean(false)
        .appendArray([...leaders], (writer, leader, partition) => {
          writer.appendInt16(leader < 0 ? 5 : 0).appendInt32(partition).appendInt32(leader).appendInt32(7)
          for (let i = 0; i < 3; i++) writer.appendArray<number>([], () => {})
        })
        .appendInt32(-2_147_483_648)
    })
    .appendTaggedFields()

export const fetchAnswer = (errorCode: number, records = Buffer.alloc(0), id = topicId): Writer =>
  Writer.create()
    .appendInt32(0)
    .appendInt16(0)
    .appendInt32(0)
    .appendArray([id], (writer, id) => {
      writer.appendUUID(id).appendArray([0], (writer, partition) => {
        writer.appendInt32(partition).appendInt16(errorCode).appendInt64(9n).appendInt64(8n).appendInt64(1n)
          .appendArray<never>([], () => {}).appendInt32(-1).appendBytes(records)
      })
    })
    .appendTaggedFields()
