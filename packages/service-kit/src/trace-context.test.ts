import { newTraceContext, readTraceContext, toTraceparent } from './trace-context';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';

describe('traceparent', () => {
  it('names the trace that the caller belongs to', () => {
    expect(readTraceContext(`00-${TRACE}-${CALLER}-01`)).toEqual({ traceId: TRACE, flags: '01' });
  });

  it('of a later version is read as far as this one goes', () => {
    expect(readTraceContext(`cc-${TRACE}-${CALLER}-01-what-comes`).traceId).toBe(TRACE);
  });

  it.each([
    ['none', undefined],
    ['two', [`00-${TRACE}-${CALLER}-01`, `00-${TRACE}-${CALLER}-01`]],
    ['nothing', ''],
    ['upper case', `00-${TRACE.toUpperCase()}-${CALLER}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${CALLER}-01`],
    ['a caller of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['a short trace', `00-${TRACE.slice(1)}-${CALLER}-01`],
    ['more than its version has', `00-${TRACE}-${CALLER}-01-x`],
    ['the version that is none', `ff-${TRACE}-${CALLER}-01`],
    ['a forged line', `00-${TRACE}-${CALLER}-01\nERROR`],
  ])('that cannot be used is replaced by a new trace: %s', (_what, header) => {
    const { traceId, flags } = readTraceContext(header);
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(traceId).not.toBe(TRACE);
    expect(flags).toBe('00');
  });

  it('of a call names the same trace and a caller of its own', () => {
    const trace = readTraceContext(`00-${TRACE}-${CALLER}-01`);
    const [first, second] = [toTraceparent(trace), toTraceparent(trace)];
    expect(first).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    expect(first).not.toBe(second);
    expect(first).not.toContain(CALLER);
  });

  it('begins with a new trace where nobody called', () => {
    expect(newTraceContext().traceId).not.toBe(newTraceContext().traceId);
  });
});
