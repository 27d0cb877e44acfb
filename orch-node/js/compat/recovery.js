'use strict'

const native = require('../native.js')
const { raised, OrchError, NotFound, Misuse } = require('../errors.js')
const { kindOf, told } = require('../attempt.js')
const { contextOf } = require('./context.js')
const { Emitter, amount, settings, systemClock, executorOf } = require('./emitter.js')

/** As the core writes it, of the prototype's configuration. */
function policyOf(config) {
  return JSON.stringify({
    max_attempts: config.maxAttempts,
    initial_delay_ms: config.initialDelay,
    max_delay_ms: config.maxDelay,
    multiplier: config.backoffMultiplier,
    strategy: config.strategy,
    jitter: config.jitter,
    on: config.retryableErrors,
  })
}

function readRetry(config, defaults) {
  const given = { ...defaults, ...settings(config, 'the retry configuration') }
  // The names of the author's other scripts.
  const maxAttempts = given.maxRetries !== undefined && config?.maxAttempts === undefined ? given.maxRetries : given.maxAttempts
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1) {
    throw new TypeError(`\`maxAttempts\` is ${String(maxAttempts)}; give a whole number, at least 1`)
  }
  const initialDelay = amount(given.initialDelay, 'initialDelay', 1000)
  return {
    maxAttempts,
    initialDelay,
    maxDelay: Math.max(initialDelay, amount(given.maxDelay, 'maxDelay', 30000)),
    backoffMultiplier: amount(given.backoffMultiplier ?? given.multiplier, 'backoffMultiplier', 2),
    strategy: given.strategy ?? 'exponential',
    jitter: given.jitter ?? false,
    retryableErrors: given.retryableErrors ?? [],
  }
}

const UNNAMED = 'circuit'
const RETRY = { maxAttempts: 3, initialDelay: 1000, maxDelay: 30000, backoffMultiplier: 2.0 }

/** An attempt was not begun, since too many before it failed. */
class CircuitOpenError extends OrchError {
  static code = 'CIRCUIT_OPEN'

  constructor(name, retryAt) {
    super(`the circuit breaker \`${name}\` is open; it lets a call through in ${Math.max(0, Math.ceil(retryAt))} ms`)
    this.retryIn = Math.max(0, retryAt)
  }
}

/**
 * Refuses calls while what they call seems to be broken.
 *
 * `failureThreshold` 5, `successThreshold` 2, `resetTimeout` 60000 ms, `monitoringPeriod` 300000 ms. Events: `circuitOpened`,
 * `circuitClosed`, `circuitHalfOpen`.
 */
class CircuitBreaker extends Emitter {
  #breaker
  #clock
  #state = 'closed'

  constructor(config) {
    super()
    const given = settings(config)
    this.name = given.name ?? UNNAMED
    this.config = {
      failureThreshold: given.failureThreshold ?? 5,
      successThreshold: given.successThreshold ?? 2,
      resetTimeout: amount(given.resetTimeout ?? given.timeout, 'resetTimeout', 60000),
      monitoringPeriod: amount(given.monitoringPeriod, 'monitoringPeriod', 300000),
    }
    this.#clock = given.clock ?? systemClock
    this.#breaker = raised(() => new native.NativeBreaker(JSON.stringify(this._core)))
  }

  /** As the JSON of graphs has it. */
  get _core() {
    return {
      failure_threshold: this.config.failureThreshold,
      success_threshold: this.config.successThreshold,
      reset_timeout_ms: this.config.resetTimeout,
      monitoring_period_ms: this.config.monitoringPeriod,
    }
  }

  /** `closed`, `open` or `half-open`. */
  get state() {
    return this.#breaker.state.replace('_', '-')
  }

  getState() {
    return this.state
  }

