/**
 * A checkpoint directory on a disk that fills up, that can only be read, and that another driver takes: the program ends with what to do,
 * and the next one goes on as if nothing had happened.
 *
 * The disk is a small one in memory, mounted for the test; where nothing can be mounted, the tests say so and are left out.
 */
import * as assert from "node:assert/strict"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Effect, type Scope } from "effect"
import { programOf, start, terminate } from "../cli/command.ts"
import { it } from "../kit.ts"

const mount = (...args: ReadonlyArray<string>): boolean => childProcess.spawnSync("mount", args).status === 0

/** A disk of its own; undefined: nothing can be mounted here. */
const smallDisk: Effect.Effect<string | undefined, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "disk-"))
    return mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", folder) ? folder : undefined
  }),
  (folder) =>
    Effect.sync(() => {
      if (folder === undefined) return
      childProcess.spawnSync("umount", ["-l", folder])
      fs.rmSync(folder, { recursive: true, force: true })
    })
)

const onSmallDisk = (name: string, body: (disk: string) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(
    name,
    () =>
      Effect.flatMap(smallDisk, (disk) =>
        disk === undefined
          ? Effect.sync(() =>
            console.log(`left out: "${name}": no disk can be mounted here`)
          )
          : body(disk)),
    { timeout: 120_000 }
  )

const program = (place: string) => start("run", programOf("kept"), "--config", `DSTREAMS_CHECKPOINT_DIRECTORY=${place}`)

/** Fills the disk to its last byte. */
const fill = (file: string): void => {
  const piece = Buffer.alloc(4096)
  const handle = fs.openSync(file, "w")
  try {
    while (true) fs.writeSync(handle, piece)
  } catch (error) {
    assert.equal((error as { readonly code?: unknown }).code, "ENOSPC")
  } finally {
    fs.closeSync(handle)
  }
}

/** Of each printed batch: its time, and how often the word that comes twice in each was counted. */
const countsOf = (out: string): ReadonlyArray<readonly [number, number]> =>
  Array.from(
    out.matchAll(/Time: (\d+) ms\n-+\n\(all,(\d+)\)/g),
    ([, time, count]) => [Number(time), Number(count)] as const
  )

/** Stops it gracefully, and it ends well. */
const endsWell = ({ child, ended }: Effect.Success<ReturnType<typeof program>>) =>
  Effect.gen(function* () {
    terminate(child)
    const end = yield* ended
    assert.equal(end.code, 0, end.err)
    return end
  })

onSmallDisk(
  "a disk that fills up ends the program with what to do; with room again, the next one has counted right",
  (disk) =>
    Effect.gen(function* () {
      const place = path.join(disk, "kept")
      const first = yield* program(place)
      yield* first.sees("out", /\(all,1[0-9]\)/)
      fill(path.join(disk, "filler"))
      const { code, err, out } = yield* first.ended
      assert.equal(code, 1)
      assert.match(err, /cannot be written.*(full|no room|space)/i)
      fs.rmSync(path.join(disk, "filler"))
      const second = yield* program(place)
      yield* second.sees("out", /\(all,[3-9][0-9]\)/)
      const ended = yield* endsWell(second)
      const [[time, count]] = countsOf(out) as [readonly [number, number]]
      for (const [at, counted] of [...countsOf(out), ...countsOf(ended.out)]) {
        assert.equal(counted, count + 2 * (at - time) / 100, `batch ${at}`)
      }
    })
)

onSmallDisk("a disk that can only be read is told at the start, and nothing runs", (disk) =>
  Effect.gen(function* () {
    assert.ok(mount("-o", "remount,ro", disk))
    const { code, err, out } = yield* Effect.flatMap(program(path.join(disk, "kept")), ({ ended }) => ended)
    assert.equal(code, 1)
    assert.equal(out, "")
    assert.match(err, /read.?only|may not be written/i)
  }))

onSmallDisk(
  "a second program on the place of a running one takes over, and the first ends and says who did",
  (disk) =>
    Effect.gen(function* () {
      const place = path.join(disk, "kept")
      const first = yield* program(place)
      yield* first.sees("out", /\(all,/)
      const second = yield* program(place)
      const { code, err } = yield* first.ended
      assert.equal(code, 1)
      assert.match(err, /another driver \(number 2\) has taken over/)
      yield* second.sees("out", /\(all,\d{2,}\)/)
      yield* endsWell(second)
    })
)

onSmallDisk(
  "a place that is removed under a running program ends it, and says what to do; the next one begins anew",
  (disk) =>
    Effect.gen(function* () {
      const place = path.join(disk, "kept")
      const first = yield* program(place)
      yield* first.sees("out", /\(all,1[0-9]\)/)
      fs.rmSync(place, { recursive: true, force: true })
      const { code, err } = yield* first.ended
      assert.equal(code, 1)
      assert.match(err, /was removed while it was written to.*start it again/)
      fs.rmSync(place, { recursive: true, force: true })
      const second = yield* program(place)
      yield* second.sees("out", /\(all,1[0-9]\)/)
      yield* endsWell(second)
    })
)
