'use strict'

/**
 * Why the engine could not do what it was asked. `code` is stable text for programs to match on.
 */
class OrchError extends Error {
  /** @param {string} message @param {{cause?: unknown, code?: string}} [options] */
  constructor(message, options) {
    super(message, options && 'cause' in options ? { cause: options.cause } : undefined)
    this.code = options?.code ?? new.target.code
    /** What is wrong with a definition, each thing with its place. */
    this.problems = []
  }

  static code = 'ERROR'

  get name() {
    return this.constructor.name
  }
}

/** A graph or a definition cannot run; `problems` has every reason, not only the first. */
class InvalidDefinition extends OrchError {
  static code = 'INVALID_DEFINITION'
}

/** The text is not well-formed. */
class InvalidFormat extends OrchError {
  static code = 'INVALID_FORMAT'
}

/** A value is outside its range, or has no JSON form where it needs one. */
class InvalidValue extends OrchError {
  static code = 'INVALID_VALUE'
}

/** Something was named that does not exist: a task, a file, an agent. */
class NotFound extends OrchError {
  static code = 'NOT_FOUND'
}

/** A size or depth limit of the engine was passed. */
class TooLarge extends OrchError {
  static code = 'TOO_LARGE'
}

/** A task of the run failed. What it threw is the `cause`; `errors` has what each failed task threw, by name. */
class RunFailed extends OrchError {
  static code = 'RUN_FAILED'

  constructor(message, options) {
    super(message, options)
    this.report = undefined
    this.errors = new Map()
  }
}

/** The run was cancelled before it was done. */
class RunCancelled extends RunFailed {
  static code = 'CANCELLED'
}

/** Reading or writing failed. */
class InputOutputError extends OrchError {
  static code = 'IO'
}

/** A resource was not free in time. */
class LockTimeout extends OrchError {
  static code = 'LOCK_TIMEOUT'
}

/** A request for a resource was refused to end a deadlock. */
class Deadlock extends OrchError {
  static code = 'DEADLOCK'
}

/** Somebody gave back what another holds. */
class NotOwner extends OrchError {
  static code = 'NOT_OWNER'
}

/** Somebody else owns what was to be written: the run belongs to another process, or was taken over by one. */
class Conflict extends OrchError {
  static code = 'CONFLICT'
}

/** A file is damaged: what it says is not what was written. */
class Corrupt extends OrchError {
  static code = 'CORRUPT'
}

/** The engine was used in a way that it does not allow. */
class Misuse extends OrchError {
  static code = 'MISUSE'
}

/** Why a task failed, where it was not by something that it threw. */
class TaskFailed extends OrchError {
  static code = 'TASK_FAILED'
}

/** An attempt took longer than its timeout, or was silent for too long. */
class TaskTimeout extends TaskFailed {
  static code = 'TASK_TIMEOUT'
}

/** Throw it in a task: the attempt failed, and trying again is no use. */
class Fatal extends OrchError {
  static code = 'FATAL'
}

/** Throw it in a task: the work was done, but what it made or looked at is not as it should be. */
class Invalid extends OrchError {
  static code = 'INVALID'
}

/** A value of the wrong type; the message names the field. */
class InvalidType extends TypeError {
  constructor(message, options) {
    super(message, options)
    this.code = 'INVALID_TYPE'
  }

  get name() {
    return 'InvalidType'
  }
}

const classes = {
  OrchError,
  InvalidDefinition,
  InvalidFormat,
  InvalidValue,
  NotFound,
  TooLarge,
  RunFailed,
  RunCancelled,
  InputOutputError,
  LockTimeout,
  Deadlock,
  NotOwner,
  Conflict,
  Corrupt,
  Misuse,
  TaskFailed,
  TaskTimeout,
  Fatal,
  Invalid,
  InvalidType,
}

// What the core can answer; the others are this package's own.
const OF_CORE = [
  InvalidDefinition,
  InvalidFormat,
  InvalidValue,
  NotFound,
  TooLarge,
  RunFailed,
  RunCancelled,
  InputOutputError,
  LockTimeout,
  Deadlock,
  NotOwner,
  Conflict,
  Corrupt,
  Misuse,
]
const BY_CODE = new Map(OF_CORE.map((kind) => [kind.code, kind]))

/** The error for what the native half threw. A code from a newer engine is an `OrchError` with that code. */
function ofNative(error) {
  const parts = error instanceof Error ? error.message.split('\0') : []
  if (parts.length !== 3) return error
  const [code, message, problems] = parts
  const made = new (BY_CODE.get(code) ?? OrchError)(message, { code })
  made.problems = JSON.parse(problems)
  Error.captureStackTrace?.(made, ofNative)
  return made
}

/**
 * Calls the native half, whose errors become those of this package.
 *
 * @template T
 * @param {() => T} call
 * @returns {T}
 */
function raised(call) {
  try {
    return call()
  } catch (error) {
    throw ofNative(error)
  }
}

module.exports = { ...classes, classes, ofNative, raised }