  /** Calls, if that may begin now. */
  async execute(fn) {
    const { ticket, laterMs } = raised(() => this.#breaker.ask(this.#clock.now()))
    this.#changed()
    if (ticket === undefined || ticket === null) throw new CircuitOpenError(this.name, laterMs - this.#clock.now())
    try {
      const value = await fn()
      this.#end(ticket)
      return value
    } catch (error) {
      this.#end(ticket, kindOf(error), told(error))
      throw error
    }
  }

  #end(ticket, kind, message) {
    raised(() => this.#breaker.end(ticket, this.#clock.now(), kind, message))
    this.#changed(message)
  }

  #changed(reason) {
    const { state } = this
    if (state === this.#state) return
    const previous = this.#state
    this.#state = state
    const name = state === 'open' ? 'circuitOpened' : state === 'closed' ? 'circuitClosed' : 'circuitHalfOpen'
    this._tell(name, { name: this.name, actionId: this.name, state, previous, reason })
  }

  /** Closes it, whatever happened. */
  reset() {
    this.#breaker.close()
    this.#changed()
  }
}

/**
 * Tries again, goes back, and undoes.
 *
 * Events: `sagaStarted`, `sagaCompleted`, `compensationStarted`, `compensationFailed`, `retryAttempt`, `circuitOpened`,
 * `circuitClosed`, `checkpointCreated`.
 */
class RecoveryManager extends Emitter {
  #clock
  #retries = new Map()
  #breakers = new Map()
  #checkpoints = new Map()
  #executor
  #compensations = new Map()
  #stats = { retries: 0, retriesExhausted: 0, sagasExecuted: 0, sagasFailed: 0, compensations: 0, compensationsFailed: 0 }

  constructor(config) {
    super()
    const given = settings(config)
    this.#clock = given.clock ?? systemClock
    this.config = {
      retry: readRetry(given.defaultRetryConfig ?? given.retry, RETRY),
      circuitBreaker: settings(given.circuitBreaker, 'circuitBreaker'),
      enableSaga: given.enableSaga ?? true,
      enableRetry: given.enableRetry ?? true,
      enableCircuitBreaker: given.enableCircuitBreaker ?? true,
    }
    if (given.executor !== undefined) this.setAgentExecutor(given.executor)
  }

  /** Who does what nodes ask for: a function or an object with `execute`, called with agent, task and context. */
  setAgentExecutor(executor) {
    this.#executor = executorOf(executor)
  }

  /** How the action of that id is tried again. */
  setRetryConfig(actionId, config) {
    this.#retries.set(actionId, readRetry(config, this.config.retry))
  }

  getRetryConfig(actionId) {
    return { ...(this.#retries.get(actionId) ?? this.config.retry) }
  }

  /** Calls again after failures, by the configuration of the action: at first after 1 s, then 2 s, 4 s. The last error is thrown. */
  async executeWithRetry(actionId, fn) {
    const config = this.config.enableRetry ? this.getRetryConfig(actionId) : { ...this.config.retry, maxAttempts: 1 }
    return this.#again(actionId, fn, config)
  }

  async #again(actionId, fn, config) {
    const policy = policyOf(config)
    for (let attempt = 1; ; attempt++) {
      try {
        return await fn(attempt)
      } catch (error) {
        const wait = raised(() => native.retryWait(policy, kindOf(error), told(error), attempt, Math.random()))
        if (wait === null || wait === undefined) {
          if (attempt > 1) this.#stats.retriesExhausted++
          throw error
        }
        this.#stats.retries++
        this._tell('retryAttempt', { actionId, attempt: attempt + 1, maxAttempts: config.maxAttempts, delay: wait, error })
        await new Promise((resolve) => this.#clock.setTimeout(resolve, wait))
      }
    }
  }

  /** The first form: a node again, 2^(attempt - 1) s before each attempt after the first. */
  async retry(node, context, maxRetries = 3) {
    const executor = this.#known()
    const config = readRetry({ maxAttempts: maxRetries, initialDelay: 2000, maxDelay: Number.MAX_SAFE_INTEGER }, RETRY)
    try {
      return await this.#again(node.id, () => executor(node.agent, node.task ?? '', context), config)
    } catch (error) {
      const message = native.retryExhausted(String(node.agent), error instanceof Error ? error.message : told(error))
      throw Object.assign(new Error(message, { cause: error }), { code: 'RETRIES_EXHAUSTED' })
    }
  }

  #known() {
    if (this.#executor === undefined) throw new Misuse('there is no executor; give one to `setAgentExecutor`')
    return this.#executor
  }

  /**
   * What to do about a node that failed: tries it again. What it answers says whether that helped; the failed node itself is not
   * compensated, since it did nothing that stands.
   */
  async handleFailure(node, context, error) {
    try {
      const outputs = await this.retry(node, context, this.config.retry.maxAttempts)
      return { recovered: true, nodeId: node.id, success: true, outputs, context }
    } catch (last) {
      return { recovered: false, nodeId: node.id, success: false, error: last, cause: error, context }
    }
  }

  /** The breaker of an action, made when first asked for. */
  getCircuitBreaker(actionId) {
    let breaker = this.#breakers.get(actionId)
    if (breaker === undefined) {
      breaker = new CircuitBreaker({ ...this.config.circuitBreaker, name: actionId, clock: this.#clock })
      this.setCircuitBreaker(actionId, breaker)
    }
    return breaker
  }

  /** Another breaker for an action. */
  setCircuitBreaker(actionId, breaker) {
    this.#breakers.set(actionId, breaker)
    if (breaker.name === UNNAMED) breaker.name = actionId
    for (const name of ['circuitOpened', 'circuitClosed', 'circuitHalfOpen']) {
      breaker.on(name, (data) => this._tell(name, { ...data, actionId }))
    }
  }

  /** Calls, unless the breaker of the action is open: then it throws with the code `CIRCUIT_OPEN`. */
  async executeWithCircuitBreaker(actionId, fn) {
    return this.config.enableCircuitBreaker ? this.getCircuitBreaker(actionId).execute(fn) : fn()
  }

  /** Closes the breaker of an action. */
  resetCircuitBreaker(actionId) {
    this.#breakers.get(actionId)?.reset()
  }

  /**
   * Does the steps one after the other (or, where they say `dependencies`, as those allow). If one fails, those that worked are
   * compensated, the latest first; the failed one is not.
   *
   * @param {{id?: string, name?: string, execute: Function, compensate?: Function, dependencies?: string[]}[]} steps
   */
  async executeSaga(steps, context) {
    if (!Array.isArray(steps)) throw new TypeError('`steps` must be an array')
    const named = steps.map((step, place) => ({ step, id: String(step?.id ?? step?.name ?? `step-${place + 1}`) }))
    for (const { step, id } of named) {
      if (typeof step?.execute !== 'function') throw new TypeError(`\`execute\` of the step \`${id}\` must be a function`)
    }
    const graph = JSON.stringify({
      name: 'saga',
      tasks: named.map(({ step, id }, place) => ({
        id,
        after: step.dependencies ?? (place > 0 ? [named[place - 1].id] : []),
        ...(typeof step.compensate === 'function' ? { undo: {} } : {}),
      })),
    })
    const { levels } = JSON.parse(raised(() => native.graphView(graph)))
    const by = new Map(named.map(({ step, id }) => [id, step]))
    const results = {}
    const completed = []
    this.#stats.sagasExecuted++
    this._tell('sagaStarted', { steps: named.map(({ id }) => id), context })
    const failed = await this.#steps(levels, by, results, completed, context)
    if (failed === undefined) {
      this._tell('sagaCompleted', { success: true, completedSteps: completed })
      return { success: true, completedSteps: completed, compensatedSteps: [], results, context, errors: [] }
    }
    this.#stats.sagasFailed++
    const order = this.config.enableSaga ? raised(() => native.sagaUndo(graph, completed, failed.id)) : []
    const { compensated, errors } = await this.#compensate(order, (id) => () => by.get(id).compensate(context, results[id]))
    this._tell('sagaCompleted', { success: false, completedSteps: completed, compensatedSteps: compensated })
    return {
      success: false,
      completedSteps: completed,
      compensatedSteps: compensated,
      failedStep: failed.id,
      results,
      context,
      error: failed.error,
      errors: [failed.error, ...errors],
    }
  }

  /** The first step that failed, after all that were under way have ended. */
  async #steps(levels, by, results, completed, context) {
    for (const level of levels) {
      let failed
      await Promise.all(
        level.map(async (id) => {
          try {
            results[id] = await by.get(id).execute(context, results)
            completed.push(id)
          } catch (error) {
            failed ??= { id, error }
          }
        }),
      )
      if (failed !== undefined) return failed
    }
    return undefined
  }

  /** Undoes in that order. One that fails keeps the others from nothing. */
  async #compensate(order, callOf) {
    const compensated = []
    const errors = []
    for (const id of order) {
      this._tell('compensationStarted', { stepId: id, nodeId: id })
      try {
        await callOf(id)()
        compensated.push(id)
        this.#stats.compensations++
      } catch (error) {
        errors.push(error)
        this.#stats.compensationsFailed++
        this._tell('compensationFailed', { stepId: id, nodeId: id, error })
      }
    }
    return { compensated, errors }
  }

  /** Remembers how far somebody is. */
  createCheckpoint(id, completedSteps = [], context) {
    const checkpoint = Object.freeze({
      id,
      completedSteps: Object.freeze([...completedSteps]),
      context: contextOf(context, ''),
      timestamp: Date.now(),
    })
    this.#checkpoints.set(id, checkpoint)
    this._tell('checkpointCreated', { checkpointId: id, completedSteps: checkpoint.completedSteps })
    return checkpoint
  }

  /** What was remembered. */
  restoreCheckpoint(id) {
    const checkpoint = this.#checkpoints.get(id)
    if (checkpoint === undefined) throw new NotFound(`there is no checkpoint \`${id}\``)
    return checkpoint
  }

  getCheckpoints() {
    return [...this.#checkpoints.values()]
  }

  clearCheckpoints() {
    this.#checkpoints.clear()
    this.#compensations.clear()
  }

  /** Remembers what a step did that can be undone: `rollback` undoes what came after its checkpoint. */
  recordCompletion(stepId, compensate) {
    this.#compensations.delete(stepId)
    this.#compensations.set(stepId, compensate)
  }

  /** Goes back: undoes what was completed since, the latest first, and answers the checkpoint. */
  async rollback(checkpointId) {
    const checkpoint = this.restoreCheckpoint(checkpointId)
    const ended = [...this.#compensations.keys()]
    const before = new Set(checkpoint.completedSteps)
    const since = ended.filter((id) => !before.has(id))
    const graph = JSON.stringify({
      name: 'rollback',
      tasks: since.map((id) => ({ id, ...(typeof this.#compensations.get(id) === 'function' ? { undo: {} } : {}) })),
    })
    const order = since.length === 0 ? [] : raised(() => native.sagaBack(graph, since, 0))
    const { errors } = await this.#compensate(order, (id) => this.#compensations.get(id))
    since.forEach((id) => this.#compensations.delete(id))
    if (errors.length > 0) throw errors[0]
    return checkpoint
  }

  getStats() {
    const circuitBreakers = Object.fromEntries([...this.#breakers].map(([id, breaker]) => [id, breaker.state]))
    return { ...this.#stats, checkpoints: this.#checkpoints.size, circuitBreakers }
  }
}

module.exports = { RecoveryManager, CircuitBreaker, CircuitOpenError }
