/**
 * Runs graphs of tasks in parallel. A door to the engine, which is written in Rust.
 *
 * ```ts
 * import { Graph, run } from '@orch-engine/orch'
 *
 * const graph = new Graph('notes')
 *   .task('collect', async () => ['faster', 'smaller'])
 *   .task('draft', ({ inputs }) => inputs.collect.join(', '), { after: ['collect'], retries: 2 })
 *
 * const report = await run(graph, { maxParallel: 8 })
 * report.get('draft') // 'faster, smaller', a string
 * ```
 *
 * Times are milliseconds everywhere; names say so.
 */

import type { Cache, ContextManager } from './compat/index.js'

export * from './compat/index.js'

/** A value with a JSON form. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }

/** What the tasks of a graph make, by name. */
export type Results = Record<string, unknown>

/** What a task may be told of its attempts: see {@link TaskOptions.retries}. */
export interface Retry {
  /** How many attempts there are in all, at least 1. Default: 3. */
  attempts?: number
  /** How the wait between attempts grows. Default: `exponential`. */
  backoff?: 'immediate' | 'linear' | 'exponential' | 'fibonacci'
  /** The first wait. Default: 1000. */
  delayMs?: number
  /** The longest wait. Default: 30000. */
  maxDelayMs?: number
  /** By how much the wait grows. Default: 2. */
  factor?: number
  /** Draws each wait evenly from zero to its full length, so that many do not come back at once. Default: true. */
  jitter?: boolean
  /** Repeats only failures whose kind or message contains one of these, in any case. Default: every one. */
  on?: readonly string[]
}

/** What a task uses while it runs. */
export interface Claim {
  resource: string
  /** Beside whom. Default: `exclusive`. */
  mode?: 'shared' | 'upgradable' | 'exclusive'
  /** How many units of the capacity. Default: 1. */
  units?: number
  /** Higher goes first among those who wait. Default: 0. */
  priority?: number
  /** How long to wait at most. Default: as long as it takes. */
  waitMs?: number
  /** How long it may hold it. */
  leaseMs?: number
  /** How many tokens of a minute's limit it uses. */
  tokens?: number
}

/** How a task behaves. */
export interface TaskOptions<After extends string = string, Key extends string = string, Result = unknown, Shared = unknown> {
  /** The tasks that it waits for, whose results it is given. */
  after?: After | readonly After[]
  /** Values that it reads by key: from the inputs of the run, or from a task that has the key among its `outputs`. */
  inputs?: Key | readonly Key[]
  /**
   * The keys of what it makes: its result is an object with them or, for one key, the value. With a number each stays good for so many
   * milliseconds: then runs with a {@link RunOptions.cache} share it.
   */
  outputs?: string | readonly string[] | { readonly [key: string]: number | null }
  /** How often it is tried again: after 1, 2, 4, ... seconds, at most 30, with jitter. Default: not. */
  retries?: number | Retry
  /** The longest an attempt may take. */
  timeoutMs?: number
  /** The longest an attempt may go without a sign of life: {@link Context.heartbeat}. */
  idleTimeoutMs?: number
  /**
   * What an attempt will use of models at most. A run with a {@link RunOptions.budget} reserves what that costs before the attempt begins;
   * who expects nothing begins as long as anything is left.
   */
  expects?: Usage
  /** How long it will probably take; only order and forecasts depend on it. Default: one minute. */
  estimateMs?: number
  /** What it uses while it runs. */
  claims?: string | Claim | readonly (string | Claim)[]
  /** Higher starts first among the ready. Default: 0. */
  priority?: number
  /** Runs only while these expressions hold; else it is skipped, and its dependents go on. */
  when?: string | readonly string[]
  /** The group whose quorum it counts for. */
  group?: string
  /** Its failure does not fail the run, and its dependents go on with `undefined`. */
  allowFailure?: boolean
  /** Its failure stops the run, also one that goes on after failures. */
  critical?: boolean
  /** What takes back what it did when the run does not succeed. */
  undo?: (result: Result, context: Context<Record<string, any>, Shared>) => unknown
  /** The circuit breaker that its attempts ask before they begin. */
  breaker?: string
  /** Who does it, for showing. */
  agent?: string
  description?: string
  /** The phase it belongs to, for showing. */
  phase?: string
  /** Free values, for showing. */
  params?: Json
  /**
   * What its result depends on beside what it is given: files, by their content when it is about to start. Where one holds something
   * else, the result is made again. Among the tools the code of its function stands as `function`; a version that is given in its
   * place decides alone.
   */
  sources?: string | readonly string[] | Sources
}

/** What a result depends on: see {@link TaskOptions.sources}. */
export interface Sources {
  /** Paths and patterns, relative to the working directory. */
  files?: string | readonly string[]
  models?: string | readonly string[]
  /** Programs and libraries, by name, each with its version. */
  tools?: { readonly [name: string]: string }
}

