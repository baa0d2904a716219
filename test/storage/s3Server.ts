/**
 * s3Server: S3Proxy, a real server of the S3 protocol: it checks signatures, keeps objects as files, and keeps `If-None-Match: *` by
 * linking. It listens on a free port of this machine and has one bucket, for as long as the scope.
 *
 * It comes from Maven Central and runs on Java 17; `npm run s3-server` puts it into `.cache`. Where it is not, or does not start,
 * `s3Server` is a sentence that says why, for the test to be skipped with.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"

/** The version that `package.json` fetches. */
const archive = fileURLToPath(new URL("../../.cache/s3proxy/s3proxy-4.0.0-jar-with-dependencies.jar", import.meta.url))
const startMillisMax = 60_000
const pollMillis = 50
const printedMax = 2000

export const accessKey = "key-of-the-server"
export const secretKey = "secret/of+the server"

export interface S3Server {
  readonly endpoint: string
  readonly bucket: string
  /** Where the bucket's objects are, as files. */
  readonly folder: string
}

/** A sentence: there is none, and why. */
export const s3Server: Effect.Effect<S3Server | string, never, Scope.Scope> = Effect.suspend(() =>
  fs.existsSync(archive) ? start : Effect.succeed("S3Proxy is not installed: npm run s3-server")
)

const start = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "dstreams-s3-"))),
    (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
  )
  const port = yield* freePort
  const endpoint = `http://127.0.0.1:${port}`
  const bucket = path.join(folder, "objects", "bucket")
  fs.mkdirSync(bucket, { recursive: true })
  fs.writeFileSync(path.join(folder, "server.properties"), settings(endpoint, path.join(folder, "objects")))
  const server = yield* Effect.acquireRelease(Effect.sync(() => launch(folder)), stop)
  for (let waited = 0; waited < startMillisMax; waited += pollMillis) {
    if (server.ended !== undefined) return `S3Proxy did not start: ${server.ended} ${server.printed.slice(-printedMax)}`
    if (yield* answers(port)) return { endpoint, bucket: "bucket", folder: bucket }
    yield* Effect.sleep(pollMillis)
  }
  return `S3Proxy did not listen within ${startMillisMax} ms: ${server.printed.slice(-printedMax)}`
})

const settings = (endpoint: string, objects: string): string =>
  [
    `s3proxy.endpoint=${endpoint}`,
    "s3proxy.authorization=aws-v2-or-v4",
    `s3proxy.identity=${accessKey}`,
    `s3proxy.credential=${secretKey}`,
    "jclouds.provider=filesystem-nio2",
    `jclouds.filesystem.basedir=${objects}`
  ].join("\n")

interface Launched {
  readonly child: childProcess.ChildProcess
  printed: string
  /** How it ended. */
  ended: string | undefined
}

const launch = (folder: string): Launched => {
  const args = ["-XX:TieredStopAtLevel=1", "-Xmx256m", "-jar", archive, "--properties", "server.properties"]
  const child = childProcess.spawn("java", args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] })
  const server: Launched = { child, printed: "", ended: undefined }
  const keep = (data: unknown) => void (server.printed = `${server.printed}${data}`.slice(-2 * printedMax))
  child.stdout.on("data", keep)
  child.stderr.on("data", keep)
  child.on("error", (error) => void (server.ended = error.message))
  child.on("close", (code) => void (server.ended ??= `it ended with ${code}.`))
  return server
}

const stop = ({ child, ended }: Launched) =>
  Effect.callback<void>((resume) => {
    if (ended !== undefined) return resume(Effect.void)
    child.once("close", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

const freePort = Effect.callback<number>((resume) => {
  const server = net.createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as net.AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const answers = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = net.connect(port, "127.0.0.1")
    const done = (isThere: boolean) => {
      socket.destroy()
      resume(Effect.succeed(isThere))
    }
    socket.once("connect", () => done(true))
    socket.once("error", () => done(false))
  })
