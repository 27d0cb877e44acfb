/**
 * The classes of the orchestrator that orch replaces, under their own names: drop-in, on the engine.
 *
 * ```ts
 * import { OrchestrationEngine } from '@orch-engine/orch/compat'
 *
 * const engine = new OrchestrationEngine({ maxParallelism: 5 })
 * engine.setAgentExecutor(async (agentId, task, context) => `${agentId}: ${task}`)
 * engine.on('execution:levelCompleted', ({ level }) => console.log(level))
 * const result = await engine.execute(definition)
 * ```
 *
 * Both forms of the old interface are understood: that of the first phase, where agents are ordered by what they read and
 * make, and that of the second, with ids and dependencies. Times are milliseconds, times to live seconds, rates percent.
 */

import { EventEmitter } from 'node:events'
import type { InvalidDefinition, OrchError, Report, Store } from '../index.js'

// ---- definitions ----------------------------------------------------------------------------------------------------

/** An agent of the first form: what it is called, and the keys that it reads and makes. */
export interface AgentSpec {
  name: string
  inputs: string[]
  outputs: string[]
  /** Takes back what it did, when the execution fails. */
  compensate?: Compensate
  [field: string]: unknown
}

/** A phase of the first form. */
export interface Phase {
  number: number
  name: string
  agents: AgentSpec[]
  /** Names of phases. */
  dependencies: string[]
  [field: string]: unknown
}

/** A definition of the first form. */
export interface CommandDefinition {
  name: string
  description: string
  phases: Phase[]
  estimatedTime: number
  [field: string]: unknown
}

/** An agent of a definition of version 2. Its dialects have further fields, which are read as the engine's guide says. */
export interface AgentNode {
  id: string
  agentId?: string
  task?: string
  dependencies?: string[]
  /** Milliseconds. */
  estimatedTime?: number
  /** Milliseconds. */
  timeout?: number
  priority?: number
  compensate?: Compensate
  [field: string]: unknown
}

/** A phase of a definition of version 2. */
export interface PhaseV2 {
  id?: string
  name?: string
  agents?: AgentNode[]
  parallel?: boolean
  continueOnError?: boolean
  maxParallelism?: number
  [field: string]: unknown
}

/** A definition of version 2, in any of its dialects. */
export interface CommandDefinitionV2 {
  version: string
  name: string
  description?: string
  phases: PhaseV2[]
  [field: string]: unknown
}

/** What can be run: a definition of either form, or a loaded command. */
export type AnyCommand = CommandDefinition | CommandDefinitionV2 | LoadedCommand

// ---- graphs ---------------------------------------------------------------------------------------------------------

/** Takes back what a node did. */
export type Compensate = (context?: Context, result?: any) => unknown

/** A node of a graph. Of a graph that is made by hand, `id`, `agent`, `inputs`, `outputs` and `phase` are enough. */
export interface DAGNode {
  id: string
  agent: string
  inputs: string[]
  outputs: string[]
  phase: number
  compensate?: Compensate
  agentId?: string
  task?: string
  dependencies?: string[]
  phaseName?: string
  /** Milliseconds. */
  estimatedTime?: number
  /** Further options of the engine's task. */
  config?: Record<string, unknown>
}

/** That a node waits for another, and the keys that flow: several with commas between. */
export interface DAGEdge {
  from: string
  to: string
  data: string
}

export interface DAGMetadata {
  command: string
  /** What the definition says, else the length of the critical path in milliseconds. */
  estimatedTime: number
  /** The most nodes of a level. */
  parallelism: number
  criticalPath: DAGNode[]
  /** The length of the critical path, in milliseconds. */
  totalEstimatedTime: number
  /** What all nodes take one after the other, in milliseconds. */
  sequentialTime: number
  maxParallelism: number
  levels: number
}

/** A graph. Its content is what nodes and edges say, also when they were changed. */
export interface DAG {
  id: string
  nodes: DAGNode[]
  edges: DAGEdge[]
  metadata: DAGMetadata
  /** The content hash, for caches; empty while the graph cannot run. */
  hash: string
  /** As text, level by level, or as a Mermaid flowchart. */
  visualize(format?: 'text' | 'mermaid'): string
}

