/**
 * The programs in README and docs, as the tests take them: every `ts` block, with the `text` block that follows it, if one does, as
 * what it gives.
 *
 * A block that imports something is a module as it stands. Any other stands behind the imports of its page: the first block there
 * that has nothing but imports.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))

export interface Example {
  /** Unique, and a file's name. */
  readonly name: string
  /** Page and line, for people. */
  readonly where: string
  readonly source: string
  /** What it gives; undefined: the page does not say. */
  readonly expected: string | undefined
}

export interface Page {
  /** Relative to the root. */
  readonly path: string
  readonly text: string
}

export const pages: ReadonlyArray<Page> = [
  "README.md",
  ...fs.readdirSync(path.join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name.replaceAll("\\", "/")}`)
    .sort()
].map((name) => ({ path: name, text: fs.readFileSync(path.join(root, name), "utf8") }))

const fence = /^```(ts|text)\n([\s\S]*?)^```$/gm

const hasImports = (source: string) => /^import /m.test(source)
const isImports = (source: string) => source.trim().split(/\n(?=import )/).every((part) => /^import [^;]*"$/.test(part))

export const examplesOf = ({ path: page, text }: Page): ReadonlyArray<Example> => {
  const blocks = Array.from(text.matchAll(fence), ({ 0: all, 1: kind, 2: body, index }) => ({
    kind,
    body: body!,
    from: index,
    to: index + all.length
  }))
  const imports = blocks.find(({ body, kind }) => kind === "ts" && isImports(body))
  const prefix = page.replace(/^docs\//, "").replace(/\.md$/, "").replaceAll("/", "-").toLowerCase()
  const sources = blocks.filter(({ kind }) => kind === "ts")
  return blocks.flatMap((block, index): ReadonlyArray<Example> => {
    if (block.kind !== "ts" || block === imports) return []
    const next = blocks[index + 1]
    const follows = next?.kind === "text" && text.slice(block.to, next.from).trim() === ""
    return [{
      name: page === "README.md" && block === sources[0] ? "word-count" : `${prefix}-${sources.indexOf(block) + 1}`,
      where: `${page}:${text.slice(0, block.from).split("\n").length}`,
      source: hasImports(block.body) ? block.body : `${imports?.body ?? ""}\n${block.body}`,
      expected: follows ? next.body : undefined
    }]
  })
}

export const examples: ReadonlyArray<Example> = pages.flatMap(examplesOf)
