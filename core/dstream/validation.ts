/**
 * What can be wrong with an app, each mistake naming operator and remedy; all are told at once.
 *
 * An app may come from a program without types: nothing here trusts the shape of what a user wrote. What is no output or no
 * stream is left out of the graph, and told here.
 */
import { Layer, Predicate, Schema } from "effect"
import { describeValue } from "../protocol/describeValue.ts"
import { numPartitionsMax } from "../rdd/Partitioner.ts"
import { isStorageLevel, storageLevels } from "../receiving/StorageLevel.ts"
import { durationExamples, isMultipleOf, type Millis } from "../time/Time.ts"
import { isDStream } from "./DStream.ts"
import type { DStreamGraph, GraphNode } from "./DStreamGraph.ts"
import { isOutput } from "./Output.ts"
import { settingNames } from "../settings/definitions.ts"
import { nearest } from "../settings/invalidSettings.ts"
import { contradictions, invalidSettings, merge, type SettingsInput } from "../settings/Settings.ts"
import { inputMistakes } from "../checkpoint/recoveryMistakes.ts"
import * as SideValue from "./SideValue.ts"
import { schemaMistakes } from "../state/snapshots/StateSchema.ts"
import type { AnyStreamingApp } from "./StreamingApp.ts"

/** One mistake: `where` names the operator, output or setting. */
export const Mistake = Schema.Struct({ where: Schema.String, message: Schema.String, remedy: Schema.String })
export type Mistake = typeof Mistake.Type

/** The app cannot run; `mistakes` are all that is wrong with it. */
export class InvalidApp extends Schema.TaggedError<InvalidApp>()("InvalidApp", {
  app: Schema.String,
  mistakes: Schema.Array(Mistake)
}) {
  override get message() {
    const name = this.app.trim() === "" ? "the app" : `the app "${this.app}"`
    return `${name} cannot run:\n` +
      this.mistakes.map(({ where, message, remedy }) => `  - ${where}: ${message}; ${remedy}`).join("\n")
  }
}

export const mistakesOf = (
  app: AnyStreamingApp,
  graph: DStreamGraph,
  runSettings: SettingsInput
): ReadonlyArray<Mistake> => [
  ...outputMistakes(app.outputs),
  ...appMistakes(app),
  ...app.unknownOptions.map(optionMistake),
  ...graph.nodes.flatMap(operatorMistakes),
  ...nameMistakes(graph),
  ...slideMistakes(graph),
  ...graph.nodes.flatMap((node) => windowMistakes(graph, node)),
  ...graph.nodes.flatMap(stateMistakes),
  ...partitionMistakes(graph),
  ...inputMistakes(graph.inputs, merge([runSettings, app.settings]).checkpointDirectory !== undefined),
  ...settingMistakes([runSettings, app.settings])
]

/** First the strongest. */
const settingMistakes = (inputs: ReadonlyArray<SettingsInput>): ReadonlyArray<Mistake> => {
  const invalid = inputs.flatMap(invalidSettings)
  const mistakes = invalid.length > 0 ? invalid : contradictions(merge(inputs))
  return mistakes.map(({ setting, message, remedy }) => ({ where: setting, message, remedy }))
}

const outputExample = "counts.pipe(DStream.print())"

const outputMistakes = (outputs: unknown): ReadonlyArray<Mistake> => {
  if (outputs === undefined || (Array.isArray(outputs) && outputs.length === 0)) {
    return [{
      where: "outputs",
      message: "no output operations registered, so nothing would run",
      remedy: `give StreamingApp.make at least one output, such as ${outputExample}`
    }]
  }
  if (!Array.isArray(outputs)) {
    const what = isOutput(outputs) ? "an output" : isDStream(outputs) ? "a DStream" : describeValue(outputs)
    return [{
      where: "outputs",
      message: `this is ${what}, not an array of outputs`,
      remedy: `write outputs: [${outputExample}]`
    }]
  }
  return Array.from(outputs as ReadonlyArray<unknown>).flatMap((output, index) => outputMistake(output, index) ?? [])
}

