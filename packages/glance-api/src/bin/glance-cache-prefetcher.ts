import { runOperatorProgram } from '@glance/service-kit';
import { runCachePrefetcher } from '../manage/run-cache-tools';

runOperatorProgram(runCachePrefetcher);
