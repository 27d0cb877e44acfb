'use strict'

// The options of tasks and runs: checked by type here, translated to the core's names and units.

const { InvalidType, InvalidValue, raised } = require('./errors.js')

/** What a value is, for a message. */
function typeOf(value) {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  const type = typeof value
  return type === 'undefined' || type === 'object' ? (type === 'object' ? 'an object' : type) : `a ${type}`
}

function wrong(field, wanted, value) {
  return new InvalidType(`\`${field}\` must be ${wanted}; got ${typeOf(value)}`)
}

function text(value, field) {
  if (typeof value !== 'string') throw wrong(field, 'a string', value)
  return value
}

function truth(value, field) {
  if (typeof value !== 'boolean') throw wrong(field, 'true or false', value)
  return value
}

function number(value, field) {
  if (typeof value !== 'number') throw wrong(field, 'a number', value)
  return value
}

function callable(value, field) {
  if (typeof value !== 'function') throw wrong(field, 'a function', value)
  return value
}

function object(value, field) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(field, 'an object', value)
  return value
}

function whole(value, field, least) {
  number(value, field)
  if (!Number.isSafeInteger(value) || value < least) {
    throw new InvalidValue(`\`${field}\` is ${value}; give a whole number, at least ${least}`)
  }
  return value
}

/** Whole milliseconds, rounded up, so that a short time does not become none. */
function millis(value, field) {
  number(value, field)
  if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) {
    throw new InvalidValue(`\`${field}\` is ${value}; give milliseconds, at least 0`)
  }
  return Math.ceil(value)
}

/** One or many, as an array. */
function listed(value, field) {
  if (Array.isArray(value)) return value
  if (typeof value === 'object' && value !== null && typeof value[Symbol.iterator] === 'function') return [...value]
  if (value === null) throw wrong(field, 'one or an array', value)
  return [value]
}

function texts(value, field) {
  const items = Array.isArray(value) ? value.slice() : listed(value, field)
  for (let i = 0; i < items.length; i++) text(items[i], field)
  return items
}

function retry(value) {
  if (typeof value === 'number') return { max_attempts: whole(value, 'retries', 0) + 1 }
  const { attempts, backoff, delayMs, maxDelayMs, factor, jitter, on, ...rest } = object(value, 'retries')
  noMore(rest, 'retries')
  const made = {}
  if (attempts !== undefined) made.max_attempts = whole(attempts, 'retries.attempts', 1)
  if (backoff !== undefined) made.strategy = text(backoff, 'retries.backoff')
  if (delayMs !== undefined) made.initial_delay_ms = millis(delayMs, 'retries.delayMs')
  if (maxDelayMs !== undefined) made.max_delay_ms = millis(maxDelayMs, 'retries.maxDelayMs')
  if (factor !== undefined) made.multiplier = number(factor, 'retries.factor')
  if (jitter !== undefined) made.jitter = truth(jitter, 'retries.jitter')
  if (on !== undefined) made.on = texts(on, 'retries.on')
  return made
}

function claim(value) {
  if (typeof value === 'string') return { resource: value, mode: 'exclusive' }
  const { resource, mode = 'exclusive', units, priority, waitMs, leaseMs, tokens, ...rest } = object(value, 'claims')
  noMore(rest, 'claims')
  const made = { resource: text(resource, 'claims.resource'), mode: text(mode, 'claims.mode') }
  if (units !== undefined) made.units = whole(units, 'claims.units', 1)
  if (priority !== undefined) made.priority = number(priority, 'claims.priority')
  if (waitMs !== undefined) made.wait_ms = millis(waitMs, 'claims.waitMs')
  if (leaseMs !== undefined) made.lease_ms = millis(leaseMs, 'claims.leaseMs')
  if (tokens !== undefined) made.tokens = whole(tokens, 'claims.tokens', 0)
  return made
}

function outputs(value) {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).map(([key, ttl]) =>
      ttl === null || ttl === undefined ? { key } : { key, ttl_ms: millis(ttl, `outputs.${key}`) },
    )
  }
  return texts(value, 'outputs').map((key) => ({ key }))
}

/** What a result depends on beside what the task is given. */
function sources(value) {
  if (typeof value === 'string' || Array.isArray(value)) return { files: texts(value, 'sources') }
  const { files, models, tools, ...rest } = object(value, 'sources')
  noMore(rest, 'sources')
  const made = {}
  if (files !== undefined) made.files = texts(files, 'sources.files')
  if (models !== undefined) made.models = texts(models, 'sources.models')
  if (tools !== undefined) {
    made.tools = {}
    for (const name of Object.keys(object(tools, 'sources.tools'))) made.tools[name] = text(tools[name], `sources.tools.${name}`)
  }
  return made
}

/** A cache of this package, or something that has one: a `ContextManager`. */
function cacheOf(value) {
  const { Cache } = require('./cache.js')
  const found = value instanceof Cache ? value : value?.cache
  if (!(found instanceof Cache)) throw wrong('cache', 'a Cache or a ContextManager', value)
  return found
}

function noMore(rest, where) {
  const [name] = Object.keys(rest)
  if (name !== undefined) throw new InvalidType(`${where}: there is no option \`${name}\``)
}

/** Waits for the native half, whose errors become those of this package. */
async function settled(call) {
  try {
    return await raised(call)
  } catch (error) {
    // Raised by another thread: without a trace of its own.
    return raised(() => {
      throw error
    })
  }
}

