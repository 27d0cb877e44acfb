'use strict'

/** What `compat` exports, known without reading it. */
module.exports = [
  'Cache',
  'CircuitBreaker',
  'CircuitOpenError',
  'CommandLoadError',
  'CommandLoader',
  'ContextAdapter',
  'ContextManager',
  'DAGBuilder',
  'EnhancedDAGBuilder',
  'MetricsCollector',
  'OrchestrationEngine',
  'ParallelScheduler',
  'ProgressTracker',
  'RecoveryManager',
  'ResourceManager',
  'TodoWriteAdapter',
  'createContext',
  'isRetryable',
  'promptOf',
]
