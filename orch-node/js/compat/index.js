'use strict'

const { Cache } = require('../cache.js')
const { ContextManager, ContextAdapter, createContext } = require('./context.js')
const { DAGBuilder, EnhancedDAGBuilder } = require('./dag.js')
const { OrchestrationEngine, MetricsCollector, promptOf, isRetryable } = require('./engine.js')
const { CommandLoader, CommandLoadError } = require('./loader.js')
const { ProgressTracker, TodoWriteAdapter } = require('./progress.js')
const { RecoveryManager, CircuitBreaker, CircuitOpenError } = require('./recovery.js')
const { ResourceManager } = require('./resources.js')
const { ParallelScheduler } = require('./scheduler.js')

module.exports = {
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
}
