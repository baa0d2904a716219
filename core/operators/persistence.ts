/**
 * Persistence: the records of a stream kept by the executors that computed them, for outputs, windows and recomputation.
 *
 * A persisted stream gives the same RDDs, wrapped in a lineage of kind `persisted`: whoever computes a partition keeps it under the
 * id of the RDD for as long as the stream is remembered, and reads it again instead of computing it. What is lost is computed again.
 * Persisting with another level replaces the level before, as in Spark until the start; here it is another stream. A windowed
 * stream is made of the records of its parent and keeps none of its own: persisting it persists the parent.
 * Source: Spark Streaming's `DStream.persist` and `WindowedDStream.persist`.
 */
import { type AnyDStream, type DStream, make, type Operator } from "../dstream/DStream.ts"
import { refuseCall, refuseStream } from "../dstream/misuse.ts"
import type { StorageLevel } from "../receiving/StorageLevel.ts"
import { fromLineage } from "../rdd/RDD.ts"

/** The level of `persist` and `cache` unless told otherwise. */
export const persistLevelDefault: StorageLevel = "MEMORY_ONLY"

const kind = "persist"

/** The stream, persisted with this level whatever its level was. */
export const persisted = <A, E, R>(self: DStream<A, E, R>, level: StorageLevel): DStream<A, E, R> => {
  const compute: DStream<A>["compute"] = (context) => {
    const parent = context.parent(0)
    return parent && fromLineage({ kind: "persisted", parent, level })
  }
  if (self.kind !== kind) return make({ kind, params: { level }, parents: [self], compute })
  return self.params["level"] === level ? self : changed(self, { params: { level }, compute })
}

/** The same stream, its name too, but for what is given. */
const changed = <A, E, R>(self: DStream<A, E, R>, change: Partial<Operator>): DStream<A, E, R> =>
  make({ ...(self as unknown as Operator), ...change })

/** Keeps the records of each batch, with this level; MEMORY_ONLY unless told otherwise. */
export const persist = (
  level: StorageLevel = persistLevelDefault
): <A, E, R>(self: DStream<A, E, R>) => DStream<A, E, R> => {
  refuseStream("persist", level)
  return (self) => keeper(self, (stream) => persisted(stream, level))
}

/** Keeps the records of each batch in memory. */
export const cache = <A, E, R>(self: DStream<A, E, R>): DStream<A, E, R> => {
  refuseCall("cache", self)
  return persist()(self)
}

/** The stream that was persisted, as it was. One that was not is given back. */
export const unpersist = <A, E, R>(self: DStream<A, E, R>): DStream<A, E, R> => {
  refuseCall("unpersist", self)
  return keeper(self, (stream) => stream.kind === kind ? stream.parents[0]! : stream)
}

/** Changes the stream that keeps the records: of a window, also of a window, the one that it is made of. */
const keeper = <A, E, R>(self: DStream<A, E, R>, change: (stream: AnyDStream) => AnyDStream): DStream<A, E, R> =>
  self.kind === "window"
    ? changed(self, { parents: self.parents.map((parent) => keeper(parent, change)) })
    : change(self)
