/**
 * objectPlace: what a place in an object store says, `s3://bucket/prefix?endpoint=URL&region=NAME&pathStyle=true`.
 *
 * | part | |
 * | --- | --- |
 * | `bucket` | has to be there |
 * | `prefix` | may be left out; is taken as it stands, no escapes; all names of the place are beneath it |
 * | `endpoint` | of a store that is not Amazon's; otherwise `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` |
 * | `region` | otherwise `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile's; with an endpoint, `us-east-1` |
 * | `pathStyle` | `true`: the bucket is in the path and not in the host's name; with an endpoint, the default |
 *
 * Credentials come from the environment alone. A place that seems to hold some is refused, and no error repeats what it said.
 */
import { Effect } from "effect"
import { StorageError } from "../../runtime/storage/StableStorage.ts"

export interface ObjectPlace {
  readonly bucket: string
  /** Empty, or ends with `/`. */
  readonly prefix: string
  readonly endpoint: string | undefined
  readonly region: string | undefined
  readonly pathStyle: boolean
  /** For people. */
  readonly shown: string
}

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A key has at most 1,024 bytes; this leaves the greater part to names. */
const prefixBytesMax = 256

const form = /^s3:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/s
const bucketForm = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/
const regionForm = /^[a-z0-9-]{1,40}$/
const partForm = /^(?!\.{1,2}$)[^\p{C}@\\]+$/u

const parameters = ["endpoint", "region", "pathStyle"]
const wanted = `s3://BUCKET/PREFIX, and if need be ?endpoint=URL&region=NAME&pathStyle=true`

const wrong = (message: string) => Effect.fail(new StorageError({ reason: "Invalid", name: "", message }))

export const objectPlace = (
  place: string,
  environment: Environment
): Effect.Effect<ObjectPlace, StorageError> => {
  const [matches, bucket = "", rawPrefix = "", query = ""] = form.exec(place) ?? []
  if (matches === undefined) return wrong(`a place in an object store is written ${wanted}`)
  if (!bucketForm.test(bucket)) {
    return wrong(
      `a bucket's name has 3 to 63 letters, digits, dots and hyphens, and nothing else may stand in its place: write ${wanted}. ` +
        "Credentials are given in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, never in the place"
    )
  }
  const prefix = rawPrefix.replace(/\/$/, "")
  const isPrefix = prefix === "" || prefix.split("/").every((part) => partForm.test(part))
  if (!isPrefix || new TextEncoder().encode(prefix).length > prefixBytesMax) {
    return wrong(
      `the prefix in s3://${bucket}/... has empty parts, parts "." or "..", characters that do not show, "@" or "\\", or more than ` +
        `${prefixBytesMax} bytes: write ${wanted}`
    )
  }
  return withQuery(bucket, prefix, new URLSearchParams(query), environment)
}

const withQuery = (bucket: string, prefix: string, query: URLSearchParams, environment: Environment) => {
  const at = prefix === "" ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
  const strange = [...query.keys()].find((name, index, names) =>
    !parameters.includes(name) || names.indexOf(name) < index
  )
  if (strange !== undefined) {
    const named = /^[A-Za-z]{1,30}$/.test(strange) ? ` ("${strange}")` : ""
    return wrong(`${at} has a parameter that is not known, or is there twice${named}: write ${wanted}`)
  }
  const region = query.get("region") ?? undefined
  if (region !== undefined && !regionForm.test(region)) {
    return wrong(`the region of ${at} is none: write it as us-east-1`)
  }
  const style = query.get("pathStyle") ?? undefined
  if (style !== undefined && style !== "true" && style !== "false") {
    return wrong(`pathStyle of ${at} is either true or false`)
  }
  const endpoint = query.get("endpoint") ?? undefined
  if (endpoint !== undefined && !isEndpoint(endpoint)) {
    return wrong(
      `the endpoint of ${at} is no URL as http://HOST:PORT or https://HOST, without credentials, path or query`
    )
  }
  const hasEndpoint = [endpoint, environment["AWS_ENDPOINT_URL_S3"], environment["AWS_ENDPOINT_URL"]].some(Boolean)
  const inForce = region || environment["AWS_REGION"] || environment["AWS_DEFAULT_REGION"] ||
    (hasEndpoint ? "us-east-1" : undefined)
  return Effect.succeed<ObjectPlace>({
    bucket,
    prefix: prefix === "" ? "" : `${prefix}/`,
    endpoint,
    region: inForce,
    pathStyle: style === undefined ? hasEndpoint : style === "true",
    shown: endpoint === undefined ? at : `${at} at ${new URL(endpoint).origin}`
  })
}

const isEndpoint = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" &&
    url.pathname === "/" && url.search === "" && url.hash === ""
}
