'use strict'

const native = require('../native.js')
const { raised, Misuse } = require('../errors.js')
const { told } = require('../attempt.js')
const { graphOf, look } = require('./dag.js')
const { Emitter, amount, settings, systemClock } = require('./emitter.js')

/** The receiver of todo lists: a function, or an object with `write`. */
function writerOf(api) {
  if (typeof api === 'function') return api
  if (typeof api?.write === 'function') return (todos) => api.write(todos)
  throw new TypeError('a TodoWrite API must be a function or an object with `write`')
}

/**
 * Gives whole lists to a receiver, the latest one after at most `batchDelay` ms, and never two at once.
 *
 * A list replaces the one before, so that what is not sent is not lost: it is in the next one. A list that could not be given is
 * tried again with the next, at most `maxRetries` times by itself.
 */
class TodoWriteAdapter {
  #write
  #clock
  #delay
  #latest
  #timer
  #writing
  #failures = 0

  constructor(api, config) {
    const given = settings(config)
    this.#write = writerOf(api)
    this.#clock = given.clock ?? systemClock
    this.#delay = amount(given.batchDelay, 'batchDelay', 500)
    this.batchSize = given.batchSize ?? 10
    this.maxRetries = given.maxRetries ?? 3
  }

  /** Takes a whole list, to be given soon. */
  write(todos) {
    this.#latest = todos
    this.#failures = 0
    this.#arm()
    return Promise.resolve()
  }

