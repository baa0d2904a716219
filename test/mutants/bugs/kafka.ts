/**
 * Bugs of readers of Kafka, that take offsets for what they are not: one for each record, without gaps.
 */
import type { Mutant } from "../Mutant.ts"

const rangeReader = "adapters/kafka/reading/RangeReader.ts"

/** What the reader of a mutant says ends the task, and the job. */
const failure = (message: string) => `
  return yield* Object.assign(
    new KafkaError({ reason: "Other", topic: this.range.topic, partition: this.range.partition, message: ${message} }),
    { [permanent]: true }
  )`

export const kafka: ReadonlyArray<Mutant> = [
  {
    number: 12,
    knownAs: "SPARK-17147",
    plants: "a record has to have the offset behind that of the record before it: a gap fails the job",
    edits: [{
      file: rangeReader,
      find: "if (next === from) yield* this.wait(fetched)",
      replace: `
      for (let i = 1; i < records.length; i++) {
        const [wanted, got] = [(records[i - 1] as any).offset + 1, (records[i] as any).offset]
        if (wanted !== got) {${failure("`Got wrong record even after seeking to offset ${wanted}: ${got}`")} }
      }
      if (next === from) yield* this.wait(fetched)`
    }],
    program: "topics",
    caughtBy: ["Got wrong record even after seeking to offset"]
  },
  {
    number: 13,
    knownAs: "SPARK-24720",
    plants: "the last record of a range has to have its last offset: a range that ends on a marker looks like loss",
    edits: [{
      file: rangeReader,
      find: "if (next === from) yield* this.wait(fetched)",
      replace: `
      if (next === until && (records.at(-1) as any)?.offset !== until - 1) {${
        failure("`Failed to get records up to offset ${until} after polling`")
      } }
      if (next === from) yield* this.wait(fetched)`
    }],
    program: "topics",
    caughtBy: ["Failed to get records up to offset"]
  }
]