/** A graph that was made by hand. */
export interface PlainDAG {
  id?: string
  nodes: DAGNode[]
  edges: DAGEdge[]
  metadata?: Partial<DAGMetadata>
}

/** One thing that is wrong. */
export interface Problem {
  code: string
  severity: 'error' | 'warning'
  path: string
  line: number | null
  message: string
}

export interface ValidationResult {
  valid: boolean
  /** `Circular dependency detected`, `Missing: a, b`, and others in the engine's words. */
  errors: string[]
  warnings: string[]
  /** The same with codes and places. */
  problems: Problem[]
}

/** Level `number`, from 0. */
export interface Level {
  number: number
  nodes: DAGNode[]
}

export interface ExecutionPlan {
  levels: Level[]
  criticalPath: DAGNode[]
  /** The length of the critical path, in milliseconds. */
  estimatedTime: number
  sequentialTime: number
  /** How many nodes a level has on average. */
  parallelism: number
  /** The most that run at once: the widest level, or the limit. */
  maxParallelism: number
}

/**
 * Makes graphs of definitions, checks and simplifies them.
 *
 * Events: `dagBuilt`, `dagValidated`, `dagOptimized`, `validationError`.
 */
export declare class DAGBuilder extends EventEmitter {
  constructor(config?: { strict?: boolean; inputs?: string[] })
  /** The graph of a definition; what is wrong with it, {@link validate} tells. */
  buildDAG(commandDef: AnyCommand): DAG
  /** Everything that is wrong with a graph. */
  validate(dag: DAG | PlainDAG): ValidationResult
  /** The graph with equal nodes as one and without useless edges. */
  optimize(dag: DAG | PlainDAG): DAG
}

/** The builder of the later documents. */
export declare class EnhancedDAGBuilder extends DAGBuilder {
  /** The keys of the context are no missing inputs. */
  buildWithContext(commandDef: AnyCommand, context: Context | Record<string, unknown>): DAG
  buildDynamic(commandDef: AnyCommand): DAG
  validateResources(dag: DAG | PlainDAG): ValidationResult
  extractCompensations(dag: DAG | PlainDAG): Map<string, Compensate | Record<string, unknown>>
}

// ---- contexts -------------------------------------------------------------------------------------------------------

/** What a command knows. Frozen to its leaves. */
export interface Context {
  readonly version: string
  readonly command: string
  readonly createdAt: number
  /** Seconds. */
  readonly ttl: number
  readonly parent?: Context
  readonly data: {
    readonly codebaseAnalysis?: { readonly files: any; readonly dependencies: any; readonly metrics: any }
    readonly performanceMetrics?: { readonly latency: any; readonly throughput: any; readonly bottlenecks: any }
    readonly [key: string]: any
  }
  readonly metadata: { readonly analyzedBy: readonly string[]; readonly hash: string; readonly immutable: boolean }
}

/** Makes a context. */
export declare function createContext(fields?: {
  command?: string
  ttl?: number
  parent?: Context
  data?: Record<string, unknown>
  analyzedBy?: string[]
  createdAt?: number
}): Context

export interface CacheEntry<T = any> {
  value: T
  /** SHA-256, hexadecimal, of the JSON with the members of objects in order. */
  hash: string
  createdAt: number
  /** Milliseconds since 1970. */
  expiresAt: number
  /** From 1; rises with each value of the key. */
  version: number
}

export interface CacheMetrics {
  hits: number
  misses: number
  evictions: number
  /** Percent. */
  hitRate: number
  /** Bytes. */
  size: number
  entries: number
  sets: number
  expirations: number
  invalidations: number
}

export interface ContextManagerConfig {
  /** Bytes. Default: 104857600 (100 MiB). */
  maxCacheSize?: number
  /** Seconds. Default: 3600. */
  defaultTTL?: number
  /** Where the file of the cache lies. Default: `./.cache/orchestration`. */
  persistencePath?: string
  /** Whether there is a file. Default: false. */
  enablePersistence?: boolean
  /** Who goes when there is no room. Default: `LRU`. Lower case is understood. */
  evictionPolicy?: 'LRU' | 'LFU' | 'TTL' | 'lru' | 'lfu' | 'ttl' | 'priority'
  /** The name of the later documents for `maxCacheSize`. */
  maxMemoryMB?: number
  compressionEnabled?: boolean
}

