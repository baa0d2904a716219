/**
 * userFrame: where in a user's own code an error arose: the first frame of its stack that is neither of this package, nor of another
 * one, nor of the platform.
 */

/** Of a stack: `at f (file:///a/b.ts:1:2)`, `at /a/b.ts:1:2`. */
const framePattern = /^\s*at (?:.* \()?(?:async )?((?:file:\/\/|https?:\/\/|[A-Za-z]:[\\/]|\/)[^()]*?):(\d+):\d+\)?$/

/** This package's folder: this file lies two folders deep, and so does what it is built into. */
const packageRoot = decodeURI(new URL("../../", import.meta.url).href)
const ownFolders = ["core/", "runtime/", "adapters/", "dist/"].map((folder) => packageRoot + folder)

/** Frames that are looked at. */
const framesMax = 50

/** As `file:line`; undefined: the stack has none. */
export const userFrame = (stack: string | undefined): string | undefined => {
  for (const line of stack?.split("\n", framesMax) ?? []) {
    const [, file, number] = framePattern.exec(line) ?? []
    if (file === undefined || file.includes("/node_modules/")) continue
    const url = file.startsWith("/") ? `file://${file}` : file
    if (ownFolders.some((folder) => decoded(url).startsWith(folder))) continue
    return `${decoded(url).replace(/^file:\/\/(?=\/)/, "")}:${number}`
  }
  return undefined
}

const decoded = (url: string): string => {
  try {
    return decodeURI(url)
  } catch {
    return url
  }
}
