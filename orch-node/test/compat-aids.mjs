// What the tests of the compatible classes share.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const beside = process.env.ORCH_FIXTURES ?? fileURLToPath(new URL('../../../shared/fixtures', import.meta.url))

/** Where the files of the systems that orch replaces lie; `undefined`: not here. */
export const fixtures = existsSync(beside) ? beside : undefined

/** Collects what an emitter tells. */
export function told(emitter, names) {
  const events = { names: [], data: [] }
  for (const name of names) {
    emitter.on(name, (data) => {
      events.names.push(name)
      events.data.push(data)
    })
  }
  return events
}

/** Hears every event of an emitter, whatever its name. */
export function toldAll(emitter) {
  const names = []
  const emit = emitter.emit
  emitter.emit = function (name, ...data) {
    names.push(name)
    return emit.call(this, name, ...data)
  }
  return names
}

export const agent = (name, inputs, outputs) => ({ name, inputs, outputs })

const REVIEWS = ['quality', 'best-practices', 'architecture', 'performance', 'security']

/** The command of the prototype's demo: seven agents. */
export function reviewAll() {
  const reports = REVIEWS.map((name) => `${name}-report`)
  return {
    name: '/review-all',
    description: 'Reviews the whole codebase',
    estimatedTime: 1020,
    phases: [
      { number: 1, name: 'Analysis', dependencies: [], agents: [agent('codebase-analyzer', [], ['codebase-analysis'])] },
      {
        number: 2,
        name: 'Review',
        dependencies: ['Analysis'],
        agents: REVIEWS.map((name) => agent(`${name}-reviewer`, ['codebase-analysis'], [`${name}-report`])),
      },
      { number: 3, name: 'Synthesis', dependencies: ['Review'], agents: [agent('senior-reviewer', reports, ['final-report'])] },
    ],
  }
}

/** A definition of version 2 of agents with these ids and dependencies. */
export function v2(agents, more = {}, root = {}) {
  const made = agents.map(([id, dependencies]) => ({ id, agentId: `${id}-agent`, task: `do ${id}`, dependencies, ...more[id] }))
  return { version: '2.0.0', name: '/x', description: 'd', phases: [{ id: 'all', name: 'All', agents: made }], ...root }
}

/** A promise and what settles it. */
export function gate() {
  const made = {}
  made.promise = new Promise((resolve, reject) => Object.assign(made, { open: resolve, fail: reject }))
  return made
}

/** A clock that stands still, whose timers ring when it is moved. */
export class HandClock {
  #now = 0
  #timers = new Map()
  #next = 0

  now = () => this.#now

  setTimeout = (call, ms) => {
    this.#timers.set(++this.#next, { at: this.#now + ms, call })
    return this.#next
  }

  clearTimeout = (timer) => {
    this.#timers.delete(timer)
  }

  get waiting() {
    return [...this.#timers.values()].map(({ at }) => at - this.#now).sort((a, b) => a - b)
  }

  /** Moves on, timer by timer; who waits for one goes on before the next. */
  async advance(ms) {
    const end = this.#now + ms
    for (;;) {
      await settled()
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0]
      if (due === undefined) break
      this.#timers.delete(due[0])
      this.#now = Math.max(this.#now, due[1].at)
      due[1].call()
    }
    this.#now = end
    await settled()
  }
}

/** All that can go on without time has gone on. */
export async function settled() {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}