/** What the function of a task is given. */
export interface Context<Inputs = Record<string, any>, Shared = unknown> {
  /** The name of the task. */
  readonly id: string
  /** The name of the run. */
  readonly run: string
  /** The attempt, from 1. */
  readonly attempt: number
  /**
   * The same for every attempt of the task in this run, also after its process was killed and the run resumed; another one to undo it,
   * and when it is run again because it was edited. A service that knows it does nothing twice. 64 hexadecimal digits.
   */
  readonly idempotencyKey: string
  /**
   * The number under which the task has what it claims, greater than that of whoever had any of it before; where runs are kept in a
   * {@link Store}, in whatever process. A service that remembers the greatest it has seen can refuse who was too slow. `undefined`: it
   * claims nothing.
   */
  readonly fence: number | undefined
  /** The model that it should use: the cheaper one that a budget wants, else the first that the task {@link TaskOptions.expects} to use. */
  readonly model: string | undefined
  /** What it may spend at most, in dollars, as the budget stood when it began. `undefined`: there is no limit. */
  readonly budgetUsd: number | undefined
  /** The results of the tasks that it waits for, by name, and the values that it reads, by key. */
  readonly inputs: Inputs
  /** Is aborted when the attempt is to stop: at its timeout, when the run is cancelled. */
  readonly signal: AbortSignal
  /**
   * Says what the attempt used of models, which is charged to it also if it fails; all that it says is added up. May be taken out of the
   * context.
   */
  readonly used: (usage: Usage) => void
  /**
   * The same by what an agent or an API answered: see {@link usage}.
   *
   * @example
   * const graph = new Graph('notes').task('draft', async ({ charge }) => {
   *   const answer = await ask() // of Anthropic, OpenAI, Google, Claude Code, ...
   *   charge(answer)
   *   return answer.content
   * })
   */
  readonly charge: (said: string | Uint8Array | object, options?: UsageOptions) => Used
  /** What the run was given as `context`. */
  readonly context: Shared
  /** The agent of the task, where it has one. */
  readonly agent: string | undefined
  /** Whether the attempt is to take back what the task did: agents of definitions do both. */
  readonly isUndo: boolean
  /** The options of the task as the engine has them: description, parameters. */
  readonly definition: { readonly [key: string]: any }
  /** Says that the task is alive: its idle timeout begins anew. */
  readonly heartbeat: () => void
  /** Says a line, which is an event `task_output`. */
  readonly log: (line: unknown) => void
}

/** The function of a task: its result, or a promise of it. */
export type TaskFunction<Inputs = Record<string, any>, Result = unknown, Shared = unknown> = (
  context: Context<Inputs, Shared>,
) => Result | PromiseLike<Result>

/** Limits of a resource. */
export interface ResourceLimits {
  capacity?: number
  requestsPerMinute?: number
  tokensPerMinute?: number
}

/** How a circuit breaker behaves. */
export interface BreakerOptions {
  /** How many failures in a row open it, all within the monitoring period. Default: 5. */
  failureThreshold?: number
  /** How many probes in a row must work before it closes. Default: 2. */
  successThreshold?: number
  /** How long it stays open before it lets a probe through. Default: 60000. */
  resetTimeoutMs?: number
  /** Failures that are older than this do not count any more. Default: 300000. */
  monitoringPeriodMs?: number
  /** How many probes may run at once. Default: 1. */
  probes?: number
  /** Counts only failures whose kind or message contains one of these. Default: every one. */
  on?: readonly string[]
  /** What becomes of a task that is ready while no attempt may begin. Default: `wait`. */
  whenOpen?: 'wait' | 'fail'
}

/**
 * Tasks that wait for one another. The names and results of its tasks are part of its type: chain the calls of `task`, or say
 * what they make, `new Graph<Record<string, number>>('many')`, where names are only known when it runs.
 *
 * @typeParam R - what the tasks make, by name
 * @typeParam Shared - what runs are given as `context`
 */
export declare class Graph<R extends Results = {}, Shared = unknown> {
  constructor(name?: string)
  readonly name: string
  /** How many tasks it has. */
  readonly size: number
  /** The names of its tasks, in the order in which they were added. */
  readonly ids: (keyof R & string)[]
  /** Whether it has a task of that name. */
  has(id: string): boolean
  /**
   * Adds a task.
   *
   * @throws {@link InvalidDefinition} if the name is taken
   * @throws {@link InvalidType} if something is of the wrong type; the message names it
   */
  task<const Id extends string, Result, const After extends keyof R & string = never, const Key extends string = never>(
    id: Id,
    fn: TaskFunction<{ [K in After]: R[K] } & { [K in Key]: any }, Result, Shared>,
    options?: TaskOptions<After, Key, Awaited<NoInfer<Result>>, Shared>,
  ): Graph<string extends keyof R ? R : R & { [K in Id]: Awaited<Result> }, Shared>
  /** Declares something that only so many may use at once; tasks claim it. */
  resource(name: string, limits?: ResourceLimits): this
  /** The group is good when `atLeast` of its tasks succeed: failures of the others are forgiven. */
  quorum(group: string, atLeast: number): this
  /** How the circuit breaker of that name behaves. */
  breaker(name: string, options?: BreakerOptions): this
  /**
   * What follows from the graph alone: levels, critical path, forecasts.
   *
   * @throws {@link InvalidDefinition} with every problem of the graph
   */
  plan(options?: { maxParallel?: number }): Plan
  /** The graph as a Mermaid flowchart. */
  toMermaid(): string
  /** The graph as DOT, for Graphviz. */
  toDot(): string
  /** The plan of the graph as one HTML page. */
  toHtml(): string
  /** The graph without its functions. */
  toJSON(): { readonly [key: string]: any }
}

/** What follows from a graph alone. A task without an estimate counts as one minute. */
export declare class Plan {
  private constructor()
  /** The names of the tasks of each level; levels are for showing, no task waits for one. */
  readonly levels: string[][]
  readonly widest: number
  /** What the tasks take one after the other. */
  readonly serialMs: number
  /** What they take with any number at once. */
  readonly criticalMs: number
  readonly criticalPath: string[]
  step(id: string): PlanStep
  /** What a run with so many at once would take, and what share of its workers' time it would use, from 0 to 1. */
  forecast(maxParallel?: number): { makespanMs: number; utilisation: number }
  /** What a run will probably cost, by what its tasks expect to use. Default: at the published prices of now. */
  cost(prices?: Prices): PlanCost
  /** The plan as one HTML page. */
  toHtml(): string
  toString(): string
}

/** One task of a plan. */
export interface PlanStep {
  id: string
  level: number
  estimateMs: number
  earliestMs: number
  slackMs: number
  /** 0 starts first. */
  rank: number
}