/**
 * Keeps values by key for a time, and makes contexts of them. Values are frozen copies.
 *
 * Events: `cacheHit`, `cacheMiss`, `cacheSet`, `cacheEvicted`, `cleanupCompleted`.
 *
 * @example
 * const contexts = new ContextManager({ defaultTTL: 600 })
 * await contexts.set('structure', { files: 129 })
 * await contexts.get('structure') // { files: 129 }
 */
export declare class ContextManager extends EventEmitter {
  constructor(config?: ContextManagerConfig)
  /** The cache itself, without promises. */
  readonly cache: Cache
  /** The value of that key; `null`: there is none, or its time is over. {@link has} tells a `null` that was set. */
  get<T = any>(key: string): Promise<T>
  /** Keeps a value for `ttl` seconds. It is there at once; the promise is for those who wait. */
  set(key: string, value: unknown, ttl?: number): Promise<void>
  has(key: string): boolean
  getEntry<T = any>(key: string): CacheEntry<T> | null
  /** A context below another: it sees its data and cannot change it. */
  createChild(parent?: Context | Record<string, unknown>, data?: Record<string, unknown>): Context
  createContext(command: string, data?: Record<string, unknown>, ttl?: number): Context
  /** How many values went. */
  invalidate(key: string): number
  invalidatePattern(pattern: RegExp): number
  /** Percent; 0 before the first look. */
  getHitRate(): number
  getMetrics(): CacheMetrics
  clear(): void
  export(): string
  import(json: string): { kept: number; expired: number; outdated: number; too_large: number }
  /** Drops what is over; how many. */
  cleanup(): number
  configure(config: ContextManagerConfig): void
  /** Writes the file now. */
  flush(): void
  /** Stops its timers, and writes what is to be written. */
  close(): void
}

/** Values by key, each for a time, in a bounded space. Arrays and plain objects are kept as frozen copies. */
export declare class Cache<T = any> {
  constructor(options?: {
    maxBytes?: number
    /** Milliseconds. */
    ttl?: number
    eviction?: 'lru' | 'lfu' | 'ttl'
    /** Where runs look for results that are not here, and keep theirs for other processes. */
    store?: Store
  })
  /** Waits until the store has what runs gave it to keep. A run that was awaited has waited for it. */
  settle(): Promise<void>
  /** Counts as a hit or a miss. */
  get(key: string): T | undefined
  peek(key: string): T | undefined
  has(key: string): boolean
  /** Whether it is kept. `ttl` in milliseconds. */
  set(key: string, value: T, options?: { ttl?: number; tags?: string[] }): boolean
  delete(key: string): number
  deleteMatching(pattern: RegExp): number
  deleteTag(tag: string): number
  clear(): number
  keys(): string[]
  child(): Cache<T>
  stats(): {
    entries: number
    bytes: number
    hits: number
    misses: number
    sets: number
    evictions: number
    expirations: number
    invalidations: number
    /** From 0 to 1. */
    hit_rate: number | null
  }
  hash(key: string): string | null
  export(): string
  import(text: string): { kept: number; expired: number; outdated: number; too_large: number }
}

/** What goes into an agent and comes out of it, by the declarations of its node. */
export declare class ContextAdapter {
  prepareContext(node: any, context: Context | Record<string, unknown>): Record<string, any>
  extractOutputs(node: any, result: unknown): Map<string, any>
  validateInputs(node: any, context: Context | Record<string, unknown>): { valid: boolean; missing: string[]; errors: string[] }
  mergeContexts(...contexts: (Context | Record<string, unknown>)[]): Context
}

// ---- executions -----------------------------------------------------------------------------------------------------

/** What else a call is told. */
export interface Call {
  nodeId: string
  executionId: string
  attempt: number
  /** Is aborted when the call is to stop. */
  signal: AbortSignal
  /** Whether it takes back what the node did. */
  compensation?: boolean
  node?: DAGNode
}

export type AgentFunction = (agentId: string, task: string, context: Context, call: Call) => any

/** Who does what nodes ask for. */
export type AgentExecutor = AgentFunction | { execute: AgentFunction }

export interface NodeResult {
  nodeId: string
  agentId?: string
  success: boolean
  status: 'succeeded' | 'failed' | 'skipped' | 'cancelled' | 'undone'
  output: any
  outputs: Map<string, any>
  /** Milliseconds. */
  duration: number
  context: Context
  error?: Error
}

