/**
 * `npm run build`: makes the npm package in `dist/` — ES modules with source maps by esbuild, declarations by tsc.
 *
 * - The entry points are those that `package.json` names in `exports` and `bin`; one that has no source is an error
 *   (`--partial` leaves it out). All are bundled in one call with splitting: bundles made one by one would hold each
 *   its own copy of every class, and `instanceof` and service identity would break.
 * - A source says `new URL("./worker.ts", import.meta.url)` to name a module that a thread or process shall load.
 *   Bundling moves code, so the build turns this into a look-up of the package's own export of that module.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as esbuild from "esbuild"

const root = fileURLToPath(new URL(".", import.meta.url))
const manifest: {
  readonly name: string
  readonly bin: Record<string, string>
  readonly exports: Record<string, string | { readonly "dstreams-source": string; readonly default: string }>
} = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))

const fail = (sentence: string): never => {
  console.error(`build: ${sentence}`)
  process.exit(1)
}

/** "./dist/core/mod.js" is made from "core/mod.ts". */
const sourceOf = (target: string): string => target.replace(/^(\.\/)?dist\//, "").replace(/\.js$/, ".ts")

const exported = Object.entries(manifest.exports).flatMap(([name, target]) => {
  if (typeof target === "string") return []
  const source = sourceOf(target.default)
  const agrees = target["dstreams-source"] === `./${source}`
  return agrees ? [{ name, source }] : fail(`exports["${name}"] names two different modules in package.json`)
})

const entryPoints = (partial: boolean): Array<string> => {
  const all = [...exported.map((entry) => entry.source), ...Object.values(manifest.bin).map(sourceOf)]
  const missing = all.filter((source) => !fs.existsSync(path.join(root, source)))
  if (missing.length > 0 && !partial) {
    fail(`package.json names entry points that have no source: ${missing.join(", ")}`)
  }
  if (missing.length > 0) console.warn(`build: partial, without ${missing.join(", ")}`)
  return all.filter((source) => !missing.includes(source))
}

const moduleUrl = /new URL\("(\.[^"]+\.ts)", import\.meta\.url\)/g

const moduleUrls: esbuild.Plugin = {
  name: "module-urls",
  setup: (build) => {
    build.onLoad({ filter: /\.ts$/ }, ({ path: file }) => {
      const contents = fs.readFileSync(file, "utf8").replace(moduleUrl, (_, specifier: string) => {
        const source = path.relative(root, path.resolve(path.dirname(file), specifier)).replaceAll(path.sep, "/")
        const name = exported.find((entry) => entry.source === source)?.name ??
          fail(`${path.relative(root, file)} loads ${source} by URL, which package.json does not export`)
        return `new URL(import.meta.resolve("${manifest.name}${name.slice(1)}"))`
      })
      return { contents, loader: "ts" }
    })
  }
}

fs.rmSync(path.join(root, "dist"), { recursive: true, force: true })
const built = await esbuild.build({
  absWorkingDir: root,
  entryPoints: entryPoints(process.argv.includes("--partial")),
  outdir: "dist",
  outbase: ".",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  packages: "external",
  format: "esm",
  platform: "node",
  target: "node22.19",
  sourcemap: true,
  metafile: true,
  plugins: [moduleUrls]
})
const declarations = childProcess.spawnSync("tsc", ["-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
  shell: process.platform === "win32"
})
if (declarations.status !== 0) fail("tsc did not make the declarations")
const bytes = Object.values(built.metafile.outputs).reduce((sum, output) => sum + output.bytes, 0)
console.log(`build: ${Object.keys(built.metafile.outputs).length} files, ${Math.round(bytes / 1024)} KiB in dist/`)
