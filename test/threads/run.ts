/**
 * A whole engine for tests of real worker threads: a program's module is loaded by its URL and run on the real clock, in threads
 * or in this process. All events are kept with the time at which they came; a test waits for one by what it says.
 *
 * What executors do where no test can look, programs write into a journal: a folder that is new for each test.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { ConfigProvider, Effect, type Scope } from "effect"
import { placementOf } from "../../adapters/cli/placementOf.ts"
import { configProvider, load } from "../../adapters/threads/ProgramModule.ts"
import type { StreamingApp } from "../../core/dstream/StreamingApp.ts"
import type { StreamingEvent } from "../../core/scheduling/StreamingListener.ts"
import * as StreamingContext from "../../runtime/driver/StreamingContext.ts"

export interface RunOptions extends StreamingContext.RunOptions {
  /** 0: executors in this process (`local`); else worker threads (`local[n]`). 2. */
  readonly threads?: number
}

type Kind = StreamingEvent["kind"]
type EventOf<K extends Kind> = Extract<StreamingEvent, { readonly kind: K }>

export interface Running {
  readonly context: StreamingContext.StreamingContext<unknown>
  readonly events: ReadonlyArray<StreamingEvent>
  readonly eventsOf: <K extends Kind>(kind: K) => ReadonlyArray<EventOf<K>>
  /** Waits for the first event, past or to come, of which this is true. */
  readonly sees: <K extends Kind>(kind: K, is?: (event: EventOf<K>) => boolean) => Effect.Effect<EventOf<K>>
}

/** A folder that is gone after the test. */
export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-test-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

export const programUrl = (name: string): string => new URL(`./programs/${name}.ts`, import.meta.url).href

/** An engine that is not yet started; it ends with the scope. */
export const make = Effect.fnUntraced(function* (
  program: string,
  options: RunOptions = {}
): Effect.fn.Return<Running, unknown, Scope.Scope> {
  const { threads = 2, config = {} } = options
  const url = program.includes(":") ? program : programUrl(program)
  const { app, codeFingerprint } = yield* load(url, config)
  const runnable = app as StreamingApp<unknown, never>
  const events: Array<StreamingEvent> = []
  const waiting = new Set<(event: StreamingEvent) => void>()
  const observe = (event: StreamingEvent) => {
    events.push(event)
    for (const look of [...waiting]) look(event)
  }
  const observers = [observe, ...(options.observers ?? [])]
  const master = threads === 0 ? { kind: "local" } as const : { kind: "threads", threads } as const
  const context = yield* StreamingContext.make(runnable, { codeFingerprint, ...options, config, observers }).pipe(
    Effect.provide(placementOf(master, app, url)),
    Effect.provideService(ConfigProvider.ConfigProvider, configProvider(config))
  )
  return {
    context,
    events,
    eventsOf: <K extends Kind>(kind: K) => events.filter((event) => event.kind === kind) as Array<EventOf<K>>,
    sees: <K extends Kind>(kind: K, is: (event: EventOf<K>) => boolean = () => true) =>
      Effect.callback<EventOf<K>>((resume) => {
        const fits = (event: StreamingEvent): event is EventOf<K> => event.kind === kind && is(event as EventOf<K>)
        const known = events.find(fits)
        if (known !== undefined) return resume(Effect.succeed(known))
        const look = (event: StreamingEvent) => {
          if (!fits(event)) return
          waiting.delete(look)
          resume(Effect.succeed(event))
        }
        waiting.add(look)
        return Effect.sync(() => void waiting.delete(look))
      })
  }
})

export const start = (program: string, options: RunOptions = {}): Effect.Effect<Running, unknown, Scope.Scope> =>
  Effect.tap(make(program, options), ({ context }) => context.start)

/** Runs so many batches to the end; fails with what ended the context. */
export const run = (
  program: string,
  options: RunOptions & { readonly batches: number }
): Effect.Effect<Running, unknown, Scope.Scope> =>
  Effect.tap(start(program, options), ({ context }) => context.awaitTermination)
