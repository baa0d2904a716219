/**
 * BrokerPool: the connections to one broker. A request takes one that is idle, the one that was used last, or opens another; so as many are open as
 * there have been requests at once, and no more than a limit, at which requests wait. Where one fails without an answer, those that are idle are
 * closed too: what broke one path, a broker that hangs or is another by now, has most likely broken theirs.
 */
import type { API } from "@platformatic/kafka"
import { Effect, Exit, Semaphore } from "effect"
import type { KafkaError } from "../../KafkaError.ts"
import { BrokerConnection } from "./BrokerConnection.ts"
import { kafkaError, type Subject } from "./codes.ts"
import { type Client, loadClient } from "./platformatic.ts"
import { type Address, type Settings, showAddress } from "./settings.ts"

/** Per broker: the partitions that are read at once, and a few. */
const connectionsMax = 64

export class BrokerPool {
  readonly address: Address
  private readonly settings: Settings
  private idle: Array<BrokerConnection> = []
  private readonly open = new Set<BrokerConnection>()
  private readonly room = Semaphore.makeUnsafe(connectionsMax)
  private isClosed = false

  constructor(address: Address, settings: Settings) {
    this.address = address
    this.settings = settings
  }

  /** `waitMillis`: how long the broker itself may wait before it answers. */
  request<Arguments extends Array<unknown>, Answer>(
    choose: (apis: Client["apis"]) => API<Arguments, Answer>,
    values: Arguments,
    subject: Subject,
    waitMillis = 0
  ): Effect.Effect<Answer, KafkaError> {
    const work = Effect.gen({ self: this }, function* () {
      const client = yield* loadClient
      const limitMillis = this.settings.requestMillis + waitMillis
      return yield* Effect.acquireUseRelease(
        Effect.interruptible(this.take(client)),
        (connection) => connection.request(choose(client.apis), values, subject, limitMillis),
        (connection, exit) => Effect.sync(() => this.giveBack(connection, exit))
      )
    })
    return this.room.withPermit(work)
  }

  private take(client: Client): Effect.Effect<BrokerConnection, KafkaError> {
    return Effect.suspend(() => {
      if (this.isClosed) return Effect.fail(closed(this.address))
      this.leaveIdle(({ isOpen }) => !isOpen)
      const connection = this.idle.pop()
      return connection === undefined
        ? Effect.tap(
          BrokerConnection.open(client, this.address, this.settings),
          (opened) => Effect.sync(() => this.open.add(opened))
        )
        : Effect.succeed(connection)
    })
  }

  private giveBack(connection: BrokerConnection, exit: Exit.Exit<unknown, KafkaError>): void {
    if (Exit.isSuccess(exit) && connection.isOpen && !this.isClosed) return void this.idle.push(connection)
    this.leave(connection)
    if (Exit.isFailure(exit) && !Exit.hasInterrupts(exit)) this.leaveIdle(() => true)
  }

  private leaveIdle(isLeft: (connection: BrokerConnection) => boolean): void {
    const left = this.idle.filter(isLeft)
    this.idle = this.idle.filter((connection) => !left.includes(connection))
    for (const connection of left) this.leave(connection)
  }

  private leave(connection: BrokerConnection): void {
    this.open.delete(connection)
    connection.end(closed(this.address))
  }

  close(): void {
    this.isClosed = true
    for (const connection of this.open) connection.end(closed(this.address))
    this.open.clear()
    this.idle = []
  }
}

const closed = (address: Address): KafkaError =>
  kafkaError(
    "Unavailable",
    { request: "connect" },
    `The connections to ${showAddress(address)} are closed: the program ends`
  )
