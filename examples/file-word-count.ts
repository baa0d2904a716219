/**
 * Counts the words of the files that appear in a directory; those of the last minute are read too.
 * `npm run dstreams -- run examples/file-word-count.ts --config DIRECTORY=/tmp/words`, and meanwhile
 * `echo "to be or not to be" > /tmp/words/.a && mv /tmp/words/.a /tmp/words/a.txt`.
 */
import { DStream, StreamingApp } from "dstreams"
import * as File from "dstreams/file"
import { Config, Effect } from "effect"

export default Effect.gen(function* () {
  const directory = yield* Config.String("DIRECTORY")

  const counts = File.textStream({ directory, newFilesOnly: false }).pipe(
    DStream.flatMap((line) => line.split(" ")),
    DStream.mapToPair((word) => [word, 1]),
    DStream.reduceByKey((a, b) => a + b)
  )

  return StreamingApp.make({
    name: "FileWordCount",
    batchDuration: "1 second",
    outputs: [counts.pipe(DStream.print())]
  })
})
