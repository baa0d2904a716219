/**
 * environment: variables of the process as a test wants them, for as long as its scope; what the machine's user has
 * set for Amazon's client is out of the way. On Deno files that run at the same time share them, so those of this folder run alone there.
 */
import process from "node:process"
import { Effect } from "effect"

export const secret = "secret/of+the test"
export const token = "token-of-the-test"

const apart = {
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_PROFILE: undefined,
  AWS_REGION: undefined,
  AWS_DEFAULT_REGION: undefined,
  AWS_ENDPOINT_URL: undefined,
  AWS_ENDPOINT_URL_S3: undefined,
  AWS_MAX_ATTEMPTS: undefined,
  AWS_SESSION_TOKEN: undefined,
  AWS_ACCESS_KEY_ID: "key-of-the-test",
  AWS_SECRET_ACCESS_KEY: secret
}

const set = (variables: Readonly<Record<string, string | undefined>>) => {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

export const environment = (variables: Readonly<Record<string, string | undefined>> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const all = { ...apart, ...variables }
      const before = Object.fromEntries(Object.keys(all).map((name) => [name, process.env[name]]))
      set(all)
      return before
    }),
    (before) => Effect.sync(() => set(before))
  )
