/**
 * The connections to one broker: which are used again, and which are closed.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { BrokerPool } from "../../../adapters/kafka/client/network/BrokerPool.ts"
import { settingsOf } from "../../../adapters/kafka/client/network/settings.ts"
import { it } from "../../kit.ts"
import { metadataAnswer, type ScriptedBroker, scriptedBroker } from "./scriptedBroker.ts"

/** A broker that answers as long as `answers` is true, and a pool of connections to it. */
const pooled = Effect.gen(function* () {
  const script = { answers: true }
  const broker: ScriptedBroker = yield* scriptedBroker(({ answer }) => {
    if (script.answers) answer(metadataAnswer([[1, broker.port]], []))
  })
  const settings = yield* settingsOf({ brokers: broker.address, requestTimeout: 200 })
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() => new BrokerPool({ host: "127.0.0.1", port: broker.port }, settings)),
    (pool) => Effect.sync(() => pool.close())
  )
  const ask = pool.request((apis) => apis.metadata, [[], false, false], { request: "Metadata" })
  return { script, broker, pool, ask }
})

const closed = (count: number, { connections }: ScriptedBroker) =>
  Effect.repeat(Effect.sleep(5), { until: () => connections.size === count, times: 200 })

it.live("after a request that no answer came to, the connections that are idle are closed too, and others are opened", () =>
  Effect.gen(function* () {
    const { ask, broker, script } = yield* pooled
    yield* Effect.all([ask, ask, ask], { concurrency: "unbounded" })
    assert.equal(broker.connections.size, 3)
    script.answers = false
    assert.equal((yield* Effect.flip(ask)).reason, "Unavailable")
    yield* closed(0, broker)
    assert.equal(broker.connections.size, 0)
    script.answers = true
    yield* ask
    assert.equal(broker.connected(), 4)
  }))

it.live("a request that is interrupted closes its own connection only", () =>
  Effect.gen(function* () {
    const { ask, broker, script } = yield* pooled
    yield* Effect.all([ask, ask, ask], { concurrency: "unbounded" })
    script.answers = false
    yield* Effect.timeoutOption(ask, 50)
    yield* closed(2, broker)
    yield* Effect.sleep(20)
    assert.equal(broker.connections.size, 2)
  }))

it.live("of connections that ended while they were idle, or whose session ended, nothing is kept", () =>
  Effect.gen(function* () {
    const { ask, broker, pool } = yield* pooled
    const kept: { readonly open: Set<object>; readonly idle: ReadonlyArray<object> } = pool as any
    yield* Effect.all([ask, ask, ask], { concurrency: "unbounded" })
    const [lost] = broker.connections
    lost!.destroy()
    yield* Effect.sleep(20)
    // As if it were of a SASL session.
    Object.assign(kept.idle.at(-1)!, { usableUntil: 0 })
    yield* ask
    yield* closed(1, broker)
    assert.deepEqual([broker.connections.size, kept.open.size, broker.connected()], [1, 1, 3])
  }))
