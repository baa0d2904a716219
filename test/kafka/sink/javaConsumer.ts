/**
 * What Kafka's own consumer, in Java, reads of a topic: the judge of what is committed.
 */
import * as childProcess from "node:child_process"
import { Effect } from "effect"
import type { Broker } from "../broker.ts"
import { javaCommand } from "../broker/jars.ts"

export interface Consumed {
  readonly partition: number
  readonly key: string
  readonly value: string
}

/** It ends when nothing has come for so long. */
const silentMillis = 4000

/** All that is committed; of each partition in its order. Keys and values are texts without a tab or a line's end. */
export const consumeCommitted = (broker: Broker, topic: string): Effect.Effect<ReadonlyArray<Consumed>> => {
  const shown = ["partition", "key"].flatMap((what) => ["--formatter-property", `print.${what}=true`])
  const [command, ...args] = [
    ...javaCommand("org.apache.kafka.tools.consumer.ConsoleConsumer"),
    ...["--bootstrap-server", broker.bootstrap, "--topic", topic, "--from-beginning"],
    ...["--isolation-level", "read_committed", "--timeout-ms", String(silentMillis)],
    ...shown
  ]
  return Effect.callback((resume) => {
    const child = childProcess.spawn(command!, args, { stdio: ["ignore", "pipe", "pipe"] })
    let out = ""
    let err = ""
    child.stdout.on("data", (text) => out += text)
    child.stderr.on("data", (text) => err += text)
    child.on("close", () =>
      resume(
        /Processed a total of/.test(err)
          ? Effect.succeed(out.split("\n").filter((line) => line !== "").map(consumedOf))
          : Effect.die(new Error(`the consumer did not end well: ${err}`))
      ))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
}

const consumedOf = (line: string): Consumed => {
  const [, partition, key, value] = /^Partition:(\d+)\t([^\t]*)\t([^\t]*)$/.exec(line) ?? []
  if (value === undefined) throw new Error(`the consumer printed "${line}"`)
  return { partition: Number(partition), key: key!, value }
}