export interface ExecutionResult {
  success: boolean
  executionId: string
  /** Milliseconds. */
  totalTime: number
  /** The same, under the name of the first phase. */
  executionTime: number
  nodeResults: NodeResult[]
  /** Percent. */
  cacheHitRate: number
  /** Their ids. */
  checkpoints: string[]
  errors: Error[]
  /** What is known at the end: the data of the beginning, what the nodes made by key and by node. */
  context: Context
  /** The engine's report. */
  report: Report
}

export interface Checkpoint {
  readonly id: string
  readonly dag: DAG
  readonly level: number
  readonly context: Context
  readonly timestamp: number
  readonly executionId: string
  /** The nodes that were done. */
  readonly completed: readonly string[]
}

export interface ExecuteOptions {
  /** After a failure goes on with all that does not need the failed node. Default: false. */
  continueOnError?: boolean
  /** Aborted, it stops the execution. */
  signal?: AbortSignal
  /** Only says what would run. */
  dryRun?: boolean
  executionId?: string
}

export interface SchedulerConfig {
  /** The most nodes at once. Default: 5. */
  maxParallelism?: number
  /** Default: true. */
  enableCheckpoints?: boolean
  /**
   * The longest an attempt of a node without a timeout may take, in milliseconds. Default: 300000, or three times the node's
   * estimate where that is more.
   */
  timeout?: number
  enableSaga?: boolean
  enableRetry?: boolean
  executor?: AgentExecutor
  /** Is told the lines of the prototype's log. */
  log?: (line: string) => void
}

/**
 * Runs graphs: a node starts when those that it waits for are done, and never more than the limit at once.
 *
 * Events: `executionStarted`, `executionCompleted`, `executionFailed`, `levelStarted`, `levelCompleted`, `nodeStarted`,
 * `nodeCompleted`, `nodeFailed`, `nodeSkipped`, `retryAttempt`, `compensationStarted`, `compensationFailed`,
 * `checkpointCreated`.
 */
export declare class ParallelScheduler extends EventEmitter {
  constructor(config?: SchedulerConfig)
  setAgentExecutor(executor: AgentExecutor): void
  /** Runs a graph to its end. Failures are in the result; only a graph that cannot run is thrown. */
  execute(dag: DAG | PlainDAG, context?: Context | Record<string, unknown> | null, options?: ExecuteOptions): Promise<ExecutionResult>
  /** Runs what the checkpoint has not. */
  resumeFromCheckpoint(checkpointId: string, dag?: DAG | PlainDAG): Promise<ExecutionResult>
  getCheckpoints(): Checkpoint[]
  clearCheckpoints(): void
  getExecutionPlan(dag: DAG | PlainDAG): ExecutionPlan
  topologicalSort(dag: DAG | PlainDAG): Level[]
}

// ---- resources ------------------------------------------------------------------------------------------------------

export interface Lock {
  readonly id: string
  readonly resource: string
  readonly agent: string
  readonly acquiredAt: number
  /** `Infinity` without a lease. */
  readonly expiresAt: number
}

export type ResourceType = 'agent' | 'file' | 'database' | 'API' | 'api' | 'custom'

export interface DeadlockResult {
  detected: boolean
  hasDeadlock: boolean
  /** The owners of the first circle. */
  cycle: string[]
  resources: string[]
  /** Who gives way. */
  victim: string | null
  message: string
  cycles: { number: number; owners: string[]; resources: string[]; victim: string | null; message: string }[]
}

export interface ResourceStats {
  id: string
  type: ResourceType
  maxConcurrent: number
  currentUsage: number
  available: number
  holders: string[]
  queueLength: number
  granted: number
  refused: number
  expired: number
  /** Milliseconds. */
  totalWaitTime: number
  longestWait: number
}

export interface ResourceManagerConfig {
  /** Milliseconds. Default: 30000. */
  defaultLockTimeout?: number
  /** Whether deadlocks are ended as they arise. Default: true. */
  enableDeadlockDetection?: boolean
  /** How long a lock may be held, in milliseconds. Default: until it is given back. */
  lockLease?: number
}

