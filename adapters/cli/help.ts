/**
 * What `dstreams --help` says. A test holds that every option is named here.
 */
import type { Topic } from "./arguments.ts"

const commands = `dstreams: micro-batch stream processing

  dstreams run PROGRAM      runs a stream program until it is stopped
  dstreams check PROGRAM    builds its graph and tells every mistake, without running it
  dstreams config PROGRAM   prints every setting, its value, and where that comes from
  dstreams checkpoint show DIR             what a checkpoint place holds
  dstreams checkpoint check DIR PROGRAM    whether the program can go on from there, operator by operator
  dstreams state show DIR OPERATOR [KEY]   a state, as it was last made safe
  dstreams wal show DIR     what the driver logged
  dstreams --help           this text; "dstreams run --help" says more about a command
  dstreams --version

DIR is a checkpoint place: a directory, or s3://bucket/prefix. Looking into one changes nothing.
PROGRAM is the path of a module whose default export is a StreamingApp, or an Effect that builds one from Config.`

const programOptions = `Options of the program, from which its Config is answered before the environment is:
  --host H                  HOST
  --port P                  PORT
  --bootstrap B             BOOTSTRAP: Kafka's brokers, as host:port,host:port
  --config NAME=VALUE       any other; may be given more than once
  --config FILE             a JSON file, asked after the environment: { "HOST": "localhost" }

Settings come from the same places, as DSTREAMS_CONCURRENT_JOBS=2, or in the file { "dstreams": { "concurrentJobs": 2 } };
they are stronger than the program's own. "dstreams config PROGRAM" prints them all.`

const run = `dstreams run PROGRAM [options]

  --master local            executors in this process (the default)
  --master local[n]         n worker threads, each an executor; local[*]: one for each processor
  --batches N               ends after N completed batches, with exit code 0; a batch with nothing to do, and one whose
                            jobs could not be made, do not count
  --batch-duration D        in place of the program's own, such as "100 ms" or "2 seconds"
  --status, --no-status     a line about each batch on stderr; by default on a terminal
  --demo                    without --host and --port: starts a server of lines on loopback and gives the program its
                            HOST and PORT
  --debug                   stack traces with errors

${programOptions}

Control-C (SIGINT) or SIGTERM: what has been received is worked off, then the program ends; a second one ends it at once.
Exit codes: 0 done, 1 a batch or the program failed, 2 wrong usage.`

const check = `dstreams check PROGRAM [options]

  --batch-duration D        in place of the program's own, such as "100 ms" or "2 seconds"
  --debug                   stack traces with errors

${programOptions}

Exit codes: 0 the program can run, 1 it cannot, 2 wrong usage.`

const config = `dstreams config PROGRAM [options]

  --master local[n]         as for run: the number of executors decides the default of defaultParallelism
  --batch-duration D        in place of the program's own, such as "100 ms" or "2 seconds"
  --debug                   stack traces with errors

${programOptions}

Of what the program asks its own Config for, the names are printed and no values: they may be secrets.
Exit codes: 0 done, 1 the program cannot run, 2 wrong usage.`

const checkpoint = `dstreams checkpoint show DIR
dstreams checkpoint check DIR PROGRAM [options]

show: the drivers that there were, their checkpoints and which of them are damaged, and what the next driver goes on from.
check: for each state whether it is restored, migrated, new, dropped or refused.

  --batch-duration D        in place of the program's own, such as "100 ms" or "2 seconds"
  --debug                   stack traces with errors

${programOptions}

Exit codes: 0 the program can go on, 1 it cannot or there is nothing to go on from, 2 wrong usage.`

const state = `dstreams state show DIR OPERATOR [KEY]

The states by key of the operator's last complete snapshot; with KEY, as it is shown or as JSON, that one alone.
A line for each: the number of its partition, the key, the state.
Exit codes: 0 done, 1 there is none, 2 wrong usage.`

const wal = `dstreams wal show DIR

What each driver wrote to its log, an event a line, and where a log is torn or damaged.
Exit codes: 0 done, 1 there is none, or something is damaged, 2 wrong usage.`

export const helpOf = (topic: Topic | undefined): string =>
  topic === undefined ? commands : { run, check, config, checkpoint, state, wal }[topic]
