import { DomainError, type Identity, type ProjectUsage } from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import { projectOf } from '../images/visibility';
import type { Repositories } from '../repositories';

/** What projects are told of their usage. */
export class UsageService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  /** Of the caller's own project. */
  async get(identity: Identity, scope: CallScope): Promise<ProjectUsage> {
    const project = projectOf(identity);
    if (project === null) {
      throw new DomainError('project_required', 'Only a project has usage');
    }
    return await this.transactions.read(
      scope,
      async ({ projects }) => await projects.measure(project),
    );
  }
}