/** How a run behaves. */
export interface RunOptions<Shared = unknown> {
  /** How many tasks run at once; no limit by default. */
  maxParallel?: number
  /** `fail_fast` stops the others; `continue` goes on with all that does not need the failed one. Default: `fail_fast`. */
  onFailure?: 'fail_fast' | 'continue'
  /** Whether a run that does not succeed undoes what its tasks did, where they say how. Default: true. */
  undo?: boolean
  /** How long the run may take. */
  deadlineMs?: number
  /** Values that tasks and conditions read by key. */
  inputs?: { readonly [key: string]: unknown }
  /** Where the jitter of retries comes from. Default: 0. */
  seed?: number
  /** Whether a run that does not succeed throws. Default: true. */
  check?: boolean
  /** Aborted, it cancels the run. */
  signal?: AbortSignal
  /** What every task sees as `context.context`. */
  context?: Shared
  /** How long an attempt that has asked for its signal may take to stop; one that has not is left to itself at once. Default: 1000. */
  graceMs?: number
  /** Is called with each event, while the run goes on. */
  onEvent?: (event: Event) => void
  /**
   * Where tasks find values that they read by key, and where those whose `outputs` have a time share their results: a task that would
   * make the same is not run. Runs with the same cache that want the same result at once make it once.
   */
  cache?: Cache | ContextManager
  /**
   * Keeps the run, so that it goes on after its process was killed: what tasks return is stored before what builds on it begins, and
   * has to be plain data that has a JSON form. The process lives as long as the run.
   */
  store?: Store
  /** For the store, which see. Default: its own. */
  sync?: 'normal' | 'full'
  /** What the run is found by again in the store. Default: the path of the definition's file, or the name of the graph. */
  source?: string
  /**
   * Only for {@link run}: goes on with a stored run, by its name or how that ends; `true`: the latest of the source. What is done and was
   * not edited since is kept, all else is run.
   */
  resume?: true | string
  /**
   * What may be spent: dollars for this run, a {@link Limit} or several, or a {@link Ledger}, which other runs may have too. Before an
   * attempt begins, what its task {@link TaskOptions.expects} is reserved; who would pass a limit fails or waits, and the most critical is
   * asked first. With a `store`, charges are booked there, also without a budget: `store.ledger().costs()`.
   */
  budget?: Budget | Ledger
  /** What models cost. Default: the published prices that this version knows. A {@link Ledger} has its own. */
  prices?: Prices
  /** What else is known of all that is spent. Default: the worktree and the branch of the working directory. */
  labels?: Labels
  /**
   * Who is told that the run begins, how it ended, and of its budget: {@link Notices}, or `true` for the addresses of the environment, of
   * which the `store` keeps what could not be sent yet. The run does not wait for it; its report does, ten seconds for each notice at most.
   * What was not sent is told as a warning of the process. Default: false.
   */
  notify?: Notices | boolean
}

export type TaskState = 'pending' | 'running' | 'succeeded' | 'failed' | 'skipped' | 'cancelled' | 'undone'
export type RunState = 'running' | 'succeeded' | 'failed' | 'cancelled'
export type FailureKind =
  | 'error'
  | 'fatal'
  | 'validation'
  | 'timeout'
  | 'idle'
  | 'panic'
  | 'cancelled'
  | 'circuit_open'
  | 'lock_timeout'
  | 'lease_expired'

interface Happened<Type extends string> {
  type: Type
  /** Its number in the run, from 0, without gaps. */
  seq: number
  /** Milliseconds since the start of the run. */
  atMs: number
}

interface Failed {
  error: string
  errorKind: FailureKind
}

/** What shared results spared. */
export interface Saved {
  time_ms: number
  tokens: number
  cost_usd: number | null
}

/** One thing that happened in a run; `type` says what. */
export type Event =
  | (Happened<'run_started'> & { run: string; graph: string; maxParallel: number | null })
  | (Happened<'task_started'> & { task: string; attempt: number; queuedMs: number })
  | (Happened<'task_waits'> & { task: string; resource: string; holder?: string })
  | (Happened<'heartbeat'> & { task: string })
  | (Happened<'task_output'> & { task: string; stream: 'stdout' | 'stderr'; text: string })
  | (Happened<'task_held'> & { task: string; by: string; atMostMs: number })
  | (Happened<'task_retrying'> & Failed & { task: string; attempt: number; delayMs: number; usage?: Json })
  | (Happened<'task_finished'> &
      Partial<Failed> & { task: string; attempt: number; state: TaskState; output?: unknown; usage?: Json })
  | (Happened<'task_cached'> & { task: string; state: 'succeeded'; output?: unknown; saved: Saved })
  | (Happened<'task_restored'> & { task: string; state: TaskState; output?: unknown })
  | (Happened<'task_missed'> & { task: string; key: string; why: Json })
  | (Happened<'context_read'> & { task: string; key: string; saved: Saved | null })
  | (Happened<'task_skipped'> & {
      task: string
      state: 'skipped' | 'cancelled'
      reason: 'condition' | 'upstream' | 'stopped'
      message?: string
      upstream?: string
    })
  | (Happened<'tasks_added'> & { by: string; tasks: Json[]; before: string[] })
  | (Happened<'warning'> & { task?: string; message: string })
  | (Happened<'run_stopping'> & { reason: string })
  | (Happened<'undo_planned'> & { order: string[]; kept: { task: string; why: 'scope' | 'on' | 'broken' | 'off' }[] })
  | (Happened<'undo_started'> & { task: string; attempt: number })
  | (Happened<'undo_retrying'> & Failed & { task: string; attempt: number; delayMs: number; usage?: Json })
  | (Happened<'undo_finished'> &
      Partial<Failed> & { task: string; attempt: number; state: 'undone' | 'failed' | 'left'; output?: unknown; usage?: Json })
  | (Happened<'breaker_changed'> &
      Partial<Failed> & { breaker: string; state: 'closed' | 'open' | 'half_open'; probeInMs?: number })
  | (Happened<'checkpoint_made'> & { checkpoint: string; tasks: string[] })
  | (Happened<'run_finished'> & { state: RunState })

/** What became of one task. Times in milliseconds since the start of the run. */
export interface TaskResult<Value = unknown> {
  id: string
  state: TaskState
  value: Value | undefined
  /** What made it fail. */
  error: unknown
  /** The same in words, and for a skipped task the condition that did not hold. */
  message: string | undefined
  attempts: number
  startedMs: number | undefined
  finishedMs: number | undefined
  /** How long its attempts ran. */
  durationMs: number
  /** How long it waited for a place though nothing else held it. */
  queuedMs: number
}

