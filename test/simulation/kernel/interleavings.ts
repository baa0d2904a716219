/**
 * Prints the hash of a small world with preemption, messages, pauses, a kill and sleeps, for each seed of the command line.
 * The kernel's test runs it on Node and on Deno and compares.
 */
import { Effect, Queue, Random } from "effect"
import type { RecordCodec } from "../../../core/protocol/RecordCodec.ts"
import { Network } from "../../../adapters/simulation/kernel/Network.ts"
import type { Node } from "../../../adapters/simulation/kernel/Node.ts"
import { World } from "../../../adapters/simulation/kernel/World.ts"

export const jsonCodec: RecordCodec = {
  encode: (value) => new TextEncoder().encode(JSON.stringify(value)).buffer,
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes))
}

/** Three nodes that throw numbers at each other in a ring; one is paused, one is killed. */
export function interleavings(seed: number): string {
  const world = new World({ seed, preemption: 0.1 })
  const chance = world.chance.split("faults")
  const network = new Network(world, jsonCodec, {
    delayMillis: () => chance.below(12) / 4,
    duplicate: () => chance.coin(0.1)
  })
  const nodes = ["a", "b", "c"].map((name) => world.node(name))
  const inboxes = nodes.map(() => Effect.runSync(Queue.unbounded<number>()))
  nodes.forEach((node, i) => {
    const next = (i + 1) % nodes.length
    const link = network.link<number>(node, nodes[next]!, (n) => Queue.offerUnsafe(inboxes[next]!, n))
    node.run("ring", ring(node, inboxes[i]!, link.send))
    if (i === 0) world.after(1, node, () => Queue.offerUnsafe(inboxes[0]!, 1))
  })
  world.after(chance.between(10, 100), undefined, () => nodes[1]!.pause(50))
  world.after(chance.between(200, 400), undefined, () => nodes[2]!.kill("test"))
  world.run({ until: () => false, timeLimitMillis: world.now + 500 })
  return world.log.digest()
}

const ring = (node: Node, inbox: Queue.Queue<number>, send: (n: number) => void) =>
  Effect.gen(function* () {
    const n = yield* Queue.take(inbox)
    yield* Effect.sleep(yield* Random.nextIntBetween(0, 8))
    yield* Effect.log(`${node.name} got ${n}`)
    send(n + 1)
    if (n % 7 === 0) send(n + 100)
  }).pipe(Effect.forever)

if (import.meta.main) {
  console.log(process.argv.slice(2).map((seed) => interleavings(Number(seed))).join("\n"))
}
