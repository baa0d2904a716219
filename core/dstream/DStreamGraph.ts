/**
 * DStreamGraph: what an app's outputs are made of: every operator once, parents before children, with a stable id.
 *
 * An id is the name that the user gave, or `output.kind.n`: the first output that leads to the operator, its kind, and how
 * many operators of that kind lie nearer to that output. Operators added upstream thus leave the ids downstream alone. How
 * long a stream remembers is its own slide or the app's `remember`, and at least what its children need of it; it grows
 * towards the sources. Source: Spark Streaming's `DStreamGraph`.
 */
import { describeValue } from "../protocol/describeValue.ts"
import { digest } from "../protocol/Digest.ts"
import type { StreamId } from "../protocol/Ids.ts"
import { type Millis, millisOrNaN } from "../time/Time.ts"
import { type AnyDStream, isDStream, type StateOf } from "./DStream.ts"
import { type AnyOutput, isOutput } from "./Output.ts"
import type { AnyStreamingApp } from "./StreamingApp.ts"

export interface GraphNode {
  readonly id: StreamId
  readonly stream: AnyDStream
  readonly parents: ReadonlyArray<StreamId>
  readonly slideMillis: Millis
  readonly rememberMillis: Millis
  /** Of a stateful operator: how often a snapshot of its state is taken. */
  readonly checkpointMillis: Millis | undefined
  /** How long versions of its state may be asked for, also by states that are made again. */
  readonly viewMillis: Millis
  /** How long its batches are read in the normal course of things: what could be computed again is kept no longer. */
  readonly reuseMillis: Millis
}

export interface GraphOutput {
  readonly id: string
  readonly output: AnyOutput
  readonly stream: StreamId
}

export interface OperatorManifest {
  readonly id: StreamId
  readonly kind: string
  readonly parents: ReadonlyArray<StreamId>
  /** Of one that keeps a state. */
  readonly state?: StateOf | undefined
  /** Of one that keeps a state, what that depends on: slide and window in milliseconds, partitions, partitioner. */
  readonly shape?: string | undefined
}

export interface OutputManifest {
  readonly id: string
  readonly kind: string
  readonly stream: StreamId
  /** Its id is its name; otherwise its kind and place among the outputs. */
  readonly named?: boolean | undefined
  /** It commits batches, which its target knows by this id. */
  readonly commits?: boolean | undefined
}

/** What recovery compares: plain data. */
export interface Manifest {
  readonly app: string
  readonly batchMillis: Millis
  readonly operators: ReadonlyArray<OperatorManifest>
  readonly outputs: ReadonlyArray<OutputManifest>
}

export interface DStreamGraph {
  readonly batchMillis: Millis
  /** Parents before children. */
  readonly nodes: ReadonlyArray<GraphNode>
  readonly node: (id: StreamId) => GraphNode | undefined
  readonly inputs: ReadonlyArray<GraphNode>
  readonly outputs: ReadonlyArray<GraphOutput>
  /** The longest that any stream remembers. */
  readonly rememberMillis: Millis
  readonly manifest: Manifest
  /** Digest of the manifest. */
  readonly fingerprint: string
}

interface Draft {
  readonly id: StreamId
  readonly stream: AnyDStream
  readonly slideMillis: Millis
  readonly checkpointMillis: Millis | undefined
  rememberMillis: Millis
  viewMillis: Millis
  reuseMillis: Millis
}

/** Total: what is no output, and what is no stream, is left out; `validate` tells it, as it does two operators of one name. */
export const make = (app: AnyStreamingApp): DStreamGraph => {
  const { batchMillis } = app
  const outputs = namedOutputs(app.outputs)
  const ids = nameOperators(outputs)
  const drafts = orderOperators(outputs, ids, batchMillis)
  spreadRemember(drafts, app)
  const nodes = [...drafts.values()].map((draft): GraphNode => ({
    ...draft,
    parents: parentsOf(draft.stream).map((parent) => ids.get(parent)!)
  }))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const graphOutputs = outputs.map(({ id, output }) => ({ id, output, stream: ids.get(output.stream)! }))
  const manifest: Manifest = {
    app: textOf(app.name),
    batchMillis,
    operators: nodes.map(({ id, stream, parents, slideMillis }) => ({
      id,
      kind: stream.kind,
      parents,
      ...(stream.state === undefined ? {} : { state: stream.state }),
      ...shapeOf(stream, slideMillis)
    })),
    outputs: graphOutputs.map(({ id, output, stream }) => ({
      id,
      kind: output.kind,
      stream,
      ...(output.name === undefined ? {} : { named: true }),
      ...(output.action?.kind === "sink" ? { commits: true } : {})
    }))
  }
  return {
    batchMillis,
    nodes,
    node: (id) => byId.get(id),
    inputs: nodes.filter((node) => node.stream.input !== undefined),
    outputs: graphOutputs,
    rememberMillis: nodes.reduce((longest, node) => Math.max(longest, node.rememberMillis), batchMillis),
    manifest,
    fingerprint: digest(JSON.stringify(manifest))
  }
}

/** What is kept depends on how long a window is, on its slide, and on how keys are spread, where the program says so. */
const shapeOf = ({ params, state }: AnyDStream, slideMillis: Millis): Pick<OperatorManifest, "shape"> => {
  if (state === undefined) return {}
  const { options, windowMillis } = (params ?? {}) as {
    readonly windowMillis?: number
    readonly options?: { readonly numPartitions?: number; readonly partitioner?: { readonly name?: string } }
  }
  const window = windowMillis === undefined ? [] : [`window ${windowMillis} ms by ${slideMillis} ms`]
  const { numPartitions, partitioner } = options ?? {}
  const spread = partitioner?.name ?? (numPartitions === undefined ? undefined : `${numPartitions} partitions`)
  const parts = [...window, ...(spread === undefined ? [] : [spread])]
  return parts.length === 0 ? {} : { shape: parts.join(", ") }
}

