import compat from './index.js'

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
