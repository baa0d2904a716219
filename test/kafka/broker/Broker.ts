/**
 * A real broker of Apache Kafka in a process of its own and a temporary folder, on ports of loopback. It ends with the process that
 * started it, even if that is killed (where the system has setpriv).
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { type Certificates, makeCertificates } from "./certificates.ts"
import { brokerCommand, ensureJars, password, template, user } from "./jars.ts"
import { properties, type Secured } from "./properties.ts"

export interface BrokerOptions {
  /** Further listeners, with TLS. */
  readonly secured?: boolean | undefined
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Any that is free. */
  readonly port?: number | undefined
  /** What a broker that ran there left behind is used again. A temporary one. */
  readonly directory?: string | undefined
}

/** With setpriv, a process gets a signal when the one that started it ends. */
const leash = childProcess.spawnSync("setpriv", ["--pdeathsig=KILL", "true"]).status === 0
  ? ["setpriv", "--pdeathsig=KILL", "--"]
  : []

const startedMillisMax = 60_000

/** Whether all threads of a process stand still, or are gone; true where the system does not tell. */
const isStopped = (pid: number): boolean => {
  try {
    const threads = fs.readdirSync(`/proc/${pid}/task`)
    return threads.every((thread) => /\) [TtZX] /.test(fs.readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8")))
  } catch {
    return true
  }
}

export class Broker {
  readonly port: number
  readonly secured: (Secured & Certificates) | undefined
  private readonly directory: string
  private readonly isTemporary: boolean
  private child: childProcess.ChildProcess | undefined

  private constructor(port: number, secured: Broker["secured"], directory: string, isTemporary: boolean) {
    this.port = port
    this.secured = secured
    this.directory = directory
    this.isTemporary = isTemporary
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Throws NoKafka where it cannot be had. */
  static async start(options: BrokerOptions = {}): Promise<Broker> {
    await ensureJars(prepare)
    const isTemporary = options.directory === undefined
    const directory = options.directory ?? fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "dstreams-kafka-"))
    const data = path.join(directory, "data")
    if (!fs.existsSync(data)) fs.cpSync(template, data, { recursive: true })
    const [any, controllerPort, saslPort, mutualPort] = await freePorts(4)
    const port = options.port || any!
    const secured = options.secured === true
      ? { saslPort: saslPort!, mutualPort: mutualPort!, user, password, ...makeCertificates(directory) }
      : undefined
    const settings = { directory, port, controllerPort: controllerPort!, secured, more: options.settings ?? {} }
    fs.writeFileSync(path.join(directory, "server.properties"), properties(settings))
    const broker = new Broker(port, secured, directory, isTemporary)
    await broker.start()
    return broker
  }

  /** Again, after `kill` or `stop`: on the same ports, with what it had. */
  async start(archiveOption?: string): Promise<void> {
    const options = archiveOption === undefined ? undefined : [archiveOption]
    const [command, ...parameters] = [
      ...leash,
      ...brokerCommand(path.join(this.directory, "server.properties"), options)
    ]
    const child = childProcess.spawn(command!, parameters, { cwd: this.directory, stdio: ["ignore", "ignore", "pipe"] })
    this.child = child
    await isReady(child)
    child.unref()
    ;(child.stderr as net.Socket | null)?.unref?.()
  }

  /** As a crash of its machine would end it. */
  kill(): Promise<void> {
    return this.end("SIGKILL")
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM")
  }

  /** Ends it, and deletes what it had. */
  async remove(): Promise<void> {
    await this.end("SIGKILL")
    if (this.isTemporary) fs.rmSync(this.directory, { recursive: true, force: true })
  }

  /** It answers nothing, and nothing is closed: as a machine that hangs. */
  freeze(): void {
    const pid = this.child!.pid!
    process.kill(pid, "SIGSTOP")
    // Its threads stop one after the other, and until then one may still answer.
    while (!isStopped(pid)) { /* within a millisecond or two */ }
  }

  thaw(): void {
    process.kill(this.child!.pid!, "SIGCONT")
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once("exit", resolve))
    child.ref()
    child.kill(signal)
    await ended
  }

  /** For the archive of classes: one that runs once, and ends in an orderly way. */
  static async prepare(directory: string, archiveOption: string): Promise<void> {
    const [port, controllerPort] = await freePorts(2)
    const settings = { directory, port: port!, controllerPort: controllerPort!, more: {} }
    fs.writeFileSync(path.join(directory, "server.properties"), properties(settings))
    const broker = new Broker(port!, undefined, directory, false)
    await broker.start(archiveOption)
    await broker.stop()
  }
}

const prepare = (directory: string, archiveOption: string) => Broker.prepare(directory, archiveOption)

const isReady = (child: childProcess.ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    let said = ""
    const fail = (why: string) => reject(new Error(`the broker did not start (${why}): ${said.slice(-3000)}`))
    const timer = setTimeout(() => {
      child.kill("SIGKILL")
      fail(`not within ${startedMillisMax} ms`)
    }, startedMillisMax)
    child.on("error", ({ message }) => fail(message))
    child.on("exit", (code, signal) => {
      clearTimeout(timer)
      fail(String(code ?? signal))
    })
    child.stderr!.on("data", (data) => {
      said = (said + String(data)).slice(-10_000)
      if (!said.includes("Kafka Server started")) return
      clearTimeout(timer)
      resolve()
    })
  })

/**
 * Not of the range from which the system takes ports for outgoing connections: one of a client that looks for a broker that was killed could take
 * the broker's port, and be connected with itself.
 */
const portsFrom = 15_000
const portsUntil = 32_000

const freePorts = async (count: number): Promise<ReadonlyArray<number>> => {
  const found: Array<number> = []
  while (found.length < count) {
    const port = portsFrom + Math.floor(Math.random() * (portsUntil - portsFrom))
    if (!found.includes(port) && (await isFree(port))) found.push(port)
  }
  return found
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = net.createServer()
    server.on("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })
