/**
 * Everything that the package exports for programs is in the docs: operators of streams and states under a heading of their own and
 * in an example, all else at least by name.
 */
import * as assert from "node:assert/strict"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect } from "effect"
import * as File from "../../adapters/file/mod.ts"
import * as Http from "../../adapters/http/mod.ts"
import * as Kafka from "../../adapters/kafka/mod.ts"
import * as Memory from "../../adapters/memory/mod.ts"
import * as Placement from "../../adapters/placement/mod.ts"
import * as Queue from "../../adapters/queue/mod.ts"
import * as Socket from "../../adapters/socket/mod.ts"
import * as Sql from "../../adapters/sql/mod.ts"
import * as Core from "../../core/mod.ts"
import * as Runtime from "../../runtime/mod.ts"
import * as Testing from "../../adapters/testing/mod.ts"
import { it } from "../kit.ts"
import { examples, pages, root } from "./pages.ts"

const { DStream, Output, RDD, Receiver, Sink, StateSpec, StreamingApp } = Core
const { StreamingContext } = Runtime
const text = pages.map((page) => page.text).join("\n")
const headings = Array.from(text.matchAll(/^### (.*)$/gm), ([, heading]) => heading!)
const programs = examples.filter(({ source }) => source.includes("export default")).map(({ source }) => source)

/** `DStream.map` and its like. */
const namesOf = (space: string, exports: object): ReadonlyArray<string> =>
  Object.keys(exports).map((name) => `${space}.${name}`)

const isNamedIn = (text: string, name: string) => new RegExp(`(?<![\\w.])${name.replace(".", "\\.")}(?!\\w)`).test(text)

it("every operator of streams and states has a heading of its own, and is in an example", () =>
  Effect.sync(() => {
    /** For those who write operators. */
    const helpers = ["DStream.TypeId", "DStream.isDStream", "DStream.needed", "DStream.spread"]
    const names = [...namesOf("DStream", DStream), ...namesOf("StateSpec", StateSpec)]
    const wanted = names.filter((name) => !helpers.includes(name))
    assert.deepEqual(wanted.filter((name) => !headings.includes(name)), [], "these have no heading")
    const unused = wanted.filter((name) => !programs.some((source) => isNamedIn(source, name)))
    assert.deepEqual(unused, [], "these are in no example")
  }))

it("everything else that programs import is named in the docs", () =>
  Effect.sync(() => {
    const spaces = {
      DStream,
      RDD,
      Output,
      Sink,
      StateSpec,
      StreamingApp,
      Receiver,
      StreamingContext,
      Placement,
      File,
      Http,
      Socket,
      Queue,
      Kafka,
      Memory,
      Sql
    }
    const names = Object.entries(spaces).flatMap(([space, exports]) => namesOf(space, exports))
    const single = [...Object.keys(Core), ...Object.keys(Runtime), ...Object.keys(Testing)]
    assert.deepEqual([...names, ...single].filter((name) => !isNamedIn(text, name)), [])
  }))

it("no heading is about an operator that is no more", () =>
  Effect.sync(() => {
    const spaces: Record<string, object> = { DStream, StateSpec, Output, StreamingApp, Receiver, StreamingContext }
    const gone = headings.filter((heading) => {
      const [, space, name] = /^(\w+)\.(\w+)$/.exec(heading) ?? []
      return space !== undefined && space in spaces && !(name! in spaces[space]!)
    })
    assert.deepEqual(gone, [])
  }))

it("every event that listeners are told is on the page about running", () =>
  Effect.sync(() => {
    const events = fs.readFileSync(path.join(root, "core/scheduling/StreamingListener.ts"), "utf8")
    const kinds = new Set(Array.from(events.matchAll(/readonly kind: "(\w+)"/g), ([, kind]) => kind!))
    const running = pages.find((page) => page.path === "docs/running.md")!.text
    assert.ok(kinds.size >= 20, "the events are not found")
    assert.deepEqual([...kinds].filter((kind) => !running.includes(`\`${kind}\``)), [])
  }))
