'use strict'

const { OrchError, NotFound, InvalidDefinition } = require('../errors.js')
const { ContextManager, contextOf } = require('./context.js')
const { EnhancedDAGBuilder } = require('./dag.js')
const { Emitter, amount, settings, systemClock, executorOf } = require('./emitter.js')
const { CommandLoader } = require('./loader.js')
const { ProgressTracker } = require('./progress.js')
const { RecoveryManager } = require('./recovery.js')
const { ResourceManager } = require('./resources.js')
const { ParallelScheduler } = require('./scheduler.js')

/** Longer texts of a context are cut where an agent's prompt is made of them. */
const LONGEST_TEXT = 10_000
const RETRYABLE = /timeout|rate limit|temporary failure|connection reset/i

/** How the events of the parts are called at the engine. */
const PARTS = [
  ['builder', 'dag', ['dagBuilt', 'dagValidated', 'dagOptimized', 'validationError']],
  ['contexts', 'cache', ['cacheHit', 'cacheMiss', 'cacheEvicted', 'cacheSet', 'cleanupCompleted']],
  [
    'scheduler',
    'execution',
    [
      'executionStarted',
      'executionCompleted',
      'executionFailed',
      'levelStarted',
      'levelCompleted',
      'nodeStarted',
      'nodeCompleted',
      'nodeFailed',
      'nodeSkipped',
      'retryAttempt',
      'compensationStarted',
      'compensationFailed',
      'checkpointCreated',
    ],
  ],
  ['resources', 'resource', ['lockAcquired', 'lockReleased', 'lockTimeout', 'deadlockDetected', 'resolvingDeadlock']],
  [
    'recovery',
    'recovery',
    [
      'sagaStarted',
      'sagaCompleted',
      'compensationStarted',
      'compensationFailed',
      'retryAttempt',
      'circuitOpened',
      'circuitClosed',
      'circuitHalfOpen',
      'checkpointCreated',
    ],
  ],
  ['progress', 'progress', ['progressUpdated', 'todosGenerated', 'completionFinished']],
]

/** `cacheHit` of the part `cache` is `cache:hit`; the others keep their names. */
function namespaced(part, event) {
  if (part === 'cache' && event.startsWith('cache')) return `cache:${event[5].toLowerCase()}${event.slice(6)}`
  return `${part}:${event}`
}

/**
 * The prototype's engine, on the core.
 *
 * @example
 * const engine = new OrchestrationEngine({ maxParallelism: 5 })
 * engine.setAgentExecutor(async (agentId, task, context) => ask(agentId, task, context.data))
 * engine.setTodoWriteAPI({ write: async (todos) => show(todos) })
 * const result = await engine.execute(definition, { files: ['a.ts'] })
 */
class OrchestrationEngine extends Emitter {
  #executor
  #api
  #agents = new Map()
  #agentMetrics = new Map()
  #breakers = new Map()
  #executions = new Map()
  #loader
  #metrics
  #totals = { total: 0, succeeded: 0, duration: 0, work: 0 }
  #next = 0

