/**
 * FileError: why a file of a file stream could not be read as it was planned. Its message is a sentence that names the file and
 * the remedy; the engine adds operator and partition.
 */
import { Schema } from "effect"

/**
 * | reason | |
 * | --- | --- |
 * | Missing | it was there when the batch was planned, and is not there any more |
 * | Unreadable | it cannot be opened or read |
 * | Changed | it is shorter than it was, or something else has its name |
 * | NotText | a line is not UTF-8 |
 * | LineTooLong | a line is longer than `maxLineBytes` |
 * | PartialRecord | its length is no multiple of the records' length |
 * | TooLarge | it is longer than `maxFileBytes` |
 * | Damaged | it cannot be decompressed |
 * | UnknownCompression | it is compressed in a way that is not read |
 * | FormatFailed | the function that makes its records threw |
 * | FilterFailed | the function that chooses files threw |
 */
export const Reason = Schema.Literals([
  "Missing",
  "Unreadable",
  "Changed",
  "NotText",
  "LineTooLong",
  "PartialRecord",
  "TooLarge",
  "Damaged",
  "UnknownCompression",
  "FormatFailed",
  "FilterFailed"
])
export type Reason = typeof Reason.Type

export class FileError extends Schema.TaggedError<FileError>()("FileError", {
  reason: Reason,
  path: Schema.String,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {}

/** What `onMissing` decides about: the file is not what was planned. */
export const isGone = ({ reason }: FileError): boolean =>
  reason === "Missing" || reason === "Unreadable" || reason === "Changed"

/** It is not the file that was planned; `how`: what has become of it. */
export const changed = (path: string, how: string): FileError =>
  new FileError({
    reason: "Changed",
    path,
    message: `The file ${path} ${how}: leave files as they are once they are there, or set onMissing: "skip"`
  })