/** What a run did, task by task and as a whole. */
export declare class Report<R extends Results = Record<string, any>> implements Iterable<TaskResult> {
  private constructor()
  readonly graph: string
  readonly run: string | undefined
  readonly state: RunState
  /** Why it ended before its time, where it did. */
  readonly stopped: string | undefined
  /** From the start of the run to its last event. */
  readonly makespanMs: number
  /** What the tasks would have taken one after the other. */
  readonly serialMs: number
  /** The shortest time that any order could have reached, knowing what each task really took. */
  readonly lowerBoundMs: number
  readonly speedup: number | undefined
  /** What share of its workers' time it used, from 0 to 1. */
  readonly utilisation: number | undefined
  /** The most tasks that ran at once. */
  readonly peak: number
  readonly tokens: number
  readonly costUsd: number | undefined
  readonly warnings: string[]
  readonly counts: Record<TaskState, number>
  readonly ids: (keyof R & string)[]
  readonly size: number
  /**
   * The task's result; `undefined` if it was skipped.
   *
   * @throws what made it fail
   * @throws {@link TaskFailed} if it did not run
   */
  get<Id extends keyof R & string>(id: Id): R[Id]
  /** What became of that task. */
  task<Id extends keyof R & string>(id: Id): TaskResult<R[Id]>
  /** What became of each task, in the order of definition. */
  readonly tasks: TaskResult[]
  [Symbol.iterator](): Iterator<TaskResult>
  /** What failed tasks threw, by name, forgiven ones left out. */
  readonly errors: Map<string, unknown>
  /**
   * Nothing if the run succeeded.
   *
   * @throws {@link RunFailed} or {@link RunCancelled}, caused by what the first failed task threw
   */
  check(): void
  toString(): string
  /** The report as text, with a table of the tasks. */
  toText(width?: number): string
  toJSON(): { readonly [key: string]: any }
  toHtml(): string
  toJUnit(): string
  toTrace(): string
  toGitHub(): string
}