  constructor(config) {
    super()
    const given = settings(config)
    const clock = given.clock ?? systemClock
    const log = given.log === true ? (line) => console.log(line) : given.log
    this.config = {
      maxCacheSize: amount(given.maxCacheSize, 'maxCacheSize', 104857600),
      defaultTTL: amount(given.defaultTTL, 'defaultTTL', 3600),
      evictionPolicy: given.evictionPolicy ?? 'LRU',
      maxParallelism: given.maxParallelism ?? 5,
      enableCheckpoints: given.enableCheckpoints ?? true,
      timeout: amount(given.timeout, 'timeout', 300000),
      defaultLockTimeout: amount(given.defaultLockTimeout, 'defaultLockTimeout', 30000),
      enableDeadlockDetection: given.enableDeadlockDetection ?? true,
      enableSaga: given.enableSaga ?? true,
      enableRetry: given.enableRetry ?? true,
      enableCircuitBreaker: given.enableCircuitBreaker ?? true,
      enableTodoWrite: given.enableTodoWrite ?? true,
      autoGenerateTodos: given.autoGenerateTodos ?? true,
      dryRun: given.dryRun ?? false,
    }
    this._clock = clock
    this._log = log
    this._given = given
    this.#metrics = given.metricsCollector
    const shared = { ...given, clock, log }
    this.builder = new EnhancedDAGBuilder(given.dagBuilder)
    this.contexts = new ContextManager(shared)
    this.resources = new ResourceManager(shared)
    this.recovery = new RecoveryManager(shared)
    this.progress = new ProgressTracker(shared)
    this.scheduler = new ParallelScheduler({
      ...shared,
      executor: undefined,
      locks: this.resources._native,
      contexts: this.contexts,
      cacheHitRate: () => this.contexts.getHitRate(),
      around: (node, call) => this.#guarded(node, call),
      ownBreaker: (name) => !this.config.enableCircuitBreaker || this.#breakers.has(name),
    })
    for (const [part, prefix, events] of PARTS) {
      for (const event of events) this[part].on(event, (data) => this._tell(namespaced(prefix, event), data))
    }
    this.scheduler.on('nodeStarted', ({ nodeId, phase }) => given.onNodeStart?.(nodeId, phase))
    this.scheduler.on('nodeCompleted', ({ nodeId, duration }) => given.onNodeComplete?.(nodeId, duration, true))
    this.scheduler.on('nodeFailed', ({ nodeId, duration }) => given.onNodeComplete?.(nodeId, duration, false))
    this.#follow()
    if (given.executor !== undefined) this.setAgentExecutor(given.executor)
  }

