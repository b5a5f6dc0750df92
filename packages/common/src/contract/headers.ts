/** Headers of the internal contract (design §3). Lower case, as Node reports them. */
export const INTERNAL_HEADERS = {
  /** The shared secret that makes the registry believe the rest. */
  serviceKey: 'x-glance-service-key',
  /** base64url of the JSON of an {@link Identity}: the end user the api speaks for. */
  identity: 'x-glance-identity',
  /** A UUID per logical write: repeating the call with it returns the first answer. */
  requestKey: 'x-glance-request-key',
  /** Milliseconds the caller still waits for the answer. */
  deadline: 'x-glance-deadline-ms',
  requestId: 'x-openstack-request-id',
  /** W3C Trace Context. */
  traceparent: 'traceparent',
} as const;
