/**
 * Save: outputs that write each batch to a directory of its own, `prefix-TIME.suffix`, with a file per partition and `_SUCCESS`.
 *
 * Executors write the partitions, the driver publishes the directory when all are there: it is seen whole or not at all. A batch
 * that runs again finds its own directory and leaves it; what anything else made is an error and is left alone. A relative prefix is
 * taken from the working directory. Source: Spark Streaming's `saveAsTextFiles` and `saveAsObjectFiles`.
 */
import * as path from "node:path"
import { Effect } from "effect"
import type { DStream } from "../../core/dstream/DStream.ts"
import { type Output, type OutputOptions, toSink } from "../../core/dstream/Output.ts"
import * as Sink from "../../core/output/Sink.ts"
import type { Time } from "../../core/time/Time.ts"
import * as BatchDirectory from "./BatchDirectory.ts"
import { batchFileName } from "./batchFileName.ts"
import { type Encode, jsonl, msgpack, text } from "./formats.ts"
import { noSuchFormat, type SaveError } from "./SaveError.ts"
import { pathOf } from "./savePath.ts"
import * as WorkDirectory from "./WorkDirectory.ts"

export { batchFileName } from "./batchFileName.ts"
export { type FileSink, type FileSinkOptions, type RollOptions, sink } from "./fileSink.ts"
export { SaveError } from "./SaveError.ts"

export type ObjectFormat = "jsonl" | "msgpack"

export interface ObjectOptions extends OutputOptions {
  /** `jsonl` (default): a line of JSON per record. `msgpack`: MessagePack, which also has bytes, dates and bigints. */
  readonly format?: ObjectFormat | undefined
}

/** A line per record, as `print` shows it: texts as they are, pairs as `(word,3)`. */
export const saveAsTextFiles =
  (prefix: string, suffix = "", options?: OutputOptions) =>
  <A, E, R>(self: DStream<A, E, R>): Output<E | SaveError | Sink.Fenced, R> =>
    self.pipe(toSink(sinkOf("saveAsTextFiles", prefix, suffix, text), options))

/** Records that can be read back: plain data; what the format could not give back fails the batch, with its path. */
export const saveAsObjectFiles =
  (prefix: string, suffix = "", options: ObjectOptions = {}) =>
  <A, E, R>(self: DStream<A, E, R>): Output<E | SaveError | Sink.Fenced, R> =>
    self.pipe(
      toSink(sinkOf("saveAsObjectFiles", prefix, suffix, objectFormats.get(options.format ?? "jsonl")), options)
    )

const sinkOf = (name: string, prefix: string, suffix: string, encode: Encode | undefined) => {
  const placeOf = ({ output, time }: { readonly output: string; readonly time: Time }) =>
    Effect.map(
      pathOf(batchFileName(prefix, suffix, time), [prefix, suffix], "prefix and suffix have to be texts, and one"),
      (target) => ({ target, work: workBeside(target, prefix, output) })
    )
  return Sink.idempotent({
    name,
    fence: (output) =>
      Effect.flatMap(
        placeOf({ ...output, time: 0 }),
        ({ work }) => BatchDirectory.attempt(work, () => WorkDirectory.fence(work, output))
      ),
    prepare: (records: ReadonlyArray<unknown>, context) =>
      Effect.flatMap(
        placeOf(context),
        (place) =>
          encode === undefined
            ? Effect.fail(noSuchFormat(place.target, objectFormats))
            : BatchDirectory.writePartition(place, context, records, encode)
      ),
    commit: (batch, prepared) =>
      Effect.flatMap(placeOf(batch), (place) => BatchDirectory.commit(place, batch, prepared))
  })
}

/** One for all batches of an output; hidden, so that nobody reads what is not done. */
const workBeside = (target: string, prefix: string | null | undefined, output: string): string => {
  const base = path.basename(prefix ?? "").slice(0, 100)
  return path.join(path.dirname(target), `.${base}.${encodeURIComponent(output).slice(0, 100)}.dstreams`)
}

const objectFormats: ReadonlyMap<string, Encode> = new Map([["jsonl", jsonl], ["msgpack", msgpack]])
