/**
 * compileCache: Node keeps on disk what it compiled of modules, so that the next start, and every thread, has it at once.
 *
 * The command asks for it; a thread uses that of the process that starts it, whoever asked. Where is Node's to say, by
 * `NODE_COMPILE_CACHE` else in the system's temporary folder; `NODE_DISABLE_COMPILE_CACHE=1` is the way out. Deno does as much unasked.
 */
import * as module from "node:module"
import * as path from "node:path"

/** Deno's module has neither. */
const { enableCompileCache, getCompileCacheDir }: Partial<
  Pick<typeof module, "enableCompileCache" | "getCompileCacheDir">
> = module

/** Of all modules that are loaded from now on, kept in `folder`. Where it cannot be had, nothing is lost but time. */
export const useCompileCache = (folder?: string): void => void enableCompileCache?.(folder)

/** The folder that this process uses, if it uses one. */
export const compileCacheFolder = (): string | undefined => {
  // Node answers with the folder of its own version, in the one that it is given.
  const folder = getCompileCacheDir?.()
  return folder === undefined ? undefined : path.dirname(folder)
}
