// The review of a whole codebase by seven agents, in the interface of the orchestrator's first prototype: what its users have
// runs as it is, with another import.

import { OrchestrationEngine, type CommandDefinition, type Context } from '@orch-engine/orch/compat'

const reviews = ['quality', 'best-practices', 'architecture', 'performance', 'security']

const reviewAll: CommandDefinition = {
  name: '/review-all',
  description: 'Reviews the whole codebase',
  estimatedTime: 1020,
  phases: [
    {
      number: 1,
      name: 'Analysis',
      dependencies: [],
      agents: [{ name: 'codebase-analyzer', inputs: [], outputs: ['codebase-analysis'] }],
    },
    {
      number: 2,
      name: 'Review',
      dependencies: ['Analysis'],
      agents: reviews.map((name) => ({ name: `${name}-reviewer`, inputs: ['codebase-analysis'], outputs: [`${name}-report`] })),
    },
    {
      number: 3,
      name: 'Synthesis',
      dependencies: ['Review'],
      agents: [{ name: 'senior-reviewer', inputs: reviews.map((name) => `${name}-report`), outputs: ['final-report'] }],
    },
  ],
}

async function main(): Promise<void> {
  const line = '='.repeat(60)
  console.log(`${line}\nEXAMPLE: /review-all with Parallel Orchestration\n${line}\n`)

  // `log: true` prints the lines of the prototype.
  const engine = new OrchestrationEngine({ log: true })

  // Your agents. The analysis is made once; the five reviews find it in the cache.
  engine.setAgentExecutor(async (agentId: string, _task: string, context: Context) => {
    if (agentId === 'codebase-analyzer') {
      const analysis = { files: 129, languages: ['TypeScript', 'Rust'] }
      await engine.contexts.set('codebase-analysis', analysis)
      return analysis
    }
    if (agentId === 'senior-reviewer') return reviews.map((name) => context.data[`${name}-report`])
    const analysis = await engine.contexts.get<{ files: number }>('codebase-analysis')
    return `${agentId} read ${analysis.files} files`
  })

  // A coding agent shows this list. It gets the whole of it each time.
  let todos = 0
  engine.setTodoWriteAPI({
    async write(list) {
      todos = list.length
    },
  })

  const result = await engine.execute(reviewAll)
  engine.close()

  console.log(`\n${line}\nEXECUTION COMPLETE\n${line}`)
  console.log(`Success: ${result.success}`)
  console.log(`Execution Time: ${(result.executionTime / 1000).toFixed(1)} seconds`)
  console.log(`Context Cache Hit Rate: ${Math.round(result.cacheHitRate)}%`)
  console.log(`Todos: ${todos}`)
  console.log(line)
  console.log(result.context.data['final-report'].join('\n'))
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
