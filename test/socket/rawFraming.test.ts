/**
 * rawFraming: frames arrive whole however the bytes are cut, and what is wrong with them is told.
 */
import * as assert from "node:assert/strict"
import { Buffer } from "node:buffer"
import { Effect } from "effect"
import fc from "fast-check"
import { rawFraming } from "../../adapters/socket/rawFraming.ts"
import * as Socket from "../../adapters/socket/mod.ts"
import { recordsOfPart } from "../../core/blocks/BlockContents.ts"
import type { Store } from "../../core/receiving/Receiver.ts"
import { it } from "../kit.ts"

const recorder = (hasRoom = () => true) => {
  const frames: Array<ReadonlyArray<number>> = []
  const errors: Array<string> = []
  const store = {
    chunk: (bytes: Uint8Array, records: number) => {
      assert.equal(records, 1)
      frames.push(Array.from(bytes))
      return hasRoom()
    },
    reportError: (message: string) => void errors.push(message)
  } as Partial<Store<Uint8Array>> as Store<Uint8Array>
  return { frames, errors, store }
}

const framed = (frames: ReadonlyArray<Uint8Array>): Buffer =>
  Buffer.concat(frames.flatMap((frame) => {
    const header = Buffer.alloc(4)
    header.writeUInt32BE(frame.byteLength)
    return [header, frame]
  }))

it("frames arrive whole and in order, however they are cut, and the bytes that came may be used again", () =>
  Effect.sync(() => {
    fc.assert(fc.property(
      fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 1 }),
      (frames, cuts) => {
        const { errors, frames: stored, store } = recorder()
        const framing = rawFraming()
        const bytes = framed(frames)
        for (let at = 0, i = 0; at < bytes.byteLength; i++) {
          const piece = Uint8Array.from(bytes.subarray(at, at += cuts[i % cuts.length]!))
          framing.data(piece, store)
          piece.fill(255)
        }
        framing.end(store)
        assert.deepEqual(stored, frames.map((frame) => Array.from(frame)))
        assert.deepEqual(errors, [])
      }
    ))
  }))

it("a frame longer than the maximum is refused before anything is kept of it; an unfinished one is reported", () =>
  Effect.sync(() => {
    const { errors, frames, store } = recorder(() => false)
    assert.throws(
      () => rawFraming(10).data(framed([new Uint8Array(11)]).subarray(0, 4), store),
      /A frame of 11 bytes is longer/
    )
    const framing = rawFraming(10)
    assert.equal(framing.data(framed([Uint8Array.of(1), Uint8Array.of(2, 3)]).subarray(0, 10), store), false)
    framing.end(store)
    assert.deepEqual(frames, [[1]])
    assert.deepEqual(errors, ["The connection ended within a frame: 1 of 2 bytes had come, and are dropped"])
  }))

it("a frame is one record, the bytes, or those that the decoder makes of it", () =>
  Effect.sync(() => {
    const part = { kind: "bytes" as const, bytes: Uint8Array.of(1, 2, 3), records: 1 }
    const options = { host: "localhost", port: 9999 }
    const plain = Socket.rawStream(options)
    const decoded = Socket.rawStream({ ...options, decode: (bytes) => Array.from(bytes) })
    const recordsIn = ({ input }: { readonly input: typeof plain["input"] }) => {
      assert.ok(input?.kind === "receiver")
      return recordsOfPart(part, input.decode)
    }
    assert.deepEqual(recordsIn(plain), [Uint8Array.of(1, 2, 3)])
    assert.deepEqual(recordsIn(decoded), [1, 2, 3])
  }))