/**
 * Grants resources to their users.
 *
 * Events: `lockAcquired`, `lockReleased`, `lockTimeout`, `deadlockDetected`, `resolvingDeadlock`.
 */
export declare class ResourceManager extends EventEmitter {
  constructor(config?: ResourceManagerConfig)
  /** Waits for a resource; throws `Lock acquisition timeout for {resource}` after `timeout` ms. */
  acquire(resource: string, agent: string, timeout?: number): Promise<Lock>
  /** Gives a lock back; only who holds it can. */
  release(lock: Lock): void
  isAvailable(resource: string): boolean
  /** Declares a resource of which so many may be used at once. Default: 1. */
  registerResource(id: string, type?: ResourceType, maxConcurrent?: number): void
  /** The id of the lock; `null`: it was not free in time, or waiting would have been for ever. */
  acquireLock(resourceId: string, ownerId: string, priority?: number, timeout?: number): Promise<string | null>
  releaseLock(lockId: string, ownerId?: string): boolean
  releaseAllLocks(ownerId: string): number
  detectDeadlock(): DeadlockResult
  resolveDeadlock(deadlock: DeadlockResult): boolean
  getResourceStats(resourceId: string): ResourceStats
  getResourceStats(): Record<string, ResourceStats>
}

// ---- recovery -------------------------------------------------------------------------------------------------------

export interface RetryConfig {
  /** Attempts in all. Default: 3. */
  maxAttempts?: number
  /** Milliseconds. Default: 1000. */
  initialDelay?: number
  /** Milliseconds. Default: 30000. */
  maxDelay?: number
  /** Default: 2. */
  backoffMultiplier?: number
  strategy?: 'immediate' | 'linear' | 'exponential' | 'fibonacci'
  /** Default: false. */
  jitter?: boolean
  /** Only errors whose kind or message contains one of these. Default: all. */
  retryableErrors?: string[]
}

export interface SagaStep<T = any> {
  id?: string
  name?: string
  execute: (context: any, results: Record<string, any>) => T | PromiseLike<T>
  compensate?: (context: any, result: T) => unknown
  /** The steps that it waits for. Default: the one before. */
  dependencies?: string[]
}

export interface SagaResult {
  success: boolean
  completedSteps: string[]
  /** In the order in which they were undone. */
  compensatedSteps: string[]
  failedStep?: string
  results: Record<string, any>
  context: any
  error?: unknown
  errors: unknown[]
}

export interface RecoveryCheckpoint {
  readonly id: string
  readonly completedSteps: readonly string[]
  readonly context: Context
  readonly timestamp: number
}

export interface RecoveryStats {
  retries: number
  retriesExhausted: number
  sagasExecuted: number
  sagasFailed: number
  compensations: number
  compensationsFailed: number
  checkpoints: number
  circuitBreakers: Record<string, CircuitState>
}

export type CircuitState = 'closed' | 'open' | 'half-open'

export interface CircuitBreakerConfig {
  name?: string
  /** Failures in a row. Default: 5. */
  failureThreshold?: number
  /** Probes in a row that must work. Default: 2. */
  successThreshold?: number
  /** Milliseconds. Default: 60000. */
  resetTimeout?: number
  /** Milliseconds. Default: 300000. */
  monitoringPeriod?: number
}

/** Refuses calls while what they call seems to be broken. */
export declare class CircuitBreaker extends EventEmitter {
  constructor(config?: CircuitBreakerConfig)
  readonly state: CircuitState
  getState(): CircuitState
  /** Throws {@link CircuitOpenError} while it is open. */
  execute<T>(fn: () => T | PromiseLike<T>): Promise<T>
  reset(): void
}

/** A call was not begun, since too many before it failed. */
export declare class CircuitOpenError extends OrchError {
  readonly code: 'CIRCUIT_OPEN'
  /** Milliseconds. */
  readonly retryIn: number
}

export interface RecoveryManagerConfig {
  defaultRetryConfig?: RetryConfig
  circuitBreaker?: CircuitBreakerConfig
  enableSaga?: boolean
  enableRetry?: boolean
  enableCircuitBreaker?: boolean
  executor?: AgentExecutor
}

/**
 * Tries again, goes back, and undoes.
 *
 * Events: `sagaStarted`, `sagaCompleted`, `compensationStarted`, `compensationFailed`, `retryAttempt`, `circuitOpened`,
 * `circuitClosed`, `circuitHalfOpen`, `checkpointCreated`.
 */