/** The first difference between an executor's graph and the driver's, in a sentence; undefined: they are the same. */
export const difference = (executor: Manifest, driver: Manifest): string | undefined => {
  const first = firstDifference(executor, driver)
  return first && `${first}. ${whyGraphsDiffer}`
}

/** What a program has done whose processes do not agree on its graph, and what it can do. */
export const whyGraphsDiffer =
  "The program's module gives another graph each time it is loaded: what builds the graph must use " +
  "no random numbers, no clock, and no environment that differs between processes; take what varies from Config, or make it a sideValue."

const firstDifference = (executor: Manifest, driver: Manifest): string | undefined => {
  if (executor.app !== driver.app) {
    return `the app is "${executor.app}" in the executor and "${driver.app}" in the driver`
  }
  if (executor.batchMillis !== driver.batchMillis) {
    return `a batch is ${executor.batchMillis} ms in the executor and ${driver.batchMillis} ms in the driver`
  }
  return differenceOf("operator", executor.operators, driver.operators) ??
    differenceOf("output", executor.outputs, driver.outputs)
}

const differenceOf = (
  what: string,
  executor: ReadonlyArray<{ readonly id: string }>,
  driver: ReadonlyArray<{ readonly id: string }>
): string | undefined => {
  for (const one of executor) {
    const other = driver.find(({ id }) => id === one.id)
    if (other === undefined) return `the ${what} "${one.id}" is only in the executor's graph`
    if (JSON.stringify(one) !== JSON.stringify(other)) {
      const [mine, theirs] = [one, other].map((side) => JSON.stringify(side))
      return `the ${what} "${one.id}" is ${mine} in the executor and ${theirs} in the driver`
    }
  }
  const more = driver.find(({ id }) => !executor.some((one) => one.id === id))
  return more && `the ${what} "${more.id}" is only in the driver's graph`
}

type NamedOutput = { readonly id: string; readonly output: AnyOutput }

/** Numbered by their places among all that the app calls outputs. */
const namedOutputs = (outputs: unknown): ReadonlyArray<NamedOutput> =>
  (Array.isArray(outputs) ? outputs : []).flatMap((output: unknown, index) =>
    isOutput(output) && isDStream(output.stream)
      ? [{ id: textOf(output.name ?? `${output.kind}-${index}`), output }]
      : []
  )

/** Names are texts; what else was written as one is shown. */
const textOf = (name: unknown): string =>
  typeof name === "string" ? name : name === undefined ? "" : describeValue(name)

const parentsOf = ({ parents }: AnyDStream): ReadonlyArray<AnyDStream> =>
  Array.isArray(parents) ? parents.filter(isDStream) : []

/** Breadth first from each output, so that the operators nearest to it are numbered first. */
const nameOperators = (outputs: ReadonlyArray<NamedOutput>): Map<AnyDStream, StreamId> => {
  const ids = new Map<AnyDStream, StreamId>()
  for (const { id: output, output: { stream } } of outputs) {
    const ofKind = new Map<string, number>()
    const queue: Array<AnyDStream> = [stream]
    for (const next of queue) {
      if (ids.has(next)) continue
      const n = ofKind.get(next.kind) ?? 0
      ofKind.set(next.kind, n + 1)
      ids.set(next, textOf(next.name ?? `${output}.${next.kind}.${n}`))
      queue.push(...parentsOf(next))
    }
  }
  return ids
}

const orderOperators = (
  outputs: ReadonlyArray<NamedOutput>,
  ids: ReadonlyMap<AnyDStream, StreamId>,
  batchMillis: Millis
): Map<AnyDStream, Draft> => {
  const drafts = new Map<AnyDStream, Draft>()
  const visit = (stream: AnyDStream): Draft => {
    const known = drafts.get(stream)
    if (known !== undefined) return known
    const parents = parentsOf(stream).map(visit)
    const slideMillis = stream.slide(batchMillis, parents.map((parent) => parent.slideMillis))
    const draft: Draft = {
      id: ids.get(stream)!,
      stream,
      slideMillis,
      checkpointMillis: stream.stateful === undefined
        ? undefined
        : stream.checkpointMillis ?? stream.stateful(slideMillis),
      rememberMillis: 0,
      viewMillis: 0,
      reuseMillis: 0
    }
    drafts.set(stream, draft)
    return draft
  }
  for (const { output } of outputs) visit(output.stream)
  return drafts
}

/**
 * Children before parents: each tells its parents how long they have to remember. A state remembers two snapshots far, so that the
 * one before the last can be gone on from.
 */
const spreadRemember = (drafts: Map<AnyDStream, Draft>, app: AnyStreamingApp) => {
  const asked = millisOrNaN(app.settings.remember ?? 0)
  for (const draft of drafts.values()) draft.reuseMillis = draft.rememberMillis = Math.max(draft.slideMillis, asked)
  for (const draft of [...drafts.values()].toReversed()) {
    draft.viewMillis = draft.rememberMillis
    draft.rememberMillis = Math.max(draft.rememberMillis, 2 * (draft.checkpointMillis ?? 0))
    const more = draft.stream.parentRemember(app.batchMillis)
    for (const parent of parentsOf(draft.stream)) {
      const above = drafts.get(parent)!
      above.rememberMillis = Math.max(above.rememberMillis, draft.rememberMillis + more)
      above.reuseMillis = Math.max(above.reuseMillis, draft.reuseMillis + more)
    }
  }
}
