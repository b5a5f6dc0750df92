import { describeError, isDomainError } from '@glance/common';
import type { DatabaseInspection, InspectedLocation } from '@glance/glance-registry';
import type { InstrumentedStore } from '@glance/stores';
import { change, note, ok, type Finding } from './finding';
import { closeStores, openStores, type OpenedStore } from './stores';
import type { Subject } from './subject';

/** Of one kind of trouble, those that have a line of their own. */
const SHOWN = 10;

type Location = InspectedLocation & { url: string };

/**
 * Images that lost their locations, and every location in the database, by where it points: whether a store serves it, and for some of
 * them whether the data is there with the size that the database says. Nothing where the database
 * cannot be read, which is told elsewhere.
 */
export async function checkImageData(subject: Subject): Promise<Finding[]> {
  if (subject.connection === undefined) return [];
  let database: DatabaseInspection;
  try {
    database = subject.openDatabase(subject.connection);
  } catch {
    return [];
  }
  const { stores, unopened } = await openStores(subject);
  try {
    const total = await database.countLocations().catch(() => undefined);
    if (total === undefined) return [];
    const survey = new LocationSurvey(stores, unopened, subject);
    return [
      ...(await survey.findings(database, total)),
      ...describeLost(await database.imagesWithoutLocation()),
    ];
  } finally {
    await closeStores(stores);
    await database.close();
  }
}

function describeLost(imageIds: readonly string[]): Finding[] {
  if (imageIds.length === 0) return [];
  const shown = imageIds.slice(0, SHOWN).join(', ');
  const more = imageIds.length > SHOWN ? ` and ${imageIds.length - SHOWN} more` : '';
  return [
    change(
      `${imageIds.length} active or deactivated images have a size and no location: their data cannot be found; restore their rows of image_locations from a backup, or delete them: ${shown}${more}`,
    ),
  ];
}

class LocationSurvey {
  /** How many locations each place has. */
  private readonly places = new Map<string, number>();
  private readonly unserved = new Map<string, { count: number; example: Location }>();
  private sealed = 0;
  private readonly unreadable: InspectedLocation[] = [];
  private looked = 0;
  private good = 0;
  private readonly troubles = new Map<string, Finding[]>();

  constructor(
    private readonly stores: readonly OpenedStore[],
    private readonly unopened: readonly string[],
    private readonly subject: Subject,
  ) {}

  async findings(database: DatabaseInspection, total: number): Promise<Finding[]> {
    const { sampleSize } = this.subject;
    const stride = sampleSize === 0 ? Infinity : Math.max(1, Math.ceil(total / sampleSize));
    let number = 0;
    for await (const location of database.locations()) {
      await this.survey(location, number % stride === 0 && sampleSize > 0);
      number += 1;
    }
    return this.describe();
  }

  private async survey(location: InspectedLocation, isInSample: boolean): Promise<void> {
    if (location.isSealed) this.sealed += 1;
    if (!hasUrl(location)) {
      this.unreadable.push(location);
      return;
    }
    const scheme = schemeOf(location.url);
    const store = this.find(location);
    const place = `${scheme}://, ${store === undefined ? 'no store' : `store ${store.id}`}`;
    this.places.set(place, (this.places.get(place) ?? 0) + 1);
    if (store === undefined) {
      const named = location.metadata['store'];
      const key = typeof named === 'string' ? `${scheme}:// of store ${named}` : `${scheme}://`;
      const before = this.unserved.get(key);
      this.unserved.set(key, {
        count: (before?.count ?? 0) + 1,
        example: before?.example ?? location,
      });
    } else if (isInSample) {
      await this.look(location, store);
    }
  }

  /** As the service finds it: the store that the location names, else one whose area it lies in. */
  private find({ url, metadata }: Location): InstrumentedStore | undefined {
    const able = this.stores
      .map(({ set }) => set.find({ url, metadata }))
      .filter((each) => each !== undefined);
    return able.find(({ id }) => id === metadata['store']) ?? able[0];
  }

  private async look(location: Location, store: InstrumentedStore): Promise<void> {
    const { imageId, imageSizeBytes: wanted, url } = location;
    const where = `image ${imageId}`;
    this.looked += 1;
    try {
      const found = await store.sizeOf(url);
      if (wanted === null || found === wanted) {
        this.good += 1;
        return;
      }
      this.trouble(
        'size',
        change(
          `${url} has ${found} bytes, the database says ${wanted}: downloads are refused; restore the file or delete the image`,
          { where },
        ),
      );
    } catch (error) {
      this.trouble(
        isDomainError(error, 'store_blob_missing') ? 'missing' : 'unknown',
        isDomainError(error, 'store_blob_missing')
          ? change(
              `there is no data at ${url}: restore it, or delete the image, whose downloads fail`,
              { where },
            )
          : change(`${url} cannot be looked at in store ${store.id}: ${describeError(error)}`, {
              where,
            }),
      );
    }
  }

  private trouble(kind: string, finding: Finding): void {
    this.troubles.set(kind, [...(this.troubles.get(kind) ?? []), finding]);
  }

  private describe(): Finding[] {
    const counts = [...this.places].map(([place, count]) => `${count} at ${place}`).join('; ');
    const total = [...this.places.values()].reduce((sum, count) => sum + count, 0);
    const findings: Finding[] = [];
    if (total > 0) findings.push(ok(`${total} locations: ${counts}`));
    findings.push(...this.describeSealed(), ...this.describeUnserved());
    for (const [kind, list] of this.troubles) {
      findings.push(...list.slice(0, SHOWN));
      if (list.length <= SHOWN) continue;
      const what = { size: 'of another size', missing: 'missing' }[kind] ?? 'not to be looked at';
      findings.push(change(`${list.length - SHOWN} more are ${what}`));
    }
    if (this.looked > 0) {
      const found = `${this.good} of ${this.looked} locations that were looked at have their data, of the right size`;
      findings.push(this.good === this.looked ? ok(found) : note(found));
    }
    return findings;
  }

  private describeSealed(): Finding[] {
    const { encryptionKey } = this.subject;
    const place = {
      where: encryptionKey?.where,
      option: '[DEFAULT] metadata_encryption_key',
    };
    const [first] = this.unreadable;
    if (first !== undefined) {
      const why =
        encryptionKey === undefined
          ? 'no key is set: put that of upstream’s glance-api.conf into glance-registry.conf'
          : 'the key is not the one that they were encrypted with';
      return [
        change(
          `${this.unreadable.length} locations cannot be decrypted, such as that of image ${first.imageId}: ${why}`,
          place,
        ),
      ];
    }
    return this.sealed === 0
      ? []
      : [ok(`the key decrypts all of the ${this.sealed} encrypted locations`, place)];
  }

  private describeUnserved(): Finding[] {
    return [...this.unserved].map(([what, { count, example }]) => {
      const where = `image ${example.imageId}`;
      const such = `${count} locations at ${what}, such as ${example.url}`;
      return this.unopened.length > 0
        ? change(
            `${such}, are in no store that could be opened: repair the stores and look again`,
            {
              where,
            },
          )
        : change(
            `${such}, are in no store of glance-api.conf: configure the store that they are in`,
            { where },
          );
    });
  }
}

function hasUrl(location: InspectedLocation): location is Location {
  return location.url !== undefined;
}

function schemeOf(url: string): string {
  return url.slice(0, url.indexOf(':'));
}