export declare class RecoveryManager extends EventEmitter {
  constructor(config?: RecoveryManagerConfig)
  setAgentExecutor(executor: AgentExecutor): void
  /** Tries a failed node again. */
  handleFailure(
    node: DAGNode,
    context: Context,
    error: Error,
  ): Promise<{ recovered: boolean; nodeId: string; success: boolean; context: Context; outputs?: any; error?: unknown }>
  /** Undoes what was completed since the checkpoint. */
  rollback(checkpointId: string): Promise<RecoveryCheckpoint>
  /** Waits 2^(attempt - 1) s before each attempt after the first; at last `Max retries exceeded for {agent}: {message}`. */
  retry(node: DAGNode, context: Context, maxRetries?: number): Promise<any>
  executeSaga(steps: SagaStep[], context?: any): Promise<SagaResult>
  executeWithRetry<T>(actionId: string, fn: (attempt: number) => Promise<T>): Promise<T>
  executeWithCircuitBreaker<T>(actionId: string, fn: () => Promise<T>): Promise<T>
  createCheckpoint(id: string, completedSteps?: string[], context?: Context | Record<string, unknown>): RecoveryCheckpoint
  restoreCheckpoint(id: string): RecoveryCheckpoint
  getCheckpoints(): RecoveryCheckpoint[]
  clearCheckpoints(): void
  /** Remembers what takes a step back: {@link rollback} calls it. */
  recordCompletion(stepId: string, compensate?: () => unknown): void
  setRetryConfig(actionId: string, config: RetryConfig): void
  getRetryConfig(actionId: string): Required<RetryConfig>
  getCircuitBreaker(actionId: string): CircuitBreaker
  setCircuitBreaker(actionId: string, breaker: CircuitBreaker): void
  resetCircuitBreaker(actionId: string): void
  getStats(): RecoveryStats
}

// ---- progress -------------------------------------------------------------------------------------------------------

/** An item of a TodoWrite list. */
export interface Todo {
  content: string
  activeForm: string
  status: 'pending' | 'in_progress' | 'completed'
}

/** Who gets the whole list each time it changed. */
export type TodoWriteAPI = { write(todos: Todo[]): unknown } | ((todos: Todo[]) => unknown)

export interface ProgressUpdate {
  levelStarted?: number
  levelCompleted?: number
  nodeStarted?: string
  nodeCompleted?: string
  nodeFailed?: string
  nodeSkipped?: string
  error?: unknown
}

export interface ProgressStats {
  total: number
  pending: number
  inProgress: number
  /** Worked, or did not have to run. What failed is not among them. */
  completed: number
  failed: number
  skipped: number
  /** From 0 to 100. */
  percentComplete: number
  /** Milliseconds. */
  estimatedTimeRemaining: number
}

export interface TodoWriteConfig {
  /** Kept for those who say it: lists are given whole. Default: 10. */
  batchSize?: number
  /** How long a list waits for a later one, in milliseconds. Default: 500. */
  batchDelay?: number
  /** By phase, or flat. Default: by level. */
  enableGrouping?: boolean
}

export interface ProgressTrackerConfig {
  enableTodoWrite?: boolean
  autoGenerateTodos?: boolean
  todoWrite?: TodoWriteConfig
  groupByPhase?: boolean
  layout?: 'levels' | 'phases' | 'flat'
  /** `strict`: one item in progress at a time. Default: `parallel`. */
  todoMode?: 'parallel' | 'strict'
  log?: (line: string) => void
}

/**
 * How far a command is, and its todo list.
 *
 * Events: `todosGenerated`, `progressUpdated`, `completionFinished`.
 */
export declare class ProgressTracker extends EventEmitter {
  constructor(config?: ProgressTrackerConfig)
  initialize(dag: DAG | PlainDAG, commandName?: string): Promise<void>
  update(update: ProgressUpdate): Promise<void>
  markStarted(nodeId: string): Promise<void>
  markCompleted(nodeId: string): Promise<void>
  markFailed(nodeId: string, error?: unknown): Promise<void>
  /** The end. After a failure, what is not done stays so. */
  complete(result: { success: boolean; totalTime?: number; executionTime?: number }): Promise<void>
  getStats(): ProgressStats
  getTodos(): Todo[]
  setTodoWriteAPI(api: TodoWriteAPI): void
  configureTodoWrite(config: TodoWriteConfig): void
  /** Gives the latest list now. */
  flush(): Promise<void>
}

