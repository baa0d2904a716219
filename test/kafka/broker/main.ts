/**
 * `npm run kafka-broker -- fetch` fills the cache, for tests, as CI does ahead of time; `npm run kafka-broker -- run [PORT] [DIRECTORY]` runs a broker until it is
 * interrupted, for examples and for looking around. Ends with 3 where Java or Maven is missing.
 */
import { Broker } from "./Broker.ts"
import { ensureJars, NoKafka } from "./jars.ts"

const [command = "run", port = "9092", directory] = process.argv.slice(2)

try {
  if (command === "fetch") await ensureJars(Broker.prepare)
  else if (command === "run") {
    const broker = await Broker.start({ port: Number(port), directory })
    console.log(`bootstrap=${broker.bootstrap}`)
    const end = () => void broker.remove().then(() => process.exit(0))
    process.on("SIGINT", end)
    process.on("SIGTERM", end)
    setInterval(() => {}, 1 << 30)
  } else throw new Error(`unknown: ${command}; fetch, or run [PORT] [DIRECTORY]`)
} catch (error) {
  console.error(String(error))
  process.exitCode = error instanceof NoKafka ? 3 : 1
}
