import { runOperatorProgram } from '@glance/service-kit';
import { runReplicator } from '../replicator/run-replicator';

runOperatorProgram(runReplicator);
