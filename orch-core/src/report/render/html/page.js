(() => {
  'use strict';
  const one = (query, at = document) => at.querySelector(query);
  const all = (query, at = document) => [...at.querySelectorAll(query)];
  const tasks = JSON.parse(one('#data').textContent).map(
    ([i, id, mark, critical, attempts, [queued, start, duration, x], [error, output, more], after, before]) =>
      ({ i, id, mark, critical, attempts, queued, start, duration, x, error, output, more, after, before }));
  const byPlace = new Map(tasks.map((task) => [task.i, task]));
  const isPlan = !one('thead [data-by=mark]');
  const hasText = one('thead [data-by=text]');

  // Text becomes text nodes only, so that no name is ever read as HTML.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null && child !== ''));
    return element;
  };
  const icon = (mark) => {
    const space = 'http://www.w3.org/2000/svg';
    const svg = document.createElementNS(space, 'svg');
    svg.setAttribute('class', `icon m-${mark}`);
    svg.setAttribute('aria-hidden', 'true');
    svg.append(document.createElementNS(space, 'use'));
    svg.firstChild.setAttribute('href', `#i-${mark}`);
    return svg;
  };
  const link = (task) => make('a', { class: 'id', href: `#t${task.i}`, 'data-t': task.i }, make('bdi', {}, task.id));

  // --- The card with the details of a task.
  const card = one('#card');
  let pinnedBy = null;
  const relatives = (places) => {
    const links = places.map((place) => byPlace.get(place)).filter(Boolean).map(link);
    return links.flatMap((element, nth) => (nth ? [', ', element] : [element]));
  };
  const fill = (task) => {
    const list = make('dl');
    const say = (label, ...value) => value.length && value[0] && list.append(make('dt', {}, label), make('dd', {}, ...value));
    if (!isPlan) say('State', task.mark + (task.attempts > 1 ? `, ${task.attempts} attempts` : ''));
    say('Start', task.start && task.start[1]);
    say(isPlan ? 'Estimate' : 'Duration', task.duration && task.duration[1]);
    if (!isPlan) say('Queued', task.queued && task.queued[1]);
    for (const [label, value] of task.more) say(label, value);
    if (task.critical) say('Path', 'on the critical path');
    say('Waits for', ...relatives(task.after));
    say('Needed by', ...relatives(task.before));
    const close = make('button', { type: 'button', 'aria-label': 'Close' }, '✕');
    close.addEventListener('click', unpin);
    const text = (value, kind) => (value ? make('pre', { class: kind }, value) : null);
    card.replaceChildren(...[make('h3', {}, icon(task.mark), make('bdi', {}, task.id)), list, text(task.error, 'error'), text(task.output, 'output'), close].filter(Boolean));
  };
  const placeAt = (box) => {
    const gap = 8;
    const width = card.offsetWidth, height = card.offsetHeight;
    const below = box.bottom + gap, above = box.top - gap - height;
    const top = below + height < innerHeight ? below : above > 0 ? above : Math.max(gap, innerHeight - height - gap);
    card.style.top = `${top}px`;
    card.style.left = `${Math.max(gap, Math.min(box.left, innerWidth - width - gap))}px`;
  };
  const show = (element) => {
    const task = byPlace.get(Number(element.dataset.t));
    if (!task) return false;
    fill(task);
    card.hidden = false;
    placeAt(element.getBoundingClientRect());
    highlight(task.i);
    return true;
  };
  const hide = () => {
    card.hidden = true;
    highlight(null);
  };
  const unpin = () => {
    card.classList.remove('pinned');
    // Focus goes back to where it was, which must not show the card again.
    if (pinnedBy && pinnedBy.isConnected) pinnedBy.focus({ preventScroll: true });
    pinnedBy = null;
    hide();
  };
  const pin = (element) => {
    if (!show(element)) return false;
    if (!card.contains(element)) pinnedBy = element;
    card.classList.add('pinned');
    card.scrollTop = 0;
    card.focus({ preventScroll: true });
    return true;
  };

  // --- The same task in timeline, graph and table, and in the graph all before and after it.
  const edges = all('.edge').map((element) => ({ element, a: element.dataset.a, b: element.dataset.b }));
  const reach = (start, from, to, found) => {
    for (const open = [start]; open.length; ) {
      const here = open.pop();
      for (const edge of edges) {
        if (edge[from] !== here) continue;
        edge.element.classList.add('hot');
        if (!found.has(edge[to])) found.add(edge[to]) && open.push(edge[to]);
      }
    }
  };
  const highlight = (place) => {
    all('.hot').forEach((element) => element.classList.remove('hot'));
    if (place === null) return;
    all(`.bar[data-t="${place}"]`).forEach((element) => element.classList.add('hot'));
    const row = document.getElementById(`t${place}`);
    if (row) row.classList.add('hot');
    const found = new Set([String(place)]);
    reach(String(place), 'a', 'b', found);
    reach(String(place), 'b', 'a', found);
    all('.node').forEach((node) => node.classList.toggle('hot', found.has(node.dataset.t)));
  };
  const target = (event) => event.target.closest && event.target.closest('[data-t]');
  document.addEventListener('click', (event) => {
    const element = target(event);
    if (element && pin(element)) event.preventDefault();
    else if (!card.hidden && !card.contains(event.target)) unpin();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !card.hidden) unpin();
  });
  const marked = '.bar[data-t], .node[data-t]';
  const hover = matchMedia('(hover: hover)');
  document.addEventListener('pointerover', (event) => {
    if (!hover.matches || card.classList.contains('pinned')) return;
    const element = event.target.closest(marked);
    if (element) show(element);
    else if (!card.hidden) hide();
  });
  document.addEventListener('focusin', (event) => {
    if (card.classList.contains('pinned') || !event.target.matches(`:is(${marked}):focus-visible`)) return;
    show(event.target);
  });

  // --- One tab stop for all bars and one for all boxes; arrows go to the nearest in that direction.
  for (const [group, query] of [['.lanes', 'a.bar'], ['.picture', '.node']]) {
    const place = one(group);
    if (!place) continue;
    all(query, place).forEach((element, nth) => element.setAttribute('tabindex', nth ? '-1' : '0'));
    place.addEventListener('keydown', (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const here = event.target.closest(query);
      if (!way || !here) return;
      event.preventDefault();
      const centre = (element) => {
        const box = element.getBoundingClientRect();
        return [box.left + Math.min(box.width, 60) / 2, box.top + box.height / 2];
      };
      const [x, y] = centre(here);
      let best = null, least = Infinity;
      for (const element of all(query, place)) {
        const [dx, dy] = [centre(element)[0] - x, centre(element)[1] - y];
        const along = dx * way[0] + dy * way[1], aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
        if (along > 2 && along + 3 * aside < least) [best, least] = [element, along + 3 * aside];
      }
      if (!best) return;
      here.setAttribute('tabindex', '-1');
      best.setAttribute('tabindex', '0');
      best.focus();
    });
  }

  // --- Zoom.
  const tools = one('.tools');
  if (tools) {
    const lanes = one('.lanes'), scroll = lanes.parentElement;
    let zoom = 1;
    const set = (next, at = scroll.clientWidth / 2) => {
      next = Math.min(64, Math.max(1, next));
      const share = (scroll.scrollLeft + at) / scroll.scrollWidth;
      zoom = next;
      lanes.style.setProperty('--zoom', zoom);
      scroll.scrollLeft = share * scroll.scrollWidth - at;
      one('output', tools).textContent = `${zoom} ×`;
    };
    tools.hidden = false;
    tools.addEventListener('click', (event) => event.target.dataset.zoom && set(zoom * Number(event.target.dataset.zoom)));
    scroll.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      set(event.deltaY < 0 ? zoom * 2 : zoom / 2, event.clientX - scroll.getBoundingClientRect().left);
    }, { passive: false });
  }

  // --- The table (with its roles, since narrow screens lay it out as blocks): sorted, filtered, a few hundred rows at a time.
  const body = one('tbody');
  if (!body) return;
  const STEP = 300;
  const said = one('.said'), given = said.textContent.replace(/The first .*$/, ''), more = one('.more'), search = one('.filter input');
  const marks = new Set();
  let by = null, descending = false, limit = STEP;
  const number = (label, isPlain, ...values) =>
    make('td', { role: 'cell', class: isPlain ? 'number plain' : 'number', 'data-label': label }, ...values.map((value) => value || ''));
  const time = (label, value, isPlain = false) => number(label, isPlain, value && value[1]);
  const long = (text, kind) => {
    if (!text) return null;
    if (text.length <= 110 && !text.includes('\n')) return make('p', { class: kind }, text);
    return make('details', { class: kind }, make('summary', {}, `${text.trim().replace(/\s+/g, ' ').slice(0, 110)}…`), make('pre', {}, text));
  };
  const when = (task) => {
    const cell = make('td', { role: 'cell', class: 'when' });
    if (task.x) {
      const bar = make('i', { class: `bar m-${task.mark}${task.critical ? ' critical' : ''}` });
      bar.style.left = `${task.x[0]}%`;
      bar.style.width = `${task.x[1]}%`;
      cell.append(bar);
    }
    return cell;
  };
  const row = (task) => make('tr', { id: `t${task.i}`, role: 'row' },
    isPlan ? null : make('td', { role: 'cell', class: 'mark' }, icon(task.mark), task.mark),
    make('th', { scope: 'row', role: 'rowheader' }, link(task)),
    isPlan ? null : task.attempts > 1 ? number('attempts', false, icon('retried'), make('b', {}, String(task.attempts)))
      : number('attempts', true, String(task.attempts)),
    time(isPlan ? 'slack' : 'queued', task.queued, task.queued && task.queued[0] === 0),
    time('start', task.start),
    time(isPlan ? 'estimate' : 'duration', task.duration),
    when(task),
    hasText && make('td', { role: 'cell', class: 'text' }, long(task.error, 'error'), long(task.output, 'output')));
  const key = {
    mark: (task) => task.mark, id: (task) => task.id, attempts: (task) => task.attempts,
    queued: (task) => task.queued && task.queued[0], start: (task) => task.start && task.start[0],
    duration: (task) => task.duration && task.duration[0], text: (task) => task.error || task.output || null,
  };
  const compare = (a, b) => (typeof a === 'string' ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
  const draw = () => {
    const wanted = search.value.trim().toLowerCase();
    const has = (task) => (!marks.size || marks.has(task.mark)) &&
      (!wanted || [task.id, task.error, task.output].some((text) => text.toLowerCase().includes(wanted)));
    const found = tasks.filter(has);
    if (by) {
      const of = key[by];
      found.sort((left, right) => {
        const [a, b] = [of(left), of(right)];
        // Tasks without the value stay at the end, whichever way it is sorted.
        if (a === null || b === null) return (a === null) - (b === null);
        return descending ? compare(b, a) : compare(a, b);
      });
    }
    body.replaceChildren(...found.slice(0, limit).map(row));
    const rest = found.length - Math.min(limit, found.length);
    more.hidden = rest === 0;
    more.firstChild.textContent = `Show ${Math.min(rest, STEP).toLocaleString('en')} more`;
    const count = (value) => value.toLocaleString('en');
    const first = `first ${count(limit)} of ${count(found.length)} are shown.`;
    said.textContent = found.length === tasks.length ? given + (rest ? `The ${first}` : '')
      : `${count(found.length)} of ${count(tasks.length)} tasks${rest ? `; the ${first}` : '.'}`;
  };
  const redraw = () => {
    limit = STEP;
    draw();
  };
  search.hidden = false;
  search.addEventListener('input', redraw);
  more.firstChild.addEventListener('click', () => {
    limit += STEP;
    draw();
  });
  for (const head of all('thead [data-by]')) {
    const button = make('button', { type: 'button' }, ...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const again = by === head.dataset.by;
      // Numbers are wanted with the largest first, names with the first first.
      descending = again ? !descending : head.classList.contains('number') && head.dataset.by !== 'start';
      by = head.dataset.by;
      all('thead [aria-sort]').forEach((other) => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      redraw();
    });
  }
  for (const tally of isPlan ? [] : all('.tallies > span')) {
    const button = make('button', { type: 'button', 'aria-pressed': 'false' }, ...tally.childNodes);
    button.addEventListener('click', () => {
      const mark = tally.dataset.mark;
      if (!marks.delete(mark)) marks.add(mark);
      button.setAttribute('aria-pressed', String(marks.has(mark)));
      redraw();
    });
    tally.replaceWith(button);
  }
  if (tasks.length > STEP) draw();
})();
