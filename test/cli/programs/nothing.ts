/** Has two mistakes. */
import { StreamingApp } from "../../../core/mod.ts"

export default StreamingApp.make({ name: "", batchDuration: "1 second", outputs: [] })
