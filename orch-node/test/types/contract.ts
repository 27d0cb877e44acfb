// Written against the printed signatures of the prototype alone, as its users' code is. It compiles with `tsc --strict`, and runs.

import {
  DAGBuilder,
  ContextManager,
  ParallelScheduler,
  ResourceManager,
  RecoveryManager,
  ProgressTracker,
  OrchestrationEngine,
  CommandLoader,
  CommandLoadError,
} from '@orch-engine/orch/compat'
import type {
  AgentSpec,
  CacheEntry,
  CacheMetrics,
  Checkpoint,
  CommandDefinition,
  Context,
  ContextManagerConfig,
  DAG,
  DAGEdge,
  DAGNode,
  DeadlockResult,
  ExecutionPlan,
  ExecutionResult,
  Level,
  LoadedCommand,
  Lock,
  NodeResult,
  OrchestrationResult,
  Phase,
  ProgressStats,
  ProgressUpdate,
  RecoveryCheckpoint,
  RetryConfig,
  SagaResult,
  SagaStep,
  SchemaValidationResult,
  Todo,
  ValidationResult,
} from '@orch-engine/orch/compat'

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not as the contract says: ${what}`)
}

const analyzer: AgentSpec = { name: 'codebase-analyzer', inputs: [], outputs: ['codebase-analysis'] }
const reviewer: AgentSpec = { name: 'quality-reviewer', inputs: ['codebase-analysis'], outputs: ['quality-report'] }
const analysis: Phase = { number: 1, name: 'Analysis', agents: [analyzer], dependencies: [] }
const review: Phase = { number: 2, name: 'Review', agents: [reviewer], dependencies: ['Analysis'] }
const command: CommandDefinition = { name: '/review', description: 'reviews', phases: [analysis, review], estimatedTime: 60 }

/** The first phase. */
async function first(): Promise<void> {
  const builder = new DAGBuilder()
  const dag: DAG = builder.buildDAG(command)
  const validation: ValidationResult = builder.validate(dag)
  check(validation.valid && validation.errors.length === 0 && validation.warnings.length === 0, 'a good command is valid')
  const optimized: DAG = builder.optimize(dag)
  const node: DAGNode = optimized.nodes[0]!
  const edge: DAGEdge = optimized.edges[0]!
  check(node.id === 'codebase-analyzer' && node.agent === 'codebase-analyzer' && node.phase === 1, 'nodes')
  check(node.inputs.length === 0 && node.outputs[0] === 'codebase-analysis', 'inputs and outputs')
  check(edge.from === node.id && edge.to === 'quality-reviewer' && edge.data === 'codebase-analysis', 'edges')
  check(dag.metadata.command === '/review' && dag.metadata.estimatedTime === 60 && dag.metadata.parallelism === 1, 'metadata')

  const scheduler = new ParallelScheduler()
  const levels: Level[] = scheduler.topologicalSort(dag)
  const plan: ExecutionPlan = scheduler.getExecutionPlan(dag)
  check(levels.length === 2 && levels[0]!.number === 0 && levels[0]!.nodes[0]!.id === node.id, 'levels')
  check(plan.parallelism === 1 && plan.criticalPath.length === 2 && plan.estimatedTime > 0, 'the plan')

  const manager = new ContextManager()
  check((await manager.get('codebase-analysis')) === null, 'a miss is null')
  manager.set('codebase-analysis', { files: 3 }, 3600)
  const value: any = await manager.get('codebase-analysis')
  check(value.files === 3 && manager.getHitRate() === 50, 'hits')
  const context: Context = manager.createChild({} as Context)
  check(context.version === '1.0' && context.metadata.immutable && typeof context.metadata.hash === 'string', 'contexts')
  manager.invalidate('codebase-analysis')
  check((await manager.get('codebase-analysis')) === null, 'invalidated')

  const resources = new ResourceManager()
  const lock: Lock = await resources.acquire('database', 'migrator', 30000)
  check(!resources.isAvailable('database') && lock.resource === 'database' && lock.agent === 'migrator', 'locks')
  check(lock.acquiredAt > 0 && lock.expiresAt > lock.acquiredAt && lock.id.length > 0, 'the lock itself')
  resources.release(lock)
  check(resources.isAvailable('database'), 'released')

  scheduler.setAgentExecutor(async () => 'done')
  const result: ExecutionResult = await scheduler.execute(dag, context)
  check(result.success && result.executionTime >= 0 && result.context.version === '1.0', 'the result')

  const recovery = new RecoveryManager()
  recovery.setAgentExecutor(async () => 'done')
  check((await recovery.retry(node, context, 3)) === 'done', 'retry')
  await recovery.handleFailure(node, context, new Error('x'))
  recovery.createCheckpoint('before', [])
  await recovery.rollback('before')

  const tracker = new ProgressTracker()
  await tracker.initialize(dag)
  const update: ProgressUpdate = { levelStarted: 0, nodeStarted: 'codebase-analyzer' }
  await tracker.update(update)
  await tracker.complete(result)
  manager.close()
}

const steps: SagaStep[] = [
  { id: 'one', execute: async () => 1, compensate: async () => undefined },
  { id: 'two', execute: async () => 2 },
]

/** The second. */
async function second(): Promise<void> {
  const config: ContextManagerConfig = {
    maxCacheSize: 104857600,
    defaultTTL: 3600,
    persistencePath: './.cache/orchestration',
    enablePersistence: false,
    evictionPolicy: 'LRU',
  }
  const contexts = new ContextManager(config)
  await contexts.set('k', null)
  check((await contexts.get('k')) === null, 'null')
  const metrics: CacheMetrics = contexts.getMetrics()
  check(metrics.hits === 1 && metrics.misses === 0 && metrics.evictions === 0 && metrics.hitRate === 100, 'metrics')
  contexts.import(contexts.export())
  contexts.invalidatePattern(/^k/g)
  contexts.clear()
  contexts.close()
  const entry: CacheEntry | null = contexts.getEntry('k')
  check(entry === null, 'entries')

  const builder = new DAGBuilder()
  const dag = builder.buildDAG({
    version: '2.0.0',
    name: '/notes',
    description: 'writes notes',
    phases: [
      {
        id: 'all',
        name: 'All',
        agents: [
          { id: 'collect', agentId: 'reader', task: 'collect', dependencies: [], estimatedTime: 1000 },
          { id: 'draft', agentId: 'writer', task: 'write', dependencies: ['collect'], estimatedTime: 2000 },
        ],
      },
    ],
  })
  check(dag.metadata.criticalPath.length === 2 && dag.metadata.totalEstimatedTime === 3000 && dag.metadata.maxParallelism === 1, 'dag')
  check(dag.visualize().includes('draft <- collect'), 'visualize')

  const scheduler = new ParallelScheduler({ maxParallelism: 5 })
  scheduler.setAgentExecutor({ execute: async (agentId, task, context) => `${agentId} ${task} ${context.version}` })
  const result = await scheduler.execute(dag, {})
  const nodes: NodeResult[] = result.nodeResults
  const made: any = nodes[1]!.output
  check(result.success && made === 'writer write 1.0' && nodes[0]!.nodeId === 'collect' && nodes[0]!.outputs instanceof Map, 'nodes')
  check(result.totalTime >= 0 && result.cacheHitRate === 0 && result.errors.length === 0, 'the result')
  const checkpoints: Checkpoint[] = scheduler.getCheckpoints()
  check(checkpoints.length === 2 && result.checkpoints[1] === checkpoints[1]!.id && checkpoints[1]!.level === 1, 'checkpoints')
  const resumed = await scheduler.resumeFromCheckpoint(checkpoints[1]!.id, dag)
  check(resumed.success && resumed.nodeResults.length === 1, 'resumed')

  const resources = new ResourceManager()
  resources.registerResource('db', 'database', 2)
  const lock: string | null = await resources.acquireLock('db', 'alice', 1)
  check(typeof lock === 'string' && resources.getResourceStats('db').currentUsage === 1, 'stats')
  resources.releaseLock(lock!)
  resources.releaseAllLocks('alice')
  const deadlock: DeadlockResult = resources.detectDeadlock()
  if (deadlock.detected) resources.resolveDeadlock(deadlock)

  const recovery = new RecoveryManager()
  const saga: SagaResult = await recovery.executeSaga(steps, {})
  check(saga.success && saga.completedSteps.length === 2, 'sagas')
  const retry: RetryConfig = { maxAttempts: 3, initialDelay: 1000, maxDelay: 30000, backoffMultiplier: 2.0 }
  recovery.setRetryConfig('fetch', retry)
  const number: number = await recovery.executeWithRetry('fetch', async () => 1)
  const text: string = await recovery.executeWithCircuitBreaker('fetch', async () => 'x')
  check(number === 1 && text === 'x', 'generic')
  recovery.createCheckpoint('c', ['one'], { version: '1.0' })
  const restored: RecoveryCheckpoint = recovery.restoreCheckpoint('c')
  check(restored.completedSteps[0] === 'one', 'recovery checkpoints')
  recovery.resetCircuitBreaker('fetch')

  const tracker = new ProgressTracker()
  const lists: Todo[][] = []
  tracker.setTodoWriteAPI({
    async write(todos) {
      lists.push(todos)
    },
  })
  await tracker.initialize(dag, '/notes')
  await tracker.markStarted('collect')
  await tracker.markCompleted('collect')
  const stats: ProgressStats = tracker.getStats()
  check(stats.total === 2 && stats.pending === 1 && stats.inProgress === 0 && stats.completed === 1, 'progress')
  check(stats.percentComplete === 50 && stats.estimatedTimeRemaining >= 0, 'percent')
  await tracker.markCompleted('draft')
  await tracker.complete({ success: true, totalTime: 5 })
  check(lists.at(-1)!.every((todo) => todo.status === 'completed'), 'todos')
}

async function engine(): Promise<void> {
  const orchestrator = new OrchestrationEngine({
    maxCacheSize: 104857600,
    defaultTTL: 3600,
    evictionPolicy: 'LRU',
    maxParallelism: 5,
    enableCheckpoints: true,
    timeout: 300000,
    defaultLockTimeout: 30000,
    enableDeadlockDetection: true,
    enableSaga: true,
    enableRetry: true,
    enableCircuitBreaker: true,
    enableTodoWrite: true,
    autoGenerateTodos: true,
  })
  orchestrator.setAgentExecutor(async (agentId: string, task: string, context: Context): Promise<any> => `${agentId}${task}${context.version}`)
  orchestrator.setTodoWriteAPI({ async write(todos) { void todos } })
  let hits = 0
  orchestrator.on('cache:hit', () => hits++)
  orchestrator.on('execution:levelCompleted', (data) => check(typeof data.level === 'number', 'events'))
  orchestrator.on('resource:deadlockDetected', () => check(false, 'no deadlock'))
  const result: OrchestrationResult = await orchestrator.execute(command, {}, {})
  const alone = await orchestrator.execute(command)
  const loader = new CommandLoader()
  const loaded: LoadedCommand = loader.loadProgrammatic(command)
  const third = await orchestrator.execute(loaded)
  check(result.success && alone.success && third.success, 'execute')
  const saga = await orchestrator.executeSaga(steps, {})
  check(saga.success, 'sagas of the engine')
  const dag = orchestrator.optimizeDAG(orchestrator.buildDAG(command))
  check(dag.nodes.length === 2, 'graphs of the engine')
  orchestrator.registerResource('db', 'database')
  const lock = await orchestrator.acquireLock('db', 'me')
  orchestrator.releaseLock(lock!)
  check(orchestrator.getCacheMetrics().hits === hits && orchestrator.getProgressStats().percentComplete === 100, 'metrics')
  check(orchestrator.getResourceStats().db!.currentUsage === 0 && orchestrator.getRecoveryStats().sagasExecuted === 1, 'stats')
  orchestrator.invalidateCachePattern(/x/)
  orchestrator.clearCache()
  orchestrator.clearCheckpoints()
  orchestrator.close()

  const validation: SchemaValidationResult = loader.validate({ name: 7 })
  check(!validation.valid && validation.errors.some((error) => error.field === 'name'), 'the loader validates')
  try {
    await loader.load('/no/such/file.json')
  } catch (error) {
    check(error instanceof CommandLoadError && error.code === 'FILE_NOT_FOUND', 'the loader says why')
  }
  loader.clearCache()
  const cache: { size: number; entries: number; hitRate: number } = loader.getCacheStats()
  check(cache.entries === 0, 'the cache of the loader')
}

first()
  .then(second)
  .then(engine)
  .then(() => console.log('the contract holds'))
