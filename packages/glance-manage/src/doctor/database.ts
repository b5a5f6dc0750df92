import { describeError } from '@glance/common';
import {
  requireConnection,
  type DatabaseInspection,
  type SchemaFacts,
  type StatusCount,
  type StuckImage,
} from '@glance/glance-registry';
import { change, note, ok, type Finding, type FindingPlace } from './finding';
import { checkKeyLength } from './configuration/encryption-key';
import type { Subject } from './subject';

const OPTION = '[database] connection';
const SHOWN_IMAGES = 5;

/** Whether the database can be reached and adopted, and what `db sync` would do to it. */
export async function checkDatabase(subject: Subject): Promise<Finding[]> {
  const { connection } = subject;
  if (connection === undefined) {
    const where = subject.registry?.files[0] ?? subject.registryFile;
    return [change('no file says where the database is', { where, option: OPTION })];
  }
  const place = { where: connection.where, option: OPTION };
  const keyFindings = checkKeyLength(subject);
  let database: DatabaseInspection;
  try {
    requireConnection(connection.text);
    database = subject.openDatabase(connection);
  } catch (error) {
    const isKey = keyFindings.some(({ verdict }) => verdict === 'change');
    return isKey ? keyFindings : [change(describeError(error), place)];
  }
  try {
    const facts = await database.schema();
    const findings = [
      ...describeServer(facts, place),
      ...describeSchema(facts, place),
      ...keyFindings,
    ];
    if (!facts.hasImages) return findings;
    const counts = await database.imagesByStatus();
    return [
      ...findings,
      ...describeCounts(counts, place),
      ...describeStuck(await database.stuckImages()),
      ...describeDeletions(counts),
    ];
  } catch (error) {
    return [change(`the database cannot be read: ${describeError(error)}`, place)];
  } finally {
    await database.close();
  }
}

function describeServer({ serverVersion, isMysql }: SchemaFacts, place: FindingPlace): Finding[] {
  if (!isMysql) {
    return [
      note(
        `SQLite ${serverVersion} is for one host and one glance-registry process; use MySQL or MariaDB for more`,
        place,
      ),
    ];
  }
  const [major = 0, minor = 0] = serverVersion.split('.').map((part) => Number.parseInt(part, 10));
  const isMaria = /mariadb/i.test(serverVersion);
  const isOld = isMaria ? major < 10 || (major === 10 && minor < 6) : major < 8;
  return isOld
    ? [change(`${serverVersion} is too old: update the server to MySQL 8 or MariaDB 10.6`, place)]
    : [ok(`${isMaria ? '' : 'MySQL '}${serverVersion} answers`, place)];
}

function describeSchema(facts: SchemaFacts, place: FindingPlace): Finding[] {
  const { heads, unknownHeads, hasImages, isOurs, pending, missing } = facts;
  const at = heads.join(', ');
  if (unknownHeads.length > 0) {
    return [
      change(
        `the database is at the upstream revision ${unknownHeads.join(', ')}, which cannot be adopted: bring it to a release from Queens to 2024.1 with upstream glance-manage first`,
        place,
      ),
    ];
  }
  if (heads.length === 0 && hasImages) {
    return [
      change(
        'there is a table images but no alembic_version: run "glance-manage db version_control --version REVISION" first',
        place,
      ),
    ];
  }
  if (pending.length === 0) return [ok(`the schema is current (${at})`, place)];
  if (isOurs) {
    return [
      note(
        `the schema is of an older release of this service (${at}): run "glance-manage db sync", which makes ${pending.length} steps`,
        place,
      ),
    ];
  }
  if (!hasImages) {
    return [note('the database is empty: run "glance-manage db sync"', place)];
  }
  const added =
    missing.length === 0
      ? 'all of upstream’s tables are there'
      : `of upstream’s tables it adds ${missing.map(nameOfPiece).join(', ')}`;
  return [
    ok(`upstream's tables are at ${at}, which can be adopted`, place),
    note(
      `stop upstream, back the database up and run "glance-manage db sync": it adds tables named registry_*; ${added}`,
      place,
    ),
  ];
}

function nameOfPiece(piece: SchemaFacts['missing'][number]): string {
  if ('column' in piece) return `column ${piece.table}.${piece.column}`;
  return 'index' in piece ? `index ${piece.index}` : `table ${piece.table}`;
}

function describeCounts(counts: readonly StatusCount[], place: FindingPlace): Finding[] {
  const kept = counts.filter(({ isDeleted, images }) => !isDeleted && images > 0);
  const total = kept.reduce((sum, { images }) => sum + images, 0);
  const list = kept.map(({ status, images }) => `${images} ${status}`).join(', ');
  return [ok(total === 0 ? 'no images' : `${total} images: ${list}`, place)];
}

function describeStuck(stuck: readonly StuckImage[]): Finding[] {
  const statuses = [...new Set(stuck.map(({ status }) => status))];
  return statuses.map((status) => {
    const these = stuck.filter((each) => each.status === status);
    const shown = these
      .slice(0, SHOWN_IMAGES)
      .map(({ id, updatedAt }) => `${id} (since ${updatedAt})`)
      .join(', ');
    const more = these.length > SHOWN_IMAGES ? ` and ${these.length - SHOWN_IMAGES} more` : '';
    return note(
      `${these.length} images are ${status}: let upstream finish them before it is stopped, or delete them; nobody goes on with them afterwards: ${shown}${more}`,
    );
  });
}

/** Rows that upstream's scrubber has not come to, and those of delayed deletions. */
function describeDeletions(counts: readonly StatusCount[]): Finding[] {
  const images = counts
    .filter(({ status }) => status === 'pending_delete')
    .reduce((sum, each) => sum + each.images, 0);
  if (images === 0) return [];
  return [
    note(
      `${images} images are pending_delete: their data is removed once scrub_time is over; bring back what is wanted with "glance-scrubber --restore ID" before`,
    ),
  ];
}
