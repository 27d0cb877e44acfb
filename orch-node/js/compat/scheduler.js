'use strict'

const native = require('../native.js')
const { raised, OrchError, NotFound, Misuse } = require('../errors.js')
const { Graph, Ready } = require('../graph.js')
const { Run } = require('../run.js')
const { contextOf, createContext, ContextAdapter } = require('./context.js')
const { graphOf, look } = require('./dag.js')
const { Emitter, amount, settings, systemClock, executorOf } = require('./emitter.js')

const adapter = new ContextAdapter()

/** A graph whose tasks all call one function. */
class CoreGraph extends Graph {
  #ready

  /** @param {string} json as the core writes it; @param {(context: object) => unknown} call; @param {Map<string, Function>} undos */
  constructor(json, call, undos, locks) {
    const graph = raised(() => native.Graph.ofJson(json))
    super(graph.name)
    const ready = new Ready(graph)
    const ids = ready.ids
    ready.locks = locks
    ready.calls = ids.map(() => call)
    ready.agents = new Map([['*', call]])
    for (const [id, undo] of undos) ready.undos.set(ready.places.get(id), undo)
    this.#ready = ready
  }

  _ready() {
    return this.#ready
  }
}

let runs = 0

/**
 * Runs graphs: a node starts when those that it waits for are done, and never more than `maxParallelism` at once.
 *
 * Events: `executionStarted`, `executionCompleted`, `executionFailed`, `levelStarted`, `levelCompleted`, `nodeStarted`,
 * `nodeCompleted`, `nodeFailed`, `nodeSkipped`, `retryAttempt`, `compensationStarted`, `checkpointCreated`.
 */
class ParallelScheduler extends Emitter {
  #executor
  #checkpoints = new Map()

  constructor(config) {
    super()
    const given = settings(config)
    const { maxParallelism = 5 } = given
    if (!Number.isInteger(maxParallelism) || maxParallelism < 1) {
      throw new TypeError(`\`maxParallelism\` is ${String(maxParallelism)}; give a whole number, at least 1`)
    }
    this.config = {
      maxParallelism,
      enableCheckpoints: given.enableCheckpoints ?? true,
      timeout: amount(given.timeout, 'timeout', 300000),
      // The default is shorter than most estimates in use: where nobody chose it, it gives way to three times the estimate.
      timeoutIsChosen: given.timeoutIsChosen ?? given.timeout !== undefined,
      enableSaga: given.enableSaga ?? true,
      enableRetry: given.enableRetry ?? true,
    }
    this._clock = given.clock ?? systemClock
    this._cacheHitRate = given.cacheHitRate ?? (() => 0)
    this._around = given.around ?? ((_node, call) => call())
    this._log = given.log
    this._locks = given.locks
    /** Where values with a time to live are shared with later executions. */
    this._shared = given.contexts
    /** Whether calls behind the breaker of that name are the caller's business. */
    this._ownBreaker = given.ownBreaker ?? (() => false)
    if (given.executor !== undefined) this.setAgentExecutor(given.executor)
  }

  /** Who does what nodes ask for: a function or an object with `execute`, called with agent, task and context. */
  setAgentExecutor(executor) {
    this.#executor = executorOf(executor)
  }

  /** The levels of a graph: in each, what may run when all before is done. */
  topologicalSort(dag) {
    const nodes = new Map(dag.nodes.map((node) => [node.id, node]))
    return look(dag).levels.map((level, number) => ({ number, nodes: level.map((id) => nodes.get(id)) }))
  }

  /** Levels, critical path, its time in ms, and how many nodes a level has on average. */
  getExecutionPlan(dag) {
    const nodes = new Map(dag.nodes.map((node) => [node.id, node]))
    const view = look(dag)
    const levels = view.levels.map((level, number) => ({ number, nodes: level.map((id) => nodes.get(id)) }))
    return {
      levels,
      criticalPath: view.critical_path.map((id) => nodes.get(id)),
      estimatedTime: view.critical_ms,
      sequentialTime: view.serial_ms,
      parallelism: levels.length === 0 ? 0 : dag.nodes.length / levels.length,
      maxParallelism: Math.min(view.widest, this.config.maxParallelism),
    }
  }

  /** Runs a graph to its end. What failed is in the result; only a graph that cannot run, and a missing executor, are thrown. */
  async execute(dag, context, options) {
    return this.#run(dag, contextOf(context, dag?.metadata?.command), settings(options, 'options'), undefined)
  }

