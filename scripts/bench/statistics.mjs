/** Of repeated measurements the smallest is the one that other work on the machine disturbed least. */
export function least(values) {
  return Math.min(...values);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Runs `measure` so many times, one after the other. */
export async function repeat(times, measure) {
  const results = [];
  for (let round = 0; round < times; round += 1) results.push(await measure());
  return results;
}
