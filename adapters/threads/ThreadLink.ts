/**
 * ThreadLink: what threads say to each other, and an executor's link over it.
 *
 * | message | from | to | meaning |
 * | --- | --- | --- | --- |
 * | Start | driver | thread | who it is, which program, the handshake; always the first |
 * | Peer | driver | thread | a direct port to another executor; before the driver is told that this one has joined |
 * | PeerGone | driver | thread | that executor is dead: what was asked of it will not be answered |
 * | Message | both | both | a message of the protocol |
 * | Failed | thread | driver | why the thread is about to exit |
 *
 * On the ports between executors only the protocol's own messages travel, bare. Messages are plain objects that the platform
 * clones; bulk data, which is `ArrayBuffer`s in the protocol, goes through the transfer list, and never as views, which Deno
 * would clone byte by byte. An executor packs what it sends for that one message, so its buffers are moved (`give`); the driver
 * keeps its plans and sends them to every executor, so its buffers are copied first (`lend`).
 */
import type { MessagePort } from "node:worker_threads"
import type { Handshake, ToDriver, ToExecutor, ToPeer } from "../../core/protocol/ExecutorProtocol.ts"
import type { ExecutorId } from "../../core/protocol/Ids.ts"
import type { ExecutorLink, Incoming } from "../../runtime/executor/ExecutorLink.ts"

export interface Start {
  readonly kind: "Start"
  readonly executor: ExecutorId
  readonly host: string
  /** URL of the program's module. */
  readonly program: string
  /** A folder for what the executor spills. */
  readonly scratch: string
  readonly handshake: Handshake
}

export type ToThread =
  | Start
  | { readonly kind: "Peer"; readonly peer: ExecutorId; readonly port: MessagePort }
  | { readonly kind: "PeerGone"; readonly peer: ExecutorId }
  | { readonly kind: "Message"; readonly message: ToExecutor }

export type FromThread =
  | { readonly kind: "Message"; readonly message: ToDriver }
  | { readonly kind: "Failed"; readonly reason: string }

/** The side of a port that is used here; a `Worker` has it too. */
export interface Port {
  readonly postMessage: (message: unknown, transfer: ReadonlyArray<ArrayBuffer>) => void
}

/** Sends a message of plain data; its buffers are gone from this thread. */
export const give = (port: Port, message: unknown): void => {
  const moved: Array<ArrayBuffer> = []
  findBulk(message, moved)
  port.postMessage(message, moved)
}

/** Sends a message of plain data; its buffers stay as they are, copies are moved. */
export const lend = (port: Port, message: unknown): void => {
  const moved: Array<ArrayBuffer> = []
  port.postMessage(copyBulk(message, moved), moved)
}

const findBulk = (value: unknown, found: Array<ArrayBuffer>): void => {
  if (typeof value !== "object" || value === null) return
  if (value instanceof ArrayBuffer) {
    if (!found.includes(value)) found.push(value)
  } else if (Array.isArray(value)) {
    for (const item of value) findBulk(item, found)
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) findBulk(item, found)
  }
}

/** The same message with a copy of each ArrayBuffer, all of them in `copies`; without bulk data, the message itself. */
const copyBulk = (value: unknown, copies: Array<ArrayBuffer>): unknown => {
  if (typeof value !== "object" || value === null) return value
  if (value instanceof ArrayBuffer) {
    const copy = value.slice(0)
    copies.push(copy)
    return copy
  }
  if (Array.isArray(value)) return copyItems(value, copies)
  return Object.getPrototypeOf(value) === Object.prototype ? copyFields(value, copies) : value
}

const copyItems = (items: ReadonlyArray<unknown>, copies: Array<ArrayBuffer>): unknown => {
  let copied: Array<unknown> | undefined
  for (let i = 0; i < items.length; i++) {
    const item = copyBulk(items[i], copies)
    if (item !== items[i]) (copied ??= [...items])[i] = item
  }
  return copied ?? items
}

const copyFields = (record: object, copies: Array<ArrayBuffer>): unknown => {
  let copied: Record<string, unknown> | undefined
  for (const [key, field] of Object.entries(record)) {
    const item = copyBulk(field, copies)
    if (item !== field) (copied ??= { ...record })[key] = item
  }
  return copied ?? record
}

/** The link of the executor in this thread; `hear` is given what the driver sends after Start. */
export const make = (
  start: Start,
  toDriver: (message: FromThread) => void
): { readonly link: ExecutorLink; readonly hear: (message: ToThread) => void } => {
  const peers = new Map<ExecutorId, MessagePort>()
  const waiting: Array<Incoming> = []
  let handler: ((incoming: Incoming) => void) | undefined
  const incoming = (event: Incoming) => {
    if (handler === undefined) waiting.push(event)
    else handler(event)
  }
  const hear = (message: ToThread): void => {
    switch (message.kind) {
      case "Start":
        return
      case "Peer": {
        const { peer, port } = message
        peers.set(peer, port)
        port.on("message", (asked: ToPeer) => {
          // What a dead peer had still said is not heard: its loss has been told.
          if (peers.get(peer) === port) incoming({ kind: "FromPeer", peer, message: asked })
        })
        return
      }
      case "PeerGone":
        peers.get(message.peer)?.close()
        peers.delete(message.peer)
        return incoming({ kind: "PeerLost", peer: message.peer })
      case "Message":
        return incoming({ kind: "FromDriver", message: message.message })
    }
  }
  const link: ExecutorLink = {
    executor: start.executor,
    host: start.host,
    toDriver: (message) => toDriver({ kind: "Message", message }),
    toPeer: (peer, message) => {
      const port = peers.get(peer)
      if (port !== undefined) give(port, message)
      else queueMicrotask(() => incoming({ kind: "PeerLost", peer }))
    },
    onMessage: (handle) => {
      handler = handle
      for (const event of waiting.splice(0)) handle(event)
    }
  }
  return { link, hear }
}