  /** Runs what a checkpoint has not: what was done by then is not run again. */
  async resumeFromCheckpoint(checkpointId, dag) {
    const checkpoint = this.#checkpoints.get(checkpointId)
    if (checkpoint === undefined) throw new NotFound(`there is no checkpoint \`${checkpointId}\``)
    return this.#run(dag ?? checkpoint.dag, checkpoint.context, {}, checkpoint)
  }

  /** The checkpoints of all runs, the first first. */
  getCheckpoints() {
    return [...this.#checkpoints.values()]
  }

  clearCheckpoints() {
    this.#checkpoints.clear()
  }

  async #run(dag, context, options, from) {
    if (this.#executor === undefined) throw new Misuse('there is no executor; give one to `setAgentExecutor`')
    const execution = new Execution(this, dag, context, options, from, this.#executor, (checkpoint) => {
      this.#checkpoints.set(checkpoint.id, checkpoint)
    })
    return execution.run()
  }
}

/** One run of a graph. */
class Execution {
  constructor(scheduler, dag, context, options, from, executor, remember) {
    this.scheduler = scheduler
    this.dag = dag
    this.context = context
    this.options = options
    this.executor = executor
    this.remember = remember
    this.id = options.executionId ?? `execution-${++runs}`
    this.nodes = new Map(dag.nodes.map((node) => [node.id, node]))
    const all = graphOf(dag)
    this.levels = look(dag).levels
    this.levelOf = new Map(this.levels.flatMap((level, number) => level.map((id) => [id, number])))
    this.open = this.levels.map((level) => new Set(level))
    this.started = new Set()
    this.over = new Set()
    /** What nodes made, by node. */
    this.made = new Map(from?.made ?? [])
    this.values = { ...from?.values }
    this.results = new Map()
    this.errors = []
    this.checkpoints = []
    this.durations = new Map()
    this.done = [...(from?.completed ?? [])]
    this.began = 0
    this.core = this.#core(all, from)
  }

