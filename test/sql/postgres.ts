/**
 * A PostgreSQL server for tests, from the system's packages: a cluster of its own in a temporary directory, on a port of loopback,
 * asking for a password. The server refuses to run as root: then it runs as the user `postgres`.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { after, test } from "node:test"
import { Redacted } from "effect"
import { postgres, type PostgresOptions } from "../../adapters/sql/mod.ts"
import type { World } from "./contract.ts"

export interface Server {
  readonly options: PostgresOptions & { readonly port: number }
  /** Ends it at once, as a crash of its machine would, and starts it again. */
  readonly restart: () => Promise<void>
}

export const password = "a secret of tests"

/** Newest first. */
const directories = (): ReadonlyArray<string> => {
  const packages = "/usr/lib/postgresql"
  const versions = fs.existsSync(packages) ? fs.readdirSync(packages).sort((a, b) => Number(b) - Number(a)) : []
  const found = versions.map((version) => path.join(packages, version, "bin"))
  return [...found, ...(process.env["PATH"] ?? "").split(path.delimiter)]
}

const binaries = (): string => {
  const has = (directory: string) => ["initdb", "postgres"].every((name) => fs.existsSync(path.join(directory, name)))
  const directory = directories().find(has)
  if (directory === undefined) throw new Error("no initdb and postgres are installed (apt-get install postgresql)")
  return directory
}

/** Who runs it, as the beginning of a command. */
const asOther = (): ReadonlyArray<string> => {
  if (process.getuid?.() !== 0) return []
  const found = childProcess.spawnSync("id", ["-u", "postgres"])
  if (found.status !== 0) throw new Error("it does not run as root, and there is no user postgres")
  return ["setpriv", "--pdeathsig=QUIT", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = net.createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })

const run = (command: ReadonlyArray<string>, cwd: string): void => {
  const { error, status, stderr } = childProcess.spawnSync(command[0]!, command.slice(1), { cwd, encoding: "utf8" })
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${error ?? ""}${stderr}`)
}

/** Nobody waits for the disk: what dies in these tests is not the machine. */
const quick = ["fsync=off", "max_wal_size=128MB", "shared_buffers=16MB", "max_connections=300"].flatMap((
  setting
) => ["-c", setting])

class Cluster implements Server {
  readonly options: Server["options"]
  private readonly command: ReadonlyArray<string>
  private readonly directory: string
  private child: childProcess.ChildProcess | undefined

  constructor(directory: string, port: number) {
    const data = path.join(directory, "data")
    const bin = binaries()
    const secret = path.join(directory, "password")
    fs.writeFileSync(secret, password)
    const user = asOther()
    if (user.length > 0) run(["chown", "-R", "postgres", directory], directory)
    const auth = ["-A", "scram-sha-256", `--pwfile=${secret}`, "-U", "tester", "-E", "UTF8", "--locale=C", "--no-sync"]
    run([...user, path.join(bin, "initdb"), "-D", data, ...auth], directory)
    this.directory = directory
    this.command = [
      ...user,
      path.join(bin, "postgres"),
      "-D",
      data,
      "-h",
      "127.0.0.1",
      "-p",
      String(port),
      "-k",
      directory,
      ...quick
    ]
    const database = "postgres"
    this.options = { host: "127.0.0.1", port, database, username: "tester", password: Redacted.make(password) }
  }

  async start(): Promise<void> {
    const said: Array<string> = []
    const child = childProcess.spawn(this.command[0]!, this.command.slice(1), {
      cwd: this.directory,
      stdio: ["ignore", "ignore", "pipe"]
    })
    this.child = child
    await new Promise<void>((resolve, reject) => {
      child.on("error", reject)
      child.on("exit", (code) => reject(new Error(`postgres ended with ${code}: ${said.join("")}`)))
      child.stderr!.on("data", (data) => {
        said.push(String(data))
        if (said.join("").includes("database system is ready to accept connections")) resolve()
      })
    })
    // Nobody is held by the server, nor by what it says.
    child.unref()
    ;(child.stderr as net.Socket).unref?.()
  }

  /** SIGQUIT: the server ends its sessions and itself, without finishing anything. */
  async stop(): Promise<void> {
    const child = this.child
    if (child === undefined || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once("exit", resolve))
    child.ref()
    child.kill("SIGQUIT")
    await ended
  }

  readonly restart = async (): Promise<void> => {
    await this.stop()
    await this.start()
  }
}

const startOnce = async (): Promise<Server> => {
  const directory = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "dstreams-postgres-"))
  const made: Array<Cluster> = []
  after(async () => {
    for (const cluster of made) await cluster.stop()
    fs.rmSync(directory, { recursive: true, force: true })
  })
  const cluster = new Cluster(directory, await freePort())
  made.push(cluster)
  await cluster.start()
  return cluster
}

/** For the tests of this file; or why there is none. */
export const started: Server | string = await startOnce().catch((error: unknown) => String(error))

/** Tests that need the server; where it cannot be started they are skipped, and say why. */
export const withServer = (what: string, tests: (server: Server) => void): void => {
  if (typeof started !== "string") return tests(started)
  console.log(`${what}: skipped, for no PostgreSQL could be started here: ${started}`)
  test(`${what}: skipped, for no PostgreSQL could be started here`, { skip: true }, () => {})
}

export const postgresWorld = (server: Server): World => ({
  name: "PostgreSQL",
  connect: () => postgres(server.options),
  bytes: "bytea",
  instant: "timestamptz"
})