const outputMistake = (output: unknown, index: number): Mistake | undefined => {
  const where = `outputs[${index}]`
  if (isOutput(output)) {
    if (isDStream(output.stream)) return undefined
    return {
      where,
      message: `this is an output of ${
        isOutput(output.stream) ? "an output" : describeValue(output.stream)
      }, not of a DStream`,
      remedy: remedyOf(output.stream)
    }
  }
  if (isDStream(output)) {
    return { where, message: "this is a DStream, not an output", remedy: "end it with .pipe(DStream.print())" }
  }
  return {
    where,
    message: `this is ${describeValue(output)}, not an output`,
    remedy: typeof output === "function"
      ? `pipe a stream into it: ${outputExample}`
      : `give the output of a stream, such as ${outputExample}`
  }
}

const remedyOf = (value: unknown): string =>
  isOutput(value)
    ? "an output is an end: list two outputs, outputs: [words.pipe(DStream.print()), words.pipe(...)]"
    : typeof value === "function"
    ? `call the operator before it, as in words.pipe(DStream.countByValue(), DStream.print())`
    : `pipe a stream into it: ${outputExample}`

const appMistakes = (app: AnyStreamingApp): ReadonlyArray<Mistake> => {
  const mistakes: Array<Mistake> = []
  if (!isWholeMillis(app.batchMillis)) mistakes.push(batchDurationMistake(app))
  const name: unknown = app.name
  if (typeof name !== "string" || name.trim() === "") {
    mistakes.push({
      where: "name",
      message: isMissing(name) || typeof name === "string" ? "the app has no name" : `this is ${describeValue(name)}`,
      remedy: "name it: checkpoints and listeners show it"
    })
  }
  if (!Layer.isLayer(app.layer)) {
    mistakes.push({
      where: "layer",
      message: `this is ${describeValue(app.layer)}, not a Layer`,
      remedy: "make one with Layer.succeed or Layer.effect, or leave it out"
    })
  }
  const estimator: unknown = app.rateEstimator
  if (estimator !== undefined && !(Predicate.hasProperty(estimator, "step") && typeof estimator.step === "function")) {
    mistakes.push({
      where: "rateEstimator",
      message: `this is ${describeValue(estimator)}, not a rate estimator`,
      remedy: "write one as { name, initial, step: (state, measure) => [state, rate] }, or leave it out"
    })
  }
  return mistakes
}

/** What `StreamingApp.make` knows. */
export const appOptions: ReadonlyArray<string> = [
  "name",
  "batchDuration",
  "outputs",
  "layer",
  "settings",
  "rateEstimator"
] satisfies ReadonlyArray<keyof AnyStreamingApp>

const optionMistake = (option: string): Mistake => {
  const meant = nearest(option, appOptions)
  const remedy = (settingNames as ReadonlyArray<string>).includes(option)
    ? `write settings: { ${option}: ... }`
    : meant === undefined
    ? `its options are ${appOptions.join(", ")}`
    : `did you mean ${meant}?`
  return { where: option, message: "StreamingApp.make has no such option", remedy }
}

const isMissing = (value: unknown) => value === undefined || value === null

const isWholeMillis = (millis: Millis) => Number.isInteger(millis) && millis >= 1

const batchDurationMistake = ({ batchDuration, batchMillis }: AnyStreamingApp): Mistake => ({
  where: "batchDuration",
  message: isMissing(batchDuration)
    ? "there is none"
    : Number.isNaN(batchMillis)
    ? `${describeValue(batchDuration)} is no duration`
    : `a batch of ${batchMillis} ms is not possible`,
  remedy: `write a duration of whole milliseconds above zero, ${durationExamples}`
})

/** The parameters of operators that are functions. */
const functionParams = ["f", "create", "mergeValue", "mergeCombiners", "inverse", "filter"]

