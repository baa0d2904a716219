/**
 * Holds: partitions of which the last attempt failed. Each is left alone for a while, then tried again, less and less often, while others
 * go on.
 *
 * | what failed | tried again after | told |
 * | --- | --- | --- |
 * | what comes right by itself: no leader, a topic that a broker does not know yet | 0.1 s, at last 2 s | once, when it failed twice |
 * | what somebody has to see to: a poison record, a loss, no right to read | 2 s, at last 60 s | each time |
 */
import type { Millis } from "../../../core/time/Time.ts"
import { placeOf } from "../reading/OffsetRange.ts"
import type { TopicPartition } from "../KafkaCluster.ts"
import type { KafkaError } from "../KafkaError.ts"

interface Hold {
  readonly failures: number
  readonly until: Millis
}

interface Course {
  readonly firstMillis: Millis
  readonly longestMillis: Millis
  readonly isTold: (failures: number) => boolean
}

const passing: Course = { firstMillis: 100, longestMillis: 2000, isTold: (failures) => failures === 2 }
const lasting: Course = { firstMillis: 2000, longestMillis: 60_000, isTold: () => true }

export class Holds {
  private readonly holds = new Map<string, Hold>()
  private readonly tell: (message: string, error: KafkaError) => void

  constructor(tell: (message: string, error: KafkaError) => void) {
    this.tell = tell
  }

  isHeld(at: TopicPartition, now: Millis): boolean {
    return now < (this.holds.get(placeOf(at))?.until ?? -Infinity)
  }

  hold(at: TopicPartition, error: KafkaError, now: Millis): void {
    const place = placeOf(at)
    const failures = (this.holds.get(place)?.failures ?? 0) + 1
    const { firstMillis, isTold, longestMillis } = isPassing(error) ? passing : lasting
    // So many doublings are more than the longest.
    const pauseMillis = Math.min(longestMillis, firstMillis * 2 ** Math.min(failures - 1, 20))
    this.holds.set(place, { failures, until: now + pauseMillis })
    if (isTold(failures)) {
      this.tell(`${error.message}. ${place} is held up and tried again, other partitions go on`, error)
    }
  }

  /** Nothing holds it up any more. */
  release(at: TopicPartition): void {
    this.holds.delete(placeOf(at))
  }
}

const isPassing = ({ isRetryable, reason }: KafkaError) => isRetryable || reason === "UnknownTopic"
