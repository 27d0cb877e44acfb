// The graphs that are measured: arrays of the places of each task's parents.

/** Each task waits for the one before. */
export function chain(count) {
  return Array.from({ length: count }, (_, place) => (place > 0 ? [place - 1] : []))
}

/** One task, many that wait for it, one that waits for them all. */
export function fan(count) {
  const middle = Array.from({ length: count - 2 }, (_, i) => i + 1)
  return [[], ...middle.map(() => [0]), middle]
}

/** 100 layers of 100 tasks, or for 1,000 tasks 20 of 50, with three random parents each. */
export function layered(count) {
  const width = count === 1000 ? 50 : 100
  let seed = 7
  const draw = () => (seed = (seed * 48271) % 2147483647) / 2147483647
  return Array.from({ length: count }, (_, place) => {
    const first = place - (place % width) - width
    if (first < 0) return []
    const parents = new Set()
    while (parents.size < 3) parents.add(first + Math.floor(draw() * width))
    return [...parents]
  })
}

export const SHAPES = { chain, fan, layered }
