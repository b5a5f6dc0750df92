import { OrphanRepository } from './blobs/orphan-repository';
import { CopyRepository } from './copies/copy-repository';
import type { Knex } from 'knex';
import type { Dialect } from './db/dialect';
import { THE_SERVICE, type Actor } from './db/transaction';
import { NO_CIPHER, type TextCipher } from './db/text-cipher';
import { DeletionRepository } from './deletions/deletion-repository';
import { ImportRepository } from './imports/import-repository';
import { StagingRepository } from './imports/staging-repository';
import { EventLog, NOBODY_LISTENS, type Announcing } from './events/event-log';
import { OutboxRepository } from './events/outbox-repository';
import { TimelineRepository } from './events/timeline-repository';
import { ImageRepository } from './images/image-repository';
import { LocationRepository } from './images/location-repository';
import { RemovalRepository } from './removals/removal-repository';
import { PropertyRepository } from './images/property-repository';
import { TagRepository } from './images/tag-repository';
import { MetadefAssociationRepository } from './metadefs/association-repository';
import { MetadefEventLog } from './metadefs/metadef-events';
import { MetadefItemRepository } from './metadefs/item-repository';
import { MetadefNamespaceRepository } from './metadefs/namespace-repository';
import { MemberRepository } from './members/member-repository';
import { ProjectRepository } from './quota/project-repository';
import { UsageRepository } from './quota/usage-repository';
import { SweepRepository } from './sweeps/sweep-repository';
import { TaskRepository } from './tasks/task-repository';
import { DEFAULT_LEASE_SECONDS, LeaseRepository } from './uploads/lease-repository';

export interface RepositorySettings {
  leaseSeconds?: number | undefined;
  /** Of the URLs in the tables. */
  cipher?: TextCipher | undefined;
  announcing?: Announcing | undefined;
}

/** Every table, on one connection or in one transaction. */
export interface Repositories {
  connection: Knex;
  dialect: Dialect;
  cipher: TextCipher;
  images: ImageRepository;
  properties: PropertyRepository;
  tags: TagRepository;
  locations: LocationRepository;
  removals: RemovalRepository;
  members: MemberRepository;
  leases: LeaseRepository;
  copies: CopyRepository;
  imports: ImportRepository;
  staging: StagingRepository;
  tasks: TaskRepository;
  orphans: OrphanRepository;
  sweeps: SweepRepository;
  usage: UsageRepository;
  projects: ProjectRepository;
  deletions: DeletionRepository;
  events: EventLog;
  timeline: TimelineRepository;
  outbox: OutboxRepository;
  metadefNamespaces: MetadefNamespaceRepository;
  metadefAssociations: MetadefAssociationRepository;
  metadefItems: MetadefItemRepository;
  metadefEvents: MetadefEventLog;
}

/** @param actor whose changes are made with them. */
export function createRepositories(
  connection: Knex,
  dialect: Dialect,
  actor: Actor = THE_SERVICE,
  settings: RepositorySettings = {},
): Repositories {
  const { leaseSeconds = DEFAULT_LEASE_SECONDS, cipher = NO_CIPHER } = settings;
  const { announcing = NOBODY_LISTENS } = settings;
  const usage = new UsageRepository(connection, dialect);
  const images = new ImageRepository(connection, dialect, cipher);
  const tasks = new TaskRepository(connection, dialect);
  const timeline = new TimelineRepository(connection, dialect);
  const outbox = new OutboxRepository(connection, dialect);
  const metadefNamespaces = new MetadefNamespaceRepository(connection, dialect);
  return {
    connection,
    dialect,
    cipher,
    images,
    properties: new PropertyRepository(connection, dialect),
    tags: new TagRepository(connection, dialect),
    locations: new LocationRepository(connection, dialect, cipher),
    removals: new RemovalRepository(connection, dialect, cipher),
    members: new MemberRepository(connection, dialect),
    leases: new LeaseRepository(connection, dialect, leaseSeconds),
    copies: new CopyRepository(connection, dialect, cipher),
    imports: new ImportRepository(connection, dialect, cipher),
    staging: new StagingRepository(connection, dialect, cipher),
    tasks,
    orphans: new OrphanRepository(connection, dialect),
    sweeps: new SweepRepository(connection, dialect),
    usage,
    projects: new ProjectRepository(connection, dialect, usage),
    deletions: new DeletionRepository(connection, dialect),
    events: new EventLog(timeline, outbox, images, tasks, announcing, actor),
    timeline,
    outbox,
    metadefNamespaces,
    metadefAssociations: new MetadefAssociationRepository(connection, dialect),
    metadefItems: new MetadefItemRepository(connection, dialect, metadefNamespaces),
    metadefEvents: new MetadefEventLog(outbox, announcing),
  };
}
