/**
 * Save: outputs that write each batch to a directory of its own, `prefix-TIME.suffix`, with a file per partition and `_SUCCESS`.
 *
 * Executors write the partitions, the driver publishes the directory when all are there: it is seen whole or not at all. A batch
 * that runs again replaces its own directory; what anything else made is an error and is left alone. A relative prefix is taken
 * from the working directory. Source: Spark Streaming's `saveAsTextFiles` and `saveAsObjectFiles`.
 */
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import type { DStream } from "../../core/dstream/DStream.ts"
import { type Output, type OutputOptions, toSink } from "../../core/dstream/Output.ts"
import * as Sink from "../../core/output/Sink.ts"
import type { Time } from "../../core/time/Time.ts"
import { permanent } from "../../core/protocol/permanent.ts"
import { describeValue } from "../../core/protocol/describeValue.ts"
import * as BatchDirectory from "./BatchDirectory.ts"
import { batchFileName } from "./batchFileName.ts"
import { type Encode, jsonl, msgpack, text } from "./formats.ts"
import { SaveError } from "./SaveError.ts"

export { batchFileName } from "./batchFileName.ts"
export { SaveError } from "./SaveError.ts"

export type ObjectFormat = "jsonl" | "msgpack"

export interface ObjectOptions extends OutputOptions {
  /** `jsonl` (default): a line of JSON per record. `msgpack`: MessagePack, which also has bytes, dates and bigints. */
  readonly format?: ObjectFormat | undefined
}

/** A line per record, as `print` shows it: texts as they are, pairs as `(word,3)`. */
export const saveAsTextFiles =
  (prefix: string, suffix = "", options?: OutputOptions) =>
  <A, E, R>(self: DStream<A, E, R>): Output<E | SaveError, R> =>
    self.pipe(toSink(sinkOf("saveAsTextFiles", prefix, suffix, text), options))

/** Records that can be read back: plain data; what the format could not give back fails the batch, with its path. */
export const saveAsObjectFiles =
  (prefix: string, suffix = "", options: ObjectOptions = {}) =>
  <A, E, R>(self: DStream<A, E, R>): Output<E | SaveError, R> =>
    self.pipe(
      toSink(sinkOf("saveAsObjectFiles", prefix, suffix, encodeOf(options.format ?? "jsonl")), options)
    )

const sinkOf = (name: string, prefix: string, suffix: string, encode: Encode | undefined) =>
  Sink.idempotent({
    name,
    prepare: (records: ReadonlyArray<unknown>, context) =>
      Effect.flatMap(
        targetOf(prefix, suffix, context.time),
        (target) =>
          encode === undefined
            ? Effect.fail(
              new SaveError({
                path: target,
                message: `cannot save ${target}: there is no such format; the formats are jsonl and msgpack`
              })
            )
            : BatchDirectory.writePartition(target, context, records, encode)
      ),
    commit: (batch) =>
      Effect.flatMap(targetOf(prefix, suffix, batch.time), (target) => BatchDirectory.commit(target, batch))
  })

const encodeOf = (format: string): Encode | undefined =>
  new Map<string, Encode>([["jsonl", jsonl], ["msgpack", msgpack]]).get(format)

/** Where a batch goes: a path, or a URL of a file. */
const targetOf = (prefix: unknown, suffix: unknown, time: Time): Effect.Effect<string, SaveError> => {
  const wrong = (message: string) =>
    Effect.fail(
      Object.assign(
        new SaveError({ path: String(prefix), message: `cannot save: ${message}; give the path of a directory` }),
        { [permanent]: true }
      )
    )
  for (const text of [prefix, suffix]) {
    if (typeof text !== "string" && text !== null && text !== undefined) {
      return wrong(`prefix and suffix have to be texts, and one is ${describeValue(text)}`)
    }
  }
  if (typeof prefix === "string" && /^~($|[/\\])/.test(prefix)) {
    return wrong(`"~" is the home directory to a shell only: write path.join(os.homedir(), ...) instead of "${prefix}"`)
  }
  const named = batchFileName(prefix as string, suffix as string, time)
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(named)?.[1]?.toLowerCase()
  if (scheme === undefined) return Effect.succeed(path.resolve(named))
  if (scheme !== "file") return wrong(`there is no file system for "${named}"`)
  return Effect.try({
    try: () => fileURLToPath(named),
    catch: (cause) =>
      new SaveError({ path: named, message: `cannot save: "${named}" names no file here; give a path`, cause })
  })
}
