/**
 * RecordSizes: about how many bytes of memory records take as they come, one by one, for a few nanoseconds each.
 *
 * Texts and bytes are known by their length. Of other objects each `sampleEvery`-th is walked (`SizeEstimator`); the ones between
 * are taken to be like it. Whole numbers, so that what is added and taken away again comes to zero.
 */
import { estimateRecordBytes } from "../blocks/SizeEstimator.ts"

const sampleEvery = 32
/** Slot in the buffer and header of a text. */
const textBytes = 32
const plainBytes = 8

export class RecordSizes {
  private untilSample = 0
  private sampled = 0

  estimate(record: unknown): number {
    if (typeof record === "string") return textBytes + record.length * 2
    if (typeof record !== "object" || record === null) return plainBytes
    if (ArrayBuffer.isView(record)) return estimateRecordBytes(record)
    if (this.untilSample-- > 0) return this.sampled
    this.untilSample = sampleEvery - 1
    return this.sampled = estimateRecordBytes(record)
  }
}
