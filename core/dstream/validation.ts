/**
 * What can be wrong with an app, each mistake naming operator and remedy; all are told at once.
 */
import { Schema } from "effect"
import { numPartitionsMax } from "../rdd/Partitioner.ts"
import { isMultipleOf } from "../time/Time.ts"
import type { DStreamGraph } from "./DStreamGraph.ts"
import { invalidSettings, resolve } from "./Settings.ts"
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
    return `the app "${this.app}" cannot run:\n` +
      this.mistakes.map(({ where, message, remedy }) => `  - ${where}: ${message}; ${remedy}`).join("\n")
  }
}

export const mistakesOf = (app: AnyStreamingApp, graph: DStreamGraph): ReadonlyArray<Mistake> => [
  ...appMistakes(app),
  ...nameMistakes(graph),
  ...slideMistakes(graph),
  ...partitionMistakes(graph),
  ...settingMistakes(app)
]

const appMistakes = (app: AnyStreamingApp): ReadonlyArray<Mistake> => {
  const mistakes: Array<Mistake> = []
  if (app.outputs.length === 0) {
    mistakes.push({
      where: "outputs",
      message: "no output operations registered, so nothing would run",
      remedy: "give StreamingApp.make at least one output, such as counts.pipe(DStream.print())"
    })
  }
  if (!isBatchMillis(app.batchMillis)) {
    mistakes.push({
      where: "batchDuration",
      message: `a batch of ${app.batchMillis} ms is not possible`,
      remedy: `write a duration of whole milliseconds above zero, such as "1 second"`
    })
  }
  if (app.name.trim() === "") {
    mistakes.push({
      where: "name",
      message: "the app has no name",
      remedy: "name it: checkpoints and listeners show it"
    })
  }
  return mistakes
}

const isBatchMillis = (millis: number) => Number.isInteger(millis) && millis >= 1

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
  if (!isBatchMillis(graph.batchMillis)) return mistakes
  for (const node of graph.nodes) {
    const slides = new Set(node.parents.map((id) => graph.node(id)!.slideMillis))
    if (slides.size > 1) {
      mistakes.push({
        where: node.id,
        message: `its parents have different slide durations (${[...slides].join(", ")} ms)`,
        remedy: "window them to the same slide before they are brought together"
      })
    }
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

/** Operators keep a wanted number of partitions in their parameters, on its own or among their options. */
const partitionMistakes = (graph: DStreamGraph): ReadonlyArray<Mistake> =>
  graph.nodes.flatMap(({ id, stream }) => {
    const options = stream.params["options"] as { readonly numPartitions?: unknown } | undefined
    const wanted = stream.params["numPartitions"] ?? options?.numPartitions
    if (
      wanted === undefined ||
      (Number.isInteger(wanted) && (wanted as number) >= 1 && (wanted as number) <= numPartitionsMax)
    ) {
      return []
    }
    return [{
      where: id,
      message: `${String(wanted)} partitions are not possible`,
      remedy: `ask for a whole number from 1 to ${numPartitionsMax}`
    }]
  })

const settingMistakes = (app: AnyStreamingApp): ReadonlyArray<Mistake> =>
  invalidSettings(resolve([app.settings], { batchMillis: Math.max(1, app.batchMillis), executors: 1 })).map((
    error
  ) => ({
    where: error.setting,
    message: error.message,
    remedy: "change it in the app's settings or leave it out"
  }))
