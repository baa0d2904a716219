/**
 * A folder for what an app keeps, removed when the measuring is over.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

export const withPlace = async <A>(use: (place: string) => Promise<A>): Promise<A> => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-bench-"))
  try {
    return await use(path.join(folder, "kept"))
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}
