'use strict'

/** What was frozen here to its leaves: need not be copied again. */
const frozen = new WeakSet()

/**
 * A copy that nobody can change: of arrays and plain objects, to any depth. Primitives are themselves; so is what has a
 * class of its own (a `Map`, a `Buffer`, a `Date`), which cannot be frozen from outside.
 *
 * @returns {{value: unknown, plain: boolean}} `plain`: it has the same value as JSON.
 */
function immutable(value) {
  const state = { plain: true, seen: undefined }
  return { value: copy(value, state), plain: state.plain }
}

function copy(value, state) {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'number' ? !Number.isFinite(value) : typeof value !== 'string' && typeof value !== 'boolean' && value !== null) {
      state.plain = false
    }
    return value
  }
  if (frozen.has(value)) return value
  const isArray = Array.isArray(value)
  const proto = Object.getPrototypeOf(value)
  if (!isArray && proto !== Object.prototype && proto !== null) {
    // An object of another realm (`vm`, a test runner) is as plain.
    if (proto?.constructor?.name !== 'Object' || Object.getPrototypeOf(proto) !== null) {
      state.plain = false
      return value
    }
  }
  state.seen ??= new Map()
  const known = state.seen.get(value)
  if (known !== undefined) {
    if (!Object.isFrozen(known)) state.plain = false // It holds itself.
    return known
  }
  const made = isArray ? new Array(value.length) : {}
  state.seen.set(value, made)
  let plain = true
  for (const key of Object.keys(value)) {
    const inner = value[key]
    if (inner === undefined && !isArray) {
      made[key] = undefined
      continue
    }
    const before = state.plain
    state.plain = true
    const copied = copy(inner, state)
    plain &&= state.plain
    state.plain &&= before
    if (key === '__proto__') {
      Object.defineProperty(made, key, { value: copied, enumerable: true })
    } else {
      made[key] = copied
    }
  }
  Object.freeze(made)
  // Only what has JSON is known again without a second look.
  if (plain) frozen.add(made)
  return made
}

module.exports = { immutable }