/** How each option of a task is said to the core: its name there, and its value. */
const OF_TASK = {
  inputs: (value) => ['inputs', texts(value, 'inputs').map((key) => ({ key }))],
  outputs: (value) => ['outputs', outputs(value)],
  retries: (value) => ['retry', retry(value)],
  timeoutMs: (value) => ['timeout_ms', millis(value, 'timeoutMs')],
  idleTimeoutMs: (value) => ['idle_timeout_ms', millis(value, 'idleTimeoutMs')],
  claims: (value) => ['claims', listed(value, 'claims').map(claim)],
  priority: (value) => ['priority', whole(value, 'priority', -(2 ** 31))],
  when: (value) => [
    'conditions',
    texts(value, 'when').map((source) => ({ test: { expression: source }, run_when: true })),
  ],
  group: (value) => ['group', text(value, 'group')],
  allowFailure: (value) => ['allow_failure', truth(value, 'allowFailure')],
  critical: (value) => ['critical', truth(value, 'critical')],
  undo: (value) => (callable(value, 'undo'), ['undo', {}]),
  breaker: (value) => ['breaker', text(value, 'breaker')],
  agent: (value) => ['agent', text(value, 'agent')],
  description: (value) => ['description', text(value, 'description')],
  phase: (value) => ['phase', text(value, 'phase')],
  params: (value) => ['params', value],
  sources: (value) => ['sources', sources(value)],
  expects: (value) => ['expects', require('./money.js').expected(value)],
}

/** Whether they say only what a task waits for. */
function areOnlyAfter(options) {
  for (const name in options) if (name !== 'after') return false
  return true
}

/**
 * Reads the options of one task. Each is read once. Most say only what it waits for: then that is the answer, as it was given if that is
 * an array, of which nothing is read yet; else it is an entry with all of it.
 */
function readTask(id, options, Entry) {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) object(options, `the options of task ${id}`)
  if (areOnlyAfter(options)) {
    const value = options.after
    return value === undefined || Array.isArray(value) ? value : texts(value, 'after')
  }
  let after
  let entry
  for (const name of Object.keys(options)) {
    const value = options[name]
    if (value === undefined) continue
    if (name === 'after') {
      after = texts(value, 'after')
      continue
    }
    entry ??= new Entry()
    if (name === 'estimateMs') {
      entry.estimate = millis(value, 'estimateMs')
      continue
    }
    const say = Object.hasOwn(OF_TASK, name) ? OF_TASK[name] : undefined
    if (say === undefined) throw new InvalidType(`task \`${id}\`: there is no option \`${name}\``)
    const [key, told] = say(value)
    if (name === 'undo') entry.undo = value
    entry.core ??= {}
    entry.core[key] = told
  }
  if (entry === undefined) return after
  entry.after = after
  return entry
}

const POLICIES = ['fail_fast', 'continue']

/** The options of a run. Each is read once. */
function readRun(options = {}) {
  object(options, 'options')
  const {
    maxParallel,
    onFailure,
    undo,
    deadlineMs,
    inputs,
    seed,
    check = true,
    signal,
    context,
    graceMs = 1000,
    onEvent,
    cache,
    store,
    sync,
    source,
    resume,
    budget,
    prices,
    labels,
    notify = false,
    ...rest
  } = options
  noMore(rest, 'options')
  const core = {}
  if (maxParallel !== undefined && maxParallel !== Infinity) {
    core.max_parallel = Math.min(whole(maxParallel, 'maxParallel', 1), 2 ** 32 - 1)
  }
  if (onFailure !== undefined) {
    if (!POLICIES.includes(text(onFailure, 'onFailure'))) {
      throw new InvalidValue(`\`onFailure\` is \`${onFailure}\`; give 'fail_fast' or 'continue'`)
    }
    core.on_failure = onFailure
  }
  if (undo !== undefined) core.undo = truth(undo, 'undo')
  if (deadlineMs !== undefined) core.deadline_ms = millis(deadlineMs, 'deadlineMs')
  if (inputs !== undefined) core.inputs = object(inputs, 'inputs')
  if (seed !== undefined) core.seed = whole(seed, 'seed', 0)
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw wrong('signal', 'an AbortSignal', signal)
  }
  if (onEvent !== undefined) callable(onEvent, 'onEvent')
  if (store === undefined) {
    for (const [name, value] of Object.entries({ sync, source, resume })) {
      if (value !== undefined) throw new InvalidValue(`\`${name}\` is for runs that are kept; give a \`store\` too`)
    }
  } else {
    const { Store, syncOf } = require('./store.js')
    if (!(store instanceof Store)) throw wrong('store', 'a Store', store)
    if (sync !== undefined) syncOf(sync)
    if (source !== undefined) text(source, 'source')
    if (resume !== undefined && resume !== true) text(resume, 'resume')
  }
  let ledger
  if (budget !== undefined || store !== undefined) {
    ledger = require('./money.js').ledgerOf(budget, store, prices)
  } else if (labels !== undefined) {
    throw new InvalidValue('`labels` are for runs that book what they spend; give a `budget` or a `store` too')
  }
  if (prices !== undefined && !(prices instanceof require('./money.js').Prices)) throw wrong('prices', 'Prices', prices)
  return {
    core: Object.keys(core).length > 0 ? core : undefined,
    inputs: core.inputs,
    check: truth(check, 'check'),
    signal,
    context,
    graceMs: millis(graceMs, 'graceMs'),
    onEvent,
    cache: cache === undefined ? undefined : cacheOf(cache),
    store,
    sync,
    source,
    resume,
    ledger,
    prices: ledger === undefined ? prices : undefined,
    labels: labels === undefined ? undefined : require('./money.js').labels(labels, 'labels'),
    notices: notify === false ? undefined : require('./notices.js').noticesOf(notify, store),
  }
}

module.exports = { readTask, readRun, texts, text, object, whole, number, millis, settled, truth, callable, noMore, wrong, typeOf }
