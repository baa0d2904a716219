/**
 * The rules of `tidy.ts` as a plugin of `deno lint`, so that an editor and `npm run lint` show a breach where it is.
 * Named in `deno.json`; one rule of the plugin for each rule of tidy, as `tidy/layers`.
 */
import { fileURLToPath } from "node:url"
import { checkFile, type Finding } from "./tidy.ts"

interface Context {
  readonly filename: string
  readonly sourceCode: { readonly text: string }
  report(problem: { readonly range: readonly [number, number]; readonly message: string }): void
}

const root = fileURLToPath(new URL("..", import.meta.url))

/** From the line's first character to its last. */
const rangeOf = (text: string, line: number): readonly [number, number] => {
  const lines = text.split("\n")
  const start = lines.slice(0, line - 1).reduce((sum, before) => sum + before.length + 1, 0)
  return [start, start + (lines[line - 1] ?? "").length]
}

const rule = (name: Finding["rule"]) => ({
  create: (context: Context) => ({
    Program: () => {
      const path = context.filename.replace(root, "").replaceAll("\\", "/")
      const text = context.sourceCode.text
      for (const finding of checkFile({ path, text })) {
        if (finding.rule === name) context.report({ range: rangeOf(text, finding.line), message: finding.message })
      }
    }
  })
})

export default {
  name: "tidy",
  rules: {
    layers: rule("layers"),
    ambient: rule("ambient"),
    size: rule("size"),
    head: rule("head"),
    unfinished: rule("unfinished")
  }
}
