#!/usr/bin/env node
/**
 * The `dstreams` command's first step: an older Node is told so, before it reads what it would not understand.
 *
 * Nothing is imported here but when the version is right; `command.ts` is the command. What was compiled of it before need not be
 * compiled again.
 */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

// As in package.json's engines; a test compares them.
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`dstreams needs Node 22.19 or later, this is ${process.versions.node}\n`)
  process.exit(2)
}

const { useCompileCache } = await import("../threads/compileCache.ts")
useCompileCache()
const { main } = await import("./command.ts")
await main(process.argv.slice(2))

export {}
