/**
 * Sockets whose options cannot be: refused where the program is built, by the name of the option.
 */
import * as assert from "node:assert/strict"
import { Effect } from "effect"
import * as Socket from "../../adapters/socket/mod.ts"
import { it } from "../kit.ts"

const wrong: ReadonlyArray<readonly [options: object, message: RegExp]> = [
  [{ host: "h", port: 70_000 }, /The port of a socket has to be a whole number from 1 to 65535, and is 70000/],
  [{ host: "h", port: 0 }, /port .* is 0/],
  [{ host: "h", port: 1.5 }, /port .* is 1\.5/],
  [{ host: "h", port: "9999" }, /port .* is "9999"/],
  [{ host: "h" }, /port .* is undefined/],
  [{ host: " ", port: 1 }, /The host of a socket has to be a name or an address, and is " "/],
  [{ port: 1 }, /host .* is undefined/]
]

it("a host or port that cannot be is refused by its name when the stream is made", () =>
  Effect.sync(() => {
    for (const [options, message] of wrong) {
      assert.throws(() => Socket.textStream(options as Socket.TextOptions), { _tag: "InvalidSocket", message })
      const decode = () => ({ push: () => [] })
      assert.throws(() => Socket.stream({ ...(options as Socket.SocketOptions), decode }), { _tag: "InvalidSocket" })
    }
    Socket.textStream({ host: "::1", port: 65_535 })
  }))
