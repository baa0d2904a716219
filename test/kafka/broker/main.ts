/**
 * `npm run kafka-broker -- COMMAND`: a real broker for tests, and for looking around. Ends with 3 where Java or Maven is missing.
 *
 * | command | |
 * | --- | --- |
 * | fetch | fills the cache, for tests, as CI does ahead of time |
 * | run [PORT] [DIRECTORY] | runs a broker until it is interrupted, on port 9092; what it keeps is in DIRECTORY, or gone with it |
 * | create TOPIC [PARTITIONS] | on the broker that runs; so the next two |
 * | put TOPIC | each line of the standard input becomes a record |
 * | read TOPIC | prints what is committed, until it is interrupted |
 *
 * `--port PORT`: where the broker runs, for the last three.
 */
import { parseArgs } from "node:util"
import { Broker } from "./Broker.ts"
import { ensureJars, NoKafka } from "./jars.ts"
import { createTopic, printRecords, putLines, type Served } from "./topics.ts"

const usage = "fetch, run [PORT] [DIRECTORY], create TOPIC [PARTITIONS], put TOPIC or read TOPIC; --port PORT"

class Mistake extends Error {}

const numberOf = (text: string, what: string, max: number): number => {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= 1 && number <= max) return number
  throw new Mistake(`${what} has to be a number from 1 to ${max}, not ${text}`)
}

const portOf = (text: string): number => numberOf(text, "the port", 65_535)

const run = async ([port = "9092", directory]: ReadonlyArray<string>): Promise<void> => {
  const broker = await Broker.start({ port: portOf(port), directory })
  console.log(`bootstrap=${broker.bootstrap}`)
  const end = () => void broker.remove().then(() => process.exit(0))
  process.on("SIGINT", end)
  process.on("SIGTERM", end)
  setInterval(() => {}, 1 << 30)
}

const onTopics: Record<string, (broker: Served, topic: string, partitions: string) => Promise<void>> = {
  create: (broker, topic, partitions) =>
    createTopic(broker, topic, numberOf(partitions, "the number of partitions", 10_000)),
  put: putLines,
  read: printRecords
}

const main = async (): Promise<void> => {
  const options = { port: { type: "string", default: "9092" }, help: { type: "boolean", default: false } } as const
  const { positionals: [command = "run", ...args], values } = parseArgs({ allowPositionals: true, options })
  if (values.help) return console.log(usage)
  if (command === "fetch") return void await ensureJars(Broker.prepare)
  if (command === "run") return run(args)
  const work = onTopics[command]
  if (work === undefined) throw new Mistake(`there is no command ${command}: ${usage}`)
  const [topic, partitions = "1"] = args
  if (topic === undefined) throw new Mistake(`a topic is missing: ${usage}`)
  return work({ bootstrap: `localhost:${portOf(values.port)}` }, topic, partitions)
}

try {
  await main()
} catch (error) {
  const isUsage = error instanceof Mistake || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") === true
  console.error(isUsage ? `kafka-broker: ${(error as Error).message}` : String(error))
  process.exitCode = error instanceof NoKafka ? 3 : isUsage ? 2 : 1
}