/** A run that goes on: read its events, await its report, cancel it. */
export declare class Run<R extends Results = Record<string, any>> implements AsyncIterable<Event>, AsyncDisposable {
  private constructor()
  /** The name of the run. */
  readonly id: string
  readonly state: RunState
  /** Where a stored run goes on: what is kept, in the order in which it ended, and what is run, and why. */
  readonly resumed: Resumed | undefined
  /** Who does the tasks that ask for a capability, and why. */
  readonly assigned: readonly Assigned[]
  /** Asks the run to stop: its tasks are told to, what can be undone is undone. */
  cancel(reason?: unknown): void
  /** Waits for the end, and until everybody is told, and answers the report, whatever became of the run. Events that nobody read are dropped. */
  report(): Promise<Report<R>>
  /** The events, to the last. A slow reader slows the start of tasks. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Event>
  /** Cancels the run if it still goes on, and waits until it has ended. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Runs the graph to its end and answers the report.
 *
 * Rejects with {@link RunFailed}, caused by what the first failed task threw, and with {@link RunCancelled}.
 */
export declare function run<R extends Results, Shared = unknown>(
  graph: Graph<R, Shared>,
  options?: RunOptions<Shared>,
): Promise<Report<R>>

/**
 * Begins a run and answers a handle.
 *
 * ```ts
 * await using running = start(graph)
 * for await (const event of running) console.log(event.type)
 * console.log(String(await running.report()))
 * ```
 */
export declare function start<R extends Results, Shared = unknown>(
  graph: Graph<R, Shared>,
  options?: RunOptions<Shared>,
): Run<R>

/**
 * Goes on with a stored run: the one of that name (or whose name ends so), else the latest of the graph's source. The graph may have
 * been edited: a task that is not as it was, by its options and the code of its function, and all that builds on it, is run again.
 *
 * ```ts
 * const going = await resume(graph, { store })
 * console.log(going.resumed?.kept)
 * await going.report()
 * ```
 *
 * Rejects with {@link NotFound} if there is no such run, with {@link Conflict} if it belongs to another process that lives, with
 * {@link Corrupt} if the store is damaged.
 */
export declare function resume<R extends Results, Shared = unknown>(
  graph: Graph<R, Shared>,
  options: Omit<RunOptions<Shared>, 'resume' | 'store'> & { store: Store; /** Its name. Default: the latest. */ run?: string | undefined },
): Promise<Run<R>>

/** How a stored run goes on. */
export interface Resumed {
  /** The tasks that are kept, in the order in which they ended. */
  kept: string[]
  /** The tasks that are run, and why. */
  again: { task: string; why: string }[]
}

/** A stored run, as lists have it. */
export interface StoredRun {
  /** Its name. */
  run: string
  /** How it stood when its owner wrote last: a run whose owner was killed stays `running`. */
  state: RunState
  /** Whether it had not ended then, and its owner is gone: it can be resumed. */
  interrupted: boolean
  /** The name of its graph. */
  name: string
  source: string
  /** How many events its latest part has. */
  events: number
  /** When it was first begun, for example `2026-11-22T00:47:09.286Z`. */
  created: string
  /** When its owner wrote last. */
  updated: string
}

/**
 * Where runs are kept: one file, which Rust, Python, Node and the command line read and write at once. A run is named by its name or how
 * that ends; without one it is the latest.
 *
 * ```ts
 * const store = new Store() // in the common folder of the repository, else where the user's data is
 * await run(graph, { store })
 * // The process was killed. Later, perhaps elsewhere:
 * await run(graph, { store, resume: true })
 * ```
 */
export declare class Store implements Disposable {
  /**
   * Opens the store, or makes it. `sync`: what a commit survives: `normal`, the end of the process; `full`, a loss of power too.
   *
   * @throws {@link InputOutputError}, {@link Misuse}, {@link Corrupt} if it cannot be opened; the message says why
   */
  constructor(path?: string | URL, options?: { sync?: 'normal' | 'full' })
  readonly path: string
  /** The runs, the latest first, at most 20 or `limit`. */
  runs(options?: { source?: string; limit?: number }): Promise<StoredRun[]>
  /** A run with its inputs and the events of its latest part. */
  show(run?: string): Promise<StoredRun & { inputs: { readonly [key: string]: Json }; events: Event[] }>
  /** The report of a run, also of one that has not ended. */
  report(run?: string): Promise<Report>
  /** What is kept when a run goes on with that graph, and what is run, and why. Nothing is run. */
  plan(
    graph: Graph<any, any>,
    options?: { run?: string; source?: string; inputs?: { readonly [key: string]: unknown } },
  ): Promise<Resumed & { run: string }>
  /**
   * Asks the owner of a run, in whatever process it is, to stop it.
   *
   * Rejects with {@link Misuse} if the run has ended.
   */
  cancel(run?: string, reason?: string): Promise<void>
  /** Asks the owner of a run to begin nothing more until it may go on. */
  pause(run?: string): Promise<void>
  /** Lets a run go on that is paused. */
  unpause(run?: string): Promise<void>
  /** Reads everything and compares it with its hashes. `problems`: one sentence each. */
  check(): Promise<{ runs: number; events: number; blobs: number; problems: string[] }>
  /** Drops cached results that are over, and runs that ended longer ago than that, and gives their room back. */
  compact(options?: { olderThanMs?: number }): Promise<{
    runs: number
    cached: number
    blobs: number
    bytesBefore: number
    bytesAfter: number
  }>
  /** Writes a copy to a file that is not there yet. */
  export(to: string): Promise<void>
  /** Who may spend what, and who spent what, in this store: `new Ledger({ store, ...options })`. */
  ledger(options?: Omit<LedgerOptions, 'store'>): Ledger
  /** Lets go of the file. Runs that it keeps go on, and are kept. */
  close(): void
  [Symbol.dispose](): void
}

/** The function of an agent. */
export type AgentFunction<Shared = unknown> = TaskFunction<Record<string, any>, unknown, Shared>

/** An agent that is a function, and what it can do. */
export interface Agent<Shared = unknown> {
  run: AgentFunction<Shared>
  /** In words. A task that asks for a `capability` may be given to it if one of these holds all words of that. */
  capabilities?: string | readonly string[]
  /** How many of its tasks run at once. Default: any number. */
  atOnce?: number
}

/**
 * The functions of agents, by name; `*` stands for all others. Tasks that ask for a `capability` instead of an agent go to whoever is
 * expected to be done with it first, by load and by what is in the store of the run: {@link Run.assigned}. Tables of
 * {@link LoadOptions.programs} may hold `capabilities` and `at_once` too.
 */
export type Agents<Shared = unknown> =
  | { readonly [agent: string]: AgentFunction<Shared> | Agent<Shared> }
  | ReadonlyMap<string, AgentFunction<Shared> | Agent<Shared>>

/** Who does a task that asks for a capability. */
export interface Assigned {
  task: string
  capability: string
  agent: string
  /** In how many milliseconds it was expected to be done with it. */
  expectedMs: number
  /** Whether it is who did it before, in an earlier part of the run. */
  again: boolean
  /** All of it in a sentence, with who was next. */
  why: string
}

/** The program of an agent: a command line, its arguments, or a table as in TOML. No shell runs. */
export type Program = string | readonly string[] | { readonly argv: readonly string[]; readonly [option: string]: unknown }

/** How a definition is read. */
export interface LoadOptions {
  /** The programs of agents, by name: `'claude -p {prompt}'`. */
  programs?: { readonly [agent: string]: Program }
  /** Whether every phase waits for the whole phase before it. Default: false. */
  barriers?: boolean
  /** Names of values that the run will be given, beside those that the definition declares. */
  inputs?: string | readonly string[]
}

/** A graph from a definition, whose agents are functions and programs. */
export declare class LoadedGraph<Shared = unknown> extends Graph<Record<string, any>, Shared> {
  private constructor()
  /** What is odd about the definition. */
  readonly warnings: string[]
}

/**
 * The graph of a definition's file: version 2 JSON of any dialect, version 1 Markdown, or WfFormat.
 *
 * ```ts
 * const graph = load('review-all.json', { 'map-code': ({ inputs }) => draw(inputs) }, { programs: { '*': 'claude -p {prompt}' } })
 * await run(graph, { maxParallel: 4 })
 * ```
 *
 * @throws {@link NotFound} without such a file
 * @throws {@link InvalidFormat}, {@link InvalidDefinition} with every problem
 */
export declare function load<Shared = unknown>(path: string | URL, agents?: Agents<Shared>, options?: LoadOptions): LoadedGraph<Shared>

/** The graph of a definition that is text already. See {@link load}. */
export declare function parse<Shared = unknown>(source: string, agents?: Agents<Shared>, options?: LoadOptions): LoadedGraph<Shared>

/** The version of the engine. */
export declare function version(): string

/** One thing that is wrong with a definition. */
export interface Problem {
  code: string
  severity: 'error' | 'warning'
  path: string
  line: number | null
  message: string
}

/** Why the engine could not do what it was asked. `code` is stable text for programs to match on. */
export declare class OrchError extends Error {
  constructor(message: string, options?: { cause?: unknown })
  static readonly code: string
  readonly code: string
  readonly problems: readonly Problem[]
}
/** A graph or a definition cannot run; `problems` has every reason, not only the first. */
export declare class InvalidDefinition extends OrchError {}
/** The text is not well-formed. */
export declare class InvalidFormat extends OrchError {}
/** A value is outside its range, or has no JSON form where it needs one. */
export declare class InvalidValue extends OrchError {}
/** Something was named that does not exist: a task, a file, an agent. */
export declare class NotFound extends OrchError {}
/** A size or depth limit of the engine was passed. */
export declare class TooLarge extends OrchError {}
/** A task of the run failed. What it threw is the `cause`. */
export declare class RunFailed extends OrchError {
  readonly report: Report
  /** What each failed task threw, by name. */
  readonly errors: ReadonlyMap<string, unknown>
}
/** The run was cancelled before it was done. */
export declare class RunCancelled extends RunFailed {}
/** Reading or writing failed. */
export declare class InputOutputError extends OrchError {}
/** A resource was not free in time. */
export declare class LockTimeout extends OrchError {}
/** A request for a resource was refused to end a deadlock. */
export declare class Deadlock extends OrchError {}
/** Somebody gave back what another holds. */
export declare class NotOwner extends OrchError {}
/** Somebody else owns what was to be written: the run belongs to another process, or was taken over by one. */
export declare class Conflict extends OrchError {}
/** A file is damaged: what it says is not what was written. */
export declare class Corrupt extends OrchError {}
/** The engine was used in a way that it does not allow. */
export declare class Misuse extends OrchError {}
/** Why a task failed, where it was not by something that it threw. */
export declare class TaskFailed extends OrchError {}
/** An attempt took longer than its timeout, or was silent for too long. */
export declare class TaskTimeout extends TaskFailed {}
/** Throw it in a task: the attempt failed, and trying again is no use. */
export declare class Fatal extends OrchError {}
/** Throw it in a task: the work was done, but what it made or looked at is not as it should be. */
export declare class Invalid extends OrchError {}
/** A value of the wrong type; the message names the field. */
export declare class InvalidType extends TypeError {
  readonly code: 'INVALID_TYPE'
}

/** Dollars: a number, or text for those who want them exact to the nano-dollar, as `'0.024'`. */
export type Dollars = number | string

/** What was used of one model. All numbers count tokens, but for `requests`. */
export interface ModelUsage {
  /** The model's name, as its provider calls it. */
  model: string
  /** All input tokens, those from caches included. */
  input?: number
  /** All output tokens, reasoning included. */
  output?: number
  cacheRead?: number
  /** Written to the provider's cache for five minutes. */
  cacheWrite?: number
  /** Written to the provider's cache for an hour. */
  cacheWrite1h?: number
  reasoning?: number
  /** Calls of the model. */
  requests?: number
  /** What else was counted, by the names that price lists have for it: `input_audio_tokens`, `web_searches`, ... */
  items?: { readonly [name: string]: number }
  /** Terms that change the price: `{ processing: 'batch' }`. */
  terms?: { readonly [name: string]: string }
  /** What the provider itself said that it costs. It goes before any list. */
  billedUsd?: number
}

/** What was used: of one model, of several, or what {@link usage} found. */
export type Usage = ModelUsage | readonly ModelUsage[] | Used

/** What an agent or an API said that it used. */
export interface Used {
  /** In which form it said so: `anthropic`, `openai`, `claude_code`, ... */
  dialect: string
  models: ModelUsage[]
  /** How many messages counted. */
  messages: number
}

/** How {@link usage} reads. */
export interface UsageOptions {
  /** The model, where what was said does not name it, or instead of that. */
  model?: string
  /** Whose prices: it goes before the model's name. */
  provider?: string
  /** Whether it was a batch. Default: no. */
  batch?: boolean
  /** Only that form. Default: whichever it is. */
  dialect?: string
}

/**
 * What an agent or an API says that it used: the answer of Anthropic, OpenAI or Google, the result or a transcript of Claude Code, the
 * events of Codex or OpenCode, the JSON of ccusage, or only its record of tokens; as text, or as the JSON in it, one message or several.
 *
 * @example
 * usage({ model: 'claude-sonnet-4-5', usage: { input_tokens: 100, output_tokens: 20 } }).models[0].input // 100
 *
 * @throws {@link InvalidFormat} if no usage is in it, {@link InvalidValue} if nobody names the model
 */
export declare function usage(said: string | Uint8Array | object, options?: UsageOptions): Used

/** Dollars for a million tokens. */
export interface Rates {
  input: number
  output: number
  /** Default: as other input. */
  cacheRead?: number
  /** For five minutes. Default: as other input. */
  cacheWrite?: number
  /** Default: as for five minutes. */
  cacheWrite1h?: number
}

/** Which price of which list something was computed by. */
export interface Price {
  /** The model, as the list calls it, with its provider. */
  model: string
  /** The list and its date, `own rates`, or `billed`. */
  list: string
  /** The time whose price it is. */
  at: Date
  /** Whether the model is not known, and it is the price of another that stands for it. */
  fallback: boolean
}

/** What a usage costs. */
export interface Quote {
  usd: number
  /** The same in whole nano-dollars, exact. */
  nanos: bigint
  /** What of it is for input, where the list tells. */
  inputUsd: number | undefined
  outputUsd: number | undefined
  price: Price
  usage: ModelUsage
}

/** Where prices come from. */
export interface PricesOptions {
  /** Another list, in the form in which genai-prices publishes its own, instead of the one of this version. */
  file?: string | URL
  /** Prices of your own by model, which go first. `*` is for models that are not known; without it these are an error, never free. */
  rates?: { readonly [model: string]: Rates }
  /** Names that stand for others: `{ sonnet: 'claude-sonnet-4-5' }`. */
  aliases?: { readonly [alias: string]: string }
}

/**
 * Prices of models: the published ones that this version knows, with their history, and your own.
 *
 * @example
 * const prices = new Prices({ rates: { 'house-model': { input: 3, output: 15 } } })
 * prices.price('house-model', { input: 4_000, output: 800 }).usd // 0.024
 * prices.price('claude-3-5-sonnet-20241022', { input: 2_000, output: 1_500 }, { at: '2026-02-01' }).price.list
 */
export declare class Prices {
  /** @throws {@link InvalidFormat} and {@link InputOutputError} for a file that cannot be used */
  constructor(options?: PricesOptions)
  /**
   * What a model's usage costs: rounded once, to whole nano-dollars.
   *
   * @param options.at at the prices of that time. Default: now.
   * @throws {@link NotFound} for a model without a price, and for something that was used and has none
   */
  price(
    model: string,
    usage: Omit<ModelUsage, 'model'>,
    options?: { at?: Date | string; provider?: string; batch?: boolean },
  ): Quote
  /** What the usage of any models costs together, and each by itself. Throws as {@link Prices.price}. */
  total(usage: Usage, options?: { at?: Date | string }): { usd: number; nanos: bigint; quotes: Quote[] }
}

/** What a run of a plan will probably cost. */
export interface PlanCost {
  /** The sum of the medians in past runs, else of what tasks expect to use. */
  usd: number
  /** The sum of what each cost at most in nine of ten past runs, else of what they expect to use. */
  p90Usd: number
  /** The models without a price. */
  unknown: string[]
  /** How many tasks past runs know the cost of. */
  learned: number
  /** How many others say what they expect to use. */
  expected: number
}

/** A column of who spends. */
export type Column = 'run' | 'phase' | 'task' | 'agent' | 'model' | 'worktree' | 'branch'
/** Who spends. */
export type Labels = { readonly [name in Column]?: string }

/** A budget, as a table `[[budget]]` of `orch.toml`; only what has its labels (`agent: 'reviewer'`) counts for it. */
export interface Limit extends Labels {
  usd: Dollars
  /** By which it is found again. Default: what it is for. */
  name?: string
  /** `ever`, `day`, `month`, or how long a rolling window is: `24h`. Default: ever. */
  per?: string
  /** Whose days and months: `Europe/Berlin`. Default: UTC. */
  zone?: string
  /** Who has it for itself: each run, agent, ... */
  each?: Column | readonly Column[]
  /**
   * `refuse`: who would pass it fails. `wait`: it waits for the next period. `ask`: somebody has to {@link Ledger.answer}. A model: the attempt
   * is to use that cheaper one, which {@link Context.model} says. Default: refuse.
   */
  atLimit?: 'refuse' | 'wait' | 'ask' | { readonly downgrade: string }
  /** Amounts that are told when they are reached, each once a period, in whatever process. */
  milestones?: readonly Dollars[]
}

/** Dollars for each run, a limit, or several. */
export type Budget = Dollars | Limit | readonly Limit[]

/** What a {@link Ledger} is made of. */
export interface LedgerOptions {
  /** Where it is kept. Whoever has the same store has the same ledger, in whatever process and language. Default: in memory. */
  store?: Store
  /** What may be spent. Default: anything. */
  budget?: Budget
  /** Default: the published prices that this version knows. */
  prices?: Prices
}

/** What to ask of a ledger. */
export interface CostQuery {
  /** What to add up by. Default: agent and model. */
  by?: Column | 'day' | 'month' | readonly (Column | 'day' | 'month')[]
  /** From that time on. */
  since?: Date | string
  /** Before that time. */
  until?: Date | string
  /** Whose days and months. Default: UTC. */
  zone?: string
  /** Only what has these labels. */
  only?: Labels
}

/** What some spenders spent together. */
export interface Cost {
  /** What they have in common, in the columns that were asked for. */
  of: { readonly [name: string]: string | null }
  usd: number
  charges: number
  /** In how many charges the attempt failed. These are paid for all the same. */
  failed: number
  /** Tokens. */
  input: number
  output: number
}

/** Something that was spent. */
export interface Charge {
  at: Date
  usd: number
  who: Labels
  /** Which attempt of the task, from 1; 0: not one of a task. */
  attempt: number
  failed: boolean
  /** Whether nobody knows what it cost: then it is what was reserved. */
  assumed: boolean
  usage: ModelUsage | undefined
  price: Price | undefined
}

/** How a budget stands in its present period, and where it leads. */
export interface BudgetState {
  name: string
  /** Whose it is, where each has one. */
  of: { readonly [name: string]: string | null }
  /** `2026-02`; empty where there is none. */
  period: string
  start: Date | undefined
  end: Date | undefined
  usd: number
  spentUsd: number
  reservedUsd: number
  leftUsd: number
  charges: number
  /** The milestones that are reached. */
  reached: number[]
  /** What will be spent by the end of the period, if it goes on as it did. */
  projectedUsd: number | undefined
  /** When all of it will be spent, if that is within the period. */
  ends: Date | undefined
}

/** Something that was spent: dollars, or what a usage costs; with both, dollars count. */
export type Spent = Dollars | (Labels & { usd?: Dollars; usage?: Usage; failed?: boolean; attempt?: number })

/** What came of booking something. */
export interface Booked {
  /** The milestones that were reached with it, each once a period, in whatever process. */
  milestones: { budget: string; period: string; usd: number; spentUsd: number; charges: number }[]
  /** The budgets that are passed now, since it cost more than was reserved, and by how much. */
  over: { readonly [budget: string]: number }
}

/** A question of a limit that asks. */
export interface Gate {
  /** By which it is answered: the same for the same run, task and limit, also after a restart. */
  id: string
  at: Date
  who: Labels
  budget: string
  /** How much is wanted; 0: nobody knows. */
  usd: number
  /** How the limit stands, in words. */
  why: string
  said?: 'yes' | 'all' | 'no'
  by?: string
}

/** What came of {@link Ledger.reserve}. */
export declare class Reservation {
  private constructor()
  /** Whether it is reserved. */
  readonly granted: boolean
  /** By which it is settled, in any process. */
  readonly id: string | undefined
  readonly usd: number
  /** Where it is not: the budget that is in the way, with its numbers. */
  readonly why: string | undefined
  /** Where it is not: `never`, `settled` (when others have settled), or the time of the next period. */
  readonly again: string | undefined
  /**
   * Gives it back, and books what was spent of it: dollars, or what a usage costs. Nothing: `settle(0)`.
   *
   * @throws {@link Conflict} if it was settled already, {@link NotFound} for a usage without a price
   */
  settle(spent: Spent): Promise<Booked>
}

/**
 * Who may spend what, and who spent what.
 *
 * @example
 * const ledger = new Ledger({ store, budget: { usd: 15, per: 'month', milestones: [5, 10, 15] } })
 * await run(graph, { store, budget: ledger })
 * for (const { of, usd } of await ledger.costs({ by: ['agent', 'month'] })) console.log(of, usd)
 * await writeFile('charges.csv', await ledger.chargesCsv())
 */
export declare class Ledger {
  /** @throws {@link InvalidValue} for a budget that makes no sense; the message names the key */
  constructor(options?: LedgerOptions)
  /** The names of its limits. */
  readonly limits: string[]
  /** What was spent, added up, the most first. */
  costs(query?: CostQuery): Promise<Cost[]>
  /** The same as JSON text with exact amounts, as `orch cost --json` writes it. */
  costsJson(query?: CostQuery): Promise<string>
  /** The same as CSV, with a head. */
  costsCsv(query?: CostQuery): Promise<string>
  /** Every charge by itself, in order. `by` and `zone` do not matter here. */
  charges(query?: CostQuery): Promise<Charge[]>
  /** The same as JSON text with exact amounts. */
  chargesJson(query?: CostQuery): Promise<string>
  /** The same as CSV, with a head. */
  chargesCsv(query?: CostQuery): Promise<string>
  /** How the budgets stand in their present periods, and where they lead. */
  budgets(): Promise<BudgetState[]>
  /** What is reserved now. What a process had reserved that died stays so until {@link Ledger.assume}. */
  inFlight(): Promise<{ id: string; since: Date; parts: { who: Labels; usd: number }[] }[]>
  /**
   * Reserves what something may cost at most, in all budgets that it counts for, or in none; atomically among threads, processes and
   * languages. 0 is for what nobody knows: that is granted while anything is left.
   */
  reserve(usd: Dollars, who?: Labels): Promise<Reservation>
  /**
   * Books what was spent without a reservation.
   *
   * @throws {@link NotFound} for a usage without a price
   */
  charge(spent: Spent, who?: Labels): Promise<Booked>
  /** Counts a reservation as spent: its process died, and nobody knows what it cost. */
  assume(id: string): Promise<Booked>
  /** What somebody has to say before more is spent, where a limit asks, and answers that their runs have not heard yet. */
  gates(): Promise<Gate[]>
  /**
   * Says whether it may be spent: `yes` for this attempt, `all` for the rest of its run, `no`; in whatever process it is asked.
   *
   * @throws {@link NotFound} if nobody asks (any more), {@link Conflict} if somebody else was quicker
   */
  answer(id: string, said: 'yes' | 'all' | 'no', options?: { by?: string }): Promise<void>
}

/** Who is told, and where letters wait. */
export interface NoticesOptions {
  /** Where letters wait for their delivery, also by another process. Default: in memory. */
  store?: Store
  /** The address of a webhook. Without any of the three, those of the environment: `DISCORD_WEBHOOK_URL`, `SLACK_WEBHOOK_URL`, `ORCH_WEBHOOK_URL`. */
  discord?: string | URL
  slack?: string | URL
  /** Gets the notice as JSON. */
  webhook?: string | URL
  /** Whether addresses may also be http, and of this machine: for tests. Default: no. */
  local?: boolean
}

/** What people are told. */
export interface Notice {
  title: string
  description?: string
  /** A line outside of the card, which some targets read aloud. */
  content?: string
  /** 0xRRGGBB. */
  color?: number
  /** Facts: names with values, or a list that also says whether several may stand beside each other. */
  fields?: { readonly [name: string]: string | number } | readonly { name: string; value: string | number; inline?: boolean }[]
}

/** What came of the letters that were due. */
export interface Delivery {
  /** The other side has them. */
  sent: number
  /** To be tried again: call {@link Notices.deliver} later, in whatever process. */
  later: number
  /** Given up. */
  dropped: number
  /** Why the last one was not sent, if one was not: the target's name and the reason, never its address. */
  why: string | undefined
}

/**
 * Tells people: a notice is put into the outbox of a store, once for each key, and delivered from there at least once, and once where
 * the server answered. A busy server is tried again after as long as it asks for. Addresses are secrets: they are stored nowhere and
 * shown nowhere, neither in errors nor by `console.log`.
 *
 * @example
 * const notices = new Notices({ store, discord: process.env.DISCORD_WEBHOOK_URL })
 * await notices.post('release/1.2', { title: 'Version 1.2 is out', fields: { Downloads: 12 } }) // 1: one target is to be told
 * await notices.post('release/1.2', 'Version 1.2 is out') // 0: told already, or about to be
 * await notices.deliver({ patienceMs: 10_000 })
 */
export declare class Notices {
  /** @throws {@link InvalidValue} for what is no such address, {@link NotFound} if nobody is to be told */
  constructor(options?: NoticesOptions)
  /** The names of those who are told. */
  readonly targets: string[]
  /** Puts a notice into the outbox, for each target that was not told this key before; answers for how many. Sends nothing. */
  post(key: string, notice: string | Notice): Promise<number>
  /** Posts a notice and delivers what is due. `key`: what it is about. Default: a new one. */
  send(notice: string | Notice, options?: { key?: string; patienceMs?: number }): Promise<Delivery>
  /** Posts that a budget has reached a milestone, once for each budget, period and amount, whoever notices it. */
  milestone(milestone: {
    budget: string
    period: string
    usd: Dollars
    spentUsd: Dollars
    /** The budget. */
    ofUsd: Dollars
    executions?: number
    prs?: number
  }): Promise<number>
  /**
   * Sends what is due, one letter after the other, ten seconds for each at most, on a thread that Node keeps for that.
   *
   * @param options.patienceMs how long to wait for servers that ask for it, all together. Default: not; a later call tries again.
   */
  deliver(options?: { patienceMs?: number }): Promise<Delivery>
  /** The letters, the latest first. Default: at most 100. */
  list(options?: { limit?: number }): Promise<Letter[]>
}

/** A notice for one target, and how its delivery stands. */
export interface Letter {
  key: string
  target: string
  state: 'waiting' | 'sent' | 'dropped'
  tries: number
  posted: Date
  why: string | undefined
}