  #arm() {
    if (this.#timer !== undefined) return
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined
      void this.#give()
    }, this.#delay)
    this.#timer?.unref?.()
  }

  async #give() {
    const todos = this.#latest
    if (todos === undefined || this.#writing !== undefined) return
    this.#latest = undefined
    this.#writing = (async () => this.#write(todos))()
    try {
      await this.#writing
      this.#failures = 0
    } catch (error) {
      if (++this.#failures <= this.maxRetries) this.#latest ??= todos
      else process.emitWarning(`the todo list could not be written: ${told(error)}`, 'OrchWarning')
    } finally {
      this.#writing = undefined
      if (this.#latest !== undefined) this.#arm()
    }
  }

  /** Gives what waits now, and waits until it was given. */
  async flush() {
    while (this.#writing !== undefined || this.#latest !== undefined) {
      if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
      this.#timer = undefined
      if (this.#writing !== undefined) await this.#writing.catch(() => {})
      else await this.#give()
      await null
    }
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Gives an empty list. */
  async clear() {
    await this.write([])
    await this.flush()
  }

  /** Kept for those who call it: lists are given whole, whatever their size. */
  setBatchSize(size) {
    this.batchSize = size
  }

  /** How long a list waits for a later one, in ms. */
  setBatchDelay(ms) {
    this.#delay = amount(ms, 'batchDelay', 500)
  }
}

/**
 * How far a command is, and its todo list.
 *
 * Events: `todosGenerated`, `progressUpdated`, `completionFinished`.
 */
class ProgressTracker extends Emitter {
  #clock
  #tracker
  #levels = []
  #began = 0
  #adapter
  #todos = []

  constructor(config) {
    super()
    const given = settings(config)
    const todoWrite = settings(given.todoWrite, 'todoWrite')
    const grouped = given.groupByPhase ?? todoWrite.enableGrouping
    this.config = {
      enableTodoWrite: given.enableTodoWrite ?? true,
      autoGenerateTodos: given.autoGenerateTodos ?? true,
      batchSize: todoWrite.batchSize ?? given.batchSize ?? 10,
      batchDelay: amount(todoWrite.batchDelay ?? given.batchDelay, 'batchDelay', 500),
      layout: given.layout ?? (grouped === true ? 'phases' : grouped === false ? 'flat' : 'levels'),
      mode: given.todoMode ?? 'parallel',
      maxRetries: given.maxRetries ?? 3,
      maxParallelism: given.maxParallelism,
    }
    this.#clock = given.clock ?? systemClock
    this._log = given.log
  }

  /** Who gets the whole list each time it changed, but not more often than every `batchDelay` ms. */
  setTodoWriteAPI(api) {
    const { batchDelay, batchSize, maxRetries } = this.config
    this.#adapter = new TodoWriteAdapter(api, { batchDelay, batchSize, maxRetries, clock: this.#clock })
  }

  /** Changes `batchSize` and `batchDelay`. */
  configureTodoWrite(config) {
    const { batchSize, batchDelay } = settings(config)
    if (batchSize !== undefined) this.config.batchSize = batchSize
    if (batchDelay !== undefined) this.config.batchDelay = amount(batchDelay, 'batchDelay', 500)
    this.#adapter?.setBatchSize(this.config.batchSize)
    this.#adapter?.setBatchDelay(this.config.batchDelay)
  }

  #at() {
    return Math.max(0, this.#clock.now() - this.#began)
  }

  /** Begins with a graph: nothing of it is done yet. */
  async initialize(dag, commandName = dag?.metadata?.command) {
    const graph = { ...graphOf(dag), name: commandName ?? 'command' }
    this.#levels = look(dag).levels
    this.#tracker = raised(() => new native.Tracker(JSON.stringify(graph), this.config.maxParallelism))
    this.#began = this.#clock.now()
    this.#todos = this.getTodos()
    this._log?.(`[ProgressTracker] Initialized with ${this.#todos.length} tasks`)
    this._tell('todosGenerated', { todos: this.#todos, count: this.#todos.length })
    this.#send()
  }

  #known() {
    if (this.#tracker === undefined) throw new Misuse('the tracker has no graph yet; call `initialize` first')
    return this.#tracker
  }

  /** A level or a node began or is done. */
  async update(update) {
    const { levelStarted, levelCompleted, nodeStarted, nodeCompleted, nodeFailed, nodeSkipped, error } = settings(update, 'update')
    const tracker = this.#known()
    const at = this.#at()
    raised(() => {
      if (nodeStarted !== undefined) tracker.start(nodeStarted, at)
      if (nodeCompleted !== undefined) tracker.finish(nodeCompleted, at)
      if (nodeFailed !== undefined) tracker.finish(nodeFailed, at, told(error ?? 'failed'))
      if (nodeSkipped !== undefined) tracker.skip(nodeSkipped, at, update.stopped === true)
      // A level is as far as its nodes are: that it began says nothing of any of them.
      if (levelCompleted !== undefined) for (const id of this.#level(levelCompleted)) tracker.finish(id, at)
      if (levelStarted !== undefined) this.#level(levelStarted)
    })
    this.#changed(update)
  }

  #level(number) {
    const level = this.#levels[number]
    if (level === undefined) throw new RangeError(`there is no level ${String(number)}; the graph has ${this.#levels.length}`)
    return level
  }

  async markStarted(nodeId) {
    await this.update({ nodeStarted: nodeId })
  }

  async markCompleted(nodeId) {
    await this.update({ nodeCompleted: nodeId })
  }

  async markFailed(nodeId, error) {
    await this.update({ nodeFailed: nodeId, error })
  }

  /** The end. After a failure what is not done stays so. */
  async complete(result) {
    const { success, totalTime, executionTime } = settings(result, 'result')
    raised(() => this.#known().end(success === true, totalTime ?? executionTime ?? this.#at()))
    this.#changed(result)
    this._log?.(`[ProgressTracker] Command ${success === true ? 'completed' : 'failed'}`)
    this._tell('completionFinished', { success: success === true, totalTime: totalTime ?? executionTime ?? this.#at(), todos: this.#todos })
    await this.flush()
  }

  #changed(update) {
    this.#todos = this.getTodos()
    this._tell('progressUpdated', { update, stats: this.getStats(), todos: this.#todos })
    this.#send()
  }

  #send() {
    if (this.config.enableTodoWrite && this.config.autoGenerateTodos) void this.#adapter?.write(this.#todos)
  }

  /** The whole todo list now: `{content, status, activeForm}`. */
  getTodos() {
    const { mode, layout } = this.config
    return JSON.parse(raised(() => this.#known().todos(mode, layout)))
  }

  /** Gives the latest list to its receiver now, and waits until it has it. */
  async flush() {
    await this.#adapter?.flush()
  }

  getStats() {
    if (this.#tracker === undefined) {
      return { total: 0, pending: 0, inProgress: 0, completed: 0, failed: 0, skipped: 0, percentComplete: 0, estimatedTimeRemaining: 0 }
    }
    const stats = JSON.parse(raised(() => this.#tracker.stats(this.#at())))
    return {
      total: stats.total,
      pending: stats.pending + stats.cancelled,
      inProgress: stats.running,
      completed: stats.succeeded + stats.skipped,
      failed: stats.failed,
      skipped: stats.skipped,
      percentComplete: stats.percent,
      estimatedTimeRemaining: stats.rest_ms,
    }
  }
}

module.exports = { ProgressTracker, TodoWriteAdapter }
