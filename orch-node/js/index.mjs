import { createRequire } from 'node:module'

// Not by `import`: what reads the names of a CommonJS module costs more than the module.
const orch = createRequire(import.meta.url)('./index.js')

export const {
  Graph,
  Ledger,
  LoadedGraph,
  Notices,
  Plan,
  Prices,
  Report,
  Run,
  Store,
  load,
  parse,
  resume,
  run,
  start,
  usage,
  version,
  OrchError,
  InvalidDefinition,
  InvalidFormat,
  InvalidValue,
  NotFound,
  TooLarge,
  RunFailed,
  RunCancelled,
  InputOutputError,
  LockTimeout,
  Deadlock,
  NotOwner,
  Conflict,
  Corrupt,
  Misuse,
  TaskFailed,
  TaskTimeout,
  Fatal,
  Invalid,
  InvalidType,
} = orch

export * from './compat/index.mjs'

export default orch