/** What was written where an operator needs a stream, a function, or a side value. */
const operatorMistakes = ({ id, stream }: GraphNode): ReadonlyArray<Mistake> => {
  const parents: ReadonlyArray<unknown> = Array.isArray(stream.parents) ? stream.parents : []
  const mistakes = parents.flatMap((parent, index): ReadonlyArray<Mistake> =>
    isDStream(parent) ? [] : [{
      where: id,
      message: `its ${parents.length > 1 ? `stream ${index}` : "stream"} is ${
        isOutput(parent) ? "an output" : describeValue(parent)
      }, not a DStream`,
      remedy: isOutput(parent) || typeof parent === "function"
        ? remedyOf(parent)
        : `give it a stream, as in lines.pipe(DStream.${stream.kind}(...))`
    }]
  )
  const ofMany = stream.kind === "union" ? "unionAll" : stream.kind
  if ((ofMany === "unionAll" || ofMany === "transformAll") && parents.length === 0) {
    mistakes.push({
      where: id,
      message: `${ofMany} was given no streams`,
      remedy: `give DStream.${ofMany} an array of at least one stream`
    })
  }
  const level = stream.params["level"]
  if (stream.kind === "persist" && !isStorageLevel(level)) {
    mistakes.push({
      where: id,
      message: `${describeValue(level)} is no storage level`,
      remedy: `give DStream.persist one of ${storageLevels.join(", ")}`
    })
  }
  for (const param of functionParams) {
    const value = stream.params[param]
    if (!(param in stream.params) || typeof value === "function") continue
    mistakes.push({
      where: id,
      message: `what ${stream.kind} was given as ${param} is ${describeValue(value)}, not a function`,
      remedy: "give it a function"
    })
  }
  for (const [key, value] of Object.entries(stream.sideValues)) {
    if (Predicate.hasProperty(value, SideValue.TypeId)) continue
    mistakes.push({
      where: id,
      message: `its side value "${key}" is ${describeValue(value)}`,
      remedy: "make it with DStream.sideValue(effect, schema)"
    })
  }
  return mistakes
}

const nameMistakes = (graph: DStreamGraph): ReadonlyArray<Mistake> => [
  ...repeated(graph.nodes.map((node) => node.id)).map((id) => ({
    where: id,
    message: "two operators have this name",
    remedy: "give each operator its own name with DStream.named"
  })),
  ...repeated(graph.outputs.map((output) => output.id)).map((id) => ({
    where: id,
    message: "two outputs have this name",
    remedy: "give each output its own name"
  }))
]

const repeated = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const name of names) (seen.has(name) ? twice : seen).add(name)
  return [...twice]
}

const slideMistakes = (graph: DStreamGraph): ReadonlyArray<Mistake> => {
  const mistakes: Array<Mistake> = []
  if (!isWholeMillis(graph.batchMillis)) return mistakes
  for (const node of graph.nodes) {
    const slides = new Set(node.parents.map((id) => graph.node(id)!.slideMillis))
    // what comes of a mistake above is told there
    if (![...slides].every(isWholeMillis)) continue
    if (slides.size > 1) {
      mistakes.push({
        where: node.id,
        message: `its parents have different slide durations (${[...slides].join(", ")} ms)`,
        remedy: "window them to the same slide before they are brought together"
      })
    }
    // a window's slide is held to that of its parent
    if ("windowMillis" in node.stream.params) continue
    if (!isMultipleOf(node.slideMillis, graph.batchMillis) || node.slideMillis < graph.batchMillis) {
      mistakes.push({
        where: node.id,
        message: `it slides by ${node.slideMillis} ms, no multiple of the batch duration of ${graph.batchMillis} ms`,
        remedy: "make the slide a whole number of batches"
      })
    }
  }
  return mistakes
}

/** Intervals and durations of operators that keep a state, and of those that should. */
const stateMistakes = ({ id, slideMillis, stream }: GraphNode): ReadonlyArray<Mistake> => {
  const mistakes: Array<Mistake> = []
  const interval = stream.checkpointMillis
  if (interval !== undefined && stream.stateful === undefined) {
    mistakes.push({
      where: id,
      message: `checkpoint was given to ${stream.kind}, which keeps no state`,
      remedy: "give it to the stream that keeps one, such as that of updateStateByKey or mapWithState, or leave it out"
    })
  } else if (Number.isNaN(interval)) {
    mistakes.push({
      where: id,
      message: "what checkpoint was given is no duration",
      remedy: `write one ${durationExamples}`
    })
  } else if (
    interval !== undefined && isWholeMillis(slideMillis) && !(interval > 0 && isMultipleOf(interval, slideMillis))
  ) {
    mistakes.push({
      where: id,
      message: `its checkpoint interval of ${interval} ms is no multiple of its slide of ${slideMillis} ms`,
      remedy: `write a multiple of ${slideMillis} ms that is above zero`
    })
  }
  for (const [param, name] of [["timeoutMillis", "timeout"], ["expireMillis", "expireAfter"]] as const) {
    const millis = stream.params[param]
    if (stream.stateful === undefined || millis === undefined || (millis as number) > 0) continue
    mistakes.push({
      where: id,
      message: Number.isNaN(millis)
        ? `its ${name} is no duration`
        : `its ${name} of ${String(millis)} ms is not possible`,
      remedy: `write a duration above zero, such as "30 seconds"`
    })
  }
  const schema = stream.state === undefined ? undefined : stream.params["schema"]
  for (const mistake of schemaMistakes(schema)) mistakes.push({ where: id, ...mistake })
  if (stream.params["isMapWithState"] === false) {
    mistakes.push({
      where: id,
      message: "stateSnapshots was given a stream that mapWithState did not make",
      remedy: "give it what DStream.mapWithState returns, as in mapped.pipe(DStream.stateSnapshots)"
    })
  }
  return mistakes
}

