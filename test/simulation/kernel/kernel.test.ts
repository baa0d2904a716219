/**
 * The simulation's kernel, without the engine: what it finds, what it promises, what it says when a run gets stuck.
 */
import * as assert from "node:assert/strict"
import { test } from "node:test"
import { Clock, Deferred, Effect, Exit, Fiber, Random } from "effect"
import { otherRuntime, runElsewhere } from "../otherRuntime.ts"
import { Chance } from "../../../adapters/simulation/kernel/Chance.ts"
import { interleavings, jsonCodec } from "./interleavings.ts"
import { Network, type NetworkFaults } from "../../../adapters/simulation/kernel/Network.ts"
import type { Node } from "../../../adapters/simulation/kernel/Node.ts"
import { TimerQueue } from "../../../adapters/simulation/kernel/TimerQueue.ts"
import { type Outcome, World } from "../../../adapters/simulation/kernel/World.ts"

const calm: NetworkFaults = { delayMillis: () => 1, duplicate: () => false }
const seeds = Array.from({ length: 200 }, (_, seed) => seed)

/** Runs a program on a node of a world of its own. */
function runOn<A, E>(
  world: World,
  program: Effect.Effect<A, E>,
  node: Node = world.node("node")
): { exit: Exit.Exit<A, E> | undefined; outcome: Outcome } {
  const root = node.run("program", program)
  const outcome = world.run({ until: () => root.exit !== undefined, timeLimitMillis: Infinity })
  return { exit: root.exit, outcome }
}

const valueOf = <A, E>(exit: Exit.Exit<A, E> | undefined): A => {
  assert.ok(exit !== undefined && Exit.isSuccess(exit), `expected a success, got ${String(exit)}`)
  return exit.value
}

const lostUpdate = Effect.gen(function* () {
  let total = 0
  const add = Effect.gen(function* () {
    yield* Effect.sleep(10)
    const seen = yield* Effect.sync(() => total)
    yield* Effect.sync(() => {
      total = seen + 1
    })
  })
  yield* Effect.all([add, add], { concurrency: 2 })
  return total
})

test("some seeds find the lost update, and each of them finds it again", () => {
  const outcome = (seed: number) => valueOf(runOn(new World({ seed, preemption: 0.25 }), lostUpdate).exit)
  const found = seeds.filter((seed) => outcome(seed) === 1)
  assert.ok(found.length > 5 && found.length < 195, `${found.length} of 200 seeds found it`)
  for (const seed of found) assert.equal(outcome(seed), 1)
})

test("fibers that are due at the same time run in every order", () => {
  const orders = new Set(seeds.map((seed) => {
    const order: Array<number> = []
    const worker = (id: number) => Effect.sleep(5).pipe(Effect.andThen(Effect.sync(() => order.push(id))))
    runOn(new World({ seed }), Effect.all([worker(1), worker(2), worker(3)], { concurrency: 3 }))
    return order.join("")
  }))
  assert.equal(orders.size, 6)
})

test("a kill runs no finalizer, and drops the node's fibers, timers and messages", () => {
  const world = new World({ seed: 1 })
  const victim = world.node("victim")
  const witness = world.node("witness")
  const network = new Network(world, jsonCodec, calm)
  const trace: Array<string> = []
  victim.run(
    "victim",
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() => Effect.sync(() => trace.push("finalizer")))
      yield* Effect.forkChild(
        Effect.sleep(1).pipe(Effect.andThen(Effect.sync(() => trace.push("tick"))), Effect.forever)
      )
      yield* Effect.never
    }).pipe(Effect.scoped)
  )
  const link = network.link<string>(witness, victim, (message) => trace.push(message))
  world.after(2.5, undefined, () => link.send("in time"))
  world.after(4.5, undefined, () => {
    link.send("too late")
    victim.kill("test")
    link.send("to the dead")
    const back = network.link<string>(victim, witness, () => trace.push("from the dead"))
    back.send("hello")
  })
  const { outcome } = runOn(world, Effect.sleep(100), witness)
  assert.equal(outcome.kind, "Done")
  assert.deepEqual(trace, ["tick", "tick", "tick", "in time", "tick"])
})

