/**
 * Places where a test can make a process fail, named by the steps of the reliability sheet §3 and
 * §4: the process has just done the step. `commit-begun` and `commit-done` are the registry's side
 * of U7, before its COMMIT and before its answer. `snapshot-gone` is in the helper of an rbd store,
 * which has taken the snapshot of an image away and not removed the image yet. `location-sealed` is in
 * `glance-manage db encrypt_locations`, which has encrypted one location. C1 to C3 are of the image
 * cache: some bytes of an image are there, its data has its name, its record is there.
 */
export const FAIL_POINTS = [
  'U1',
  'U2',
  'U3',
  'U4',
  'U5',
  'U6',
  'commit-begun',
  'commit-done',
  'U7',
  'I1',
  'I2',
  'I3',
  'I5',
  'D1',
  'D2',
  'snapshot-gone',
  'D3',
  'D4',
  'location-sealed',
  'C1',
  'C2',
  'C3',
] as const;

export type FailPoint = (typeof FAIL_POINTS)[number];

/** `hang` stops the whole process, as a paused machine does, until somebody sends SIGCONT. */
const ACTIONS = ['kill', 'throw', 'hang'] as const;
type FailAction = (typeof ACTIONS)[number];

const armed = new Map<FailPoint, FailAction>();

/**
 * Prepares failures, each for the first time its point is passed.
 * @param text such as `U6:kill,D1:throw`
 * @throws Error that names what it does not understand.
 */
export function armFailPoints(text: string): void {
  for (const entry of text.split(',')) {
    const [name, action] = entry.trim().split(':');
    const point = FAIL_POINTS.find((known) => known === name);
    const known = ACTIONS.find((each) => each === action);
    if (!point || !known) {
      throw new Error(
        `Unknown fail point '${entry}': it is POINT:ACTION of ${FAIL_POINTS.join(' ')} and ${ACTIONS.join(' ')}`,
      );
    }
    armed.set(point, known);
  }
}

/** Nothing, unless the point is armed. @throws Error where that is what it is armed with. */
export function failPoint(point: FailPoint): void {
  const action = armed.get(point);
  if (action === undefined) return;
  armed.delete(point);
  if (action === 'throw') throw new Error(`Fail point ${point}`);
  process.kill(process.pid, action === 'kill' ? 'SIGKILL' : 'SIGSTOP');
}