/** Gives whole lists to a receiver, not too often and never two at once. */
export declare class TodoWriteAdapter {
  constructor(api: TodoWriteAPI, config?: TodoWriteConfig & { maxRetries?: number })
  write(todos: Todo[]): Promise<void>
  clear(): Promise<void>
  flush(): Promise<void>
  setBatchSize(size: number): void
  setBatchDelay(ms: number): void
}

// ---- commands -------------------------------------------------------------------------------------------------------

export interface CommandLoaderConfig {
  /** Default: true. */
  cacheEnabled?: boolean
  /** Default: true. */
  validateSchema?: boolean
  /** Default: true. */
  convertV1ToV2?: boolean
  /** Entries. Default: 50. */
  maxCacheSize?: number
  /** Milliseconds. Default: 3600000. */
  cacheTTL?: number
}

export interface LoadedCommand {
  definition: any
  metadata: {
    /** The path of the file, or `programmatic`. */
    source: string
    format: 'json' | 'markdown'
    version: string
    loadedAt: number
    /** SHA-256, hexadecimal. */
    hash: string
    fileSize: number
    mtime: number
  }
  validationResult?: SchemaValidationResult
}

export interface SchemaValidationResult {
  valid: boolean
  errors: { code: string; message: string; field?: string; details?: any }[]
  warnings: { code: string; message: string; field?: string; suggestion?: string }[]
}

export type LoadErrorCode = 'FILE_NOT_FOUND' | 'INVALID_JSON' | 'INVALID_FORMAT' | 'CONVERSION_DISABLED' | 'VALIDATION_FAILED'

/** A command could not be loaded. */
export declare class CommandLoadError extends Error {
  constructor(message: string, code: LoadErrorCode, details?: any, options?: ErrorOptions)
  readonly code: LoadErrorCode
  readonly details: any
}

/** Reads definitions: JSON of version 2 and its dialects, Markdown of version 1, values. */
export declare class CommandLoader {
  constructor(config?: CommandLoaderConfig)
  load(source: string | object): Promise<LoadedCommand>
  loadJSON(path: string): Promise<LoadedCommand>
  loadMarkdown(path: string): Promise<LoadedCommand>
  loadProgrammatic(def: object): LoadedCommand
  validate(def: object): SchemaValidationResult
  clearCache(path?: string): void
  /** `size` in bytes, `hitRate` in percent. */
  getCacheStats(): { size: number; entries: number; hitRate: number }
}

// ---- the engine -----------------------------------------------------------------------------------------------------

export interface OrchestrationConfig
  extends ContextManagerConfig,
    ResourceManagerConfig,
    RecoveryManagerConfig,
    ProgressTrackerConfig,
    Omit<SchedulerConfig, 'log'> {
  onNodeStart?: (nodeId: string, phase: number) => void
  onNodeComplete?: (nodeId: string, duration: number, success: boolean) => void
  onPhaseComplete?: (
    phaseId: number,
    results: { nodeId: string; success: boolean; duration: number; result?: any }[],
  ) => void
  metricsCollector?: MetricsCollector
  /** Commands by name, which agents of the kind `command` run. */
  commands?: Record<string, AnyCommand> | Map<string, AnyCommand>
  loader?: CommandLoaderConfig
  dryRun?: boolean
  /** Is told the lines of the prototype's log; `true`: they go to the console. */
  log?: any
}

export interface OrchestrationResult extends ExecutionResult {
  dag: DAG
  plan: ExecutionPlan
  dryRun?: boolean
  cacheMetrics: CacheMetrics
  progressStats: ProgressStats
}

export interface EngineMetrics {
  totalExecutions: number
  activeExecutions: number
  /** Percent. */
  successRate: number
  averageDuration: number
  /** Percent. */
  cacheHitRate: number
  /** Percent. */
  parallelismEfficiency: number
}

export interface AgentMetrics {
  totalExecutions: number
  successCount: number
  failureCount: number
  totalDuration: number
  averageDuration: number
}

