// Microseconds a no-op async task: orch beside its peers, graphs included. Medians of rounds in which each runs once.
//
// Nothing collects garbage by force between rounds: that also throws away what the compiler has learned.
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

const noop = async () => {}

function median(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)]
}

console.log(`Microseconds a task, median of ${rounds} rounds, Node ${process.versions.node}; in brackets how often as much as orch.\n`)
console.log(`| shape | tasks | ${Object.keys(WAYS).join(' | ')} |`)
console.log(`|---|--:|${'--:|'.repeat(Object.keys(WAYS).length)}`)
for (const [name, make] of Object.entries(SHAPES)) {
  for (const count of [1_000, 10_000]) {
    const shape = make(count)
    const names = shape.map((_, place) => `t${place}`)
    const times = Object.fromEntries(Object.keys(WAYS).map((way) => [way, []]))
    // The first rounds warm up.
    for (let round = -10; round < rounds; round++) {
      for (const [way, call] of Object.entries(WAYS)) {
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
