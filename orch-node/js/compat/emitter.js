'use strict'

const { EventEmitter } = require('node:events')

/** What every class of the prototype is: an emitter of events. */
class Emitter extends EventEmitter {
  /** Tells an event. A listener that throws ends with a warning: it is not allowed to end a run. */
  _tell(name, data) {
    try {
      this.emit(name, data)
    } catch (error) {
      process.emitWarning(`a listener of \`${name}\` threw: ${error?.stack ?? error}`, 'OrchWarning')
    }
  }
}

/** The time that the classes go by, in milliseconds; tests give their own. */
const systemClock = {
  now: () => performance.now(),
  setTimeout: (call, ms) => setTimeout(call, Math.min(ms, 2 ** 31 - 1)),
  clearTimeout: (timer) => clearTimeout(timer),
}

/** A number of milliseconds or seconds that a caller gave, or its default. */
function amount(value, name, fallback) {
  if (value === undefined || value === null) return fallback
  if (typeof value !== 'number' || !(value >= 0)) throw new TypeError(`\`${name}\` is ${String(value)}; give a number, at least 0`)
  return value
}

/** Settings that a caller gave. */
function settings(config, name = 'config') {
  if (config === undefined || config === null) return {}
  if (typeof config !== 'object') throw new TypeError(`\`${name}\` must be an object; got ${typeof config}`)
  return config
}

/** An executor: a function, or an object with `execute`. */
function executorOf(executor) {
  if (typeof executor === 'function') return executor
  if (typeof executor?.execute === 'function') return (...given) => executor.execute(...given)
  const got = executor === null ? 'null' : typeof executor
  throw new TypeError(`an executor must be a function or an object with \`execute\`; got ${got}`)
}

module.exports = { Emitter, systemClock, amount, settings, executorOf }