/**
 * The engine. It tells the events of its parts under their names: `cache:hit`, `execution:levelCompleted`,
 * `resource:deadlockDetected`, `dag:dagBuilt`, `recovery:sagaStarted`, `progress:progressUpdated`.
 *
 * Defaults: `maxCacheSize` 104857600, `defaultTTL` 3600 s, `evictionPolicy` `LRU`, `maxParallelism` 5, `enableCheckpoints` true,
 * `timeout` 300000, `defaultLockTimeout` 30000, `enableDeadlockDetection`, `enableSaga`, `enableRetry`, `enableCircuitBreaker`,
 * `enableTodoWrite`, `autoGenerateTodos` true.
 */
export declare class OrchestrationEngine extends EventEmitter {
  constructor(config?: OrchestrationConfig)
  readonly config: Readonly<Record<string, any>>
  readonly builder: EnhancedDAGBuilder
  readonly contexts: ContextManager
  readonly resources: ResourceManager
  readonly recovery: RecoveryManager
  readonly progress: ProgressTracker
  readonly scheduler: ParallelScheduler
  readonly loader: CommandLoader
  /**
   * Runs a definition or a loaded command, with or without a context. Failures are in the result.
   *
   * @throws {@link InvalidDefinition} with every problem of a definition that cannot run.
   */
  execute(
    commandDef: AnyCommand,
    context?: Context | Record<string, unknown> | null,
    options?: ExecuteOptions,
  ): Promise<OrchestrationResult>
  executeSaga(steps: SagaStep[], context?: any): Promise<SagaResult>
  buildDAG(commandDef: AnyCommand): DAG
  optimizeDAG(dag: DAG | PlainDAG): DAG
  validateDAG(dag: DAG | PlainDAG): ValidationResult
  setAgentExecutor(executor: AgentExecutor): void
  registerAgent(agentId: string, subagentType: string): void
  setTodoWriteAPI(api: TodoWriteAPI): void
  configureTodoWrite(config: TodoWriteConfig): void
  configureContextManager(config: ContextManagerConfig): void
  setCircuitBreaker(name: string, breaker: CircuitBreaker): void
  getCacheMetrics(): CacheMetrics
  getProgressStats(): ProgressStats
  getResourceStats(): Record<string, ResourceStats>
  getResourceStats(resourceId: string): ResourceStats
  getRecoveryStats(): RecoveryStats
  getMetrics(): EngineMetrics
  getMetrics(agentId: string): AgentMetrics
  clearCache(): void
  clearCheckpoints(): void
  /** How many values went. */
  invalidateCachePattern(pattern: RegExp): number
  registerResource(id: string, type?: ResourceType, maxConcurrent?: number): void
  acquireLock(resourceId: string, ownerId: string, priority?: number): Promise<string | null>
  releaseLock(lockId: string): boolean
  /** Stops an execution. Whether it was running. */
  cancel(executionId: string, reason?: string): boolean
  /** Stops an execution, which {@link resume} goes on with from its last checkpoint. */
  pause(executionId: string): boolean
  resume(executionId: string): Promise<ExecutionResult>
  getStatus(executionId: string): {
    executionId: string
    status: 'running' | 'completed' | 'failed' | 'cancelled'
    command: string
    startedAt: number
    endedAt?: number
  }
  /** The last checkpoint. */
  checkpoint(): Checkpoint | null
  recover(id: string): Promise<ExecutionResult>
  /** Stops its timers. */
  close(): void
}

/** What executions were like. */
export declare class MetricsCollector {
  constructor(config?: { enableDetailedTiming?: boolean; enableResourceMonitoring?: boolean; enableContextMetrics?: boolean })
  record(execution: any): void
  getReport(): {
    totalDuration: number
    parallelismEfficiency: number
    cacheHitRate: number
    phases: { name: string; duration: number; agentCount: number; parallelExecutions: number; successRate: number }[]
    slowestAgents: { id: string; duration: number; estimatedTime: number }[]
  } | null
}

/** The prompt of an agent: its task, and its context as JSON. Texts above 10000 characters are cut, bytes left out. */
export declare function promptOf(task: string, data: unknown): string

/** Whether the same call may work later, by what its error says. */
export declare function isRetryable(error: unknown): boolean
