/**
 * Kind scheduling: the policy that places receivers is asked; its plan, or its candidates, are compared.
 */
import { Effect } from "effect"
import {
  leastLoaded,
  type ReceiverExecutor,
  type ReceiverTracking
} from "../../../core/receiving/ReceiverSchedulingPolicy.ts"
import { same, sameSet } from "../compare.ts"
import { type Json, known, onlyFields, UnknownWord, type Vector } from "../Vector.ts"
import { kind } from "./kind.ts"

const idOf = ({ host, executor }: Json): string => `${host}/${executor}`

const placeOf = (id: string): Json => {
  const [host, executor] = id.split("/")
  return { host, executor }
}

const executorOf = (place: Json): ReceiverExecutor => ({ executor: idOf(place), host: place.host })

const hostOf = ({ preferredHost }: Json): string | undefined => preferredHost ?? undefined

/** Where a scheduled receiver may go. */
const placesFields = ["scheduled", "candidates", "places"]

const states = { ACTIVE: "Active", SCHEDULED: "Scheduled", INACTIVE: "Inactive" } as const

const trackingOf = ([stream, tracked]: readonly [string, Json]): ReceiverTracking => {
  onlyFields("tracking", tracked, ["state", "running", ...placesFields])
  return {
    stream,
    state: known("state of a receiver", states, tracked.state),
    candidates: placesFields.flatMap((field) => tracked[field] ?? []).map(idOf),
    running: tracked.running ? idOf(tracked.running) : undefined
  }
}

const reschedule = (vector: Vector): void => {
  const receiver = { stream: String(vector["receiver"]), preferredHost: hostOf(vector) }
  const tracking = Object.entries<Json>(vector["tracking"]).map(trackingOf)
  const candidates = leastLoaded.reschedule(receiver, tracking, vector["executors"].map(executorOf))
  onlyFields("expected", vector["expected"], ["set", "list"])
  if (vector["expected"].set) sameSet("candidates", vector["expected"].set, candidates.map(placeOf))
  if (vector["expected"].list) same("candidates", vector["expected"].list, candidates.map(placeOf))
}

type Plan = ReadonlyMap<string, ReadonlyArray<string>>

const placesOf = (plan: Plan, receiver: Json): ReadonlyArray<string> => plan.get(String(receiver)) ?? []

const expectations: Readonly<Record<string, (expected: Json, plan: Plan, vector: Vector) => void>> = {
  plan: (expected, plan) =>
    same("plan", expected, Object.fromEntries([...plan].map(([stream, ids]) => [stream, ids.map(placeOf)]))),
  placesPerReceiver: (expected, plan) => {
    for (const [stream, ids] of plan) same(`places of receiver ${stream}`, expected, ids.length)
  },
  receiversPerExecutor: (expected, plan, vector) => {
    const all = [...plan.values()].flat()
    for (const place of vector["executors"]) {
      same(`receivers of ${idOf(place)}`, expected, all.filter((id) => id === idOf(place)).length)
    }
  },
  placesOfReceivers: ({ receivers, set }, plan) =>
    sameSet("places", set, receivers.flatMap((receiver: Json) => placesOf(plan, receiver)).map(placeOf))
}

const schedule = (vector: Vector): void => {
  const receivers = vector["receivers"].map((receiver: Json) => ({
    stream: String(receiver.id),
    preferredHost: hostOf(receiver)
  }))
  const plan = leastLoaded.schedule(receivers, vector["executors"].map(executorOf))
  for (const [word, expected] of Object.entries(vector["expected"])) {
    known("expectation", expectations, word)(expected, plan, vector)
  }
}

export const scheduling = kind(
  ["call", "receiver", "receivers", "preferredHost", "tracking", "executors", "expected"],
  (vector) =>
    Effect.sync(() => {
      if (vector["call"] === "schedule") schedule(vector)
      else if (vector["call"] === "reschedule") reschedule(vector)
      else throw new UnknownWord("call", vector["call"])
    })
)