test("a paused node does nothing while time passes, and then goes on with what came", () => {
  const world = new World({ seed: 3 })
  const node = world.node("paused")
  const times: Array<number> = []
  const start = world.now
  const root = node.run(
    "ticker",
    Effect.gen(function* () {
      for (let i = 0; i < 4; i++) {
        yield* Effect.sleep(10)
        times.push((yield* Clock.currentTimeMillis) - start)
      }
    })
  )
  world.after(15, undefined, () => node.pause(100))
  world.run({ until: () => root.exit !== undefined, timeLimitMillis: Infinity })
  assert.deepEqual(times, [10, 115, 125, 135])
})

test("messages of a link arrive in order, each once or twice in a row, whatever their delays", () => {
  for (const seed of seeds.slice(0, 50)) {
    const world = new World({ seed })
    const chance = world.chance.split("test")
    const network = new Network(world, jsonCodec, {
      delayMillis: () => chance.below(40) / 4,
      duplicate: () => chance.coin(0.3)
    })
    const [a, b] = [world.node("a"), world.node("b")]
    const seen: Array<number> = []
    const link = network.link<{ n: number }>(a, b, ({ n }) => seen.push(n))
    let sent = 0
    for (let i = 0; i < 50; i++) world.after(chance.below(20), undefined, () => link.send({ n: sent++ }))
    world.after(10, undefined, () => b.pause(30))
    assert.equal(runOn(world, Effect.sleep(200)).outcome.kind, "Done")
    assert.deepEqual([...new Set(seen)], Array.from({ length: 50 }, (_, n) => n))
    assert.deepEqual(seen, [...seen].sort((x, y) => x - y))
  }
})

test("a link that is cut delivers a beginning of what was on its way, then says so once", () => {
  const kept = new Set<number>()
  for (const seed of seeds.slice(0, 50)) {
    const world = new World({ seed })
    const network = new Network(world, jsonCodec, calm)
    const [a, b] = [world.node("a"), world.node("b")]
    const seen: Array<number | string> = []
    const link = network.link<number>(a, b, (n) => seen.push(n))
    world.after(0, undefined, () => {
      for (let n = 0; n < 5; n++) link.send(n)
      a.kill("test")
      link.cut(() => seen.push("cut"))
      link.cut(() => seen.push("cut"))
      link.send(9)
    })
    runOn(world, Effect.sleep(50))
    assert.deepEqual(seen, [...Array.from({ length: seen.length - 1 }, (_, n) => n), "cut"])
    kept.add(seen.length - 1)
  }
  assert.equal(kept.size, 6)
})

test("a receiver gets a copy of a message, and a sender hears of what cannot travel", () => {
  const world = new World({ seed: 1 })
  const network = new Network(world, {
    ...jsonCodec,
    encode: (value) => {
      if (typeof value === "function") throw new Error("a function is no data")
      return jsonCodec.encode(value)
    }
  }, calm)
  const [a, b] = [world.node("a"), world.node("b")]
  const original = { list: [1] }
  let copy: unknown
  const link = network.link<unknown>(a, b, (message) => {
    copy = message
  })
  link.send(original)
  original.list.push(2)
  runOn(world, Effect.sleep(5))
  assert.deepEqual(copy, { list: [1] })
  assert.throws(() => link.send(() => 1), /from "a" to "b" cannot travel: Error: a function is no data/)
})

test("a deadlock names the fibers that wait, the program each belongs to and the function it is in", () => {
  const world = new World({ seed: 1 })
  const waitForAnswer = Effect.fn("waitForAnswer")(function* (answer: Deferred.Deferred<void>) {
    yield* Deferred.await(answer)
  })
  const { outcome } = runOn(
    world,
    Effect.gen(function* () {
      yield* Effect.forkChild(waitForAnswer(yield* Deferred.make<void>()))
      yield* Effect.never
    }),
    world.node("driver")
  )
  assert.equal(outcome.kind, "Deadlock")
  assert.match("report" in outcome ? outcome.report : "", /driver: "program" > waitForAnswer waits/)
})

test("a fiber that waits for a native promise is named with the remedy, and is not called a deadlock", async () => {
  const world = new World({ seed: 1 })
  const root = world.node("driver").run(
    "program",
    Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 2)))
  )
  const outcome = await world.settle({ until: () => root.exit !== undefined, timeLimitMillis: Infinity })
  assert.equal(outcome.kind, "Foreign")
  assert.match(
    "report" in outcome ? outcome.report : "",
    /driver: "program"[^]*replace what is awaited by something that uses Effect only/
  )
})

