/**
 * judge: what is said of a run when it is over: its outputs beside the model, what was promised beside what came, how many batches.
 */
import type { DStreamGraph } from "../../../core/dstream/DStreamGraph.ts"
import { compare, type Comparison } from "./compare.ts"
import type { Delivery } from "./Delivery.ts"
import { batchMillis, type Draw } from "./Draw.ts"
import type { FileServer } from "../outside/FileServer.ts"
import type { Ledger } from "../../../adapters/simulation/run/Ledger.ts"
import type { Source } from "../outside/Source.ts"
import type { Target } from "../outside/Target.ts"

export interface Finished {
  readonly ledger: Ledger
  /** Of the programs that ran. */
  readonly graphs: ReadonlyArray<DStreamGraph>
  readonly drawn: Draw
  readonly recovers: boolean
  readonly sources: ReadonlyArray<Source>
  readonly files: FileServer
  readonly target: Target
  readonly deliveries: ReadonlyArray<Delivery>
  /** Outputs that are not looked at here. */
  readonly judgedElsewhere: ReadonlySet<string>
  /** So many were asked for. */
  readonly batches: number
}

export function judgeOutputs(run: Finished): Comparison {
  const { batches, deliveries, drawn, files, graphs, judgedElsewhere, ledger, recovers, sources, target } = run
  ledger.dropTentative()
  const isLogged = ({ survives }: Draw["sources"][number]) =>
    recovers && (survives === undefined || survives === "cold")
  const comparison = compare({
    ledger,
    deliveries,
    graphs,
    committed: target.outputs,
    judgedElsewhere,
    recovers,
    promised: sources.flatMap((source, i) => {
      const of = drawn.sources[i]!
      return source.acknowledges && isLogged(of) ? [{ lines: source.acknowledged, once: of.ranges }] : []
    }),
    batchMillis,
    defaultParallelism: drawn.settings.defaultParallelism,
    taken: sources.flatMap((source) => source.taken),
    read: (stream, part, time, partition) => {
      if (stream.kind === "textFiles") return files.files.get((part.value as { readonly path: string }).path)!
      const { read } = stream.params as { readonly read: (part: unknown) => ReadonlyArray<unknown> }
      return read({ batch: part.value, time, partition })
    }
  })
  return {
    ...comparison,
    mistakes: [
      ...comparison.mistakes,
      ...lostFiles(run),
      ...(ledger.plans.size < batches ? [`only ${ledger.plans.size} of ${batches} batches were planned`] : [])
    ]
  }
}

/**
 * Each file is in one batch, but for those that were there before a driver began, which was before any driver knew of a batch, and
 * those of after the last batch: the driver's clock may be behind the world's.
 */
function lostFiles({ files, graphs, ledger }: Finished): ReadonlyArray<string> {
  if (!graphs[0]!.inputs.some(({ stream }) => stream.kind === "textFiles")) return []
  const taken = [...ledger.plans.values()].flatMap(({ inputs }) => inputs.flatMap(({ partitions }) => partitions))
    .flatMap((part) => part.kind === "source" ? [(part.value as { readonly path?: string }).path] : [])
  const began = batchMillis + Math.min(...[...ledger.plans.values()].map(({ zeroTime }) => zeroTime))
  const ended = Math.max(...ledger.plans.keys())
  const due = [...files.writtenAt].filter(([, at]) => at > began && at <= ended)
  const lost = due.flatMap(([path]) => taken.includes(path) ? [] : [path])
  const twice = [...files.files.keys()].filter((path) => taken.filter((other) => other === path).length > 1)
  return [
    ...(lost.length === 0 ? [] : [`files are in no batch: ${lost.join(", ")}`]),
    ...(twice.length === 0 ? [] : [`files are in more than one batch: ${twice.join(", ")}`])
  ]
}