/** Windows keep their durations in their parameters, as they were written and in milliseconds, NaN where one is no duration. */
const windowMistakes = (graph: DStreamGraph, { id, parents, stream }: GraphNode): ReadonlyArray<Mistake> => {
  const parent = graph.node(parents[0] ?? "")
  if (parent === undefined || !("windowMillis" in stream.params)) return []
  const { slideDuration, windowDuration, windowMillis, windowSlideMillis } = stream.params as Readonly<
    Record<string, any>
  >
  const given = { window: [windowDuration, windowMillis], slide: [slideDuration, windowSlideMillis] } as const
  return Object.entries(given).flatMap(([what, [written, millis]]) =>
    windowMistake(id, what, written, millis, parent) ?? []
  )
}

const windowMistake = (
  where: string,
  what: string,
  written: unknown,
  millis: Millis | undefined,
  parent: GraphNode
): Mistake | undefined => {
  if (millis === undefined) return undefined
  if (Number.isNaN(millis)) {
    return {
      where,
      message: `its ${what} duration ${describeValue(written)} is no duration`,
      remedy: `write one ${durationExamples}`
    }
  }
  // what is wrong with the parent's slide is told where that comes from
  const unit = parent.slideMillis
  if (!isWholeMillis(unit) || (millis > 0 && isMultipleOf(millis, unit))) return undefined
  const count = Number.isFinite(millis) ? Math.max(1, Math.ceil(millis / unit)) : 1
  return {
    where,
    message:
      `its ${what} duration of ${millis} ms is no multiple of the slide duration of parent "${parent.id}", ${unit} ms`,
    remedy: `make the ${what} a whole number of its parent's slides, such as ${count * unit} ms`
  }
}

/** Operators keep a wanted number of partitions in their parameters, on its own or among their options, as a partitioner. */
const partitionMistakes = (graph: DStreamGraph): ReadonlyArray<Mistake> =>
  graph.nodes.flatMap(({ id, stream }) => {
    const options = stream.params["options"] as
      | { readonly numPartitions?: unknown; readonly partitioner?: unknown }
      | undefined
    const wanted = stream.params["numPartitions"] ?? options?.numPartitions
    const mistakes: Array<Mistake> = []
    if (wanted !== undefined && !isPartitionCount(wanted)) {
      mistakes.push({
        where: id,
        message: `${String(wanted)} partitions are not possible`,
        remedy: `ask for a whole number from 1 to ${numPartitionsMax}`
      })
    }
    if (isMissing(options?.partitioner) ? stream.kind === "partitionBy" : !isPartitioner(options?.partitioner)) {
      mistakes.push({
        where: id,
        message: `its partitioner is ${describeValue(options?.partitioner)}, which cannot spread keys`,
        remedy: "give HashPartitioner(8), or { name, numPartitions, partition: (key) => index } with a name of its own"
      })
    }
    return mistakes
  })

const isPartitionCount = (count: unknown): boolean =>
  Number.isInteger(count) && (count as number) >= 1 && (count as number) <= numPartitionsMax

const isPartitioner = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return false
  const { name, numPartitions, partition } = value as Record<string, unknown>
  return typeof name === "string" && isPartitionCount(numPartitions) && typeof partition === "function"
}
