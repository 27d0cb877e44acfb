'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const MARKS = ['succeeded', 'failed', 'retried', 'running', 'cancelled', 'interrupted', 'undone', 'skipped', 'pending', 'warning'];
  const MOST_BARS = 1500, MOST_ROWS = 200, STABLE = 60;

  // ---- Text from outside is only ever text.

  const clean = (text) => String(text ?? '').replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (char) => `\\u{${char.codePointAt(0).toString(16)}}`);
  const mark = (name) => (MARKS.includes(name) ? name : 'pending');
  const el = (tag, props = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(props)) {
      if (key === 'class') node.className = value;
      else if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? '' : clean(value));
    }
    add(node, children);
    return node;
  };
  const add = (node, children) => {
    for (const child of children.flat()) {
      if (child !== null && child !== undefined && child !== false && child !== '') node.append(child instanceof Node ? child : clean(child));
    }
  };
  const put = (node, ...children) => { node.textContent = ''; add(node, children); return node; };
  const say = (node, text) => { const said = clean(text); if (node.textContent !== said) node.textContent = said; };
  const icon = (name) => {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
    svg.setAttribute('class', `icon m-${mark(name)}`);
    svg.setAttribute('aria-hidden', 'true');
    use.setAttribute('href', `#i-${mark(name)}`);
    svg.append(use);
    return svg;
  };
  const bdi = (text, cls = '') => el('bdi', cls ? { class: cls } : {}, text);

  // ---- Numbers as a person reads them.

  const short = (ms) => {
    if (ms === null || ms === undefined) return '';
    if (ms < 1000) return `${Math.round(ms)} ms`;
    const s = ms / 1000;
    if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
    const min = Math.floor(s / 60);
    if (min < 60) return `${min} min ${String(Math.floor(s % 60)).padStart(2, '0')} s`;
    return `${Math.floor(min / 60)} h ${String(min % 60).padStart(2, '0')} min`;
  };
  const ago = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s < 60) return `${s} s ago`;
    if (s < 3600) return `${Math.floor(s / 60)} min ago`;
    return s < 172800 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86400)} days ago`;
  };
  const usd = (value) => {
    if (value === null || value === undefined) return '';
    const number = Number(value);
    return `${number < 0 ? '−' : ''}$${Math.abs(number).toFixed(number === 0 || Math.abs(number) >= 1 ? 2 : 4)}`;
  };
  const count = (number) => Number(number ?? 0).toLocaleString('en');
  const plural = (number, what, many = `${what}s`) => `${count(number)} ${number === 1 ? what : many}`;
  const tail = (run) => String(run).slice(-8);

  // ---- What is known.

  let source = null, asked = null, follows = true, waits = null;
  let runs = [], store = true, costs = {}, worktrees = null;
  let R = null, offset = 0;
  // By the clock of the server: a page may be read through a tunnel.
  const wall = () => Date.now() + offset;
  let filter = 'all', all = false, dirty = true, whole = true, freed = false;
  const fresh = (id) => ({
    id, part: null, name: '', tasks: new Map(), bars: [], open: [], next: 0, head: null, heard: 0, warnings: [], stopped: null, error: null,
  });
  const task = (id, of = {}) => {
    const key = String(id);
    let one = R.tasks.get(key);
    if (!one) {
      one = {
        id: key, nth: R.tasks.size, agent: null, state: 'pending', attempts: 0, began: null, since: null, spent: 0, cost: null,
        after: [], note: '', lines: [], cached: false, restored: false, waits: null, changed: true,
      };
      R.tasks.set(key, one);
      whole = true;
    }
    if (of.agent !== undefined) [one.agent, one.after] = [of.agent, of.after];
    one.changed = true;
    return one;
  };

  // ---- Events become tasks and bars. A bar is an attempt; its lane is a worker.

  const begin = (one, at, undo) => {
    let lane = R.open.findIndex((bar) => !bar);
    if (lane < 0) lane = R.open.length;
    const bar = { task: one.id, from: at, to: null, mark: undo ? 'undone' : 'running', lane, node: null, attempt: one.attempts };
    R.open[lane] = bar;
    R.bars.push(bar);
    one.bar = bar;
    one.since = at;
  };
  const end = (one, at, how) => {
    const bar = one.bar;
    if (bar) {
      bar.to = at;
      bar.mark = how;
      R.open[bar.lane] = null;
      one.spent += at - bar.from;
      one.bar = null;
    }
    one.since = null;
  };
  const pay = (one, event) => { if (event.cost_usd !== undefined && event.cost_usd !== null) one.cost = (one.cost ?? 0) + event.cost_usd; };
  const brief = (event) => {
    if (event.error) return event.error;
    if (event.output_bytes) return `output of ${count(event.output_bytes)} bytes`;
    if (event.output === undefined || event.output === null) return '';
    return typeof event.output === 'string' ? event.output : JSON.stringify(event.output);
  };
  const hear = (event) => {
    // A part begins at 0; what was heard before is not heard twice.
    if (event.seq < R.next) return;
    R.next = event.seq + 1;
    freed = freed || event.event === 'task_skipped' || event.event === 'task_cached' || event.event === 'task_restored';
    const at = event.at_ms;
    const one = event.task === undefined || event.task === null ? null : task(event.task);
    switch (event.event) {
      case 'task_started':
        one.state = 'running'; one.attempts = event.attempt; one.waits = null; one.note = '';
        one.began ??= at;
        begin(one, at, false);
        break;
      case 'task_output':
        one.lines.push(event.text);
        if (one.lines.length > 8) one.lines.shift();
        break;
      case 'task_waits':
        one.waits = `waits for ${event.resource}${event.holder ? `, which ${event.holder} has` : ''}`;
        break;
      case 'task_held': one.waits = `waits for ${event.by}, which reads their prompt first`; break;
      case 'task_retrying':
        end(one, at, 'retried'); pay(one, event);
        one.state = 'pending'; one.note = event.error; one.waits = `again in ${short(event.delay_ms)}`;
        break;
      case 'task_finished':
        end(one, at, mark(event.state)); pay(one, event);
        one.state = event.state; one.note = brief(event); one.waits = null;
        freed = true;
        break;
      case 'task_cached':
        one.state = event.state; one.cached = true;
        one.note = `known already: saved ${short(event.saved.time_ms)}${event.saved.cost_usd ? `, ${usd(event.saved.cost_usd)}` : ''}`;
        break;
      case 'task_restored': one.state = event.state; one.restored = true; one.note = 'kept from before'; break;
      case 'task_skipped':
        one.state = event.state;
        one.note = event.message ?? (event.upstream ? `needs ${event.upstream}` : 'the run was stopped');
        break;
      case 'tasks_added': for (const added of event.tasks) task(added.id, added); break;
      case 'undo_started': begin(one, at, true); break;
      case 'undo_retrying': end(one, at, 'retried'); pay(one, event); one.note = event.error; break;
      case 'undo_finished':
        end(one, at, event.state === 'undone' ? 'undone' : 'failed'); pay(one, event);
        if (event.state === 'undone') one.state = 'undone';
        if (event.error) one.note = `undo: ${event.error}`;
        break;
      case 'warning': R.warnings.push({ task: event.task, message: event.message }); break;
      case 'run_stopping': R.stopped = event.reason; break;
    }
  };

  // ---- The stream.

  const status = (how, text) => { $('live').className = `live ${how}`; say($('live').lastElementChild, text); };
  const connect = () => {
    clearTimeout(waits);
    if (source) source.close();
    asked = R ? R.id : null;
    const stream = new EventSource(asked ? `events?run=${encodeURIComponent(asked)}` : 'events');
    source = stream;
    const on = (name, take) => stream.addEventListener(name, (message) => {
      if (stream === source) { take(JSON.parse(message.data)); dirty = true; }
    });
    stream.onopen = () => status('on', 'live');
    stream.onerror = () => {
      if (stream !== source) return;
      const ended = stream.readyState === EventSource.CLOSED;
      status('off', ended ? 'orch serve does not answer' : 'connecting again');
      if (ended) waits = setTimeout(connect, 3000);
    };
    on('hello', (data) => { offset = data.now_ms - Date.now(); });
    on('runs', (data) => {
      say($('runs-problem'), data.error ?? '');
      if (data.error) return;
      ({ runs, store } = data);
      listed();
    });
    on('part', (data) => {
      const { head, heard } = R;
      R = Object.assign(fresh(R.id), { part: data.fence, name: data.name, head, heard });
      for (const one of data.tasks) task(one.id, one);
      whole = true;
    });
    on('events', (data) => data.forEach(hear));
    on('head', (data) => { R.head = data.error ? R.head : data; R.error = data.error ?? null; R.heard = performance.now(); });
    on('worktrees', (data) => { worktrees = data; drawWorktrees(data); });
    on('budgets', drawBudgets);
    on('costs', (data) => { costs = data; drawCosts(data); listed(); });
  };
  const show = (id) => {
    if (R && R.id === id) return;
    R = id ? fresh(id) : null;
    filter = 'all'; all = false; whole = true; dirty = true;
    put($('run'));
    if (asked !== id) connect();
  };
  const choose = () => {
    const named = new URLSearchParams(location.hash.slice(1)).get('run');
    follows = !named;
    show(named ?? (runs[0] ? runs[0].run : null));
  };
  addEventListener('hashchange', choose);
  $('newest').addEventListener('click', () => { location.hash = ''; });

  // ---- The list of runs.

  const listed = () => {
    choose();
    $('newest').hidden = follows;
    const list = $('run-list');
    if (!runs.length) {
      put(list, el('li', { class: 'none' }, store ? 'No run was kept yet.' : 'There is no store yet.',
        el('br'), el('code', {}, 'orch run FILE --store')));
      put($('run'), el('div', { class: 'empty' }, el('h1', {}, 'Nothing runs'), el('p', { class: 'soft' }, 'A run that is kept shows up here, also one of another process.')));
      return;
    }
    // The list is drawn anew; who walks through it by keys stays where he is.
    const at = list.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
    put(list, runs.map((run) => {
      const how = run.interrupted ? 'interrupted' : run.state;
      const cost = costs.by_run ? costs.by_run[run.run] : null;
      const took = Date.parse(run.updated) - Date.parse(run.created);
      return el('li', {}, el('a', { href: `#run=${run.run}`, class: `entry m-${mark(how)}`, 'aria-current': R && R.id === run.run ? 'true' : null },
        icon(how), el('span', {}, bdi(run.name || 'unnamed', 'name'),
          el('span', { class: 'soft' }, how, ' · ', el('time', { 'data-at': Date.parse(run.updated) }, ''), took > 0 ? ` · ${short(took)}` : '', cost ? ` · ${usd(cost)}` : ''))));
    }));
    if (at) [...list.querySelectorAll('a')].find((link) => link.getAttribute('href') === at)?.focus({ preventScroll: true });
  };

  // ---- The run.

  const now = () => {
    if (!R || !R.head) return 0;
    const { standing, last_ms: last, began_ms: began } = R.head;
    return standing === 'running' ? Math.max(last, wall() - began) : last;
  };
  const parts = {};
  const frame = () => {
    const cell = (name) => (parts[name] = el('b', {}));
    const note = (name) => (parts[`${name}-note`] = el('span', {}));
    const fact = (label, name) => el('div', {}, el('dt', {}, label), el('dd', {}, cell(name), note(name)));
    put($('run'),
      el('p', { class: 'over' }, (parts.over = el('span'))),
      el('h1', {}, (parts.name = bdi('')), (parts.state = el('span', { class: 'state' }))),
      (parts.headline = el('p', { class: 'headline', role: 'status' })),
      (parts.stack = el('div', { class: 'stack', role: 'img' })),
      el('dl', { class: 'facts' }, fact('Time', 'time'), fact('Tasks', 'tasks'), fact('Cost', 'cost'), fact('Saved by the cache', 'cache')),
      (parts.notes = el('ul', { class: 'notes' })),
      el('h2', { id: 'h-timeline' }, 'Timeline'),
      el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': 'h-timeline' },
        (parts.lanes = el('div', { class: 'lanes' }, (parts.grid = el('div', { class: 'grid', 'aria-hidden': 'true' }))))),
      (parts.barnote = el('p', { class: 'soft small' })),
      el('div', { class: 'head' }, el('h2', {}, 'Tasks'), (parts.tallies = el('div', { class: 'tallies' }))),
      el('table', {},
        el('thead', {}, el('tr', {}, ['', 'Task', 'Tries', 'Time', 'Cost', 'What it says'].map((text, nth) => el('th', { scope: 'col', class: `c${nth}` }, text)))),
        (parts.rows = el('tbody'))),
      (parts.more = el('p', { class: 'more' })));
    parts.laneNodes = [];
    parts.rowNodes = new Map();
  };

  const draw = () => {
    if (!R || (!R.head && !R.part && !R.error)) return;
    if (!$('run').querySelector('h1') || $('run').querySelector('.empty')) { frame(); whole = true; }
    if (whole) {
      // Also those of another part.
      parts.rowNodes.clear(); put(parts.rows);
      for (const lane of parts.laneNodes.splice(0)) lane.remove();
      for (const bar of R.bars) bar.node = null;
    }
    drawHead(); drawTimeline(); drawTasks();
    whole = false;
  };

  const drawHead = () => {
    const head = R.head, how = head ? head.standing : 'pending';
    say(parts.over, `run ${tail(R.id)}${head && head.run.source ? ` · ${head.run.source}` : ''}`);
    say(parts.name, (head && head.run.name) || R.name || 'unnamed');
    if (parts.how !== how || !parts.state.firstChild) {
      parts.how = how;
      parts.state.className = `state m-${mark(how)}`;
      put(parts.state, icon(how), how);
    }
    const title = head ? `${head.counts.total - head.counts.pending - head.counts.running}/${head.counts.total} ${head.run.name} · ${how}` : 'orch';
    if (document.title !== title) document.title = clean(title);
    if (!head) return;
    const { counts, context } = head;
    const over = counts.total - counts.pending - counts.running;
    const left = head.rest_s ? `, about ${short(head.rest_s * 1000)} left` : '';
    const line = how === 'running' ? `${plural(counts.running, 'task')} running, ${over} of ${count(counts.total)} done${left}`
      : how === 'interrupted' ? 'Its process is gone. It goes on with orch run FILE --store --resume.'
      : `${counts.succeeded + counts.skipped} of ${count(counts.total)} done${counts.failed ? `, ${counts.failed} failed` : ''}${head.stopped ? `: ${head.stopped}` : ''}`;
    say(parts.headline, line);
    const order = ['succeeded', 'undone', 'failed', 'cancelled', 'skipped', 'running', 'pending'];
    const shape = order.map((name) => `${name} ${counts[name]}`).join(', ');
    if (parts.shape !== shape || !parts.stack.firstChild) {
      parts.shape = shape;
      parts.stack.setAttribute('aria-label', shape);
      put(parts.stack, order.filter((name) => counts[name]).map((name) => {
        const part = el('i', { class: `m-${name}`, title: `${count(counts[name])} ${name}` });
        part.style.flexGrow = counts[name];
        return part;
      }));
    }
    say(parts.time, short(now()));
    say(parts['time-note'], head.max_parallel ? `${head.peak} at once, of ${head.max_parallel}` : `${head.peak} at once`);
    say(parts.tasks, `${count(over)} / ${count(counts.total)}`);
    say(parts['tasks-note'], [counts.running && `${counts.running} running`, counts.failed && `${counts.failed} failed`].filter(Boolean).join(', ') || (over === counts.total ? 'all over' : 'waiting'));
    say(parts.cost, usd(head.cost_usd) || '—');
    say(parts['cost-note'], head.tokens ? `${count(head.tokens)} tokens${head.unpriced ? `, ${plural(head.unpriced, 'task')} without a price` : ''}` : 'no tokens used');
    const found = context.hits + context.known;
    say(parts.cache, found ? (usd(context.avoided.cost_usd) || short(context.avoided.time_ms)) : '—');
    say(parts['cache-note'], found ? `${plural(found, 'hit')}${context.avoided.cost_usd ? `, ${short(context.avoided.time_ms)}` : ''}${context.misses ? `, ${plural(context.misses, 'miss', 'misses')}` : ''}` : context.made ? `${plural(context.made, 'value')} made` : 'nothing shared');
    const notes = [R.error && { how: 'failed', text: R.error }, R.stopped && how === 'running' && { how: 'warning', text: `stopping: ${R.stopped}` },
      head.earlier && { how: 'retried', text: `went on after ${plural(head.earlier.parts, 'earlier part')}, which took ${short(head.earlier.cost.time_ms)}` },
      ...R.warnings.slice(-5).map((one) => ({ how: 'warning', text: one.task ? `${one.task}: ${one.message}` : one.message }))].filter(Boolean);
    const key = JSON.stringify(notes);
    if (parts.noted !== key || whole) { parts.noted = key; put(parts.notes, notes.map((note) => el('li', { class: `m-${note.how}` }, icon(note.how), note.text))); }
  };

  const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5, 432e5, 864e5];
  const drawTimeline = () => {
    const at = Math.max(now(), 1);
    const step = STEPS.find((step) => at / step <= 7) ?? Math.ceil(at / 7 / 864e5) * 864e5;
    // A whole number of steps: what is over stays where it is.
    const goesOn = R.head && R.head.standing === 'running';
    const span = goesOn ? Math.ceil((at * 1.02) / step) * step : at;
    const key = `${step} ${span}`;
    const rescaled = parts.scale !== key || whole;
    if (rescaled) {
      parts.scale = key;
      const ticks = [];
      for (let tick = 0; tick <= span; tick += step) {
        const line = el('i', { class: tick / span > 0.9 ? 'late' : '' }, el('span', {}, tick ? short(tick) : '0'));
        line.style.left = `${(tick / span) * 100}%`;
        ticks.push(line);
      }
      put(parts.grid, ticks);
    }
    const lanes = R.open.length;
    parts.lanes.className = `lanes${lanes > 30 ? ' thin' : lanes > 12 ? ' low' : ''}`;
    while (parts.laneNodes.length < lanes) {
      const lane = el('div', { class: 'lane', role: 'group', 'aria-label': `Worker ${parts.laneNodes.length + 1}` },
        el('span', { class: 'who', 'aria-hidden': 'true' }, parts.laneNodes.length + 1));
      parts.laneNodes.push(lane);
      parts.lanes.append(lane);
    }
    const from = Math.max(0, R.bars.length - MOST_BARS);
    R.bars.forEach((bar, nth) => {
      if (nth < from) { if (bar.node) { bar.node.remove(); bar.node = null; } return; }
      if (!bar.node) {
        bar.node = el('button', { type: 'button', class: 'bar', 'data-task': bar.task, onclick: () => reveal(bar.task) }, el('span', {}, bdi(bar.task)));
        parts.laneNodes[bar.lane].append(bar.node);
        bar.drawn = null;
      }
      if (bar.to === null || rescaled || bar.drawn !== bar.mark) {
        const to = bar.to ?? Math.max(at, bar.from);
        bar.drawn = bar.mark;
        bar.node.className = `bar m-${bar.mark}`;
        bar.node.style.left = `${(bar.from / span) * 100}%`;
        bar.node.style.width = `${((to - bar.from) / span) * 100}%`;
        bar.node.title = clean(`${bar.task}: ${bar.mark}, ${short(to - bar.from)}${bar.attempt > 1 ? `, try ${bar.attempt}` : ''}`);
      }
    });
    say(parts.barnote, from ? `The latest ${count(MOST_BARS)} of ${count(R.bars.length)} attempts.` : R.bars.length ? '' : 'No attempt has begun.');
  };

  const reveal = (id) => {
    filter = 'all';
    const one = R.tasks.get(id);
    if (one && !parts.rowNodes.has(id)) all = true;
    dirty = whole = true;
    draw();
    const row = parts.rowNodes.get(id);
    if (!row) return;
    document.querySelectorAll('tr.hot').forEach((other) => other.classList.remove('hot'));
    row.row.classList.add('hot');
    row.row.scrollIntoView({ block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  };

  const OVER = new Set(['succeeded', 'skipped', 'failed', 'cancelled', 'undone']);
  const URGENT = { running: 0, failed: 1, cancelled: 3, pending: 4 };
  const drawTasks = () => {
    const tasks = [...R.tasks.values()];
    const kinds = new Map();
    for (const one of tasks) kinds.set(one.state, (kinds.get(one.state) ?? 0) + 1);
    if (filter !== 'all' && !kinds.has(filter)) { filter = 'all'; whole = true; }
    const key = `${filter} ${[...kinds].join()}`;
    if (parts.tallied !== key || whole) {
      parts.tallied = key;
      const pill = (name, text, icon) => el('button', { type: 'button', 'aria-pressed': String(filter === name), onclick: () => { filter = name; all = false; dirty = whole = true; } }, icon, text);
      put(parts.tallies, pill('all', `${count(tasks.length)} all`), ['running', 'failed', 'pending', 'succeeded', 'skipped', 'cancelled', 'undone']
        .filter((name) => kinds.has(name)).map((name) => pill(name, `${count(kinds.get(name))} ${name}`, icon(name))));
    }
    let shown = filter === 'all' ? tasks : tasks.filter((one) => one.state === filter);
    // Rows that jump are hard to read; where not all can be seen, what is urgent goes first.
    if (shown.length > STABLE) shown = shown.sort((a, b) => (URGENT[a.state] ?? 2) - (URGENT[b.state] ?? 2) || (b.since ?? -1) - (a.since ?? -1) || a.nth - b.nth);
    const most = all ? Math.max(MOST_ROWS, 5000) : MOST_ROWS;
    const left = Math.max(0, shown.length - most);
    shown = shown.slice(0, most);
    // What the others need is less by then.
    if (freed) for (const one of shown) one.changed ||= one.state === 'pending';
    freed = false;
    const seen = new Set(shown.map((one) => one.id));
    for (const [id, { row }] of parts.rowNodes) if (!seen.has(id)) { row.remove(); parts.rowNodes.delete(id); }
    shown.forEach((one, nth) => {
      let cells = parts.rowNodes.get(one.id);
      if (!cells) {
        cells = { state: el('td', { class: 'mark' }), name: el('th', { scope: 'row' }), tries: el('td', { class: 'number', 'data-label': 'tries' }), time: el('td', { class: 'number', 'data-label': 'time' }), cost: el('td', { class: 'number', 'data-label': 'cost' }), note: el('td', { class: 'note' }) };
        cells.row = el('tr', {}, cells.state, cells.name, cells.tries, cells.time, cells.cost, cells.note);
        put(cells.name, bdi(one.id), one.agent ? el('span', { class: 'soft agent' }, one.agent) : '');
        parts.rowNodes.set(one.id, cells);
        one.changed = true;
      }
      if (parts.rows.children[nth] !== cells.row) parts.rows.insertBefore(cells.row, parts.rows.children[nth] ?? null);
      if (one.changed) {
        one.changed = false;
        const how = one.state === 'pending' && one.attempts ? 'retried' : one.state;
        cells.row.className = `m-${mark(how)}${cells.row.classList.contains('hot') ? ' hot' : ''}`;
        put(cells.state, icon(how), how === 'retried' ? 'waiting' : one.cached ? 'cached' : one.restored ? 'kept' : one.state);
        say(cells.tries, one.attempts > 1 ? one.attempts : '');
        say(cells.cost, usd(one.cost));
        const needs = one.state === 'pending' && !one.attempts ? one.after.filter((id) => !OVER.has(R.tasks.get(String(id))?.state)) : [];
        const waits = needs.length ? `needs ${needs.slice(0, 3).join(', ')}${needs.length > 3 ? ` and ${needs.length - 3} more` : ''}` : '';
        write(cells.note, one.state === 'running' ? one.waits ?? one.lines.at(-1) ?? '' : [one.waits ?? waits, one.note].filter(Boolean).join(': '), one);
      }
      const spent = one.spent + (one.since === null ? 0 : Math.max(0, now() - one.since));
      say(cells.time, one.began === null ? '' : short(spent));
    });
    const key2 = `${left} ${all}`;
    if (parts.left !== key2 || whole) {
      parts.left = key2;
      put(parts.more, left ? el('button', { type: 'button', onclick: () => { all = true; dirty = true; } }, `Show ${count(Math.min(left, 4800))} more`) : '');
    }
  };
  const write = (cell, text, one) => {
    const lines = one.state === 'failed' ? one.lines : [];
    const long = text.length > 120 || text.includes('\n') || lines.length;
    if (!long) return put(cell, text);
    const open = cell.querySelector('details')?.open ?? false;
    return put(cell, el('details', { open }, el('summary', {}, text.split(/\s+/).join(' ').slice(0, 120) || 'what it wrote last'),
      el('pre', {}, text, lines.length ? `${text ? '\n\n' : ''}${lines.join('\n')}` : '')));
  };

  // ---- Worktrees and money.

  const BAD = ['conflicting', 'prunable'], WARN = ['dirty', 'stale', 'waiting'];
  const drawWorktrees = (data) => {
    const list = $('worktree-list'), alerts = $('alerts');
    $('worktrees').hidden = !!data.absent;
    if (data.error) { put(alerts, el('li', { class: 'm-failed' }, icon('failed'), data.error)); return; }
    const items = data.items ?? [];
    const active = items.filter((item) => item.states.includes('active')).length;
    say($('worktrees-note'), `${plural(items.length, 'worktree')}${active ? `, ${active} active` : ''}`);
    put(alerts, (data.alerts ?? []).map((one) => {
      const how = String(one.kind).startsWith('conflicts') ? 'failed' : 'warning';
      return el('li', { class: `m-${how}` }, icon(how), one.text);
    }));
    const tree = (item) => {
      const { orch: of, main } = item;
      const who = of.holder ?? of;
      const changed = item.working_tree ? item.working_tree.paths : {};
      const dirty = Math.max(changed.staged ?? 0, changed.modified ?? 0) + (changed.untracked ?? 0) + (changed.conflicted ?? 0);
      return el('tr', {},
        el('th', { scope: 'row' }, bdi(item.name), el('span', { class: 'soft agent' }, of.purpose ?? item.path)),
        el('td', { class: 'pills' }, item.states.map((name) => el('span', { class: `pill${BAD.includes(name) ? ' m-failed' : WARN.includes(name) ? ' m-warning' : name === 'active' ? ' m-running' : ''}` }, name === 'dirty' && dirty ? `${dirty} changed` : name))),
        el('td', {}, item.branch ? bdi(item.branch) : el('span', { class: 'soft' }, 'detached'), main && (main.ahead || main.behind) ? el('span', { class: 'soft agent' }, [main.ahead && `${main.ahead} ahead`, main.behind && `${main.behind} behind`].filter(Boolean).join(', ')) : ''),
        el('td', {}, who.task ? bdi(who.task) : '', who.agent ? el('span', { class: 'soft agent' }, who.agent) : ''),
        el('td', { class: 'number', 'data-label': 'spent' }, usd(of.usd)),
        el('td', { class: 'number', 'data-label': 'last used' }, of.used ? time(of.used) : ''));
    };
    put(list, items.length ? el('table', { class: 'trees' },
      el('thead', {}, el('tr', {}, ['Worktree', 'State', 'Branch', 'Task', 'Spent', 'Last used'].map((text, nth) => el('th', { scope: 'col', class: nth > 3 ? 'number' : '' }, text)))),
      el('tbody', {}, items.map(tree))) : el('p', { class: 'soft' }, 'There are none.'));
  };
  const time = (text) => el('time', { 'data-at': Date.parse(text), title: text }, ago(wall() - Date.parse(text)));

  const drawBudgets = (data) => {
    const box = $('budgets');
    if (data.error) { put(box, el('p', { class: 'soft' }, data.error)); return; }
    const budget = (one) => {
      const [total, spent, reserved] = [one.usd, one.spent_usd, one.reserved_usd].map(Number);
      const share = (part) => `${Math.min(100, Math.max(0, (part / (total || 1)) * 100))}%`;
      const full = spent + reserved >= total, most = spent / (total || 1) > 0.8;
      const bar = el('div', { class: `meter ${full ? 'm-failed' : most ? 'm-warning' : 'm-succeeded'}`, role: 'meter', 'aria-valuemin': 0, 'aria-valuemax': total, 'aria-valuenow': spent, 'aria-label': `spent of ${one.name}` }, el('i', { class: 'spent' }), el('i', { class: 'reserved' }));
      bar.children[0].style.width = share(spent);
      bar.children[1].style.width = share(Math.min(reserved, Math.max(0, total - spent)));
      const of = Object.values(one.of ?? {}).filter(Boolean).join(', ');
      return el('div', { class: 'budget' },
        el('p', {}, bdi(one.name, 'name'), el('span', { class: 'soft' }, [of, one.period].filter(Boolean).map((text) => ` ${text}`)), el('b', {}, `${usd(spent)} of ${usd(total)}`)), bar,
        el('p', { class: 'soft small' }, [`${usd(one.left_usd)} left`, reserved > 0 && `${usd(reserved)} reserved`, one.projected_usd && `at this rate ${usd(one.projected_usd)} by its end`, one.ends && `ends at ${one.ends.slice(0, 16).replace('T', ' ')}`, one.reached.length && `passed $${one.reached.join(', $')}`].filter(Boolean).join(' · ')));
    };
    put(box, el('h3', {}, 'Budgets'),
      (data.questions ?? []).filter((one) => one.said === null).map((one) => el('div', { class: 'ask m-warning' }, el('p', {}, icon('warning'), bdi(one.who.task ?? 'a task'), ' asks: ', one.why), el('code', {}, `orch budget answer ${one.id} yes`))),
      data.budgets.length ? data.budgets.map(budget) : el('p', { class: 'soft' }, 'None are set: ', el('code', {}, '[[budget]]'), ' of orch.toml.'),
      data.in_flight.length ? el('p', { class: 'soft small' }, `${plural(data.in_flight.length, 'reservation')} in flight`) : '');
  };
  const drawCosts = (data) => {
    const box = $('costs');
    if (data.error) { put(box, el('p', { class: 'soft' }, data.error)); return; }
    say($('money-note'), data.since ? `${usd(data.usd)} since ${data.since.slice(0, 10)}` : '');
    const most = Math.max(...data.rows.map((row) => Number(row.usd)), 0) || 1;
    const row = (one) => {
      const bar = el('i', { class: 'share' });
      bar.style.width = `${(Number(one.usd) / most) * 100}%`;
      return el('tr', {}, el('th', { scope: 'row' }, bdi(one.of.agent ?? 'no agent'), el('span', { class: 'soft agent' }, one.of.model ?? '')),
        el('td', { class: 'number', 'data-label': 'calls' }, count(one.charges)), el('td', { class: 'number', 'data-label': 'tokens' }, count(one.input + one.output)), el('td', { class: 'number money' }, usd(one.usd), bar));
    };
    put(box, el('h3', {}, 'By agent and model'), data.rows.length ? el('table', {},
      el('thead', {}, el('tr', {}, ['Agent', 'Charges', 'Tokens', 'Cost'].map((text, nth) => el('th', { scope: 'col', class: nth ? 'number' : '' }, text)))),
      el('tbody', {}, data.rows.slice(0, 20).map(row))) : el('p', { class: 'soft' }, 'Nothing was spent.'));
  };

  // ---- Pictures, at most one for each frame, and the clock.

  const tick = () => {
    for (const node of document.querySelectorAll('time[data-at]')) say(node, ago(wall() - Number(node.dataset.at)));
    if (R && R.head && R.head.standing === 'running') dirty = true;
  };
  setInterval(tick, 500);
  const paint = () => { if (dirty) { dirty = false; draw(); tick(); dirty = false; } requestAnimationFrame(paint); };
  requestAnimationFrame(paint);
  connect();
})();
