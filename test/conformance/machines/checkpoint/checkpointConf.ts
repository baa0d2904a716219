/**
 * checkpointConf: an app that is started with settings, and the checkpoint of it; what a user has set besides is the program's own
 * affair (Effect's Config), which no checkpoint holds.
 */
import { Effect } from "effect"
import * as Memory from "../../../../adapters/memory/mod.ts"
import { DStream, StreamingApp } from "../../../../core/mod.ts"
import { definitions } from "../../../../core/settings/definitions.ts"
import * as recovery from "../../../../runtime/driver/checkpoint/recover.ts"
import { memoryStorage } from "../../../../runtime/storage/memoryStorage.ts"
import * as lives from "../../../checkpoint/lives.ts"
import { type Json, known, NotYet } from "../../Vector.ts"
import type { Apply, Machine } from "../machine.ts"
import { reading } from "./driver.ts"

const app = StreamingApp.make({
  name: "configured",
  batchDuration: "1 second",
  outputs: [Memory.batches([[1]]).pipe(DStream.foreachBatch((batch) => batch.count))]
})

type Conf = Readonly<Record<string, string>>

/** The setting that has this name in Spark. */
const inOurs = (name: string) => Object.entries(definitions).find(([, { spark }]) => spark === name)?.[0]

/** What of a configuration a start takes. */
const runWith = ({ "spark.master": master, ...others }: Conf) => {
  if (others["spark.ui.port"] !== undefined) throw new NotYet("web UI")
  const known = Object.entries(others).filter(([name]) => inOurs(name) !== undefined)
  return { master, settings: Object.fromEntries(known.map(([name, value]) => [inOurs(name), value])) }
}

export const checkpointConf: Machine = {
  takes: ["do", "conf", "environment"],
  open: (config: Conf) =>
    Effect.sync(() => {
      const storage = memoryStorage()
      let conf = config
      /** A driver starts, and is read of the checkpoint that it begins with. */
      const live = Effect.fnUntraced(function* ({ expectHas = {}, expectLacks = [] }: Json) {
        yield* lives.live(app, { storage, ...runWith(conf) }, 1)
        const { chosen } = yield* recovery.choose(reading(storage))
        const { master, settings } = chosen!.checkpoint.run
        const kept = (name: string) => name === "spark.master" ? master : settings[inOurs(name) ?? name]
        return {
          expectHas: Object.fromEntries(Object.keys(expectHas).map((name) => [name, kept(name)])),
          expectLacks: expectLacks.filter((name: string) => kept(name) === undefined)
        }
      })
      const steps: Readonly<Record<string, Apply>> = {
        checkpointAndReadBack: live,
        setInEnvironment: (step) => Effect.sync(() => void (conf = step.conf)),
        recover: live
      }
      return (step) => known("step", steps, step.do)(step)
    })
}