  /** The core's graph: what a checkpoint has is left out of it. */
  #core(all, from) {
    const done = new Set(from?.completed ?? [])
    for (const id of done) this.#close(id)
    const { enableRetry, enableSaga, timeout, timeoutIsChosen } = this.scheduler.config
    const tasks = all.tasks
      .filter((task) => !done.has(task.id))
      .map((task) => {
        const made = { ...task, after: task.after.filter((id) => !done.has(id)) }
        const longest = timeoutIsChosen ? timeout : Math.max(timeout, 3 * (made.estimate_ms ?? 0))
        if (made.timeout_ms === undefined && longest > 0 && Number.isFinite(longest)) made.timeout_ms = longest
        if (!enableRetry) delete made.retry
        if (!enableSaga) delete made.undo
        if (made.breaker !== undefined && this.scheduler._ownBreaker(made.breaker)) delete made.breaker
        return made
      })
    return { ...all, tasks }
  }

  async run() {
    const { scheduler, dag } = this
    const { maxParallelism, enableSaga } = scheduler.config
    const undos = new Map()
    for (const task of this.core.tasks) {
      if (task.undo !== undefined) undos.set(task.id, (value, context) => this.#undo(task, value, context))
    }
    const graph = new CoreGraph(JSON.stringify(this.core), (context) => this.#call(context), undos, scheduler._locks)
    this.began = scheduler._clock.now()
    const widest = this.levels.reduce((most, level) => Math.max(most, level.length), 0)
    const atOnce = Math.min(widest, maxParallelism)
    this.#log(`[Scheduler] Executing ${this.levels.length} levels with max ${atOnce} parallel agents`)
    this.#tell('executionStarted', { dag, command: dag.metadata?.command, levels: this.levels.length, nodes: this.nodes.size })
    const run = new Run(
      graph,
      {
        maxParallel: maxParallelism,
        onFailure: this.options.continueOnError === true ? 'continue' : 'fail_fast',
        undo: enableSaga,
        inputs: this.#inputs(),
        check: false,
        signal: this.options.signal,
        deadlineMs: this.options.deadline,
        onEvent: (event) => this.#heard(event),
      },
      false,
    )
    this.options.onRun?.(run)
    const report = await run.report()
    return this.#result(report)
  }

  /** What conditions and inputs read by key: only what has a JSON form. */
  #inputs() {
    const made = {}
    for (const [key, value] of Object.entries({ ...this.context.data, ...this.values })) {
      try {
        const text = JSON.stringify(value)
        if (text !== undefined) made[key] = value
      } catch {
        // It stays on this side.
      }
    }
    return made
  }

  /** What a node is given: the data of the run's context, what the nodes before it made, what it declares. */
  #contextOf(node, inputs) {
    const before = {}
    for (const edge of this.dag.edges ?? []) {
      if (edge.to !== node.id || !this.made.has(edge.from)) continue
      before[edge.from] = this.made.get(edge.from)
      const from = this.nodes.get(edge.from)
      if (from !== undefined) Object.assign(before, Object.fromEntries(adapter.extractOutputs(from, this.made.get(edge.from))))
    }
    return createContext({
      command: this.context.command,
      ttl: this.context.ttl,
      parent: this.context,
      data: { ...this.context.data, ...this.values, ...inputs, ...before },
      analyzedBy: [...this.context.metadata.analyzedBy, ...this.done.map((id) => this.nodes.get(id)?.agent ?? id)],
      createdAt: this.context.createdAt,
    })
  }

  async #call(task) {
    const { id, attempt } = task
    // A node that the run added says itself what it is.
    const node = this.nodes.get(id) ?? { id, agent: task.agent, task: task.definition.description ?? '', inputs: [], outputs: [], phase: 0 }
    const agent = node.agentId ?? node.agent ?? id
    const context = this.#contextOf(node, { ...task.inputs, ...(await this.#known(node, task.inputs)) })
    const about = { nodeId: id, signal: task.signal, attempt, executionId: this.id, node }
    const begin = this.scheduler._clock.now()
    const value = await this.scheduler._around(node, () => this.executor(agent, node.task ?? '', context, about))
    this.durations.set(id, this.scheduler._clock.now() - begin)
    this.made.set(id, value)
    for (const [key, output] of adapter.extractOutputs(node, value)) {
      this.values[key] = output
      const declared = node.config?.outputs?.find((spec) => spec.key === key)
      if (declared?.ttl_ms > 0) await this.scheduler._shared?.set(key, output, declared.ttl_ms / 1000)
    }
    return value
  }

  /** What a node reads that neither the context nor a node of this execution has: from earlier executions. */
  async #known(node, inputs) {
    const contexts = this.scheduler._shared
    if (contexts === undefined) return undefined
    const made = {}
    for (const { key } of node.config?.inputs ?? []) {
      if (key in this.context.data || key in this.values || (inputs !== undefined && key in inputs)) continue
      const value = await contexts.get(key)
      if (value !== null) made[key] = value
    }
    return made
  }

  async #undo(task, value, context) {
    const node = this.nodes.get(task.id)
    if (typeof node?.compensate === 'function') return node.compensate(this.#contextOf(node, {}), value)
    const { agent = task.agent, description = '' } = task.undo
    const about = { nodeId: task.id, signal: context.signal, attempt: context.attempt, executionId: this.id, compensation: true, node }
    return this.executor(agent, description, this.#contextOf(node ?? { id: task.id }, {}), about)
  }

  #tell(name, data) {
    this.scheduler._tell(name, { executionId: this.id, ...data })
  }

  #log(line) {
    this.scheduler._log?.(line)
  }

  #about(id) {
    const node = this.nodes.get(id)
    return { nodeId: id, node, agent: node?.agent, phase: node?.phase, level: this.levelOf.get(id) }
  }

  #heard(event) {
    const { task: id } = event
    switch (event.type) {
      case 'task_started': {
        this.#openLevel(id)
        this.#tell('nodeStarted', { ...this.#about(id), attempt: event.attempt })
        this.#log(`[Scheduler]   Executing ${this.nodes.get(id)?.agent ?? id}...`)
        break
      }
      case 'task_retrying':
        this.#tell('retryAttempt', { ...this.#about(id), actionId: id, attempt: event.attempt + 1, delay: event.delayMs, error: event.error })
        break
      case 'task_finished':
      case 'task_cached':
      case 'task_restored':
        this.#finished(event)
        break
      case 'task_skipped':
        this.#openLevel(id)
        this.results.set(id, this.#nodeResult(id, event.state === 'skipped', event.state))
        this.#tell('nodeSkipped', { ...this.#about(id), reason: event.reason, stopped: event.state === 'cancelled' })
        if (event.state === 'skipped') this.done.push(id)
        this.#close(id)
        break
      case 'tasks_added':
        event.tasks.forEach((task) => this.levelOf.set(task.id, this.levels.length))
        break
      case 'undo_started':
        this.#tell('compensationStarted', { ...this.#about(id), stepId: id })
        break
      case 'undo_finished':
        if (event.state !== 'undone') this.#tell('compensationFailed', { ...this.#about(id), stepId: id, error: event.error })
        break
      default:
    }
  }

  #finished(event) {
    const { task: id } = event
    const duration = this.durations.get(id) ?? 0
    if (event.state === 'succeeded') {
      this.results.set(id, this.#nodeResult(id, true, 'succeeded'))
      this.done.push(id)
      this.#tell('nodeCompleted', { ...this.#about(id), duration, success: true, result: this.made.get(id) })
      this.#log(`[Scheduler]   ✅ Completed ${this.nodes.get(id)?.agent ?? id}`)
    } else {
      const error = event.error ?? 'failed'
      const result = this.#nodeResult(id, false, event.state)
      result.error = error
      this.results.set(id, result)
      if (event.state === 'failed') this.#tell('nodeFailed', { ...this.#about(id), duration, success: false, error, errorKind: event.errorKind })
      else this.#tell('nodeSkipped', { ...this.#about(id), reason: 'stopped', stopped: true })
    }
    this.#close(id)
  }

  #nodeResult(id, success, status) {
    const node = this.nodes.get(id) ?? { outputs: [] }
    const value = this.made.get(id)
    return {
      nodeId: id,
      agentId: node.agent,
      success,
      status,
      output: value,
      outputs: success && status === 'succeeded' ? adapter.extractOutputs(node, value) : new Map(),
      duration: this.durations.get(id) ?? 0,
      context: this.context,
    }
  }

  #openLevel(id) {
    const level = this.levelOf.get(id)
    if (level === undefined || this.started.has(level) || level >= this.levels.length) return
    this.started.add(level)
    // A checkpoint is made before each level.
    if (this.scheduler.config.enableCheckpoints) this.#checkpoint(level)
    const agents = this.levels[level].length
    this.#log(`[Scheduler] Starting Level ${level} with ${agents} agents in parallel`)
    this.#tell('levelStarted', { level, number: level, nodes: this.levels[level], agents })
  }

  #checkpoint(level) {
    const id = `${this.id}-level-${level}`
    const checkpoint = Object.freeze({
      id,
      dag: this.dag,
      level,
      context: this.context,
      timestamp: Date.now(),
      executionId: this.id,
      completed: Object.freeze([...this.done]),
      values: Object.freeze({ ...this.values }),
      made: Object.freeze([...this.made].filter(([node]) => this.done.includes(node))),
    })
    this.checkpoints.push(id)
    this.remember(checkpoint)
    this.#tell('checkpointCreated', { checkpointId: id, level, completedSteps: checkpoint.completed })
  }

  #close(id) {
    const level = this.levelOf.get(id)
    const open = this.open[level]
    if (open === undefined || !open.delete(id) || open.size > 0 || this.over.has(level)) return
    this.over.add(level)
    if (!this.started.has(level)) return
    const nodes = this.levels[level]
    const success = nodes.every((node) => this.results.get(node)?.success !== false)
    if (success) this.#log(`[Scheduler] Completed Level ${level}`)
    this.#tell('levelCompleted', { level, number: level, nodes, success })
  }

  #result(report) {
    const totalTime = this.scheduler._clock.now() - this.began
    const success = report.state === 'succeeded'
    for (const [id, result] of this.results) {
      if (result.status !== 'failed') continue
      const thrown = report.task(id)?.error
      const error = thrown instanceof Error ? thrown : new OrchError(`${id}: ${result.error}`, { code: 'TASK_FAILED', cause: thrown })
      result.error = error
      this.errors.push(error)
    }
    if (!success && this.errors.length === 0) {
      const code = report.state === 'cancelled' ? 'CANCELLED' : 'RUN_FAILED'
      this.errors.push(new OrchError(report.stopped ?? `the execution ${report.state}`, { code }))
    }
    const outputs = Object.fromEntries([...this.made])
    const context = createContext({
      command: this.context.command,
      ttl: this.context.ttl,
      parent: this.context,
      data: { ...this.context.data, ...this.values, ...outputs },
      analyzedBy: [...this.context.metadata.analyzedBy, ...this.done.map((id) => this.nodes.get(id)?.agent ?? id)],
    })
    const nodeResults = [...this.nodes.keys()].filter((id) => this.results.has(id)).map((id) => this.results.get(id))
    const result = {
      success,
      executionId: this.id,
      totalTime,
      executionTime: totalTime,
      nodeResults,
      cacheHitRate: this.scheduler._cacheHitRate(),
      checkpoints: this.checkpoints,
      errors: this.errors,
      context,
      report,
    }
    if (success) this.#tell('executionCompleted', { result, success, totalTime })
    else this.#tell('executionFailed', { result, success, totalTime, errors: this.errors })
    return result
  }
}

module.exports = { ParallelScheduler }
