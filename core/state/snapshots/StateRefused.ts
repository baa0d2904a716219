/**
 * StateRefused: a state that is safe, but that this program cannot go on with: what it was is not what the program now has in its
 * place. Trying again changes nothing; the message says what to do.
 */
import { Schema } from "effect"
import { permanent } from "../../protocol/permanent.ts"

export class StateRefused extends Schema.TaggedError<StateRefused>()("StateRefused", {
  operator: Schema.String,
  reason: Schema.Literals([
    "NewerVersion",
    "MissingMigration",
    "FailedMigration",
    "OtherPartitions",
    "OtherKind",
    "OtherWindow",
    "OtherKeys"
  ]),
  message: Schema.String
}) {
  get [permanent]() {
    return true
  }

  static otherPartitions(operator: string, found: number, wanted: number): StateRefused {
    const message = `The state of "${operator}" lies in ${found} partitions, and the program now spreads it over ` +
      `${wanted}: give the operator numPartitions: ${found}, or another name (DStream.named) under which it begins anew`
    return new StateRefused({ operator, reason: "OtherPartitions", message })
  }

  static otherKind(operator: string, found: string, wanted: string): StateRefused {
    const message = `The state of "${operator}" is of kind ${found}, and the program now has one of kind ${wanted} ` +
      "under this name: give the operator another name (DStream.named), under which it begins anew"
    return new StateRefused({ operator, reason: "OtherKind", message })
  }

  static otherWindow(operator: string, foundMillis: number, wantedMillis: number): StateRefused {
    const message = `The state of "${operator}" is of a window of ${foundMillis} ms, and the program now has one of ` +
      `${wantedMillis} ms: keep the window, or give the operator another name (DStream.named), under which it begins anew`
    return new StateRefused({ operator, reason: "OtherWindow", message })
  }

  static otherKeys(operator: string, key: string, partition: number): StateRefused {
    const message = `The state of "${operator}" has the key ${key} in partition ${partition}, where the program's ` +
      "partitioner now does not put it: keep the partitioner, or give the operator another name (DStream.named), " +
      "under which it begins anew"
    return new StateRefused({ operator, reason: "OtherKeys", message })
  }
}
