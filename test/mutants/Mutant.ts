/**
 * Mutant: a bug that an engine of micro-batches had (`bugs/`), planted into a copy of our sources by edits.
 *
 * An edit replaces a text that stands in its file just once, however it is broken into lines. Where that text is not there any more,
 * whoever changed it decides what the bug would look like now.
 */
import { parse } from "@babel/parser"

export interface Edit {
  /** Relative to the root of the project. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  /** In the museum. */
  readonly number: number
  readonly knownAs: string
  /** What is planted, in a sentence. */
  readonly plants: string
  readonly edits: ReadonlyArray<Edit>
  /** A program of the simulation that shows it. */
  readonly program: string
  /** Names of invariants, or words of what is said of outputs, one of which has to be among the failures of the run. */
  readonly caughtBy: ReadonlyArray<string>
}

/** The files that a mutant changes, as they are with the bug; throws where an edit does not fit. */
export function plant(mutant: Mutant, read: (file: string) => string): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const edit of mutant.edits) files.set(edit.file, edited(mutant, edit, files.get(edit.file) ?? read(edit.file)))
  for (const [file, text] of files) parse(text, { sourceType: "module", sourceFilename: file, plugins: ["typescript"] })
  return files
}

function edited({ knownAs, number, plants }: Mutant, { file, find, replace }: Edit, text: string): string {
  const found = [...text.matchAll(patternOf(find))]
  if (found.length === 1) return text.replace(patternOf(find), () => replace)
  throw new Error(
    `mutant ${number} (${knownAs}: ${plants}) does not fit ${file}: this stands there ${found.length} times, not once:\n` +
      `${find}\nWrite the edit anew in test/mutants/bugs, so that the same bug is planted into the sources as they are now.`
  )
}

/** White space stands for any white space. */
const patternOf = (find: string): RegExp =>
  new RegExp(find.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"), "g")
