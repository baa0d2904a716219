import * as assert from "node:assert/strict"
import { Effect } from "effect"
import { objectPlace } from "../../adapters/storage/objectPlace.ts"
import { it } from "../kit.ts"

const read = (place: string, environment: Record<string, string> = {}) =>
  Effect.runSync(objectPlace(place, environment))
const refused = (place: string) => Effect.runSync(Effect.flip(objectPlace(place, {})))

const amazon = { endpoint: undefined, region: undefined, pathStyle: false }

it("a place is a bucket, and perhaps a prefix", () =>
  Effect.sync(() => {
    assert.deepEqual(read("s3://bucket"), { ...amazon, bucket: "bucket", prefix: "", shown: "s3://bucket" })
    assert.deepEqual(read("s3://bucket/"), read("s3://bucket"))
    const shown = "s3://my.bucket-1/a/b%20c"
    assert.deepEqual(read(`${shown}/`), { ...amazon, bucket: "my.bucket-1", prefix: "a/b%20c/", shown })
  }))

it("with an endpoint the region has a default, and the bucket is in the path", () =>
  Effect.sync(() => {
    const endpoint = "http://127.0.0.1:9000"
    const shown = `s3://bucket/p at ${endpoint}`
    const store = { bucket: "bucket", prefix: "p/", endpoint, region: "us-east-1", pathStyle: true, shown }
    assert.deepEqual(read(`s3://bucket/p?endpoint=${endpoint}`), store)
    assert.deepEqual(read(`s3://bucket/p?endpoint=${encodeURIComponent(endpoint)}&pathStyle=true`), store)
    assert.deepEqual(read(`s3://bucket/p?pathStyle=false&endpoint=${endpoint}&region=eu-x-2`), {
      ...store,
      region: "eu-x-2",
      pathStyle: false
    })
  }))

it("what the place does not say, the environment may", () =>
  Effect.sync(() => {
    assert.equal(read("s3://bucket", { AWS_DEFAULT_REGION: "eu-a-1" }).region, "eu-a-1")
    assert.equal(read("s3://bucket", { AWS_DEFAULT_REGION: "eu-a-1", AWS_REGION: "eu-b-1" }).region, "eu-b-1")
    assert.equal(read("s3://bucket?region=eu-c-1", { AWS_REGION: "eu-b-1" }).region, "eu-c-1")
    const elsewhere = read("s3://bucket", { AWS_ENDPOINT_URL_S3: "http://localhost:1" })
    assert.deepEqual([elsewhere.endpoint, elsewhere.region, elsewhere.pathStyle], [undefined, "us-east-1", true])
  }))

const wrong: ReadonlyArray<readonly [place: string, says: RegExp]> = [
  ["s3:bucket", /is written s3:\/\/BUCKET\/PREFIX/],
  ["s3://", /a bucket's name has 3 to 63/],
  ["s3://b", /a bucket's name has 3 to 63/],
  ["s3://MYWORD:PASSWORD@bucket/p", /never in the place/],
  ["s3://MYWORD:WO/WORD@bucket/p", /never in the place/],
  ["s3://bucket/PASSWORD@bucket", /the prefix in s3:\/\/bucket\/\.\.\. has/],
  ["s3://bucket/a//b", /empty parts/],
  ["s3://bucket/a/../b", /empty parts/],
  ["s3://bucket/a\nb", /empty parts/],
  [`s3://bucket/${"é".repeat(129)}`, /more than 256 bytes/],
  ["s3://bucket/a#b", /is written s3/],
  ["s3://bucket/a?secretAccessKey=PASSWORD", /a parameter that is not known, or is there twice \("secretAccessKey"\)/],
  ["s3://bucket/a?region=a&region=b", /there twice \("region"\)/],
  ["s3://bucket/a?region=PASSWORD", /the region of s3:\/\/bucket\/a is none/],
  ["s3://bucket/a?pathStyle=PASSWORD", /either true or false/],
  ["s3://bucket/a?endpoint=PASSWORD", /is no URL/],
  ["s3://bucket/a?endpoint=ftp://PASSWORD", /is no URL/],
  [
    "s3://bucket/a?endpoint=http://MYWORD:PASSWORD@host",
    /is no URL as http:\/\/HOST:PORT or https:\/\/HOST, without credentials/
  ]
]

for (const [place, says] of wrong) {
  it(`a place that is none is told, and not repeated: ${JSON.stringify(place.slice(0, 60))}`, () =>
    Effect.sync(() => {
      const error = refused(place)
      assert.equal(error.reason, "Invalid")
      assert.match(error.message, says)
      assert.doesNotMatch(error.message, /WORD/)
    }))
}
