// Microseconds a no-op async task: orch beside its peers, graphs included. Medians of rounds in which each runs once, in an order that
// changes from round to round: what one leaves behind, in the caches and as garbage, is not always the burden of the same other.
//
// All have done as many tasks before they are measured, whatever the size of the graph. Nothing collects garbage by force between rounds:
// that also throws away what the compiler has learned.
// `node benches/node/overhead.mjs [rounds] [package]`

import { createRequire } from 'node:module'

import { SHAPES } from './shapes.mjs'
import { levelBarrier, orch, pGraph, pMapOnly, withoutListener } from './ways.mjs'

const rounds = Number(process.argv[2] ?? 15)
const engine = createRequire(import.meta.url)(process.argv[3] ?? '../../orch-node')

const WAYS = {
  orch: (...graph) => orch(engine, ...graph),
  'orch, no listener': (...graph) => withoutListener(engine, ...graph),
  'p-graph': pGraph,
  'level barrier': levelBarrier,
  'p-map (only loops)': pMapOnly,
}

/** How many tasks each does before it is measured. */
const WARM = 100_000
/** Graphs of this size are measured as often as asked for; smaller ones more often, so that it is as many tasks. */
const LARGE = 10_000
const SMALL = LARGE / 10

const noop = async () => {}

let seed = 11
const draw = (below) => Math.floor((seed = (seed * 48271) % 2147483647) / (2147483647 / below))

function shuffled(items) {
  const left = [...items]
  return items.map(() => left.splice(draw(left.length), 1)[0])
}

function median(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)]
}

console.log(`Microseconds a task, Node ${process.versions.node}: medians of ${rounds} rounds, and of ten times as many for small graphs. In a round each`)
console.log(`runs once, in changing order, after ${WARM.toLocaleString('en')} tasks of each to warm up. In brackets: how often as much as orch.\n`)
console.log(`| shape | tasks | ${Object.keys(WAYS).join(' | ')} |`)
console.log(`|---|--:|${'--:|'.repeat(Object.keys(WAYS).length)}`)
for (const [name, make] of Object.entries(SHAPES)) {
  for (const count of [SMALL, LARGE]) {
    const shape = make(count)
    const names = shape.map((_, place) => `t${place}`)
    const times = Object.fromEntries(Object.keys(WAYS).map((way) => [way, []]))
    for (let round = -WARM / count; round < (rounds * LARGE) / count; round++) {
      for (const [way, call] of shuffled(Object.entries(WAYS))) {
        const began = performance.now()
        await call(names, shape, noop)
        if (round >= 0) times[way].push(((performance.now() - began) / count) * 1000)
      }
    }
    const own = median(times.orch)
    const cells = Object.values(times).map(median).map((micros) => `${micros.toFixed(2)} (${(micros / own).toFixed(1)})`)
    console.log(`| ${name} | ${count} | ${cells.join(' | ')} |`)
  }
}
