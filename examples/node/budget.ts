// What will it cost, what did it cost, and what if the money does not do? Agents are stand-ins here: they answer what the API of a model
// answers, so no network is needed.
//
//   node budget.ts [STORE]

import { Graph, Ledger, Notices, Prices, RunFailed, Store, run } from '@orch-engine/orch'

/** What a model would have answered, with what it used. */
async function model(prompt: string) {
  return { model: 'claude-sonnet-4-5', content: `read: ${prompt}`, usage: { input_tokens: 40_000, output_tokens: 4_000 } }
}

const sides = ['quality', 'security', 'speed', 'documents'] as const
const expects = { model: 'claude-sonnet-4-5', input: 50_000, output: 5_000 }

const graph = new Graph('review')
for (const [place, side] of sides.entries()) {
  // The first of them is the most important one: it is asked first whether there is money.
  graph.task(side, async ({ charge }) => {
    const answer = await model(`the code, for its ${side}`)
    charge(answer)
    return answer.content
  }, { agent: `${side}-reviewer`, expects, priority: sides.length - place })
}

const prices = new Prices()
const { usd, p90Usd } = graph.plan().cost(prices)
console.log(`expected: $${usd.toFixed(3)}, at most about $${p90Usd.toFixed(3)}`)

// Half a dollar a month, for whoever has this store, in whatever process and language.
const store = new Store(process.argv[2])
const ledger = new Ledger({ store, prices, budget: { name: 'month', usd: 0.5, per: 'month', zone: 'Europe/Berlin', milestones: [0.25] } })

try {
  await run(graph, { store, budget: ledger, labels: { branch: 'main' }, maxParallel: 1, onFailure: 'continue' })
} catch (error) {
  if (!(error instanceof RunFailed)) throw error
  for (const task of error.report) if (task.state !== 'succeeded') console.log(`${task.id}: ${error.errors.get(task.id)}`)
}

for (const { of, usd, input, output } of await ledger.costs({ by: 'agent' })) {
  console.log(`${of.agent}: $${usd.toFixed(3)} for ${input} + ${output} tokens`)
}
const [month] = await ledger.budgets()
if (month === undefined) throw new Error('the ledger has a limit')
console.log(`${month.name}: $${month.spentUsd.toFixed(3)} of $${month.usd.toFixed(2)}, milestones: ${month.reached.join(', ') || 'none'}`)

// People hear of a milestone once, whoever notices it, also after a restart. Without an address nobody does.
if (process.env.DISCORD_WEBHOOK_URL !== undefined) {
  const notices = new Notices({ store, discord: process.env.DISCORD_WEBHOOK_URL })
  for (const usd of month.reached) {
    await notices.milestone({ budget: month.name, period: month.period, usd, spentUsd: month.spentUsd, ofUsd: month.usd })
  }
  console.log(await notices.deliver({ patienceMs: 10_000 }))
}
