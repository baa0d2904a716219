/**
 * What the tests of the HTTP receiver send: requests over kept connections, and a port on which nobody listens.
 */
import * as http from "node:http"
import * as net from "node:net"
import { Effect } from "effect"

export const freePort = Effect.callback<number>((resume) => {
  const server = net.createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as net.AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: any
}

const agent = new http.Agent({ keepAlive: true })

export const request = (
  port: number,
  body: string | Uint8Array | undefined,
  { headers = {}, method = "POST", path = "/" }: http.RequestOptions = {}
) =>
  Effect.callback<Answer, Error>((resume) => {
    const sent = http.request({ host: "127.0.0.1", port, method, path, headers, agent }, (response) => {
      let text = ""
      response.on("data", (data) => text += data)
      response.on("end", () =>
        resume(Effect.succeed({
          status: response.statusCode!,
          headers: response.headers,
          body: text === "" ? undefined : JSON.parse(text)
        })))
    })
    sent.on("error", (error) => resume(Effect.fail(error)))
    sent.end(body)
    return Effect.sync(() => sent.destroy())
  })