test("a livelock and a run beyond its time limit are told apart", () => {
  const busy = new World({ seed: 1 })
  const root = busy.node("busy").run("busy", Effect.forever(Effect.yieldNow))
  assert.equal(
    busy.run({ until: () => root.exit !== undefined, timeLimitMillis: Infinity, stepsMax: 1000 }).kind,
    "Livelock"
  )
  const late = new World({ seed: 1 })
  late.node("late").run("late", Effect.forever(Effect.sleep(10)))
  assert.equal(late.run({ until: () => false, timeLimitMillis: late.now + 1000 }).kind, "TimeLimit")
})

test("sleep(0) yields, sleep(Infinity) never returns, a cancelled sleep leaves nothing behind", () => {
  const world = new World({ seed: 5 })
  const { exit, outcome } = runOn(
    world,
    Effect.gen(function* () {
      const forever = yield* Effect.forkChild(Effect.sleep(Infinity))
      const before = yield* Clock.currentTimeMillis
      yield* Effect.sleep(0)
      assert.equal(yield* Clock.currentTimeMillis, before)
      yield* Effect.sleep(3_000_000).pipe(Effect.timeoutOption(20))
      assert.equal(forever.pollUnsafe(), undefined)
      yield* Fiber.interrupt(forever)
      return (yield* Clock.currentTimeMillis) - before
    })
  )
  assert.equal(outcome.kind, "Done")
  assert.equal(valueOf(exit), 20)
})

test("each node has its own clock and chance, which a seed settles", () => {
  const draw = (seed: number) => {
    const world = new World({ seed, startMillis: 1000 })
    const early = world.node("early", { clockOffsetMillis: -30, bendSleep: (millis) => millis - 1 })
    const program = Effect.gen(function* () {
      yield* Effect.sleep(10)
      return [yield* Clock.currentTimeMillis, yield* Random.next, yield* Random.nextInt] as const
    })
    const roots = [early.run("p", program), world.node("plain").run("p", program)]
    world.run({ until: () => roots.every((root) => root.exit !== undefined), timeLimitMillis: Infinity })
    return roots.map((root) => valueOf(root.exit))
  }
  const [early, plain] = draw(7)
  assert.deepEqual([early![0], plain![0]], [979, 1010])
  assert.notEqual(early![1], plain![1])
  assert.ok(Number.isSafeInteger(plain![2]))
  assert.deepEqual(draw(7), [early, plain])
  assert.notDeepEqual(draw(8), [early, plain])
})

test("the hash of a seed is the same twice, and differs from that of another seed", () => {
  const first = seeds.slice(0, 40).map(interleavings)
  assert.deepEqual(seeds.slice(0, 40).map(interleavings), first)
  assert.equal(new Set(first).size, 40)
})

test(`the hash of a seed is the same on ${otherRuntime}`, async () => {
  const some = seeds.slice(0, 20)
  const printed = await runElsewhere("test/simulation/kernel/interleavings.ts", some.map(String))
  assert.deepEqual(printed.trim().split("\n"), some.map(interleavings))
})

test("streams of chance depend on their purpose, not on what others draw", () => {
  const chance = new Chance(9)
  const first = chance.split("a").next()
  for (let i = 0; i < 10; i++) chance.next()
  assert.equal(chance.split("a").next(), first)
  assert.notEqual(chance.split("b").next(), first)
  assert.equal(chance.some([1, 2, 3, 4, 5], 3).length, 3)
  const counts = [0, 0, 0, 0]
  for (let i = 0; i < 4000; i++) counts[chance.below(4)]!++
  assert.ok(counts.every((count) => count > 850 && count < 1150), counts.join())
})

test("timers are taken by time, then in order of adding, as a sorted list would", () => {
  const chance = new Chance(4)
  const queue = new TimerQueue()
  const expected: Array<readonly [number, number]> = []
  const taken: Array<number> = []
  for (let order = 0; order < 500; order++) {
    const at = chance.below(50)
    const cancel = queue.add(at, () => taken.push(order))
    if (chance.coin(0.2)) cancel()
    else expected.push([at, order])
  }
  for (let at = queue.nextAt(); at !== undefined; at = queue.nextAt()) for (const wake of queue.takeDue(at)) wake()
  expected.sort((a, b) => a[0] - b[0] || a[1] - b[1])
  assert.deepEqual(taken, expected.map(([, order]) => order))
})
