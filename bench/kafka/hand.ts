/**
 * The opponent of W11: the same by hand over a plain consumer (or producers) of the client that the engine uses, on one thread, in a process of
 * its own: `hand.ts grep|wordcount BROKERS TOPIC` and `hand.ts sink BROKERS TOPIC RECORDS WARMUP ROUNDS` print, as JSON, milliseconds, how many
 * records there were, and what it came to.
 */
import * as process from "node:process"
import { digestOfCounts, needle } from "../data.ts"
import { readAll } from "./fetchLoop.ts"
import { produceRounds } from "./produceLoop.ts"

const [, , name, brokers, topic, ...numbers] = process.argv as unknown as ReadonlyArray<string>
const at = { bootstrapBrokers: [brokers!], topic: topic! }

export interface ByHand {
  readonly millis: ReadonlyArray<number>
  /** Of one batch. */
  readonly records: number
  readonly check: number
}

const grep = async (): Promise<ByHand> => {
  let records = 0
  let n = 0
  const millis = await readAll(at, (line) => {
    records++
    if (line.includes(needle)) n++
  })
  return { millis: [millis], records, check: n }
}

const wordCount = async (): Promise<ByHand> => {
  let records = 0
  const m = new Map<string, number>()
  const millis = await readAll(at, (line) => {
    records++
    for (const w of line.split(" ")) m.set(w, (m.get(w) ?? 0) + 1)
  })
  return { millis: [millis], records, check: digestOfCounts(m) }
}

const produce = async (): Promise<ByHand> => {
  const [records = 0, warmup = 0, measured = 0] = numbers.map(Number)
  return { millis: await produceRounds(at, { records, warmup, measured }), records, check: 0 }
}

const work = { grep, wordcount: wordCount, sink: produce }[name!]
if (work === undefined) throw new Error(`there is grep, wordcount and sink, not "${name}"`)
const done = await work()
process.stdout.write(JSON.stringify(done) + "\n", () => process.exit(0))
