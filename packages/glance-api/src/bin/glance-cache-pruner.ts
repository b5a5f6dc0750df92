import { runOperatorProgram } from '@glance/service-kit';
import { runCachePruner } from '../manage/run-cache-tools';

runOperatorProgram(runCachePruner);
