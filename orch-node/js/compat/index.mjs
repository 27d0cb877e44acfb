import { createRequire } from 'node:module'

// Not by `import`: what reads the names of a CommonJS module costs more than the module.
const compat = createRequire(import.meta.url)('./index.js')

export const {
  Cache,
  CircuitBreaker,
  CircuitOpenError,
  CommandLoadError,
  CommandLoader,
  ContextAdapter,
  ContextManager,
  DAGBuilder,
  EnhancedDAGBuilder,
  MetricsCollector,
  OrchestrationEngine,
  ParallelScheduler,
  ProgressTracker,
  RecoveryManager,
  ResourceManager,
  TodoWriteAdapter,
  createContext,
  isRetryable,
  promptOf,
} = compat
