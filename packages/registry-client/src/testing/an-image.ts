import { randomUUID } from 'node:crypto';
import type { ImageRecord } from '@glance/common';

/** A whole image record; what matters to a test is given, the rest is plausible. */
export function anImage(overrides: Partial<ImageRecord> = {}): ImageRecord {
  return {
    id: randomUUID(),
    name: 'cirros',
    status: 'active',
    visibility: 'shared',
    owner: 'a-project',
    sizeBytes: 5,
    virtualSizeBytes: null,
    diskFormat: 'raw',
    containerFormat: 'bare',
    checksum: '5d41402abc4b2a76b9719d911017c592',
    hashAlgorithm: 'sha512',
    hashValue: 'ab'.repeat(64),
    minDisk: 0,
    minRam: 0,
    protected: false,
    hidden: false,
    deleted: false,
    createdAt: '2026-01-02T03:04:05',
    updatedAt: '2026-01-02T03:04:06',
    deletedAt: null,
    properties: [['os_distro', 'linux']],
    tags: ['small'],
    locations: [{ id: 1, url: 'file:///images/1', metadata: { store: 'file' }, status: 'active' }],
    ...overrides,
  };
}