  /** Tells the tracker what happens in a run. */
  #follow() {
    const tell = (update) => {
      // Of nodes that came while the graph ran, the list knows nothing.
      this.progress.update(update).catch(() => {})
    }
    const tracked = (data) => this.#executions.get(data.executionId)?.tracked === true
    this.scheduler.on('nodeStarted', (data) => tracked(data) && tell({ nodeStarted: data.nodeId }))
    this.scheduler.on('nodeCompleted', (data) => tracked(data) && tell({ nodeCompleted: data.nodeId }))
    this.scheduler.on('nodeFailed', (data) => tracked(data) && tell({ nodeFailed: data.nodeId, error: data.error }))
    this.scheduler.on('nodeSkipped', (data) => tracked(data) && tell({ nodeSkipped: data.nodeId, stopped: data.stopped }))
  }

  /** Calls a node's agent behind the breaker that the definition names. */
  #guarded(node, call) {
    const name = node.config?.breaker
    const breaker = name === undefined ? undefined : this.#breakers.get(name)
    return breaker === undefined || !this.config.enableCircuitBreaker ? call() : breaker.execute(call)
  }

  // What runs.

  /** Who does what nodes ask for: a function `(agentId, task, context)` or an object with `execute`. */
  setAgentExecutor(executor) {
    this.#executor = executorOf(executor)
    const call = (agentId, task, context, about) => this.#agent(agentId, task, context, about)
    this.scheduler.setAgentExecutor(call)
    this.recovery.setAgentExecutor(call)
  }

  async #agent(agentId, task, context, about) {
    if (agentId === 'command' && typeof task === 'string' && task.startsWith('/')) {
      const command = this._given.commands?.[task] ?? this._given.commands?.get?.(task)
      if (command !== undefined) return (await this.execute(command, context.data)).context.data
    }
    const metrics = this.#agentMetrics.get(agentId) ?? { totalExecutions: 0, successCount: 0, failureCount: 0, totalDuration: 0 }
    this.#agentMetrics.set(agentId, metrics)
    const began = this._clock.now()
    metrics.totalExecutions++
    try {
      const value = await this.#executor(this.#agents.get(agentId) ?? agentId, task, context, about)
      metrics.successCount++
      return value
    } catch (error) {
      metrics.failureCount++
      throw error
    } finally {
      metrics.totalDuration += this._clock.now() - began
    }
  }

  /** Another name under which the executor is called for an agent. */
  registerAgent(agentId, subagentType) {
    this.#agents.set(agentId, subagentType)
  }

  /**
   * Runs a definition, of either form, or a loaded command. Answers what became of it; a definition that cannot run is thrown, with
   * every problem.
   */
  async execute(commandDef, context, options) {
    const { continueOnError, signal, dryRun = this.config.dryRun, log, executionId = `execution-${++this.#next}` } = settings(options, 'options')
    void log
    // A context that a caller prepares may hold what the definition asks for.
    const inputs = Object.keys(context?.data ?? context ?? {})
    const dag = this.builder.buildWithContext(commandDef, Object.fromEntries(inputs.map((name) => [name, true])))
    this._log?.(`[DAG] Built with ${dag.nodes.length} nodes and ${dag.edges.length} edges`)
    this._log?.(`[DAG] Estimated parallelism: ${dag.metadata.parallelism}`)
    const validation = this.builder.validate(dag)
    if (!validation.valid) throw this.#invalid(dag, validation)
    this._log?.('[DAG] ✅ Validation passed')
    const begun = contextOf(context, dag.metadata.command)
    const data = { ...dag.command.inputs, ...begun.data }
    const full = contextOf({ version: '1.0', ...begun, data, metadata: { analyzedBy: begun.metadata.analyzedBy } }, begun.command)
    const plan = this.scheduler.getExecutionPlan(dag)
    if (dryRun) return this.#dry(executionId, dag, plan, validation, full)
    // One list, one run: further runs at the same time are told by their events alone.
    const tracked = ![...this.#executions.values()].some((execution) => execution.status === 'running' && execution.tracked)
    const execution = { executionId, status: 'running', tracked, startedAt: Date.now(), command: dag.metadata.command, run: undefined }
    this.#executions.set(executionId, execution)
    const ended = this.#phases(dag, executionId)
    try {
      if (tracked) await this.progress.initialize(dag, dag.metadata.command)
      const result = await this.scheduler.execute(dag, full, {
        executionId,
        continueOnError,
        signal,
        deadline: dag.command.deadline_ms ?? undefined,
        onRun: (run) => {
          execution.run = run
          if (execution.cancelled !== undefined) run.cancel(execution.cancelled)
        },
      })
      execution.status = result.success ? 'completed' : result.report.state === 'cancelled' ? 'cancelled' : 'failed'
      this.#count(dag, plan, result)
      if (tracked) await this.progress.complete({ success: result.success, totalTime: result.totalTime })
      return { ...result, dag, plan, cacheMetrics: this.getCacheMetrics(), progressStats: this.progress.getStats() }
    } catch (error) {
      execution.status = 'failed'
      throw error
    } finally {
      ended()
      execution.run = undefined
      execution.endedAt = Date.now()
    }
  }

  #invalid(dag, { errors, problems }) {
    const command = dag.metadata.command
    const circle = problems.find((problem) => problem.code === 'CIRCULAR_DEPENDENCY')
    const lines = circle === undefined ? errors : [`Circular dependency detected in command '${command}'`, circle.message.slice(circle.message.lastIndexOf(': ') + 2)]
    const error = new InvalidDefinition(`the command \`${command}\` cannot run\n${lines.map((line) => `  ${line}`).join('\n')}`)
    error.problems = problems
    return error
  }

  #dry(executionId, dag, plan, validation, context) {
    const levels = plan.levels.map(({ number, nodes }) => ({ number, nodes: nodes.map((node) => node.id) }))
    return {
      success: true,
      dryRun: true,
      executionId,
      dag,
      plan,
      levels,
      warnings: validation.warnings,
      totalTime: 0,
      executionTime: 0,
      estimatedTime: plan.estimatedTime,
      nodeResults: [],
      cacheHitRate: this.contexts.getHitRate(),
      checkpoints: [],
      errors: [],
      context,
    }
  }

  /** Tells `onPhaseComplete` when all nodes of a phase are over. */
  #phases(dag, executionId) {
    const { onPhaseComplete } = this._given
    if (onPhaseComplete === undefined) return () => {}
    const open = new Map()
    for (const node of dag.nodes) open.set(node.phase, (open.get(node.phase) ?? new Set()).add(node.id))
    const results = new Map([...open.keys()].map((phase) => [phase, []]))
    const over = (success) => (data) => {
      if (data.executionId !== executionId) return
      const phase = dag.nodes.find((node) => node.id === data.nodeId)?.phase
      const left = open.get(phase)
      if (left === undefined || !left.delete(data.nodeId)) return
      results.get(phase).push({ nodeId: data.nodeId, success: success(data), duration: data.duration ?? 0, result: data.result })
      if (left.size === 0) onPhaseComplete(phase, results.get(phase))
    }
    const heard = [
      ['nodeCompleted', over(() => true)],
      ['nodeFailed', over(() => false)],
      ['nodeSkipped', over((data) => !data.stopped)],
    ]
    for (const [event, hear] of heard) this.scheduler.on(event, hear)
    return () => heard.forEach(([event, hear]) => this.scheduler.off(event, hear))
  }

  #count(dag, plan, result) {
    const totals = this.#totals
    totals.total++
    if (result.success) totals.succeeded++
    totals.duration += result.totalTime
    this.#metrics?.record?.({ dag, plan, result })
    totals.work += result.report.utilisation ?? 0
  }

  /** Steps, one after the other; if one fails, those before it are compensated. */
  async executeSaga(steps, context) {
    return this.recovery.executeSaga(steps, context)
  }

  buildDAG(commandDef) {
    return this.builder.buildDAG(commandDef)
  }

  optimizeDAG(dag) {
    return this.builder.optimize(dag)
  }

  validateDAG(dag) {
    return this.builder.validate(dag)
  }

  /** The loader of commands, for `load` and `execute`. */
  get loader() {
    return (this.#loader ??= new CommandLoader(this._given.loader))
  }

  // Executions.

  /** Stops an execution. Whether it was running. */
  cancel(executionId, reason = 'cancelled by the program') {
    const execution = this.#known(executionId)
    if (execution.status !== 'running') return false
    execution.cancelled = reason
    execution.run?.cancel(reason)
    return true
  }

  /** Not what the core does: an execution runs or is stopped; go on from its checkpoint with `recover`. */
  pause(executionId) {
    return this.cancel(executionId, 'paused')
  }

  /** Goes on from the last checkpoint of an execution that was stopped. */
  async resume(executionId) {
    this.#known(executionId)
    const checkpoint = this.scheduler.getCheckpoints().filter((made) => made.executionId === executionId).at(-1)
    if (checkpoint === undefined) throw new NotFound(`\`${executionId}\` made no checkpoint`)
    return this.recover(checkpoint.id)
  }

  #known(executionId) {
    const execution = this.#executions.get(executionId)
    if (execution === undefined) throw new NotFound(`there is no execution \`${executionId}\``)
    return execution
  }

  getStatus(executionId) {
    const { run, tracked, ...shown } = this.#known(executionId)
    void run, tracked
    return shown
  }

  /** The last checkpoint that a run made; `null`: there is none. */
  checkpoint() {
    return this.scheduler.getCheckpoints().at(-1) ?? null
  }

  /** Goes on from a checkpoint. */
  async recover(id) {
    return this.scheduler.resumeFromCheckpoint(id)
  }

  /** All executions so far; of one agent, where its id is given. */
  getMetrics(agentId) {
    if (agentId !== undefined) {
      const metrics = this.#agentMetrics.get(agentId) ?? { totalExecutions: 0, successCount: 0, failureCount: 0, totalDuration: 0 }
      const { totalExecutions, totalDuration } = metrics
      return { ...metrics, averageDuration: totalExecutions === 0 ? 0 : totalDuration / totalExecutions }
    }
    const { total, succeeded, duration, work } = this.#totals
    return {
      totalExecutions: total,
      activeExecutions: [...this.#executions.values()].filter((execution) => execution.status === 'running').length,
      successRate: total === 0 ? 0 : (succeeded / total) * 100,
      averageDuration: total === 0 ? 0 : duration / total,
      cacheHitRate: this.contexts.getHitRate(),
      parallelismEfficiency: total === 0 ? 0 : (work / total) * 100,
    }
  }

  // The parts.

  /** Who gets the whole todo list when it changed: `{ write(todos) }`. */
  setTodoWriteAPI(api) {
    this.#api = api
    this.progress.setTodoWriteAPI(api)
  }

  configureTodoWrite(config) {
    this.progress.configureTodoWrite(config)
  }

  configureContextManager(config) {
    this.contexts.configure(config)
  }

  /** The breaker that agents with `circuitBreaker: name` are called behind. */
  setCircuitBreaker(name, breaker) {
    this.#breakers.set(name, breaker)
    this.recovery.setCircuitBreaker(name, breaker)
  }

  getCacheMetrics() {
    return this.contexts.getMetrics()
  }

  getProgressStats() {
    return this.progress.getStats()
  }

  getResourceStats(resourceId) {
    return this.resources.getResourceStats(resourceId)
  }

  getRecoveryStats() {
    return this.recovery.getStats()
  }

  clearCache() {
    this.contexts.clear()
  }

  clearCheckpoints() {
    this.scheduler.clearCheckpoints()
    this.recovery.clearCheckpoints()
  }

  invalidateCachePattern(pattern) {
    return this.contexts.invalidatePattern(pattern)
  }

  registerResource(id, type, maxConcurrent) {
    this.resources.registerResource(id, type, maxConcurrent)
  }

  async acquireLock(resourceId, ownerId, priority) {
    return this.resources.acquireLock(resourceId, ownerId, priority)
  }

  releaseLock(lockId) {
    return this.resources.releaseLock(lockId)
  }

  /** Stops its timers. */
  close() {
    this.contexts.close()
  }
}

