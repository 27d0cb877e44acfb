'use strict'

const { Fatal, Invalid, InvalidValue, InvalidType, raised } = require('./errors.js')

const NO_INPUTS = Object.freeze({})

/** What the function of a task is given. */
class Context {
  #driver
  #controller = undefined
  #inputs = undefined

  constructor(driver, place, attempt, undo) {
    this.#driver = driver
    /** The attempt, from 1. */
    this.attempt = attempt
    this._place = place
    this._undo = undo
    this._stopped = undefined
    this._grace = undefined
  }

  /** The name of the task. */
  get id() {
    return this.#driver.idOf(this._place)
  }

  /** The agent of the task, where it has one. */
  get agent() {
    return this.#driver.optionsOf(this._place).agent
  }

  /** What a definition says of the task: its description, its parameters, as JSON. */
  get definition() {
    return this.#driver.optionsOf(this._place)
  }

  /** Whether the attempt is to take back what the task did: agents of definitions do both. */
  get isUndo() {
    return this._undo
  }

  /** The name of the run. */
  get run() {
    return this.#driver.session.run
  }

  /** The same for every attempt of the task, also after its process was killed and the run resumed; 64 hexadecimal digits. */
  get idempotencyKey() {
    return raised(() => this.#driver.session.idempotencyKey(this._place, this.attempt, this._undo))
  }

  /**
   * The number under which the task has what it claims, greater than that of whoever had any of it before, in whatever process.
   * A service that remembers the greatest it has seen can refuse who was too slow. `undefined`: it claims nothing.
   */
  get fence() {
    return this.#driver.session.fence(this._place, this.attempt, this._undo) ?? undefined
  }

  /** The model that it should use: the cheaper one that a budget wants, else the first that the task expects to use. */
  get model() {
    return this.#driver.session.model(this._place, this.attempt, this._undo) ?? undefined
  }

  /** What it may spend at most, in dollars, as the budget stood when it began. */
  get budgetUsd() {
    const usd = this.#driver.session.budget(this._place, this.attempt, this._undo)
    return usd === null ? undefined : Number(usd)
  }

  /** What the run was given as `context`. */
  get context() {
    return this.#driver.context
  }

  /** The results of the tasks that it waits for, by name, and the values that it reads, by key. */
  get inputs() {
    return (this.#inputs ??= this.#driver.inputsOf(this) ?? NO_INPUTS)
  }

  /** Is aborted when the attempt is to stop: at its timeout, when the run is cancelled. */
  get signal() {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this._stopped !== undefined) this.#controller.abort(this._stopped)
    }
    return this.#controller.signal
  }

  /** Says that the task is alive: its idle timeout begins anew. May be taken out of the context, as all of it. */
  get heartbeat() {
    return () => this.#driver.say(this, 'heartbeat', undefined)
  }

  /** Says a line, which is an event `task_output`. */
  get log() {
    return (line) => this.#driver.say(this, 'stdout', String(line))
  }

  /** Says what the attempt used of models. */
  get used() {
    return (usage) => {
      const { entries } = require('./money.js')
      this.#driver.used(this, entries(usage, 'usage').map((one) => ({ requests: 1, ...one })))
    }
  }

  /** The same by what an agent or an API answered; answers what was found in it. */
  get charge() {
    return (said, options) => {
      const found = require('./money.js').usage(said, options)
      this.used(found)
      return found
    }
  }

  /** Whether anybody has asked for the signal. */
  get _listens() {
    return this.#controller !== undefined
  }

  /** Tells it to stop. */
  _stop(reason) {
    this._stopped = reason
    this.#controller?.abort(reason)
  }
}

/** The kind of failure that a thrown value is. Whatever it is, this does not throw. */
function kindOf(error) {
  try {
    if (error instanceof Fatal) return 'fatal'
    if (error instanceof Invalid || error instanceof InvalidValue || error instanceof InvalidType) return 'validation'
  } catch {
    // A proxy with traps.
  }
  return 'error'
}

/** A thrown value in one line. Whatever it is, this does not throw. */
function told(error) {
  try {
    if (error instanceof Error) return error.message ? `${error.name}: ${error.message}` : String(error.name)
    if (typeof error === 'object' && error !== null) {
      const message = error.message
      return typeof message === 'string' ? message : JSON.stringify(error) ?? String(error)
    }
    return String(error)
  } catch {
    return 'its message could not be made'
  }
}

module.exports = { Context, kindOf, told }
