'use strict'

// Events: plain objects, made of a batch of numbers and of JSON.

const NUMBERS = 4
const STARTED = 1
const WORKED = 2

function camel(name) {
  return name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())
}

const names = new Map()

/** The JSON form of an event in the names of JavaScript. */
function ofJson(told) {
  const { v, seq, at_ms, event, ...rest } = told
  const made = { type: event, seq, atMs: at_ms }
  for (const key in rest) {
    let name = names.get(key)
    if (name === undefined) names.set(key, (name = camel(key)))
    made[name] = rest[key]
  }
  return made
}

/** The event at place `i` of the numbers of a batch, of which the first has that number. */
function eventAt(first, numbers, texts, i, driver) {
  const seq = first + i / NUMBERS
  const atMs = numbers[i + 1]
  const place = numbers[i + 2]
  switch (numbers[i]) {
    case STARTED:
      return { type: 'task_started', seq, atMs, task: driver.idOf(place), attempt: 1, queuedMs: numbers[i + 3] }
    case WORKED: {
      const attempt = numbers[i + 3]
      const output = driver.values[place]
      return { type: 'task_finished', seq, atMs, task: driver.idOf(place), attempt, state: 'succeeded', output }
    }
    default:
      return ofJson(JSON.parse(texts[place]))
  }
}

module.exports = { eventAt, ofJson, NUMBERS }
