import { DatabaseServer, mariadbMissing } from './database.mjs';
import { OurServices } from './our-services.mjs';

/** The database server of a run, shared by its rows; undefined when none is installed. */
export async function startDatabase(resources) {
  return mariadbMissing() ? undefined : DatabaseServer.start(resources);
}

let databases = 0;

/**
 * Both services over an empty database of their own; `directory` holds the images. SQLite takes the
 * place of a server that is missing where the database is not what is measured.
 */
export async function prepareServices(resources, { server, directory, workers, apiConf }) {
  databases += 1;
  const name = `bench_${databases}`;
  const databaseUrl = server ? await server.create(name) : `sqlite:///${directory}/bench.sqlite`;
  const services = new OurServices({
    directory: resources.directory(directory),
    databaseUrl,
    workers,
    apiConf,
  });
  services.syncDatabase();
  return { services, name, databaseUrl };
}
