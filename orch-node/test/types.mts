// What the types promise: compiled by `tsc --strict`, run by nobody.

import {
  Cache,
  ContextManager,
  Graph,
  Ledger,
  Notices,
  Prices,
  Store,
  type Delivery,
  type Event,
  type Limit,
  type Report,
  type Used,
  load,
  parse,
  resume,
  run,
  start,
  usage,
} from '@orch-engine/orch'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_: Same<A, B>): void {}

const graph = new Graph('typed')
  .task('words', async () => ['a', 'b'])
  .task('count', ({ inputs }) => inputs.words.length, { after: ['words'], retries: 2 })
  .task('both', ({ inputs, signal }) => ({ ...inputs, aborted: signal.aborted }), {
    after: ['words', 'count'],
    undo: (result) => result.aborted,
  })

const report = await run(graph, { maxParallel: 2, signal: AbortSignal.timeout(1000) })
same<ReturnType<typeof report.get<'words'>>, string[]>(true)
const count: number = report.get('count')
const aborted: boolean = report.get('both').aborted
const words: string[] | undefined = report.task('words').value
same<typeof report.ids, ('words' | 'count' | 'both')[]>(true)

// @ts-expect-error there is no such task
report.get('wrods')
// @ts-expect-error the result is a number
const wrong: string = report.get('count')
// @ts-expect-error it waits for a task that is not there
graph.task('late', () => 1, { after: ['wrods'] })
// @ts-expect-error it does not wait for `count`
graph.task('early', ({ inputs }) => inputs.count, { after: ['words'] })
// @ts-expect-error no such option
graph.task('slow', () => 1, { timeout: 5 })
// @ts-expect-error a number
await run(graph, { maxParallel: '2' })

const shared = new Graph<{}, { user: string }>('shared').task('who', ({ context }) => context.user)
same<Awaited<ReturnType<typeof run<{ who: string }, { user: string }>>>, Report<{ who: string }>>(true)
await run(shared, { context: { user: 'ada' } })
// @ts-expect-error the context has a user
await run(shared, { context: {} })

const many = new Graph<Record<string, number>>('many')
for (let i = 1; i < 10; i++) many.task(`t${i}`, ({ inputs }) => inputs[`t${i - 1}`]! + 1, { after: `t${i - 1}` })
const sum: number = (await run(many)).get('t9')

async function events(): Promise<void> {
  await using running = start(graph)
  for await (const event of running) {
    const told: Event = event
    if (told.type === 'task_retrying') same<typeof told.delayMs, number>(true)
    if (told.type === 'run_finished') same<typeof told.state, 'running' | 'succeeded' | 'failed' | 'cancelled'>(true)
  }
}

export { aborted, count, events, sum, words, wrong }

const loaded = load(new URL('file:///review-all.json'), { '*': ({ id, inputs }) => [id, inputs.map] }, { programs: { a: 'echo' } })
const anything: unknown = (await run(loaded, { inputs: { files: 3 } })).get('any task')
const asking = start(parse('{}', { reader: { run: ({ id }) => id, capabilities: ['read'], atOnce: 2 } }), { notify: new Notices() })
const reasons: string[] = asking.assigned.map(({ agent, why }) => `${agent}: ${why}`)
// @ts-expect-error true, false or notices
await run(loaded, { notify: 'me' })
// @ts-expect-error agents are functions
parse('{}', { reader: 3 })

export { anything, reasons }

{
  using store = new Store('runs.db', { sync: 'full' })
  const cache = new Cache({ store })
  const kept = await run(graph, { store, sync: 'normal', source: 'nightly', resume: true, cache })
  same<ReturnType<typeof kept.get<'count'>>, number>(true)
  const going = await resume(graph, { store, run: kept.run, cache: new ContextManager() })
  const why: string | undefined = going.resumed?.again[0]?.why
  const rows: string[] = (await store.runs({ limit: 3 })).map(({ run, state }) => `${run} ${state}`)
  const again: unknown = (await store.report(rows[0])).get('count')
  // @ts-expect-error a store is needed
  await resume(graph, {})
  // @ts-expect-error no such way
  new Store('runs.db', { sync: 'half' })
  new Graph('s').task('a', ({ idempotencyKey }) => idempotencyKey.length + [why, again].length, {
    sources: { files: 'src/**', tools: { tsc: '5.9' } },
    outputs: { a: 1000 },
  })
}

// Money.
const prices = new Prices({ rates: { house: { input: 3, output: 15, cacheRead: 0.3 } }, aliases: { sonnet: 'claude-sonnet-4-5' } })
const cents: bigint = prices.price('house', { input: 1, output: 2 }, { at: new Date(), batch: true }).nanos
const found: Used = usage({ usage: {} }, { model: 'house' })
const total: number = prices.total(found).usd
const limits: Limit[] = [{ usd: '15', per: 'month', each: ['agent'], atLimit: 'wait', milestones: [5, 10] }, { usd: 1, agent: 'reviewer' }]
const ledger = new Ledger({ store: new Store(), budget: limits, prices })
const paid = new Graph('paid').task('draft', ({ used, charge }) => (used(found), used({ model: 'house', input: 1 }), charge('{}').messages), {
  expects: [{ model: 'house', input: 10 }],
  agent: 'writer',
})
await run(paid, { budget: 2.5, prices, labels: { branch: 'main' } })
await run(paid, { budget: ledger })
const median: number = paid.plan().cost(prices).usd
for (const { of, usd } of await ledger.costs({ by: ['agent', 'day'], since: '2026-02-01', only: { branch: 'main' } })) console.log(of.agent, usd)
const booking = await ledger.reserve(0.5, { agent: 'writer' })
if (booking.granted) await booking.settle({ usage: found, failed: true })
const milestones: number[] = (await ledger.charge(0.1, { task: 'x' })).milestones.map(({ usd }) => usd)
const ends: Date | undefined = (await ledger.budgets())[0]?.ends
// @ts-expect-error no such column
await ledger.costs({ by: 'agents' })
// @ts-expect-error a limit needs dollars
new Ledger({ budget: { per: 'month' } })
// @ts-expect-error no such label
await ledger.reserve(1, { who: 'me' })
// @ts-expect-error the model is named before
prices.price('house', { model: 'house' })
const notices = new Notices({ store: new Store(), discord: 'https://discord.com/api/webhooks/1/x' })
const delivery: Delivery = await notices.send({ title: 'Done', fields: { Cost: 0.02 } }, { patienceMs: 5 })
const states: ('waiting' | 'sent' | 'dropped')[] = (await notices.list()).map(({ state }) => state)
// @ts-expect-error it has a title
await notices.post('key', { text: 'x' })
export { cents, total, median, milestones, ends, delivery, states }