/** What executions were like: give it to an engine as `metricsCollector`. */
class MetricsCollector {
  #last

  constructor(config) {
    const given = settings(config)
    this.config = {
      enableDetailedTiming: given.enableDetailedTiming ?? true,
      enableResourceMonitoring: given.enableResourceMonitoring ?? true,
      enableContextMetrics: given.enableContextMetrics ?? true,
    }
  }

  /** Takes a finished execution. */
  record(execution) {
    this.#last = execution
  }

  /** The report of the latest execution; `null` before the first. Efficiency is the busy share of the workers, in percent. */
  getReport() {
    if (this.#last === undefined) return null
    const { dag, result } = this.#last
    const phases = new Map()
    for (const node of dag.nodes) {
      const name = node.phaseName ?? String(node.phase)
      const phase = phases.get(name) ?? { name, nodes: [] }
      phase.nodes.push(node)
      phases.set(name, phase)
    }
    const byId = new Map(result.nodeResults.map((node) => [node.nodeId, node]))
    const shown = [...phases.values()].map(({ name, nodes }) => {
      const results = nodes.map((node) => byId.get(node.id)).filter(Boolean)
      const times = results.map((node) => result.report.task(node.nodeId)).filter((task) => task?.startedMs !== undefined)
      const starts = times.map((task) => task.startedMs)
      const ends = times.map((task) => task.finishedMs ?? task.startedMs)
      const most = starts.reduce((peak, at) => Math.max(peak, times.filter((task) => task.startedMs <= at && (task.finishedMs ?? at) > at).length), 0)
      return {
        name,
        duration: times.length === 0 ? 0 : Math.max(...ends) - Math.min(...starts),
        agentCount: nodes.length,
        parallelExecutions: most,
        successRate: results.length === 0 ? 0 : (results.filter((node) => node.success).length / results.length) * 100,
      }
    })
    const slowestAgents = result.nodeResults
      .map((node) => ({ id: node.nodeId, duration: node.duration, estimatedTime: dag.nodes.find((other) => other.id === node.nodeId)?.estimatedTime ?? 0 }))
      .sort((a, b) => b.duration - a.duration)
      .slice(0, 5)
    return {
      totalDuration: result.totalTime,
      parallelismEfficiency: (result.report.utilisation ?? 0) * 100,
      cacheHitRate: result.cacheHitRate,
      phases: shown,
      slowestAgents,
    }
  }
}

/** The prompt of an agent: its task, and what it is to know, as JSON. Long texts are cut, bytes left out. */
function promptOf(task, data) {
  const shown = JSON.stringify(
    data ?? {},
    (_, value) => {
      if (typeof value === 'string' && value.length > LONGEST_TEXT) return `${value.slice(0, LONGEST_TEXT)}... [truncated]`
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value?.type === 'Buffer') return undefined
      return value
    },
    2,
  )
  return `${task}\n\nContext Data:\n${shown}`
}

/** Whether the same call may work later, by what its error says. */
function isRetryable(error) {
  return error instanceof OrchError && error.code === 'LOCK_TIMEOUT' ? true : RETRYABLE.test(String(error?.message ?? error))
}

module.exports = { OrchestrationEngine, MetricsCollector, promptOf, isRetryable }
